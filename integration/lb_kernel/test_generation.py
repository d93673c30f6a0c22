"""The generation of a real kernel: a command reads the table exactly when a program has changed a table."""

from __future__ import annotations

from pathlib import Path

import pytest
from noidlb.cli.main import _run
from noidlb.nft import nft as kernel
from noidlb.nft.generation import generation
from noidlb.nft.table import Snapshot

from integration.lb_kernel.conftest import nft

FARMS = """\
[farms.ftp]
protocol = "ftp"
vip = "192.0.2.10"
backends = [{ name = "b1", address = "10.0.1.11" }, { name = "b2", address = "10.0.1.12" }]
[farms.boot]
protocol = "tftp"
vip = "192.0.2.10"
backends = [{ name = "b1", address = "10.0.1.11" }, { name = "b2", address = "10.0.1.12" }]
"""


class Reads:
    """Counts how often the table was read since the last look."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._count = 0
        read = kernel.read

        def counted() -> Snapshot | None:
            self._count += 1
            return read()

        monkeypatch.setattr(kernel, "read", counted)

    def look(self) -> int:
        found, self._count = self._count, 0
        return found


def test_a_transaction_counts_once_and_reading_not_at_all() -> None:
    before = generation()
    assert before is not None
    nft("list", "ruleset")
    nft("-c", "-f", "-", text="add table ip other")
    assert generation() == before
    nft("-f", "-", text="add table ip other\nadd chain ip other c\n")
    assert generation() == before.after(1)
    nft("delete", "table", "ip", "other")
    assert generation() == before.after(2)


def test_the_table_is_read_when_a_program_has_changed_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, where = tmp_path / "farms.toml", ["--state-dir", str(tmp_path / "state")]
    file.write_text(FARMS)
    reads = Reads(monkeypatch)
    assert _run(["apply", str(file), *where]) == 0
    whole = kernel.read()
    assert reads.look() == 2
    for words in (["drain", "ftp", "b1"], ["down", "boot", "b2"], ["stop", "ftp"], ["start"], ["up", "boot", "b2"]):
        assert _run([*words, *where]) == 0
    assert _run(["up", "ftp", "b1", *where]) == 0
    assert reads.look() == 0
    assert kernel.read() == whole
    reads.look()
    # Not of this table.
    nft("add", "table", "ip", "other")
    assert _run(["drain", "ftp", "b1", *where]) == 0
    assert reads.look() == 1
    assert _run(["up", "ftp", "b1", *where]) == 0
    assert reads.look() == 0
    nft("delete", "table", "ip", "other")
    # Of this one.
    nft("flush", "map", "inet", "noidlb", "service4")
    assert _run(["apply", str(file), *where]) == 0
    assert reads.look() == 1
    assert kernel.read() == whole
    nft("delete", "table", "inet", "noidlb")
    assert _run(["start", *where]) == 0
    assert kernel.read() == whole
