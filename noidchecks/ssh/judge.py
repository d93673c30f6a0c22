"""The judgement of an SSH check, in the words of the C plugin where it has some."""

from __future__ import annotations

from ..errors import NotConnected, NotResolved, PeerError
from ..judging import failed, time_metrics, time_part, time_state
from ..status.result import Part, Result
from ..status.state import State
from ..status.text import printable
from .dialogue import MISSING
from .versions import complaint

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..errors import ProbeError
    from ..timings import Timings
    from .dialogue import SshFindings
    from .host_key import HostKey
    from .kexinit import Kexinit
    from .probe import SshProbe
    from .wire import Identification

SEPARATOR = " | "
# A hostile server may offer thousands of names; so many of them become parts.
_SHOWN_VIOLATIONS = 20


def judge(probe: SshProbe, findings: SshFindings, timings: Timings) -> Result:
    """Judges what the conversation found."""
    if findings.failure is not None:
        probe.gate.conceal(findings.failure)
    if findings.deep is not None:
        from .verdict import judge_deep

        return judge_deep(probe, findings, findings.deep, timings)
    if findings.failure is not None:
        return _judge_failure(probe, findings, findings.failure, timings)
    if findings.identification is None:
        return _judge_refusal(probe, findings, timings)
    return _judge_identification(probe, findings, findings.identification, timings)


def _judge_identification(probe: SshProbe, findings: SshFindings, found: Identification, timings: Timings) -> Result:
    mismatch, wrong, judged = findings_before_login(probe, findings, found)
    trouble = mismatch or wrong
    seconds = timings.total
    state = State.CRITICAL if trouble else time_state(probe, seconds)
    text = version_text(probe, found)
    if trouble:
        text += f" {trouble}"
    elif state != State.OK:
        text += f", {seconds:.3f} second response time"
    return Result(
        state,
        f"{service(probe)} {state} - {text}",
        parts=(*judged, time_part(probe, seconds)),
        summary="SSH check was successful",
        metrics=time_metrics(probe, seconds, timings),
        facts=facts_of(probe, findings),
        timings=timings,
        separator=SEPARATOR,
        transcript=() if findings.kexinit is None else findings.kexinit.lines(probe.gate.words),
    )


def findings_before_login(
    probe: SshProbe, findings: SshFindings, found: Identification
) -> tuple[str, str, tuple[Part, ...]]:
    """Returns what is wrong with the version, what with algorithms or host key, "" for nothing, and the parts."""
    mismatch, offer = complaint(probe, found), findings.kexinit
    wrong, judged = ("", ()) if offer is None else _judge_offer(probe, offer)
    if findings.host_key is not None:
        change, part = judge_host_key(probe, findings.host_key)
        wrong, judged = wrong or change, (*judged, part)
    words = probe.gate.words
    version = (
        Part(State.CRITICAL, f"{version_text(probe, found)} {mismatch}")
        if mismatch
        else Part(State.OK, f"SSH server version: {words(found.software)} (protocol version: {words(found.protocol)})")
    )
    line = Part(State.OK, f"Valid protocol version control string {words(found.line)}")
    return mismatch, wrong, (version, line, *judged)


def version_text(probe: SshProbe, found: Identification) -> str:
    """Returns software and protocol in the words of the C plugin."""
    words = probe.gate.words
    return f"{words(found.software)} (protocol {words(found.protocol)})"


def service(probe: SshProbe) -> str:
    """Returns what a status line begins with."""
    return "SFTP" if probe.opens_sftp else "SSH"


def is_expected(probe: SshProbe, found: HostKey) -> bool:
    """Tells whether the host key is one that the server may have: any that is not revoked when none was asked for."""
    if found.fingerprint in found.revoked:
        return False
    return not probe.pins_host_key or found.fingerprint in (*probe.fingerprints, *found.known)


def _judge_offer(probe: SshProbe, offer: Kexinit) -> tuple[str, tuple[Part, ...]]:
    """Returns the first of the violations with the number of the others, "" for none, and the parts."""
    from .policy import counts, violations

    found = violations(offer, policy=probe.policy, forbid=probe.forbid, require=probe.require, words=probe.gate.words)
    if not found:
        return "", (Part(State.OK, f"Server offers {counts(offer)} algorithms"),)
    parts = tuple(Part(State.CRITICAL, f"Server {clause}") for clause in found[:_SHOWN_VIOLATIONS])
    more = len(found) - 1
    return found[0] + (f" and {more} more violation{'s' if more > 1 else ''}" if more else ""), parts


def judge_host_key(probe: SshProbe, found: HostKey) -> tuple[str, Part]:
    """Returns what is wrong with a host key, "" for nothing, and the part."""
    expected = (*probe.fingerprints, *found.known)
    key = f"{found.kind} {found.fingerprint}"
    if found.fingerprint in found.revoked:
        wrong = f"host key {key} is revoked in {printable(probe.known_hosts)}"
        return wrong, Part(State.CRITICAL, wrong[0].upper() + wrong[1:])
    if not probe.pins_host_key:
        return "", Part(State.OK, f"Server has the host key {key}, which nobody asked for")
    if found.fingerprint in expected:
        return "", Part(State.OK, f"Server has the expected host key {key}")
    if expected:
        wrong = f"host key mismatch, expected {' or '.join(expected)}, received {key}"
    else:
        wrong = f"host key {key} is not known, {printable(probe.known_hosts)} has none for the server"
    return wrong, Part(State.CRITICAL, wrong[0].upper() + wrong[1:])


def _judge_refusal(probe: SshProbe, findings: SshFindings, timings: Timings) -> Result:
    text = f"Server is {findings.refusal}: {probe.gate.words(findings.lines[-1])}"
    refused = PeerError(text, expected="identification string", received=findings.lines[-1])
    refused.phase = "greeting"
    return _failed(probe, findings, refused, timings, state=probe.overload_state)


def _judge_failure(probe: SshProbe, findings: SshFindings, failure: ProbeError, timings: Timings) -> Result:
    if isinstance(failure, NotResolved):
        text = f"Invalid hostname/address - {printable(probe.host)}"
        part = Part(State.UNKNOWN, f"{text} ({printable(failure.message)})")
        result = _failed(probe, findings, failure, timings, state=State.UNKNOWN, text=text).replace(parts=(part,))
        if service(probe) == "SFTP":
            return result
        # Not a status line but the words, and the state, of the usage error that it is for the C plugin.
        return result.replace(text=f"check_ssh: {text}", metrics=())
    if isinstance(failure, NotConnected) and failure.phase == "greeting":
        # For the C plugin a reset is a close; the part tells the difference.
        result = _failed(probe, findings, failure, timings, text=MISSING)
        return result.replace(parts=(Part(result.state, f"{MISSING}: {failure.message}"),))
    if isinstance(failure, PeerError) and failure.message == MISSING and failure.received:
        result = _failed(probe, findings, failure, timings)
        return result.replace(parts=(Part(result.state, f"{MISSING}: {probe.gate.words(failure.received)}"),))
    return _failed(probe, findings, failure, timings)


def _failed(
    probe: SshProbe,
    findings: SshFindings,
    failure: ProbeError,
    timings: Timings,
    *,
    state: State | None = None,
    text: str = "",
) -> Result:
    return failed(
        service(probe),
        probe,
        failure,
        timings,
        state=state,
        text=text,
        facts=facts_of(probe, findings),
        separator=SEPARATOR,
    )


def facts_of(probe: SshProbe, findings: SshFindings) -> dict[str, object]:
    found, words = findings.identification, probe.gate.words
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
