"""A full table of connections is seen in what the kernel counts."""

from __future__ import annotations

from pathlib import Path

import pytest
from noidlb.guardian.flow_table import FlowTable
from noidlb.nft.fullness import Fullness

from tests.support.lb.proc import Proc


@pytest.fixture
def proc(tmp_path: Path) -> Proc:
    return Proc(tmp_path)


def test_it_is_full_at_its_limit_and_for_a_while_after(proc: Proc) -> None:
    table = FlowTable(proc.root)
    table.look(1.0)
    assert (table.held, table.is_full(1.0)) == (Fullness(10, 100), False)
    proc.tell(100)
    table.look(2.0)
    proc.tell(50)
    table.look(3.0)
    assert table.is_full(3.0)
    # A probe from before the end of it, and one from after.
    assert table.was_full(1.5)
    assert not table.was_full(2.5)
    assert not table.is_full(20.0)
    assert "50 of 100" in str(table)


def test_packets_that_were_dropped_between_two_looks_tell_it_too(proc: Proc) -> None:
    table = FlowTable(proc.root)
    proc.tell(95, dropped=7)
    table.look(1.0)
    assert not table.was_full(0.0)
    proc.tell(95, dropped=0x1F)
    table.look(2.0)
    assert table.was_full(1.5)


def test_packets_dropped_in_a_table_with_room_are_another_matter(proc: Proc) -> None:
    table = FlowTable(proc.root)
    table.look(1.0)
    proc.tell(10, dropped=1000)
    table.look(2.0)
    assert not table.was_full(0.0)


def test_no_limit_and_no_such_table_are_never_full(proc: Proc, tmp_path: Path) -> None:
    proc.tell(10**6, most=0)
    for table in (FlowTable(proc.root), FlowTable(tmp_path / "nowhere")):
        table.look(1.0)
        table.look(2.0)
        assert not table.was_full(0.0)
    assert FlowTable(tmp_path / "nowhere").held is None


def test_a_kernel_without_statistics_is_judged_by_its_count(proc: Proc) -> None:
    proc.statistics.unlink()
    proc.tell(100)
    table = FlowTable(proc.root)
    table.look(1.0)
    assert table.was_full(0.5)


def test_looks_that_follow_each_other_closely_are_one(proc: Proc) -> None:
    table = FlowTable(proc.root)
    table.look(1.0)
    proc.tell(100)
    table.look(1.001)
    assert not table.was_full(0.0)
    table.look(1.1)
    assert table.was_full(0.0)
