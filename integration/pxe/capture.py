"""A packet capture of UDP on the network of the machines."""

from __future__ import annotations

import socket
import threading
import time
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Self

from integration.lab import Lab
from integration.pxe.machines import BRIDGE

RRQ, DATA, ACK, ERROR, OACK = 1, 3, 4, 5, 6

_KEPT = 700
_ETH_P_ALL = 3
_ETHERNET, _IPV4, _IPV6, _UDP = 14, b"\x08\x00", b"\x86\xdd", 17


@dataclass(frozen=True, slots=True)
class Datagram:
    """A datagram of UDP: when it was seen, in seconds, its two ends, its first bytes and how many it has."""

    time: float
    source: tuple[str, int]
    target: tuple[str, int]
    payload: bytes
    length: int

    @property
    def opcode(self) -> int:
        """The number that a packet of TFTP begins with."""
        return int.from_bytes(self.payload[:2], "big")

    @property
    def number(self) -> int:
        """The number of a block or an error of TFTP."""
        return int.from_bytes(self.payload[2:4], "big")

    @property
    def words(self) -> tuple[str, ...]:
        """The words of a request or an option acknowledgement of TFTP."""
        return tuple(self.payload[2:].decode("latin-1").split("\0")[:-1])

    @property
    def asked(self) -> str:
        """The options of a request, as in "blksize 1432 tsize 0"."""
        return " ".join(self.words[2:])


class Capture:
    """Keeps the datagrams on the machines' network, from the begin of its block to the end, in `seen`."""

    def __init__(self, lab: Lab) -> None:
        self.seen: list[Datagram] = []
        with lab.client.entered():
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ALL))
            self._socket.bind((BRIDGE, 0))
        self._socket.settimeout(0.2)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._read)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._ended.set()
        self._thread.join()
        self._socket.close()

    def requests(self) -> list[Datagram]:
        """Returns the read requests, repeated ones too."""
        return [datagram for datagram in tuple(self.seen) if datagram.target[1] == 69 and datagram.opcode == RRQ]

    def _read(self) -> None:
        while not self._ended.is_set():
            try:
                frame = self._socket.recv(2048)
            except TimeoutError:
                continue
            datagram = _datagram(frame)
            if datagram:
                self.seen.append(datagram)


def _datagram(frame: bytes) -> Datagram | None:
    """Returns the datagram in a frame; None for anything else, and for the second and further fragments of one."""
    packet = frame[_ETHERNET:]
    kind = frame[12:_ETHERNET]
    if kind == _IPV4 and packet[9] == _UDP and not (int.from_bytes(packet[6:8], "big") & 0x1FFF):
        ends, start = (packet[12:16], packet[16:20]), 4 * (packet[0] & 15)
    elif kind == _IPV6 and packet[6] == _UDP:
        ends, start = (packet[8:24], packet[24:40]), 40
    else:
        return None
    source, target = (str(ip_address(end)) for end in ends)
    header = packet[start : start + 8]
    ports = int.from_bytes(header[:2], "big"), int.from_bytes(header[2:4], "big")
    length = int.from_bytes(header[4:6], "big") - 8
    payload = packet[start + 8 :][: min(length, _KEPT)]
    return Datagram(time.monotonic(), (source, ports[0]), (target, ports[1]), payload, length)
