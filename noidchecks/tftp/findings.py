"""What a conversation with a TFTP server saw."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..address import Address
    from ..errors import ProbeError
    from .content import Content
    from .wire import Error


class Findings:
    """Filled while the conversation goes on, so that a failure keeps what was seen before it.

    answer is the address that the server answers from, error its error packet, asked and granted the options,
    content the file (None when none was asked for), complete once its last block is there, alive once the server has
    shown that it serves. failure is what ended the conversation early.
    """

    __slots__ = (
        "answer",
        "error",
        "asked",
        "granted",
        "content",
        "complete",
        "alive",
        "blocks",
        "retransmissions",
        "duplicates",
        "strays",
        "stray",
        "failure",
    )

    def __init__(self, asked: dict[str, int], content: Content | None) -> None:
        self.answer: Address | None = None
        self.error: Error | None = None
        self.asked = asked
        self.granted: dict[str, int] = {}
        self.content = content
        self.complete = False
        self.alive = False
        self.blocks = 0
        self.retransmissions = 0
        self.duplicates = 0
        self.strays = 0
        self.stray: Address | None = None
        self.failure: ProbeError | None = None
