"""The SSH probe: its settings, and its judgement in the words of the C plugin."""

from __future__ import annotations

from ..address import STREAM, UNIX_PATH_LIMIT, literal
from ..errors import NotConnected, NotResolved, PeerError, UsageError
from ..judgement import failed, time_metrics, time_part, time_state
from ..status.result import Part, Result
from ..status.state import State
from ..status.text import printable
from ..value import Value
from .dialogue import MISSING, converse
from .versions import complaint, is_fingerprint, is_version, validate_pattern

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..dialogue import Dialogue
    from ..errors import ProbeError
    from ..status.threshold import Range
    from ..timings import Timings
    from .dialogue import SshFindings
    from .kexinit import Kexinit
    from .sftp import HostKey
    from .wire import Identification

_SEPARATOR = " | "
# A hostile server may offer thousands of names; so many of them become parts.
_SHOWN_VIOLATIONS = 20


class SshProbe(Value):
    """A check of an SSH server's identification string, algorithms and host key; nobody logs in.

    host is a name, an address or the path of a unix socket; timeout is seconds, 0 or less for none. remote_version
    must equal the software version, with or without its comment, remote_protocol the protocol version; None does not
    ask, "" is never met. version_pattern is a regular expression to be found in software version and comment,
    min_version the oldest good version, as 9.6 or 9.6p1. overload_state is for a server that turns us away for now.
    algorithms reads what the server offers; so do forbid and require, patterns with * for names that must not or must
    be offered, `kex:`, `hostkey:`, `cipher:`, `mac:` or `compression:` before them for one kind, and policy, modern or
    compatible. fingerprints, as SHA256:..., and known_hosts, a file, have the host keys of which it must be one; only
    for them keys are exchanged, in a thread.
    UsageError for values that make no sense.
    """

    __slots__ = (
        "host",
        "port",
        "timeout",
        "timeout_state",
        "family",
        "source",
        "remote_version",
        "remote_protocol",
        "version_pattern",
        "min_version",
        "overload_state",
        "algorithms",
        "forbid",
        "require",
        "policy",
        "fingerprints",
        "known_hosts",
        "warning",
        "critical",
        "show_phases",
    )
    host: str
    port: int
    timeout: float
    timeout_state: State
    family: int
    source: str
    remote_version: str | None
    remote_protocol: str | None
    version_pattern: str
    min_version: str
    overload_state: State
    algorithms: bool
    forbid: tuple[str, ...]
    require: tuple[str, ...]
    policy: str
    fingerprints: tuple[str, ...]
    known_hosts: str
    warning: Range | None
    critical: Range | None
    show_phases: bool

    def __init__(
        self,
        host: str,
        *,
        port: int = 22,
        timeout: float = 10,
        timeout_state: State = State.CRITICAL,
        family: int = 0,
        source: str = "",
        remote_version: str | None = None,
        remote_protocol: str | None = None,
        version_pattern: str = "",
        min_version: str = "",
        overload_state: State = State.WARNING,
        algorithms: bool = False,
        forbid: tuple[str, ...] = (),
        require: tuple[str, ...] = (),
        policy: str = "",
        fingerprints: tuple[str, ...] = (),
        known_hosts: str = "",
        warning: Range | None = None,
        critical: Range | None = None,
        show_phases: bool = False,
    ) -> None:
        self._fill(locals())
        self._validate()

    def _validate(self) -> None:
        if not 1 <= self.port <= 65535:
            raise UsageError(f"Port number must be a positive integer, at most 65535 - {self.port}")
        try:
            literal(self.host, self.port, self.family, STREAM)
        except NotResolved:
            raise UsageError(f"Invalid hostname/address - {printable(self.host)}") from None
        if self.host.startswith("/") and len(self.host.encode(errors="surrogateescape")) > UNIX_PATH_LIMIT:
            raise UsageError("Supplied path too long unix domain socket")
        if self.version_pattern:
            validate_pattern(self.version_pattern)
        if self.min_version and not is_version(self.min_version):
            raise UsageError(
                f"Minimum version must be numbers with dots, as 9.6 or 9.6p1, not {printable(self.min_version)}"
            )
        if self.policy or self.forbid or self.require:
            from .policy import validate

            validate(self.policy, (*self.forbid, *self.require))

        for fingerprint in self.fingerprints:
            if not is_fingerprint(fingerprint):
                raise UsageError(f"Fingerprint must be SHA256: and 43 characters, not {printable(fingerprint)}")
        if self.proves_host_key:
            # Here, where no clock runs yet: it takes longer than the check.
            from . import sftp  # noqa: F401  # loaded, to be used in the dialogue

    @property
    def proves_host_key(self) -> bool:
        """Whether the conversation goes on to a key exchange."""
        return bool(self.fingerprints or self.known_hosts)

    @property
    def reads_kexinit(self) -> bool:
        """Whether the conversation goes on to the server's KEXINIT."""
        return bool(self.algorithms or self.forbid or self.require or self.policy)

    def dialogue(self) -> Dialogue[SshFindings]:
        """Returns the conversation of this probe."""
        return converse(self)

    def judge(self, findings: SshFindings, timings: Timings) -> Result:
        """Judges what the conversation found."""
        if findings.failure is not None:
            return self._judge_failure(findings, findings.failure, timings)
        if findings.identification is None:
            return self._judge_refusal(findings, timings)
        return self._judge_identification(findings, findings.identification, timings)

    def _judge_identification(self, findings: SshFindings, found: Identification, timings: Timings) -> Result:
        software, protocol = printable(found.software), printable(found.protocol)
        mismatch, offer = complaint(self, found), findings.kexinit
        wrong, judged = ("", ()) if offer is None else self._judge_offer(offer)
        if findings.host_key is not None:
            change, part = self._judge_host_key(findings.host_key)
            wrong, judged = wrong or change, (*judged, part)
        trouble = mismatch or wrong
        seconds = timings.total
        state = State.CRITICAL if trouble else time_state(self, seconds)
        text = f"{software} (protocol {protocol})"
        if trouble:
            text += f" {trouble}"
        elif state != State.OK:
            text += f", {seconds:.3f} second response time"
        parts = (
            Part(State.CRITICAL, text)
            if mismatch
            else Part(State.OK, f"SSH server version: {software} (protocol version: {protocol})"),
            Part(State.OK, f"Valid protocol version control string {printable(found.line)}"),
            *judged,
            time_part(self, seconds),
        )
        return Result(
            state,
            f"SSH {state} - {text}",
            parts=parts,
            summary="SSH check was successful",
            metrics=time_metrics(self, seconds, timings),
            facts=_facts(findings),
            timings=timings,
            separator=_SEPARATOR,
            transcript=() if offer is None else offer.lines(),
        )

    def _judge_offer(self, offer: Kexinit) -> tuple[str, tuple[Part, ...]]:
        """Returns the first of the violations with the number of the others, "" for none, and the parts."""
        from .policy import counts, violations

        found = violations(offer, policy=self.policy, forbid=self.forbid, require=self.require)
        if not found:
            return "", (Part(State.OK, f"Server offers {counts(offer)} algorithms"),)
        parts = tuple(Part(State.CRITICAL, f"Server {clause}") for clause in found[:_SHOWN_VIOLATIONS])
        more = len(found) - 1
        return found[0] + (f" and {more} more violation{'s' if more > 1 else ''}" if more else ""), parts

    def _judge_host_key(self, found: HostKey) -> tuple[str, Part]:
        """Returns what is wrong with a host key, "" for nothing, and the part."""
        expected = (*self.fingerprints, *found.known)
        key = f"{found.kind} {found.fingerprint}"
        if found.fingerprint in expected:
            return "", Part(State.OK, f"Server has the expected host key {key}")
        if expected:
            wrong = f"host key mismatch, expected {' or '.join(expected)}, received {key}"
        else:
            wrong = f"host key {key} is not known, {printable(self.known_hosts)} has none for the server"
        return wrong, Part(State.CRITICAL, wrong[0].upper() + wrong[1:])

    def _judge_refusal(self, findings: SshFindings, timings: Timings) -> Result:
        text = f"Server is {findings.refusal}: {printable(findings.lines[-1])}"
        refused = PeerError(text, expected="identification string", received=findings.lines[-1])
        refused.phase = "greeting"
        return self._failed(findings, refused, timings, state=self.overload_state)

    def _judge_failure(self, findings: SshFindings, failure: ProbeError, timings: Timings) -> Result:
        if isinstance(failure, NotResolved):
            # Not a status line but the words, and the state, of the usage error that it is for the C plugin.
            text = f"Invalid hostname/address - {printable(self.host)}"
            part = Part(State.UNKNOWN, f"{text} ({printable(failure.message)})")
            result = self._failed(findings, failure, timings, state=State.UNKNOWN)
            return result.replace(text=f"check_ssh: {text}", parts=(part,), metrics=())
        if isinstance(failure, NotConnected) and failure.phase == "greeting":
            # For the C plugin a reset is a close; the part tells the difference.
            result = self._failed(findings, failure, timings, text=MISSING)
            return result.replace(parts=(Part(result.state, f"{MISSING}: {failure.message}"),))
        if isinstance(failure, PeerError) and failure.message == MISSING and failure.received:
            result = self._failed(findings, failure, timings)
            return result.replace(parts=(Part(result.state, f"{MISSING}: {printable(failure.received)}"),))
        return self._failed(findings, failure, timings)

    def _failed(
        self,
        findings: SshFindings,
        failure: ProbeError,
        timings: Timings,
        *,
        state: State | None = None,
        text: str = "",
    ) -> Result:
        return failed(
            "SSH",
            self,
            failure,
            timings,
            state=state,
            text=text,
            facts=_facts(findings),
            separator=_SEPARATOR,
        )


def _facts(findings: SshFindings) -> dict[str, object]:
    found = findings.identification
    facts: dict[str, object] = {
        "identification": printable(found.line) if found else "",
        "protocol": printable(found.protocol) if found else "",
        "software": printable(found.software) if found else "",
        "comment": printable(found.comment) if found else "",
        "pre_banner_lines": [printable(line) for line in findings.lines],
        "refusal": findings.refusal,
    }
    if findings.kexinit is not None:
        facts["algorithms"] = findings.kexinit.lists()
    if findings.host_key is not None:
        facts["host_key"] = {"type": findings.host_key.kind, "fingerprint": findings.host_key.fingerprint}
    return facts
