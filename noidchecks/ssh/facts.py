"""Functions that the judgements of an SSH check share: texts, facts, the parts about the server before the login."""

from __future__ import annotations

from ..status.result import Part
from ..status.state import State
from ..status.text import printable
from .versions import matches
from .wire import version_numbers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .findings import SshFindings
    from .host_key import HostKey
    from .kexinit import Kexinit
    from .settings import SshSettings
    from .wire import Identification

SEPARATOR = " | "
# The most violations that become parts: a hostile server may offer thousands of names.
_SHOWN_VIOLATIONS = 20


def service(settings: SshSettings) -> str:
    """Returns the service that a status line begins with."""
    return "SFTP" if settings.opens_sftp else "SSH"


def version_text(settings: SshSettings, found: Identification) -> str:
    """Returns software and protocol in the words of the C plugin."""
    words = settings.gate.words
    return f"{words(found.software)} (protocol {words(found.protocol)})"


def facts_of(settings: SshSettings, findings: SshFindings) -> dict[str, object]:
    """Returns the facts about the server before the login, by name."""
    found, words = findings.identification, settings.gate.words
    facts: dict[str, object] = {
        "identification": words(found.line) if found else "",
        "protocol": words(found.protocol) if found else "",
        "software": words(found.software) if found else "",
        "comment": words(found.comment) if found else "",
        "pre_banner_lines": [words(line) for line in findings.lines],
        "refusal": findings.refusal,
    }
    if findings.kexinit is not None:
        facts["algorithms"] = findings.kexinit.lists(words)
    if findings.host_key is not None:
        facts["host_key"] = {"type": findings.host_key.kind, "fingerprint": findings.host_key.fingerprint}
    return facts


def findings_before_login(
    settings: SshSettings, findings: SshFindings, found: Identification
) -> tuple[str, str, tuple[Part, ...]]:
    """Returns the complaints about the version and about algorithms or host key, each "" for none, and the parts."""
    mismatch, offer = _complaint(settings, found), findings.kexinit
    wrong, judged = ("", ()) if offer is None else _judge_offer(settings, offer)
    if findings.host_key is not None:
        change, part = _judge_host_key(settings, findings.host_key)
        wrong, judged = wrong or change, (*judged, part)
    words = settings.gate.words
    version = (
        Part(State.CRITICAL, f"{version_text(settings, found)} {mismatch}")
        if mismatch
        else Part(State.OK, f"SSH server version: {words(found.software)} (protocol version: {words(found.protocol)})")
    )
    line = Part(State.OK, f"Valid protocol version control string {words(found.line)}")
    return mismatch, wrong, (version, line, *judged)


def _judge_offer(settings: SshSettings, offer: Kexinit) -> tuple[str, tuple[Part, ...]]:
    """Returns the first violation with the number of further ones, "" for none, and the parts."""
    from .policy import counts, violations

    found = violations(
        offer, policy=settings.policy, forbid=settings.forbid, require=settings.require, words=settings.gate.words
    )
    if not found:
        return "", (Part(State.OK, f"Server offers {counts(offer)} algorithms"),)
    parts = tuple(Part(State.CRITICAL, f"Server {clause}") for clause in found[:_SHOWN_VIOLATIONS])
    more = len(found) - 1
    return found[0] + (f" and {more} more violation{'s' if more > 1 else ''}" if more else ""), parts


def _judge_host_key(settings: SshSettings, found: HostKey) -> tuple[str, Part]:
    """Returns the complaint about a host key, "" for none, and the part."""
    expected = (*settings.fingerprints, *found.known)
    key = f"{found.kind} {found.fingerprint}"
    if found.is_revoked:
        wrong = f"host key {key} is revoked in {printable(settings.known_hosts)}"
        return wrong, Part(State.CRITICAL, wrong[0].upper() + wrong[1:])
    if not settings.pins_host_key:
        return "", Part(State.OK, f"Server has the host key {key}, which is not verified")
    if found.is_one_of(settings.fingerprints):
        return "", Part(State.OK, f"Server has the expected host key {key}")
    if expected:
        wrong = f"host key mismatch, expected {' or '.join(expected)}, received {key}"
    else:
        wrong = f"host key {key} is not known, {printable(settings.known_hosts)} has none for the server"
    return wrong, Part(State.CRITICAL, wrong[0].upper() + wrong[1:])


def _complaint(settings: SshSettings, found: Identification) -> str:
    """Returns the complaint about the versions, "" for none; the C plugin's tests come first, in its order."""
    software, version = _text(found.software), _text(found.version)
    if settings.remote_version is not None and (
        not settings.remote_version or settings.remote_version not in (software, version)
    ):
        return f"version mismatch, expected '{printable(settings.remote_version)}'"
    if settings.remote_protocol is not None and settings.remote_protocol != _text(found.protocol):
        return f"protocol version mismatch, expected '{printable(settings.remote_protocol)}'"
    if settings.version_pattern and not matches(settings.version_pattern, version):
        return f"version mismatch, expected a match of '{printable(settings.version_pattern)}'"
    if settings.min_version:
        numbers = version_numbers(software)
        if not numbers:
            return f"has no version number, expected at least '{settings.min_version}'"
        if numbers < version_numbers(settings.min_version):
            return f"version mismatch, expected at least '{settings.min_version}'"
    return ""


def _text(raw: bytes) -> str:
    # Decoded as Python decodes command-line arguments, so that both compare equal whatever their bytes.
    return raw.decode("utf-8", "surrogateescape")
