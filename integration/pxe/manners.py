"""Measures what clients of PXE repeat, and how long they wait, when their servers fall silent: see docs/pxe.md.

`integration/run .venv/bin/python -P -m integration.pxe.manners [PROGRAM ...]`; it takes some five minutes a program,
most of which goes by in silence.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

from integration.lab import Lab, vip
from integration.lab.faults import BLACKHOLE, fault
from integration.lb.balance import Balance
from integration.lb.farms import farm
from integration.pxe.capture import ACK, DATA, ERROR, RRQ, Capture, Datagram
from integration.pxe.clients import CLIENTS, Client
from integration.pxe.dhcp import dhcp
from integration.pxe.machines import PATIENCE, booting, bridge

PROGRAMS = {
    "ipxe": ("ipxe", "vmlinuz"),
    "pxelinux": ("pxelinux", "vmlinuz"),
    "lpxelinux": ("lpxelinux", "initrd"),
    "grub": ("grub", "/vmlinuz"),
    "grub-efi": ("ovmf", "/vmlinuz"),
    "ovmf": ("ovmf", "grubx64.efi"),
    "ovmf-ipv6": ("ovmf-ipv6", "grubx64.efi"),
    "uboot": ("uboot", "vmlinuz"),
    "busybox": ("ipxe", "medium"),
}
"""Each program with the client in which it runs, and a file that it reads."""

_SILENCE = 100.0
_RECOVERY = 60.0
"""Seconds that a client gets after the silence."""
_BEGUN = 50
"""The block of a file at which its servers fall silent."""

Silence = Callable[[Lab, Capture, str], AbstractContextManager[float]]


def main(names: Sequence[str]) -> None:
    """Prints what each program sends while its servers say nothing, with the seconds since they last spoke."""
    with Lab(tftp=("tftpd-hpa",) * 3, ssh=False) as lab, ExitStack() as stack:
        bridge(lab)
        balance = Balance(lab, Path(tempfile.mkdtemp(dir=lab.folder)))
        stack.callback(balance.close)
        balance(farm(lab, "tftp") + farm(lab, "ftp", name="files"))
        for name in names or PROGRAMS:
            client, file = PROGRAMS[name]
            for silence in (_unanswered, _interrupted):
                print(f"== {name}, {file}: {silence.__name__[1:]}", flush=True)
                _measure(lab, CLIENTS[client], file, silence)


def _measure(lab: Lab, client: Client, file: str, silence: Silence) -> None:
    address = vip(client.version)
    with (
        Capture(lab) as capture,
        dhcp(lab, address, client.files(lab, address)),
        booting(lab, client.firmware) as (machine,),
    ):
        with silence(lab, capture, file) as begin:
            _until(lambda: time.monotonic() > begin + _SILENCE)
        spoken, asked = time.monotonic(), len(capture.seen)

        def goes_on() -> bool:
            # Not a block that a server repeats, nor the one acknowledgement that the client does.
            answers = (seen for seen in tuple(capture.seen)[asked:] if seen.target[0] == address)
            return len({seen.number for seen in answers if seen.opcode == ACK}) > 1

        _until(lambda: goes_on() or time.monotonic() > spoken + _RECOVERY)
        print("\n".join(_sent(capture.seen, address, begin, spoken)))
        after = f"{time.monotonic() - spoken:.1f} s after the silence"
        print(f"  goes on {after}" if goes_on() else f"  does not go on until {after}")
        print(f"  on its console: {machine.console[-200:]!r}", flush=True)


@contextmanager
def _unanswered(lab: Lab, capture: Capture, file: str) -> Iterator[float]:
    """Drops the requests for a file; the silence begins with the first one."""
    name = file.encode()
    lab.balancer.nft(
        "table inet fault { chain silent { type filter hook prerouting priority -400; "
        f"udp dport 69 @th,80,{8 * len(name)} 0x{name.hex()} drop; }}; }}"
    )
    try:
        yield _first(capture, lambda: (request for request in capture.requests() if request.words[0] == file)).time
    finally:
        lab.balancer.nft("delete table inet fault")


@contextmanager
def _interrupted(lab: Lab, capture: Capture, file: str) -> Iterator[float]:
    """Lets no backend send any more while a file is transferred; the silence begins with the last block."""

    def blocks() -> Iterator[Datagram]:
        # Some ask for the size of a file first, from another port.
        readers = {request.source for request in capture.requests() if request.words[0] == file}
        return (seen for seen in tuple(capture.seen) if seen.target in readers and seen.opcode == DATA)

    _first(capture, lambda: (seen for seen in blocks() if seen.number == _BEGUN))
    with ExitStack() as cut:
        for backend in lab.backends:
            cut.enter_context(fault(backend, BLACKHOLE, "output"))
        yield max(seen.time for seen in blocks())


def _first(capture: Capture, found: Callable[[], Iterator[Datagram]]) -> Datagram:
    _until(lambda: next(found(), None) is not None, "no such datagram")
    return next(found())


def _until(condition: Callable[[], bool], otherwise: str = "") -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(otherwise)
        time.sleep(0.02)


def _sent(seen: Sequence[Datagram], address: str, begin: float, end: float) -> Iterator[str]:
    """Yields a line for each different packet that the machine sent in that time, and when it did."""
    lines: dict[str, list[str]] = {}
    for datagram in seen:
        if begin <= datagram.time <= end and datagram.source[0] != address and (line := _described(datagram)):
            lines.setdefault(line, []).append(f"{datagram.time - begin:.1f}")
    for line, times in lines.items():
        yield f"  {line}: {' '.join(times)}"


def _described(datagram: Datagram) -> str:
    port = datagram.source[1]
    if datagram.target[1] in (67, 547):
        return "DHCP"
    if datagram.opcode == RRQ and datagram.target[1] == 69:
        return f"RRQ {datagram.words[0]} from port {port}"
    if datagram.opcode in (ACK, ERROR):
        return f"{'ACK' if datagram.opcode == ACK else 'ERROR'} {datagram.number} from port {port}"
    return ""


if __name__ == "__main__":
    main(sys.argv[1:])
