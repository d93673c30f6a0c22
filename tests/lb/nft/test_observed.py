from __future__ import annotations

import json

import pytest
from hypothesis import given, settings, strategies as st
from noidlb.nft import fullness, observed as look
from noidlb.nft.compile import compile_table
from noidlb.nft.marks import Marks
from noidlb.nft.observed import FLOWS, TABLE, Reader, facts_of, to_lines
from noidlb.nft.run import KernelError
from noidlb.nft.table import Snapshot
from noidlb.service.observer import Observer

from tests.support.lb.balancer import Balancer
from tests.support.lb.farms import conditions, farm, farm_sets


@settings(deadline=None, max_examples=50)
@given(st.data())
def test_what_a_process_prints_is_what_it_has_seen(data: st.DataObject) -> None:
    farms = data.draw(farm_sets())
    table = compile_table(farms, data.draw(conditions(farms)))
    facts = facts_of(Snapshot(1, table, dict.fromkeys(Marks(farms).names, 3)))
    reader = Reader()
    for _ in reader.take(line.encode() for line in to_lines(facts)):
        pass
    assert reader.facts == facts


def test_a_large_table_is_many_short_lines() -> None:
    farms = tuple(farm(f"f{number}", 200, vip=farm().vip[:1]) for number in range(3))
    lines = list(to_lines(facts_of(Snapshot(1, compile_table(farms)))))
    assert len(lines) > 5
    assert all(len(json.loads(line)[1]) <= 200 for line in lines)


def test_no_table_is_told() -> None:
    reader = Reader()
    list(reader.take(line.encode() for line in to_lines(facts_of(None))))
    assert reader.facts == facts_of(None)


@pytest.mark.parametrize("works", [True, False])
@pytest.mark.parametrize("backends", [1, 10_000])
async def test_both_ways_of_looking_see_the_same(
    applied: Balancer, backends: int, works: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As a process of its own it finds the same nft and conntrack on its path, and says what goes wrong there.
    observer = Observer(lambda: backends)
    if backends > 1:
        monkeypatch.setattr(fullness, "flows", lambda: fullness.Fullness(1_000_000, 2_000_000))
    if works:
        applied.conntrack.answer("-L", out="tcp 6 ESTABLISHED src=1 mark=65793 use=1\n")
    else:
        applied.conntrack.answer("-L", err="Operation not permitted", code=1)
    assert await observer.flows(60.0) == ({65793: 2} if works else None)
    await observer.close()


def test_what_goes_wrong_is_one_sentence(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    def refuse() -> None:
        raise KernelError("the kernel refuses nft")

    monkeypatch.setattr(look, "read_table", refuse)
    monkeypatch.setattr("os.nice", lambda by: by)
    assert look.main(TABLE) == 2
    assert capfd.readouterr() == ("", "the kernel refuses nft\n")


def test_flows_are_printed(
    applied: Balancer, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("os.nice", lambda by: by)
    applied.conntrack.answer("-L", out="tcp 6 ESTABLISHED src=1 mark=7 use=1\n")
    assert look.main(FLOWS) == 0
    assert json.loads(capfd.readouterr().out) == ["flows", [[7, 2]]]
