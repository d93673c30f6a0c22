"""The judgement of a TOY check."""

from __future__ import annotations

from noidchecks.judging import expectation_part, failed, time_metrics, time_part
from noidchecks.status.result import Result
from noidchecks.status.state import worst
from noidchecks.status.text import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from noidchecks.timings import Timings

    from .findings import ToyFindings
    from .settings import ToySettings


def judge(settings: ToySettings, findings: ToyFindings, timings: Timings) -> Result:
    """Judges what the conversation found."""
    if findings.failure is not None:
        return failed("TOY", settings, findings.failure, timings)
    name = printable(findings.name)
    wanted = settings.name or findings.name
    parts = (
        expectation_part("name", printable(wanted), name, wanted == findings.name),
        time_part(settings, timings.total),
    )
    state = worst(part.state for part in parts)
    metrics = time_metrics(settings, timings.total, timings)
    return Result(state, f"TOY {state} - {name}", parts=parts, metrics=metrics, timings=timings)
