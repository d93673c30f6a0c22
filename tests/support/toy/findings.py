"""What the conversation of a TOY check found."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from noidchecks.errors import ProbeError


class ToyFindings:
    """The name in the greeting, and the failure, if any."""

    __slots__ = ("name", "failure")

    def __init__(self) -> None:
        self.name = ""
        self.failure: ProbeError | None = None
