"""The judgement of a TFTP check."""

from __future__ import annotations

from ..errors import DeadlineExceeded, NotConnected, NotResolved, PeerError
from ..judging import expectation_part, failed, failure_state, failure_text, size_words, time_metrics, time_part
from ..status.perfdata import Metric
from ..status.result import Part, Result
from ..status.state import State, worst
from ..status.text import printable
from .facts import facts_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..errors import ProbeError
    from ..timings import Timings
    from .content import Content
    from .findings import Findings
    from .settings import TftpSettings


def judge(settings: TftpSettings, made: tuple[Findings, ...], timings: Timings) -> Result:
    """Judges the findings of the transfers, of which only the last one may have failed."""
    failure = made[-1].failure
    metrics = _metrics(settings, made)
    facts = facts_of(settings, made, timings)
    foreign = tuple(_foreign_part(settings, findings) for findings in made if findings.foreign_packets)
    if failure is not None:
        return failed(
            "TFTP",
            settings,
            failure,
            timings,
            state=worst((failure_state(settings, failure), *(part.state for part in foreign))),
            text=printable(_failure(settings, made[-1], failure)),
            metrics=metrics,
            facts=facts,
        )
    # When a canary was read back twice, only the second time counts.
    counted = (made[0], *made[1:][-1:]) if settings.put else made
    judged = tuple(part for findings in counted for part in _parts(settings, findings)) + foreign
    text = ", ".join(part.text for part in judged if part.state != State.OK) or _summary(settings, made, timings)
    parts = (*judged, time_part(settings, timings.total))
    state = worst(part.state for part in parts)
    return Result(
        state,
        f"TFTP {state} - {text}",
        parts=parts,
        summary=text,
        metrics=time_metrics(settings, timings.total, timings) + metrics,
        facts=facts,
        timings=timings,
    )


def _summary(settings: TftpSettings, made: tuple[Findings, ...], timings: Timings) -> str:
    place = f"{printable(settings.host)} port {settings.port}"
    if settings.put and settings.expect_error is None:
        deed = " and read them back" if settings.read_back else ""
        name = printable(settings.put)
        return f"Wrote {made[0].written} bytes{deed} in {timings.total:.1f} seconds on {place} [{name}]"
    if made[0].content is not None and settings.expect_error is None:
        size = sum(findings.content.size for findings in made if findings.content is not None)
        names = ", ".join(printable(findings.file.name) for findings in made)
        return f"Received {size} bytes in {timings.total:.1f} seconds from {place} [{names}]"
    answers = ", ".join(_named(findings, _answer(findings)) for findings in made)
    return f"{timings.total:.3f} second response time on {place} [{answers}]"


def _answer(findings: Findings) -> str:
    return findings.error.text if findings.error is not None else "the file exists"


def _named(findings: Findings, text: str) -> str:
    return f"{printable(findings.label)}: {text}" if findings.label else text


def _parts(settings: TftpSettings, findings: Findings) -> tuple[Part, ...]:
    content = findings.content
    if findings.canary is not None and findings.error is None:
        return (Part(State.OK, _named(findings, f"{findings.written} bytes acknowledged")),)
    if content is None or findings.error is not None:
        return (Part(State.OK, _named(findings, f"Server answered: {_answer(findings)}")),)
    name = printable(findings.label)
    wrong: list[Part] = []
    right: list[Part] = []
    for part in _content_parts(settings, findings, content):
        (right if part.state == State.OK else wrong).append(part)
    whole = Part(State.OK, f"Transfer of {name} succeeded")
    if not wrong:
        return (whole, *right)
    # One sentence for all violations, so that it names the file only once.
    return (whole, Part(State.CRITICAL, f"{name}: {', '.join(part.text for part in wrong)}"), *right)


def _foreign_part(settings: TftpSettings, findings: Findings) -> Part:
    return Part(
        settings.foreign_answer, _named(findings, f"{_packets(findings.foreign_packets)} {findings.last_foreign}")
    )


def _packets(count: int) -> str:
    return f"{count} packet{'' if count == 1 else 's'} came from"


def _content_parts(settings: TftpSettings, findings: Findings, content: Content) -> tuple[Part, ...]:
    parts = []
    file = findings.file
    announced = findings.granted.get("tsize")
    if announced is not None:
        is_right = content.agrees(announced)
        parts.append(expectation_part("tsize", str(announced), f"{content.size} bytes", is_right))
    if file.size is not None:
        is_right = not file.size.alerts(content.size)
        parts.append(expectation_part("size", size_words(file.size), f"{content.size} bytes", is_right))
    for algorithm, digest in content.digests().items():
        expected = getattr(file, algorithm)
        parts.append(expectation_part(algorithm.upper(), expected, digest, digest == expected))
    return tuple(parts)


def _failure(settings: TftpSettings, findings: Findings, failure: ProbeError) -> str:
    if isinstance(failure, NotResolved):
        return f"Invalid hostname or address: {settings.host}"
    if isinstance(failure, NotConnected) and findings.answer is None:
        return f"connect to address {settings.host} and port {settings.port}: {failure.message}"
    text = failure_text(settings, failure)
    if isinstance(failure, DeadlineExceeded) and findings.answer is None and findings.last_stray is not None:
        # The usual cause: a server with several addresses, or a NAT that has lost the mapping.
        text = f"{text}, but {_packets(findings.stray_packets)} {findings.last_stray}"
    is_answer = findings.error is not None or (findings.expect is not None and isinstance(failure, PeerError))
    if is_answer and not findings.label:
        return f"server answered: {text}"
    return _named(findings, text) if is_answer or settings.further or settings.put else text


def _metrics(settings: TftpSettings, made: tuple[Findings, ...]) -> tuple[Metric, ...]:
    retransmissions = Metric("retransmissions", sum(findings.retransmissions for findings in made), minimum=0)
    if settings.put and settings.expect_error is None:
        return (Metric("size", made[0].written, "B", minimum=0), retransmissions)
    contents = [findings.content for findings in made if findings.content is not None]
    if not contents or settings.expect_error is not None:
        return (retransmissions,)
    size = sum(content.size for content in contents)
    limit = None if settings.further else settings.size
    return (Metric("size", size, "B", critical=limit, minimum=0), retransmissions)
