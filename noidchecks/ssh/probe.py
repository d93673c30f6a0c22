"""The SSH probe: the settings of a check, its dialogue and its judgement."""

from __future__ import annotations

from .dialogue import converse
from .judge import judge
from .settings import SshSettings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..dialogue.operations import Dialogue
    from ..status.result import Result
    from ..timings import Timings
    from .findings import SshFindings


class SshProbe(SshSettings):
    # For help(), which shows none of a base.
    __doc__ = SshSettings.__doc__

    def dialogue(self) -> Dialogue[SshFindings]:
        """Returns the dialogue of this probe."""
        return converse(self)

    def judge(self, findings: SshFindings, timings: Timings) -> Result:
        """Judges the findings of the dialogue."""
        return judge(self, findings, timings)
