"""The sending side of one transfer: the blocks to send and their acknowledgements (RFC 1350, 2347, 7440)."""

from __future__ import annotations

from . import wire
from .transfer import BLOCK_SIZE, BYE, judge_error, unexpected
from .wire import Ack, Error, OptionAck, broken

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .findings import Findings


class Upload:
    """The state of a transfer to the server, fed with its packets.

    awaited names the packets that the server may send. farewell is the packet for the server when the dialogue ends
    early, b"" when the server has ended it.
    """

    __slots__ = (
        "awaited",
        "farewell",
        "done",
        "_findings",
        "_content",
        "_last",
        "_oack",
        "_block_size",
        "_window",
        "_has_begun",
        "_acknowledged",
        "_sent",
    )

    def __init__(self, findings: Findings, content: bytes) -> None:
        self.awaited = "ACK, OACK or ERROR"
        self.farewell = BYE
        self.done = False
        self._findings = findings
        self._content = content
        # The packets to retransmit after a silence: the request, later all blocks of the window.
        self._last: tuple[bytes, ...] = (findings.request,)
        self._oack: OptionAck | None = None
        self._block_size = BLOCK_SIZE
        self._window = 1
        self._has_begun = False
        # Numbers of blocks since the beginning, which do not wrap.
        self._acknowledged = 0
        self._sent = 0

    def silence(self) -> tuple[bytes, ...]:
        """Handles a timeout; returns the packets to retransmit."""
        return self._last

    def take(self, datagram: bytes) -> tuple[bool, tuple[bytes, ...]]:
        """Handles a received packet; returns whether the transfer made progress, and the packets to send.

        Raises PeerError for an error packet and for a packet that the server must not send; farewell is the answer.
        """
        self.farewell = wire.error(wire.ILLEGAL_OPERATION, "Illegal TFTP operation")
        packet = wire.decode_answer_to_writer(datagram)
        if isinstance(packet, Error):
            self.farewell = b""
            judge_error(self._findings, packet, "ACK", explain=True)
            self.done = True
            return True, ()
        taken = self._take_acknowledgement(packet) if isinstance(packet, Ack) else self._take_options(packet)
        self.farewell = BYE
        if self._findings.expect is not None and self._acknowledged:
            # Not before: atftpd acknowledges the request, and opens the file for the first block.
            raise unexpected(f"error {self._findings.expect}", f"ACK block {self._acknowledged & 0xFFFF}")
        return taken

    def _take_options(self, packet: OptionAck) -> tuple[bool, tuple[bytes, ...]]:
        findings = self._findings
        if self._has_begun:
            if packet != self._oack:
                received = "OACK once more, changed" if self._oack else "OACK"
                raise broken("packet", f"ACK block {self._sent & 0xFFFF}", received)
            findings.duplicates += 1
            return False, ()
        from .negotiation import BLKSIZE, TSIZE, WINDOWSIZE, granted

        self.farewell = wire.error(wire.OPTION_REFUSED, "Option negotiation failed")
        findings.granted = options = granted(findings.asked, packet)
        # RFC 2349: the answer to a write request has the size of the request.
        if TSIZE in options and options[TSIZE] != findings.asked[TSIZE]:
            raise broken(TSIZE, str(findings.asked[TSIZE]), str(options[TSIZE]))
        self._oack = packet
        self._block_size = options.get(BLKSIZE, BLOCK_SIZE)
        self._window = options.get(WINDOWSIZE, 1)
        return True, self._next_window()

    def _take_acknowledgement(self, packet: Ack) -> tuple[bool, tuple[bytes, ...]]:
        findings = self._findings
        if not self._has_begun:
            if packet.block:
                raise broken("packet", "ACK block 0 or OACK", f"ACK block {packet.block}")
            return True, self._next_window()
        ahead = (packet.block - self._acknowledged) & 0xFFFF
        if 1 <= ahead <= self._sent - self._acknowledged:
            self._acknowledged += ahead
            findings.blocks = self._acknowledged
            findings.written = min(self._acknowledged * self._block_size, len(self._content))
            if self._acknowledged == self._total:
                findings.complete = self.done = True
                return True, ()
            # An ACK within a window reports a gap; the next window begins after that block (RFC 7440, 4).
            return True, self._next_window()
        if -ahead & 0xFFFF > min(self._acknowledged, 0x7FFF):
            raise broken("packet", f"ACK block {self._sent & 0xFFFF}", f"ACK block {packet.block}")
        # Only a silence causes a retransmission: one for each duplicate ACK would double every later packet (RFC 1123,
        # 4.2.3.1: the Sorcerer's Apprentice).
        findings.duplicates += 1
        return False, ()

    @property
    def _total(self) -> int:
        # The last block is shorter than the others, possibly empty.
        return len(self._content) // self._block_size + 1

    def _next_window(self) -> tuple[bytes, ...]:
        self._has_begun = True
        size = self._block_size
        first = self._acknowledged
        self._sent = min(first + self._window, self._total)
        self._findings.sent = self._sent == self._total
        self._last = tuple(
            wire.data(number + 1, self._content[number * size : (number + 1) * size])
            for number in range(first, self._sent)
        )
        return self._last
