"""The facts of a TFTP check, by name."""

from __future__ import annotations

from ..status.text import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..timings import Timings
    from .findings import Findings
    from .settings import TftpSettings


def facts_of(settings: TftpSettings, made: tuple[Findings, ...], timings: Timings) -> dict[str, object]:
    """Returns the facts of a check; those of several transfers are a list."""
    facts: dict[str, object] = {"mode": settings.mode}
    if all(findings.answer is not None for findings in made) and sum(one.requests for one in made) == len(made):
        # For a repeated request it is unknown which transmission was answered (Karn's algorithm).
        facts["rtt"] = round(timings.phases.get("greeting", 0.0) / len(made), 6)
    if len(made) == 1:
        return facts | _transfer(settings, made[0])
    return facts | {"transfers": [_transfer(settings, findings) for findings in made]}


def _transfer(settings: TftpSettings, findings: Findings) -> dict[str, object]:
    facts: dict[str, object] = {"file": printable(findings.file.name) if findings.label else None}
    if findings.canary is not None:
        facts |= {"written": findings.written, "complete": findings.complete}
    content = findings.content
    if content is not None:
        facts |= {"size": content.size, "complete": findings.complete}
        if findings.complete:
            facts |= content.digests()
    if findings.error is not None:
        facts["error"] = {"code": findings.error.code, "message": findings.error.text}
    if findings.answer is not None:
        facts["answer"] = str(findings.answer)
    return facts | {
        "options_asked": findings.asked,
        "options": findings.granted,
        "blocks": findings.blocks,
        "retransmissions": findings.retransmissions,
        "duplicates": findings.duplicates,
        "stray_packets": findings.stray_packets,
        "foreign_packets": findings.foreign_packets,
    }
