"""Network boot of a whole building: many TFTP clients that read one file at the same time."""

from __future__ import annotations

import selectors
import socket
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

from integration.lab.namespace import Namespace

RETRY = 0.5
_BLKSIZE = 1024
_DATA, _ACK, _ERROR, _OACK = 3, 4, 5, 6


@dataclass(slots=True, kw_only=True)
class Reader:
    """One client, with a port of its own that it never changes, as boot ROMs do; it repeats what is not answered."""

    socket: socket.socket
    server: tuple[str, int]
    request: bytes
    answered: bool = False
    peer: tuple[str, int] | None = None
    last: bytes = b""
    due: float = 0.0
    block: int = 0
    content: bytearray = field(default_factory=bytearray)
    outcome: str = ""

    def send(self, packet: bytes) -> None:
        """Sends a packet, and again when nothing comes back."""
        self.last = packet
        self.repeat()

    def repeat(self) -> None:
        """Sends the last packet once more."""
        self.due = time.monotonic() + RETRY
        try:
            self.socket.sendto(self.last, self.peer or self.server)
        except OSError as error:
            self.outcome = error.strerror or "error"

    def receive(self) -> None:
        """Takes a packet in and answers it."""
        try:
            packet, sender = self.socket.recvfrom(_BLKSIZE + 4)
        except OSError as error:
            self.outcome = error.strerror or "error"
            return
        if sender[0] != self.server[0]:
            self.outcome = f"answer from {sender[0]}"
            return
        if self.peer is not None and sender[:2] != self.peer:
            # A request sent twice is answered twice; the second transfer is not ours.
            return
        kind, number = packet[1], int.from_bytes(packet[2:4], "big")
        if kind == _ERROR:
            self.outcome = packet[4:].rstrip(b"\0").decode(errors="replace")
        elif kind == _OACK and self.block == 0:
            self.answered = True
            self.peer = (sender[0], sender[1])
            self.send(bytes((0, _ACK, 0, 0)))
        elif kind == _DATA and number == self.block + 1 and self.peer is not None:
            self.block = number
            self.content += packet[4:]
            self.send(bytes((0, _ACK)) + packet[2:4])
            if len(packet) < _BLKSIZE + 4:
                self.outcome = "done"


def storm(
    client: Namespace,
    host: str,
    count: int,
    *,
    port: int = 69,
    name: str = "small",
    patience: float = 60.0,
    meanwhile: Sequence[tuple[float, Callable[[], None]]] = (),
) -> list[Reader]:
    """Lets many clients read a file at once, with the options blksize and tsize; returns them in their final state.

    An outcome is "done", "" for who had to give up, or else what went wrong. `meanwhile` holds what to call
    on the way, each with the seconds after the start.
    """
    request = (
        b"\0\1" + b"\0".join((name.encode(), b"octet", b"blksize", str(_BLKSIZE).encode(), b"tsize", b"0")) + b"\0"
    )
    readers = []
    with selectors.DefaultSelector() as selector, ExitStack() as opened:
        for _ in range(count):
            with client.entered():
                one = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
            opened.callback(one.close)
            one.setblocking(False)
            readers.append(Reader(socket=one, server=(host, port), request=request))
            selector.register(one, selectors.EVENT_READ, readers[-1])
        _run(selector, readers, patience, sorted(meanwhile, key=lambda step: step[0]))
    return readers


def outcomes(readers: Sequence[Reader]) -> Counter[str]:
    """Counts how they ended."""
    return Counter(reader.outcome for reader in readers)


def _run(
    selector: selectors.BaseSelector,
    readers: list[Reader],
    patience: float,
    steps: list[tuple[float, Callable[[], None]]],
) -> None:
    start = time.monotonic()
    for reader in readers:
        reader.send(reader.request)
    while time.monotonic() < start + patience and not all(reader.outcome for reader in readers):
        while steps and time.monotonic() >= start + steps[0][0]:
            steps.pop(0)[1]()
        for key, _ in selector.select(0.02):
            if not key.data.outcome:
                key.data.receive()
        now = time.monotonic()
        for reader in readers:
            if not reader.outcome and reader.due < now:
                reader.repeat()
