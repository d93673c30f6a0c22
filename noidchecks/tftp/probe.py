"""The probe of TFTP servers."""

from __future__ import annotations

from .dialogue import converse
from .judge import judge
from .settings import TftpSettings
from .steps import steps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..dialogue.operations import Dialogue
    from ..status.result import Result
    from ..timings import Timings
    from .findings import Findings


class TftpProbe(TftpSettings):
    # For help(), which shows none of a base.
    __doc__ = TftpSettings.__doc__

    def dialogue(self) -> Dialogue[tuple[Findings, ...]]:
        """Returns the dialogue of this probe."""
        return converse(self, steps(self))

    def judge(self, findings: tuple[Findings, ...], timings: Timings) -> Result:
        """Judges the findings of the dialogue."""
        return judge(self, findings, timings)
