"""The conversation of a client that reads a file, or asks for one that does not exist (RFC 1350)."""

from __future__ import annotations

from ..address import DATAGRAM, source_family
from ..dialogue import OpenDatagram, Phase, ReceiveFrom, Resolve, SendTo
from ..errors import DeadlineExceeded, NotConnected, PeerError, ProbeError
from . import wire
from .findings import Findings
from .transfer import Transfer
from .wire import broken

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..address import Address
    from ..dialogue import Datagram, Dialogue
    from ..drivers.sockets import Channel
    from .content import Content
    from .probe import TftpProbe

FIRST_WAIT = 1.0
LONGEST_WAIT = 60.0
# Answering each packet of a flood would only double it.
_STRAYS_ANSWERED = 16
# A send that fails takes one ICMP message off the socket; there are no more of them than strangers were answered.
_SENDS = _STRAYS_ANSWERED + 1


def converse(probe: TftpProbe, content: Content | None) -> Dialogue[Findings]:
    """Reads the probe's file into the content, or asks for the absent file when there is no content.

    When the host has several addresses, the next one is asked if a port is dead, not if it is silent.
    """
    findings = Findings(probe.options, content)
    try:
        family = source_family(probe.source) if probe.source else probe.family
        yield Phase("resolve")
        addresses: tuple[Address, ...] = yield Resolve(probe.host, probe.port, family, DATAGRAM)
        yield Phase("greeting")
        for address in addresses[:-1]:
            try:
                yield from _Client(probe, findings, address).run()
                return findings
            except NotConnected:
                if findings.answer is not None:
                    raise
        yield from _Client(probe, findings, addresses[-1]).run()
    except ProbeError as failure:
        failure.phase = failure.phase or ("greeting" if findings.answer is None else "transfer")
        findings.failure = failure
    return findings


def waits(timeout: float, retries: int) -> tuple[float | None, ...]:
    """Returns the seconds to wait after each of the 1 + retries transmissions, None for the rest of the time.

    They double, but none is longer than its share of the timeout, so that all retries fit in it.
    """
    share = timeout / (retries + 1) if timeout > 0 else LONGEST_WAIT
    doubled = tuple(min(FIRST_WAIT * 2.0**number, share) for number in range(retries + 1))
    return (*doubled[:-1], None) if timeout > 0 else doubled


class _Client:
    """One conversation with one address of the server: whom it hears, and when it sends again."""

    __slots__ = ("_source", "_findings", "_server", "_channel", "_waits", "_transfer")

    def __init__(self, probe: TftpProbe, findings: Findings, server: Address) -> None:
        self._source = probe.source
        self._findings = findings
        self._server = server
        self._channel: Channel
        self._waits = waits(probe.timeout, probe.retries)
        self._transfer = Transfer(probe.request, findings, limit=probe.limit, patience=len(self._waits))

    def run(self) -> Dialogue[None]:
        """Converses to the end; PeerError, NotConnected, DeadlineExceeded, LocalError."""
        self._channel = yield OpenDatagram(self._server.family, self._source)
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
        yield from self._send(transfer.last)
        attempt = 0
        patience = self._waits[0]
        while not transfer.done:
            datagram = yield from self._receive(patience)
            if datagram is None:
                attempt += 1
                if attempt == len(self._waits):
                    raise broken("answer", "DATA, OACK or ERROR", f"nothing after {attempt} transmissions")
                findings.retransmissions += 1
                patience = self._waits[attempt]
                yield from self._send(transfer.silence())
            elif not self._is_server(datagram.address):
                yield from self._turn_away(datagram)
                # The patience of a receive starts anew with each; halving it keeps strangers from putting off a
                # retransmission for ever.
                patience = None if patience is None else patience / 2
            else:
                if findings.answer is None:
                    findings.answer = datagram.address
                    yield Phase("transfer")
                progress, answer = transfer.take(datagram.data)
                if answer:
                    yield from self._send(answer)
                if progress:
                    attempt = 0
                    patience = self._waits[0]

    def _send(self, packet: bytes) -> Dialogue[None]:
        for _ in range(_SENDS):
            try:
                yield SendTo(self._channel, packet, self._findings.answer or self._server)
                return
            except NotConnected as failure:
                # Nothing was sent: the kernel has told of an earlier packet first.
                if self._is_about_server(failure):
                    raise

    def _say_farewell(self) -> Dialogue[None]:
        if self._findings.answer is None or not self._transfer.farewell:
            return
        try:
            yield from self._send(self._transfer.farewell)
        except ProbeError:
            # It was a courtesy.
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
        # The first answer may come from any port of the server; its port is the one for the rest (RFC 1350, 4).
        return address == answer if answer is not None else address.host == self._server.host

    def _is_about_server(self, failure: NotConnected) -> bool:
        # An ICMP message about a stranger whom we answered says nothing about the server.
        about = failure.address
        known = self._findings.answer or self._server
        return about is None or (about.host, about.port) == (known.host, known.port)

    def _turn_away(self, datagram: Datagram) -> Dialogue[None]:
        findings = self._findings
        findings.strays += 1
        findings.stray = datagram.address
        # An error is never answered, or two of a kind would never stop.
        if findings.strays > _STRAYS_ANSWERED or datagram.data.startswith(b"\0\5"):
            return
        try:
            yield SendTo(self._channel, wire.error(wire.UNKNOWN_TRANSFER_ID, "Unknown transfer ID"), datagram.address)
        except NotConnected as failure:
            if self._is_about_server(failure):
                raise
