"""A network and machines that boot from it; what a machine has on its console is what counts."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from integration.lab import CLIENT, Lab
from integration.pxe.firmware import Firmware

BRIDGE = "br0"
ARRIVED = "ARRIVED"
"""What the last program of each boot prints."""
FAILED = "FAILED"
"""What it prints in place of that when it could not do all that it was to do."""
PATIENCE = 600.0
"""Seconds for a boot: ten emulated machines share two processors with whatever else runs."""

_PREFIX = {4: 24, 6: 64}


def bridge(lab: Lab) -> None:
    """Makes the client's network one that machines can be plugged into."""
    lab.client.ip(
        f"link add {BRIDGE} type bridge forward_delay 0",
        *(f"addr del {CLIENT[version]}/{length} dev eth0" for version, length in _PREFIX.items()),
        f"link set eth0 master {BRIDGE}",
        # Else it would not see what it forwards, and neither would a packet capture.
        f"link set {BRIDGE} promisc on up",
        *(f"addr add {CLIENT[version]}/{length} dev {BRIDGE}" for version, length in _PREFIX.items()),
    )


class BootingMachine:
    """A machine without a disk that boots from the network as soon as it is made; `number` is from 1 to 99."""

    def __init__(self, lab: Lab, number: int, firmware: Firmware) -> None:
        self._lab = lab
        self._tap = f"tap{number}"
        self._console = lab.folder / f"console{number}"
        self._console.write_bytes(b"")
        lab.client.ip(
            f"tuntap add dev {self._tap} mode tap",
            f"link set {self._tap} master {BRIDGE}",
            f"link set {self._tap} up",
        )
        words: list[str | Path] = [
            *("qemu-system-x86_64", "-accel", "tcg", "-m", "256M", "-nodefaults", "-display", "none"),
            *firmware.words,
            *("-serial", f"file:{self._console}"),
            *("-netdev", f"tap,id=net,ifname={self._tap},script=no,downscript=no"),
            *("-device", firmware.card % f"52:54:00:00:00:{number:02x}"),
        ]
        self._process = lab.client.popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    @property
    def console(self) -> str:
        """What it has printed."""
        return self._console.read_text(errors="replace")

    @property
    def has_arrived(self) -> bool:
        """Whether its last program runs."""
        return ARRIVED in self.console

    def close(self) -> None:
        """Switches it off."""
        self._process.kill()
        self._process.wait()
        self._lab.client.ip(f"link del {self._tap}")


@contextmanager
def booting(lab: Lab, *firmware: Firmware) -> Iterator[list[BootingMachine]]:
    """Switches on a machine with each firmware, and all of them off when the block ends."""
    machines: list[BootingMachine] = []
    try:
        for number, each in enumerate(firmware, 1):
            machines.append(BootingMachine(lab, number, each))
        yield machines
    finally:
        for machine in machines:
            machine.close()


def wait(machines: list[BootingMachine], count: int | None = None) -> None:
    """Waits until all or a number of them have arrived; AssertionError with what the others printed."""
    end = time.monotonic() + PATIENCE
    while sum(machine.has_arrived for machine in machines) < (count or len(machines)):
        late = [machine.console[-1500:] for machine in machines if not machine.has_arrived]
        assert time.monotonic() < end, "\n".join(late)
        assert not any(FAILED in console for console in late), "\n".join(late)
        time.sleep(0.5)
