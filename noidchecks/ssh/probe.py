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
from .wire import version_numbers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..dialogue import Dialogue
    from ..errors import ProbeError
    from ..status.threshold import Range
    from ..timings import Timings
    from .dialogue import SshFindings
    from .wire import Identification

_SEPARATOR = " | "
_VERSION_CHARS = frozenset("0123456789.p")


class SshProbe(Value):
    """A check of an SSH server's identification string; no key is exchanged and nobody logs in.

    host is a name, an address or the path of a unix socket; timeout is seconds, 0 or less for none. remote_version
    must equal the software version, with or without its comment, remote_protocol the protocol version; None does not
    ask, "" is never met. version_pattern is a regular expression to be found in software version and comment,
    min_version the oldest good version, as 9.6 or 9.6p1. overload_state is for a server that turns us away for now.
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
            _validate_pattern(self.version_pattern)
        if self.min_version and not _is_version(self.min_version):
            raise UsageError(
                f"Minimum version must be numbers with dots, as 9.6 or 9.6p1, not {printable(self.min_version)}"
            )

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
        complaint = self._complaint(found)
        seconds = timings.total
        state = State.CRITICAL if complaint else time_state(self, seconds)
        text = f"{software} (protocol {protocol})"
        if complaint:
            text += f" {complaint}"
        elif state != State.OK:
            text += f", {seconds:.3f} second response time"
        parts = (
            Part(State.CRITICAL, text)
            if complaint
            else Part(State.OK, f"SSH server version: {software} (protocol version: {protocol})"),
            Part(State.OK, f"Valid protocol version control string {printable(found.line)}"),
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
        )

    def _complaint(self, found: Identification) -> str:
        """Returns what is wrong with the versions, "" for nothing; the C plugin's order, then ours."""
        software, version = _text(found.software), _text(found.version)
        if self.remote_version is not None and (
            not self.remote_version or self.remote_version not in (software, version)
        ):
            return f"version mismatch, expected '{printable(self.remote_version)}'"
        if self.remote_protocol is not None and self.remote_protocol != _text(found.protocol):
            return f"protocol version mismatch, expected '{printable(self.remote_protocol)}'"
        if self.version_pattern and not _matches(self.version_pattern, version):
            return f"version mismatch, expected a match of '{printable(self.version_pattern)}'"
        if self.min_version:
            numbers = version_numbers(software)
            if not numbers:
                return f"has no version number, expected at least '{self.min_version}'"
            if numbers < version_numbers(self.min_version):
                return f"version mismatch, expected at least '{self.min_version}'"
        return ""

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
    return {
        "identification": printable(found.line) if found else "",
        "protocol": printable(found.protocol) if found else "",
        "software": printable(found.software) if found else "",
        "comment": printable(found.comment) if found else "",
        "pre_banner_lines": [printable(line) for line in findings.lines],
        "refusal": findings.refusal,
    }


def _text(raw: bytes) -> str:
    # As Python reads the words of a command line, so that they compare equal whatever their bytes.
    return raw.decode("utf-8", "surrogateescape")


def _is_version(text: str) -> bool:
    # version_numbers() finds a version in other text; here it must be all of the text.
    numbers = text.replace("p", ".").split(".")
    return _VERSION_CHARS.issuperset(text) and text.count("p") <= 1 and all(numbers) and len(text) <= 100


def _validate_pattern(pattern: str) -> None:
    import re

    try:
        _matches(pattern, "")
    except (re.error, OverflowError, RecursionError) as error:
        raise UsageError(f"Version pattern is no regular expression: {printable(str(error))}") from None


def _matches(pattern: str, text: str) -> bool:
    # Here and not above, because re costs more than the rest of a check.
    import re
    import warnings

    with warnings.catch_warnings():
        # A future syntax of re is no concern of who reads the status line.
        warnings.simplefilter("ignore")
        return re.search(pattern, text) is not None
