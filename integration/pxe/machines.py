"""A network with a DHCP server and machines that boot from it; what a machine has on its console is what counts."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from integration.lab import CLIENT, GATEWAY, Lab

BRIDGE = "br0"
ARRIVED = "ARRIVED"
"""What the last program of each boot prints."""
PATIENCE = 600.0
"""Seconds for a boot: ten emulated machines share two processors with whatever else runs."""

_RANGE = "10.10.0.150,10.10.0.199,255.255.255.0"


def bridge(lab: Lab) -> None:
    """Makes the client's network one that machines can be plugged into."""
    lab.client.ip(
        f"link add {BRIDGE} type bridge forward_delay 0",
        f"addr del {CLIENT[4]}/24 dev eth0",
        f"link set eth0 master {BRIDGE}",
        f"link set {BRIDGE} up",
        f"addr add {CLIENT[4]}/24 dev {BRIDGE}",
    )


@contextmanager
def dhcp(lab: Lab, server: str, file: str) -> Iterator[None]:
    """Answers machines with an address, and with the TFTP server and the file that they boot, until the block ends."""
    words = [
        "dnsmasq",
        "--keep-in-foreground",
        "--conf-file=/dev/null",
        "--port=0",
        "--user=root",
        "--leasefile-ro",
        "--no-ping",
    ]
    words += [
        f"--interface={BRIDGE}",
        "--bind-interfaces",
        f"--dhcp-range={_RANGE},1h",
        f"--dhcp-boot={file},,{server}",
    ]
    words += [f"--dhcp-option=option:router,{GATEWAY[4]}", f"--pid-file={lab.folder}/dnsmasq.pid"]
    process = lab.client.popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait()


class BootingMachine:
    """A machine without a disk that boots from the network as soon as it is made; `number` is from 1 to 99."""

    def __init__(self, lab: Lab, number: int) -> None:
        self._lab = lab
        self._tap = f"tap{number}"
        self._console = lab.folder / f"console{number}"
        self._console.touch()
        lab.client.ip(
            f"tuntap add dev {self._tap} mode tap",
            f"link set {self._tap} master {BRIDGE}",
            f"link set {self._tap} up",
        )
        words: list[str | Path] = [
            *("qemu-system-x86_64", "-accel", "tcg", "-m", "128M", "-nodefaults", "-display", "none"),
            # One that got no address begins once more, as a real one does.
            *("-machine", "graphics=off", "-serial", f"file:{self._console}", "-boot", "reboot-timeout=1000"),
            *("-netdev", f"tap,id=net,ifname={self._tap},script=no,downscript=no"),
            # A network card whose ROM is iPXE.
            *("-device", f"e1000,netdev=net,bootindex=1,mac=52:54:00:00:00:{number:02x}"),
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
def booting(lab: Lab, count: int) -> Iterator[list[BootingMachine]]:
    """Switches machines on, and off when the block ends."""
    machines: list[BootingMachine] = []
    try:
        for number in range(1, count + 1):
            machines.append(BootingMachine(lab, number))
        yield machines
    finally:
        for machine in machines:
            machine.close()


def wait(machines: list[BootingMachine], count: int) -> None:
    """Waits until so many have arrived; AssertionError with what the others printed."""
    end = time.monotonic() + PATIENCE
    while sum(machine.has_arrived for machine in machines) < count:
        late = [machine.console[-1500:] for machine in machines if not machine.has_arrived]
        assert time.monotonic() < end, "\n".join(late)
        time.sleep(0.5)
