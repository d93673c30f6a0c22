"""The judgement of a TFTP check."""

from __future__ import annotations

from ..errors import DeadlineExceeded, NotConnected, NotResolved
from ..judgement import failed, failure_text, time_metrics, time_part
from ..status.perfdata import Metric
from ..status.result import Part, Result
from ..status.state import State, worst
from ..status.text import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..errors import ProbeError
    from ..timings import Timings
    from .content import Content
    from .findings import Findings
    from .probe import TftpProbe


def judge(probe: TftpProbe, findings: Findings, timings: Timings) -> Result:
    """Judges what the conversation found."""
    if findings.failure is not None:
        return failed(
            "TFTP",
            probe,
            findings.failure,
            timings,
            text=printable(_failure(probe, findings, findings.failure)),
            metrics=_metrics(probe, findings),
            facts=_facts(probe, findings, timings),
        )
    place = f"{printable(probe.host)} port {probe.port}"
    content = findings.content
    judged: tuple[Part, ...]
    if content is None:
        answer = findings.error.text if findings.error is not None else "the file exists"
        text = f"{timings.total:.3f} second response time on {place} [{answer}]"
        judged = (Part(State.OK, f"Server answered: {answer}"),)
    else:
        name = printable(probe.filename)
        text = f"Received {content.size} bytes in {timings.total:.1f} seconds from {place} [{name}]"
        judged = (Part(State.OK, f"Transfer of {name} succeeded"), *_content_parts(probe, findings, content))
        wrong = ", ".join(part.text for part in judged if part.state != State.OK)
        if wrong:
            text = f"{name}: {wrong}"
    parts = (*judged, time_part(probe, timings.total))
    state = worst(part.state for part in parts)
    return Result(
        state,
        f"TFTP {state} - {text}",
        parts=parts,
        summary=text,
        metrics=time_metrics(probe, timings.total, timings) + _metrics(probe, findings),
        facts=_facts(probe, findings, timings),
        timings=timings,
    )


def _content_parts(probe: TftpProbe, findings: Findings, content: Content) -> tuple[Part, ...]:
    parts = []
    announced = findings.granted.get("tsize")
    if announced is not None:
        # In netascii a server may announce the file's size or that of its encoded form.
        right = announced in ((content.size, content.received) if probe.mode == "netascii" else (content.size,))
        parts.append(_part("tsize", str(announced), f"{content.size} bytes", right))
    if probe.size is not None:
        expected = _size_words(probe)
        parts.append(_part("size", expected, f"{content.size} bytes", not probe.size.alerts(content.size)))
    digests = content.digests()
    for algorithm, digest in digests.items():
        expected = getattr(probe, algorithm)
        parts.append(_part(algorithm.upper(), expected, digest, digest == expected))
    return tuple(parts)


def _part(what: str, expected: str, received: str, right: bool) -> Part:
    if right:
        return Part(State.OK, f"{what} is {received}, as expected")
    return Part(State.CRITICAL, f"{what}: expected {expected}, received {received}")


def _size_words(probe: TftpProbe) -> str:
    size = probe.size
    if size is not None and size.start == size.end and not size.inside:
        return f"{size.start:.0f} bytes"
    return f"{size} bytes"


def _failure(probe: TftpProbe, findings: Findings, failure: ProbeError) -> str:
    if isinstance(failure, NotResolved):
        return f"Invalid hostname or address: {probe.host}"
    if isinstance(failure, NotConnected) and findings.answer is None:
        return f"connect to address {probe.host} and port {probe.port}: {failure.message}"
    text = failure_text(probe, failure)
    if findings.error is not None:
        return f"{probe.filename}: {text}" if probe.filename else f"server answered: {text}"
    if isinstance(failure, DeadlineExceeded) and findings.answer is None and findings.stray is not None:
        # The usual case behind it: a server with several addresses, or a NAT that forgets the way back.
        packets = "1 packet" if findings.strays == 1 else f"{findings.strays} packets"
        return f"{text}, but {packets} came from {findings.stray}"
    return text


def _metrics(probe: TftpProbe, findings: Findings) -> tuple[Metric, ...]:
    retransmissions = Metric("retransmissions", findings.retransmissions, minimum=0)
    if findings.content is None:
        return (retransmissions,)
    return (Metric("size", findings.content.size, "B", critical=probe.size, minimum=0), retransmissions)


def _facts(probe: TftpProbe, findings: Findings, timings: Timings) -> dict[str, object]:
    facts: dict[str, object] = {"file": printable(probe.filename) or None, "mode": probe.mode}
    content = findings.content
    if content is not None:
        facts |= {"size": content.size, "complete": findings.complete}
        if findings.complete:
            facts |= content.digests()
    if findings.error is not None:
        facts["error"] = {"code": findings.error.code, "message": findings.error.text}
    if findings.answer is not None:
        facts["answer"] = str(findings.answer)
        # From the first request on, so a retransmission is in it.
        facts["rtt"] = round(timings.phases.get("greeting", 0.0), 6)
    return facts | {
        "options_asked": findings.asked,
        "options": findings.granted,
        "blocks": findings.blocks,
        "retransmissions": findings.retransmissions,
        "duplicates": findings.duplicates,
        "stray_packets": findings.strays,
    }
