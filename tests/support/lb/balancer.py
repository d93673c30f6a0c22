"""The command noidlb with a kernel that is played."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from noidlb.cli.main import _run
from noidlb.nft.generation import Generation
from noidlb.nft.skeleton import VERSION
from noidlb.nft.table import Snapshot, Table

from tests.support.lb.fake_nft import FakeNft
from tests.support.lb.programs import Played

ONE = """\
[farms.public-ftp]
protocol = "ftp"
vip = "192.0.2.10"
[[farms.public-ftp.backends]]
name = "b1"
address = ["10.0.1.11", "fd00:1::11"]
port = 2121
[[farms.public-ftp.backends]]
name = "b2"
address = "10.0.1.12"
"""
BOTH = f"""{ONE}
[farms.boot]
protocol = "tftp"
vip = "192.0.2.10"
[[farms.boot.backends]]
name = "b1"
address = "10.0.1.11"
[[farms.boot.backends]]
name = "b2"
address = "10.0.1.12"
"""


class Balancer:
    """noidlb with a kernel that is played, or rather what it keeps of a table; reads counts how often it was read."""

    def __init__(self, folder: Path, conntrack: Played) -> None:
        self.folder = folder
        self.conntrack = conntrack
        self.changes = self.reads = 0
        self.generation = Generation("boot/1", 7)
        self._holds: Snapshot | None = None

    @property
    def holds(self) -> Snapshot | None:
        """The table; whoever sets it, the kernel counts."""
        return self._holds

    @holds.setter
    def holds(self, found: Snapshot | None) -> None:
        self._holds = found
        self.generation = self.generation.after(1)

    def read(self) -> Snapshot | None:
        self.reads += 1
        return self._holds

    def change(self, batches: Sequence[str]) -> None:
        """Runs transactions, as plans have them."""
        nft = FakeNft()
        nft.load(self._holds.table if self._holds else None)
        for batch in batches:
            nft.run(batch)
        if batches:
            assert nft.table is not None
            self.generation = self.generation.after(len(batches))
            self._holds = Snapshot(VERSION, nft.table)
            self.changes += 1

    def write(self, text: str) -> str:
        path = self.folder / "farms.toml"
        path.write_text(text)
        return str(path)

    def run(self, *words: str) -> tuple[int, str]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("NOIDLB_STATE", str(self.folder / "state"))
            output: list[str] = []
            patch.setattr("click.echo", lambda text="", nl=True, err=False: output.append(f"{text}\n" if nl else text))
            code = _run(words)
        return code, "".join(output)

    @property
    def table(self) -> Table:
        assert self.holds is not None
        return self.holds.table

    def cuts(self) -> list[list[str]]:
        return [call.arguments for call in self.conntrack.calls if {"-D", "ipv4"} <= {*call.arguments}]
