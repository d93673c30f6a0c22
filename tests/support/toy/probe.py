"""The probe of TOY servers."""

from __future__ import annotations

from .dialogue import converse
from .judge import judge
from .settings import ToySettings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from noidchecks.dialogue.operations import Dialogue
    from noidchecks.status.result import Result
    from noidchecks.timings import Timings

    from .findings import ToyFindings


class ToyProbe(ToySettings):
    """A check of a TOY server; ToySettings says what each setting means."""

    def dialogue(self) -> Dialogue[ToyFindings]:
        """Returns the conversation of this probe."""
        return converse(self)

    def judge(self, findings: ToyFindings, timings: Timings) -> Result:
        """Judges what the conversation found."""
        return judge(self, findings, timings)
