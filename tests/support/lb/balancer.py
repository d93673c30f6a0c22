"""The command noidlb with a kernel that is played."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from noidlb.cli.main import _run
from noidlb.nft.listing import Snapshot
from noidlb.nft.table import Table

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


@dataclass
class Balancer:
    """noidlb with a kernel that is played, or rather what it keeps of a table."""

    folder: Path
    conntrack: Played
    holds: Snapshot | None = None
    changes: int = 0

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
