"""One transfer with one address of the server: accepted senders and retransmission (RFC 1350)."""

from __future__ import annotations

from errno import EMSGSIZE

from ..dialogue.operations import Close, OpenDatagram, Phase, ReceiveFrom, SendTo
from ..errors import DeadlineExceeded, NotConnected, PeerError, ProbeError
from . import wire
from .transfer import Transfer
from .wire import broken

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..address import Address
    from ..dialogue.operations import Channel, Datagram, Dialogue
    from .findings import Findings
    from .settings import TftpSettings
    from .upload import Upload

FIRST_WAIT = 1.0
LONGEST_WAIT = 60.0
# The most packets of strangers that are answered with an error: answering every packet of a flood would double it.
_STRAYS_ANSWERED = 16
# The most attempts to send a packet: a failed send removes one pending ICMP error from the socket, and at most one is
# pending for each answered stranger.
_SENDS = _STRAYS_ANSWERED + 1
# The least share of a reader's wait that packets without progress leave: a repeated window has many such packets, and
# the moments between them must not count as silence.
_LEAST_SHARE = 0.25


def waits(timeout: float, retries: int) -> tuple[float | None, ...]:
    """Returns the seconds to wait after each of the 1 + retries transmissions, None for the rest of the time.

    The waits double, but none is longer than timeout / (1 + retries), so that all retries fit into the timeout, or
    than 60 s without a timeout.
    """
    share = timeout / (retries + 1) if timeout > 0 else LONGEST_WAIT
    doubled = tuple(min(FIRST_WAIT * 2.0**number, share) for number in range(retries + 1))
    return (*doubled[:-1], None) if timeout > 0 else doubled


class Client:
    """The client's end of a transfer."""

    __slots__ = ("_source", "_findings", "_server", "_channel", "_waits", "_least_share", "_transfer")

    def __init__(self, settings: TftpSettings, findings: Findings, server: Address) -> None:
        self._source = settings.source
        self._findings = findings
        self._server = server
        self._channel: Channel
        self._waits = waits(settings.timeout, settings.retries)
        self._least_share = _LEAST_SHARE if findings.canary is None else 0.0
        self._transfer: Transfer | Upload
        if findings.canary is None:
            self._transfer = Transfer(findings.request, findings, limit=settings.limit, patience=len(self._waits))
        else:
            from .upload import Upload

            self._transfer = Upload(findings, findings.canary)

    def run(self, opened: list[Channel]) -> Dialogue[None]:
        """Runs the transfer to its end; raises PeerError, NotConnected, DeadlineExceeded, LocalError.

        opened has the socket of the previous transfer, if any, and this transfer's afterwards. A transfer does not
        close its own socket: a Close after the deadline would make a complete transfer fail. It closes the previous
        socket only after it has opened its own one, which therefore gets another port: when the last acknowledgement
        was lost, the server repeats its last block to the old port (RFC 1350 section 6); at the new transfer's port,
        the block would be taken for the first answer.
        """
        self._channel = yield OpenDatagram(self._server.family, self._source)
        while opened:
            yield Close(opened.pop())
        opened.append(self._channel)
        try:
            yield from self._exchange()
        except (PeerError, DeadlineExceeded):
            yield from self._say_farewell()
            raise
        if not self._findings.complete:
            yield from self._say_farewell()

    def _exchange(self) -> Dialogue[None]:
        findings = self._findings
        transfer = self._transfer
        yield from self._send(findings.request)
        findings.requests += 1
        attempt = 0
        patience = self._waits[0]
        while not transfer.done:
            datagram = yield from self._receive(patience)
            if datagram is None:
                attempt += 1
                if attempt == len(self._waits):
                    raise broken("answer", transfer.awaited, f"nothing after {attempt} transmissions")
                findings.retransmissions += 1
                findings.requests += findings.answer is None
                patience = self._waits[attempt]
                for packet in transfer.silence():
                    yield from self._send(packet)
            elif not self._is_server(datagram.address):
                yield from self._turn_away(datagram)
                # The patience of each receive starts from zero; halving it keeps strangers from delaying a
                # retransmission without end.
                patience = None if patience is None else patience / 2
            else:
                if findings.answer is None:
                    findings.answer = datagram.address
                    yield Phase("transfer")
                progress, answer = transfer.take(datagram.data)
                for packet in answer:
                    yield from self._send(packet)
                if progress:
                    attempt = 0
                    patience = self._waits[0]
                elif patience is not None:
                    # The server repeats itself because the client's packet was lost; that must not delay its
                    # retransmission.
                    patience = max(patience / 2, (self._waits[attempt] or 0.0) * self._least_share)

    def _send(self, packet: bytes) -> Dialogue[None]:
        for _ in range(_SENDS):
            try:
                yield SendTo(self._channel, packet, self._findings.answer or self._server)
                return
            except NotConnected as failure:
                # Nothing was sent: the kernel has reported a pending error of an earlier packet instead.
                if self._is_about_server(failure):
                    raise

    def _say_farewell(self) -> Dialogue[None]:
        if self._findings.answer is None or not self._transfer.farewell:
            return
        try:
            yield from self._send(self._transfer.farewell)
        except ProbeError:
            # The farewell is optional.
            return

    def _receive(self, patience: float | None) -> Dialogue[Datagram | None]:
        while True:
            try:
                datagram: Datagram | None = yield ReceiveFrom(self._channel, patience=patience)
                return datagram
            except NotConnected as failure:
                if self._is_about_server(failure):
                    raise

    def _is_server(self, address: Address) -> bool:
        answer = self._findings.answer
        # The first answer may come from any port of the server, which is then its port for the transfer (RFC 1350, 4).
        return address == answer if answer is not None else address.host == self._server.host

    def _is_about_server(self, failure: NotConnected) -> bool:
        if failure.code == EMSGSIZE:
            # "Fragmentation needed" from a router: the kernel now knows the path MTU, and fragments the retransmission.
            return False
        # An ICMP error for an answer to a stranger says nothing about the server.
        about = failure.address
        known = self._findings.answer or self._server
        return about is None or (about.host, about.port) == (known.host, known.port)

    def _turn_away(self, datagram: Datagram) -> Dialogue[None]:
        findings = self._findings
        findings.stray_packets += 1
        findings.last_stray = datagram.address
        if datagram.address.host != self._server.host:
            findings.foreign_packets += 1
            findings.last_foreign = datagram.address
        # An error packet is never answered, to avoid an endless exchange of errors.
        if findings.stray_packets > _STRAYS_ANSWERED or datagram.data.startswith(b"\0\5"):
            return
        try:
            yield SendTo(self._channel, wire.error(wire.UNKNOWN_TRANSFER_ID, "Unknown transfer ID"), datagram.address)
        except NotConnected as failure:
            if self._is_about_server(failure):
                raise
