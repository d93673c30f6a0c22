"""What the transfers of a conversation with a TFTP server saw."""

from __future__ import annotations

from . import wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..address import Address
    from ..errors import ProbeError
    from .content import Content
    from .file import TftpFile
    from .wire import Error


class Findings:
    """One transfer: filled while it goes on, so that a failure keeps what was seen before it.

    file is what is asked for, request the packet that does, asked and granted the options, expect the number of the
    error that is the right answer (None for a transfer). content is the file that arrives (None when none is asked
    for), canary what is written in its place, sent whether the last block of it has gone out, written the bytes of
    it that were acknowledged, by reading them back too. label names the transfer in sentences, "" if no file was
    given. pause are the seconds to wait before it. answer is the address that the server answers from, error its
    error packet, requests how often it was asked. complete says that the last block is there. stray_packets
    counts the packets of others, foreign_packets those of other hosts; last_stray and last_foreign are the addresses
    of the latest. failure is what ended it early.
    """

    __slots__ = (
        "file",
        "request",
        "asked",
        "granted",
        "expect",
        "content",
        "canary",
        "sent",
        "written",
        "label",
        "pause",
        "answer",
        "error",
        "requests",
        "complete",
        "blocks",
        "retransmissions",
        "duplicates",
        "stray_packets",
        "last_stray",
        "foreign_packets",
        "last_foreign",
        "failure",
    )

    def __init__(
        self,
        file: TftpFile,
        request: bytes,
        asked: dict[str, int],
        content: Content | None,
        *,
        expect: int | None = None,
        label: str = "",
        canary: bytes | None = None,
        pause: float = 0.0,
    ) -> None:
        self.file = file
        self.request = request
        self.asked = asked
        self.granted: dict[str, int] = {}
        self.expect = expect
        self.content = content
        self.canary = canary
        self.sent = False
        self.written = 0
        self.label = label
        self.pause = pause
        self.answer: Address | None = None
        self.error: Error | None = None
        self.requests = 0
        self.complete = False
        self.blocks = 0
        self.retransmissions = 0
        self.duplicates = 0
        self.stray_packets = 0
        self.last_stray: Address | None = None
        self.foreign_packets = 0
        self.last_foreign: Address | None = None
        self.failure: ProbeError | None = None

    @property
    def good_errors(self) -> tuple[int, ...]:
        """The numbers of the errors that are a right answer."""
        if self.expect is not None:
            return (self.expect,)
        return (wire.FILE_NOT_FOUND, wire.ACCESS_VIOLATION) if self.content is None and self.canary is None else ()
