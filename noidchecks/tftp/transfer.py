"""The receiving side of one transfer: the expected packets and their answers (RFC 1350, 2347, 7440)."""

from __future__ import annotations

from ..errors import PeerError
from . import wire
from .wire import Data, Error, OptionAck, broken

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .findings import Findings

BLOCK_SIZE = 512


class Transfer:
    """The state of a transfer, fed with the server's packets.

    awaited names the packets that the server may send. last is the packet to retransmit after a silence: the request,
    later the acknowledgement of the last block in order. farewell is the packet for the server when the dialogue ends
    early, b"" when the server has ended it.
    """

    __slots__ = (
        "awaited",
        "last",
        "farewell",
        "done",
        "_findings",
        "_limit",
        "_patience",
        "_oack",
        "_block_size",
        "_window",
        "_next",
        "_unacknowledged",
        "_repeats",
        "_gap",
        "_again",
        "_early",
    )

    def __init__(self, request: bytes, findings: Findings, *, limit: int, patience: int) -> None:
        self.awaited = "DATA, OACK or ERROR"
        self.last = request
        self.farewell = BYE
        self.done = False
        self._findings = findings
        # The most bytes of a file, and the most repetitions of an acknowledgement for duplicates.
        self._limit = limit
        self._patience = patience
        self._oack: OptionAck | None = None
        self._block_size = BLOCK_SIZE
        self._window = 1
        self._next = 1
        self._unacknowledged = 0
        self._repeats = 0
        self._gap = False
        self._again = False
        self._early = False

    def silence(self) -> tuple[bytes, ...]:
        """Handles a timeout; returns the packets to retransmit."""
        # The server begins a new window after this ACK.
        self._unacknowledged = 0
        self._early = False
        return (self.last,)

    def take(self, datagram: bytes) -> tuple[bool, tuple[bytes, ...]]:
        """Handles a received packet; returns whether the transfer made progress, and the packets to send.

        Raises PeerError for an error packet and for a packet that the server must not send; farewell is the answer.
        """
        self.farewell = wire.error(wire.ILLEGAL_OPERATION, "Illegal TFTP operation")
        packet = wire.decode(datagram)
        if isinstance(packet, Error):
            self.farewell = b""
            judge_error(self._findings, packet, "DATA")
            self.done = True
            return True, ()
        if self._findings.expect is not None:
            self.farewell = BYE
            received = "DATA" if isinstance(packet, Data) else "OACK"
            raise unexpected(f"error {self._findings.expect}", received)
        progress, answer = self._take_data(packet) if isinstance(packet, Data) else self._take_options(packet)
        self.farewell = BYE
        return progress, (answer,) if answer else ()

    def _take_options(self, packet: OptionAck) -> tuple[bool, bytes]:
        findings = self._findings
        if findings.blocks or self._oack is not None:
            if packet != self._oack:
                raise broken("packet", f"DATA block {self._next}", "OACK once more, changed" if self._oack else "OACK")
            findings.duplicates += 1
            return False, b"" if findings.blocks else self._repeat()
        from .negotiation import BLKSIZE, TSIZE, WINDOWSIZE, granted

        self.farewell = wire.error(wire.OPTION_REFUSED, "Option negotiation failed")
        findings.granted = options = granted(findings.asked, packet)
        self._oack = packet
        self._block_size = options.get(BLKSIZE, BLOCK_SIZE)
        self._window = options.get(WINDOWSIZE, 1)
        if options.get(TSIZE, 0) > self._limit:
            raise self._too_big(f"a tsize of {options[TSIZE]}")
        if findings.content is None:
            self.done = True
            return True, b""
        return True, self._acknowledge(0)

    def _take_data(self, packet: Data) -> tuple[bool, bytes]:
        findings = self._findings
        payload = packet.payload
        if len(payload) > self._block_size:
            raise broken(f"DATA block {packet.block}", f"at most {self._block_size} bytes", str(len(payload)))
        ahead = (packet.block - self._next) & 0xFFFF
        # After block 65535, nearly all servers continue with 0, a few with 1. In a window, 1 may also mean that block 0
        # was lost.
        if ahead and not (ahead == 1 and self._next == 0 and self._window == 1):
            return False, self._take_out_of_order(packet.block, ahead)
        findings.blocks += 1
        self._next = (packet.block + 1) & 0xFFFF
        self._unacknowledged += 1
        self._repeats = 0
        self._gap = self._again = False
        content = findings.content
        if content is None:
            self.done = True
            return True, b""
        content.feed(payload)
        if content.received > self._limit:
            raise self._too_big("more")
        if len(payload) < self._block_size:
            content.finish()
            findings.complete = self.done = True
        self.last = wire.acknowledgement(packet.block)
        if self.done or self._unacknowledged >= self._window:
            self._early = False
            return True, self._acknowledge(packet.block)
        return True, b""

    def _take_out_of_order(self, block: int, ahead: int) -> bytes:
        if ahead < self._window:
            if self._gap:
                return b""
            # The server continues after the last block in order (RFC 7440, 4). The ACK is sent once, and again only
            # after a silence.
            self._gap = True
            return self._acknowledge((self._next - 1) & 0xFFFF)
        behind = (self._next - 1 - block) & 0xFFFF
        if behind >= min(self._findings.blocks, 0x8000):
            raise broken("packet", f"DATA block {self._next}", f"DATA block {block}")
        self._findings.duplicates += 1
        if behind:
            self._again = True
            return b""
        if not self._unacknowledged:
            return self._repeat()
        if self._early or not self._again:
            return b""
        # The server has repeated its window, which ends within the client's: it began earlier, because the client's
        # acknowledgement was lost. This ACK is sent only once until a window is complete: the server begins a new
        # window after it, and if no acknowledgement was lost, blocks in flight arrive twice (the Sorcerer's Apprentice
        # again).
        self._early = True
        return self._acknowledge(block)

    def _acknowledge(self, block: int) -> bytes:
        self._unacknowledged = 0
        self.last = wire.acknowledgement(block)
        return self.last

    def _repeat(self) -> bytes:
        # A duplicate may mean that the client's acknowledgement was lost. Answering every duplicate would sustain the
        # packet storm of a server that answers every ACK with DATA (RFC 1123, 4.2.3.1: the Sorcerer's Apprentice).
        self._repeats += 1
        return self.last if self._repeats <= self._patience else b""

    def _too_big(self, received: str) -> PeerError:
        self.farewell = wire.error(wire.DISK_FULL, "File is too big")
        return broken("file", f"at most {self._limit} bytes", received)


BYE = wire.error(wire.NOT_DEFINED, "check ended")


def judge_error(findings: Findings, packet: Error, wanted: str, *, explain: bool = False) -> None:
    """Stores an error packet; raises PeerError unless it is a correct answer; wanted is the packet that was expected.

    With explain, the text has the meaning of the code in addition to the server's message.
    """
    findings.error = packet
    if packet.code in findings.good_errors:
        return
    received = f"error {packet.code}"
    if findings.expect is not None:
        raise unexpected(f"error {findings.expect}", f"{received} ({packet.text})")
    expected = "error 1 or 2" if findings.good_errors else wanted
    told = received
    if explain and packet.code and packet.meaning.lower() not in ("", packet.text.lower()):
        told = f"{received}, {packet.meaning.lower()}"
    raise PeerError(f"{packet.text} ({told})", expected=expected, received=received)


def unexpected(expected: str, received: str) -> PeerError:
    """Returns the error for a valid answer that is not the expected one."""
    return PeerError(f"expected {expected}, received {received}", expected=expected, received=received)
