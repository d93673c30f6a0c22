"""One balancer of the pair: a machine of its own, which the host tells over a serial line what to do."""

from __future__ import annotations

import json
import shlex
import socket
import subprocess
import time
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from integration.lab.namespace import Namespace
from integration.machine.boot import end_of, qemu
from integration.machine.image import Image
from integration.machine.inside.agent import WORD

PATIENCE = 300.0
"""Seconds that a script may take in a machine, and that a state may take to come."""
BOOT = 1800.0
_MEMORY = "768M"
_ROLE = "/run/noidlb-pair/role"
# Beyond what a script may take: the agent answers late on a busy machine.
_MARGIN = 60.0


class MachineError(Exception):
    """A machine did not do what it was asked to; with what it said."""


class Machine:
    """A balancer, whose `disk` outlives crashes; `taps` are its network cards, in their order, in a namespace."""

    def __init__(
        self, number: int, image: Image, payload: Path, disk: Path, switch: Namespace, taps: Sequence[str], folder: Path
    ) -> None:
        self.name = f"lb{number}"
        self.number = number
        self.vips: Collection[str] = ()
        self._image, self._payload, self._switch, self._taps = image, payload, switch, taps
        self._folder = folder
        self._disk = disk
        self._console = folder / "console"
        self._process: subprocess.Popen[str] | None = None
        self._agent: socket.socket | None = None
        self._rest = b""
        self._asked = 0

    def power_on(self) -> None:
        """Switches it on."""
        agent = self._folder / "agent"
        agent.unlink(missing_ok=True)
        words = qemu(
            self._image,
            self._payload,
            (f"file:{self._console}", f"unix:{agent},server=on,wait=off"),
            disk=self._disk,
            processors=1,
            memory=_MEMORY,
            append=WORD,
        )
        for card, tap in enumerate(self._taps):
            words += ["-netdev", f"tap,id=net{card},ifname={tap},script=no,downscript=no"]
            words += ["-device", f"virtio-net-pci,netdev=net{card},mac=52:54:00:00:{self.number:02x}:{card:02x}"]
        with (self._folder / "qemu").open("w") as output:
            self._process = self._switch.popen(words, stdout=output, stderr=output)
        end = time.monotonic() + _MARGIN
        self._rest = b""
        self._agent = socket.socket(socket.AF_UNIX)
        while True:
            try:
                self._agent.connect(str(agent))
                return
            except OSError as error:
                if self._process.poll() is not None or time.monotonic() > end:
                    raise MachineError(f"{self.name}: {error}: {(self._folder / 'qemu').read_text()}") from None
            time.sleep(0.05)

    def wait_until_booted(self) -> None:
        """Waits until its agent answers, after it was switched on or has restarted itself."""
        while "booted" not in self._receive(BOOT):
            pass

    @property
    def is_on(self) -> bool:
        """Whether it is switched on."""
        return self._process is not None and self._process.poll() is None

    def crash(self) -> None:
        """Cuts its power."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        if self._agent is not None:
            self._agent.close()

    def reset(self) -> None:
        """Has its kernel start again at once, as docs/pair.md does to provoke a crash."""
        self._send("echo b >/proc/sysrq-trigger", PATIENCE)

    def run(self, script: str, *, codes: Collection[int] = (0,), patience: float = PATIENCE) -> str:
        """Runs a shell script there as root, and returns what it printed; MachineError at another exit code."""
        asked = self._send(script, patience)
        while (answer := self._receive(patience + _MARGIN)).get("id") != asked:
            if "booted" in answer:
                raise MachineError(f"{self.name} has started again during: {script}")
        if answer["code"] not in codes:
            raise MachineError(f"{self.name}: {script}\nended with {answer['code']}:\n{answer['output']}")
        return str(answer["output"])

    def write(self, path: str, text: str) -> None:
        """Writes a file there."""
        self.run(f"mkdir -p {shlex.quote(str(Path(path).parent))}\nprintf %s {shlex.quote(text)} >{shlex.quote(path)}")

    @property
    def role(self) -> str:
        """What the notify script wrote last."""
        return self.run(f"cat {_ROLE} 2>/dev/null || true").strip() if self.is_on else ""

    @property
    def serves(self) -> bool:
        """Whether it is on, and has all VIPs."""
        if not self.is_on:
            return False
        shown = self.run("ip -o address show dev eth0")
        return all(f" {vip}/" in shown for vip in self.vips)

    def flows(self, *filters: str) -> list[str]:
        """Lists what its kernel knows."""
        words = shlex.join(filters)
        return self.run(f"for family in ipv4 ipv6; do conntrack -L -f $family {words} 2>/dev/null; done").splitlines()

    def are_active(self, *units: str) -> bool:
        """Whether units run, as systemd says."""
        said = self.run(f"systemctl is-active {shlex.join(units)}", codes=(0, 3))
        return set(said.split()) == {"active"}

    def has_tables(self) -> bool:
        """Whether its kernel has the farms, and the rules of the pair."""
        tables = self.run("nft list tables").splitlines()
        return {"table inet noidlb", "table inet noidlb_pair"} <= set(tables)

    def _send(self, script: str, patience: float) -> int:
        assert self._agent is not None
        self._asked += 1
        request = {"id": self._asked, "script": script, "patience": patience}
        self._agent.sendall(json.dumps(request).encode() + b"\n")
        return self._asked

    def _receive(self, patience: float) -> dict[str, Any]:
        assert self._agent is not None
        self._agent.settimeout(patience)
        while b"\n" not in self._rest:
            try:
                data = self._agent.recv(65536)
            except TimeoutError:
                raise MachineError(f"{self.name} says nothing in {patience:.0f} s:\n{end_of(self._console)}") from None
            if not data:
                raise MachineError(f"{self.name} has ended:\n{end_of(self._console)}")
            self._rest += data
        line, _, self._rest = self._rest.partition(b"\n")
        found = json.loads(line)
        assert isinstance(found, dict)
        return found
