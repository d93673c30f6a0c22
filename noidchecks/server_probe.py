"""What the probes of this library have in common, so that a type checker knows the items of a list of several kinds."""

from __future__ import annotations

from .value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .dialogue.operations import Dialogue
    from .status.result import Result
    from .timings import Timings


class ServerProbe(Value):
    """A check of a server: host is a name or an address, timeout seconds, family AF_INET, AF_INET6 or 0 for both.

    source is the address of this machine to speak from, "" for any. The settings of each kind hold these fields.
    """

    __slots__ = ()
    host: str
    port: int
    timeout: float
    family: int
    source: str

    def dialogue(self) -> Dialogue[Any]:
        """Returns the conversation of this probe."""
        raise NotImplementedError

    def judge(self, findings: Any, timings: Timings, /) -> Result:
        """Judges what the conversation found."""
        raise NotImplementedError
