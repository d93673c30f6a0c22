"""The findings of the transfers of a TFTP dialogue."""

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
    """The findings of one transfer, filled while it runs, so that a failure keeps the earlier ones.

    file is the requested file, request the request packet, asked and granted are the options, expect is the code of the
    expected error (None for a transfer). content is the received file (None if none is expected), canary the data that
    is written instead, sent tells whether its last block was sent, written is the number of its acknowledged bytes, or
    of those that were read back. label names the transfer in texts, "" if no file was given. pause is the seconds to
    wait before it. answer is the address from which the server answers, error its error packet, requests the number
    of transmitted requests. complete says that the last block has arrived. stray_packets counts the packets from other
    addresses, foreign_packets those from other hosts; last_stray and last_foreign are the addresses of the latest ones.
    failure is the error that ended the transfer early.
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
        """The codes of the errors that are a correct answer."""
        if self.expect is not None:
            return (self.expect,)
        return (wire.FILE_NOT_FOUND, wire.ACCESS_VIOLATION) if self.content is None and self.canary is None else ()
