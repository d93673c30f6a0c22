from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import pytest
from noidlb.farm import BackendState, Condition, Conditions, Farm, Protocol
from noidlb.guard import Guard
from noidlb.guardian.applier import ApplyResult, NftApplier
from noidlb.nft import nft as kernel
from noidlb.nft.compile import compile_table
from noidlb.nft.listing import Snapshot
from noidlb.nft.marks import Marks
from noidlb.nft.nft import KernelError, NftSession
from noidlb.nft.notices import Notice, Notices
from noidlb.nft.skeleton import VERSION
from noidlb.role import Role

from tests.support.lb.farms import farm
from tests.support.lb.programs import Played

DOWN = Condition(BackendState.DOWN)
FTP = farm("ftp")
CUT = farm("cut", ports=(2121,), guardian=Guard(cut_connections=True))
TFTP = farm("tftp", protocol=Protocol.TFTP)
FARMS = (FTP, CUT, TFTP)
NONE: frozenset[str] = frozenset()


class Told:
    """What the kernel tells of others' changes: nothing, or what a test says; works is whether it tells at all."""

    def __init__(self, *, works: bool = False) -> None:
        self.works = works
        self.notice: Notice | None = None
        self.ignored = 0

    def read(self) -> Notice | None:
        notice, self.notice = self.notice, None
        return notice

    def ignore(self, port: int) -> None:
        self.ignored = port

    def fileno(self) -> int:
        return -1

    def close(self) -> None: ...


class Held:
    """What the kernel has; reads counts how often somebody looked."""

    def __init__(self) -> None:
        self.snapshot: Snapshot | None = None
        self.reads = 0

    def put(self, farms: tuple[Farm, ...], conditions: Conditions | None = None) -> None:
        self.snapshot = Snapshot(VERSION, compile_table(farms, conditions))

    def read(self) -> Snapshot | None:
        self.reads += 1
        return self.snapshot


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Held:
    one = Held()
    monkeypatch.setattr(kernel, "read", one.read)
    return one


@pytest.fixture
def applier(nft: Played, conntrack: Played) -> Iterator[NftApplier]:
    one = NftApplier(NftSession(idle=60), generation_of=lambda: 7, notices=cast("Notices", Told()))
    yield one
    one.close()


def down(*names: str, farm: str = "ftp") -> dict[tuple[str, str], Condition]:
    return {(farm, name): DOWN for name in names}


def matched(marks: Marks, mark: int) -> str:
    value, mask = marks.layout.match(mark)
    return f"{value:#x}/{mask:#x}"


def lines(nft: Played) -> list[str]:
    return [call.given for call in nft.calls if call.arguments == ["-i"]]


def test_without_a_table_one_transaction_makes_it(held: Held, nft: Played, applier: NftApplier) -> None:
    assert applier.apply(FARMS, {}, NONE) == ApplyResult(1, 0, repaired=True)
    assert lines(nft)[0].startswith("table inet noidlb {")


def test_a_table_that_is_as_it_should_be_is_left_alone(held: Held, nft: Played, applier: NftApplier) -> None:
    held.put(FARMS, down("b1"))
    assert applier.apply(FARMS, down("b1"), NONE) == ApplyResult()
    assert lines(nft) == []


def test_a_change_is_one_small_transaction_and_nobody_reads_the_table(
    held: Held, nft: Played, applier: NftApplier
) -> None:
    held.put(FARMS)
    applier.apply(FARMS, {}, NONE)
    assert applier.apply(FARMS, down("b1") | down("b2", "b3", farm="cut"), NONE).transactions == 1
    assert held.reads == 1
    (line,) = lines(nft)
    marks = Marks(FARMS)
    assert f"{marks.backend(FTP, 'b1'):#010x}" in line
    assert f"{marks.farm(TFTP):#010x}" not in line
    assert applier.apply(FARMS, down("b1") | down("b2", "b3", farm="cut"), NONE).transactions == 0


def test_five_hundred_changes_are_one_transaction(held: Held, nft: Played, applier: NftApplier) -> None:
    farms = tuple(farm(f"f{number}", count=50, ports=(3000 + number,)) for number in range(10))
    held.put(farms)
    applier.apply(farms, {}, NONE)
    all_down = {(one.name, backend.name): DOWN for one in farms for backend in one.backends}
    assert applier.apply(farms, all_down, NONE).transactions == 1
    assert len(lines(nft)) == 1


def test_after_a_refusal_the_table_is_read_and_finished(held: Held, nft: Played, applier: NftApplier) -> None:
    held.put(FARMS)
    applier.apply(FARMS, {}, NONE)
    nft.answer("-i", err="Error: Could not process rule: File exists\n", times=1)
    with pytest.raises(KernelError, match="File exists"):
        applier.apply(FARMS, down("b1"), NONE)
    assert applier.apply(FARMS, down("b1"), NONE) == ApplyResult(1, 0, repaired=True)
    assert held.reads == 2


def test_after_nft_has_died_nobody_knows_and_somebody_looks(held: Held, nft: Played, applier: NftApplier) -> None:
    held.put(FARMS)
    applier.apply(FARMS, {}, NONE)
    nft.answer("-i", code=1, times=1)
    with pytest.raises(KernelError, match="nft has ended"):
        applier.apply(FARMS, down("b1"), NONE)
    # It had come through before the end.
    held.put(FARMS, down("b1"))
    assert applier.apply(FARMS, down("b1"), NONE) == ApplyResult()
    assert held.reads == 2


def test_somebody_elses_change_is_noticed_and_undone(held: Held, nft: Played, conntrack: Played) -> None:
    number = 7
    applier = NftApplier(NftSession(idle=60), generation_of=lambda: number, notices=cast("Notices", Told()))
    held.put(FARMS)
    applier.apply(FARMS, {}, NONE)
    assert not applier.is_disturbed()
    number = 8
    assert applier.is_disturbed()
    held.put(FARMS, down("b2"))
    assert applier.apply(FARMS, {}, NONE) == ApplyResult(1, 0, repaired=True)
    # Our own transaction counts; and where nobody tells, nobody is disturbed.
    number = 9
    assert not applier.is_disturbed()
    applier.close()


def test_what_the_kernel_tells_decides_who_looks(held: Held, nft: Played, conntrack: Played) -> None:
    number, told = 7, Told(works=True)
    applier = NftApplier(NftSession(idle=60), generation_of=lambda: number, notices=cast("Notices", told))
    held.put(FARMS)
    applier.apply(FARMS, {}, NONE)
    number = 8
    # Somebody has changed a table of theirs.
    assert not applier.is_disturbed()
    told.notice = Notice(removed=True, who=" (nft, process 7)")
    assert applier.is_disturbed()
    held.snapshot = None
    assert applier.apply(FARMS, {}, NONE) == ApplyResult(
        1, repaired=True, why="the table was removed by another program (nft, process 7)"
    )
    assert told.ignored > 0
    told.notice = Notice(lost=True)
    assert applier.is_disturbed() is (applier._expected != number)
    applier.close()


def test_other_farms_and_words_are_a_change_of_the_whole(held: Held, nft: Played, applier: NftApplier) -> None:
    held.put(FARMS)
    applier.apply(FARMS, {}, NONE)
    # What pointed at its chain goes first, then the chain.
    assert applier.apply(FARMS[:2], {}, NONE).transactions == 2
    assert held.reads == 2
    held.put(FARMS[:2])
    assert applier.apply(FARMS[:2], {}, frozenset({"ftp"})).transactions == 2
    # While a farm is stopped, its backends change nothing.
    assert applier.apply(FARMS[:2], down("b1"), frozenset({"ftp"})).transactions == 0


def test_flows_end_where_they_must_and_where_it_is_asked_for(
    held: Held, conntrack: Played, applier: NftApplier
) -> None:
    held.put(FARMS)
    applier.apply(FARMS, {}, NONE)
    conntrack.answer("ipv4", err="conntrack v1.4.7 (conntrack-tools): 2 flow entries have been deleted.\n")
    conditions = down("b1") | down("b1", farm="cut") | down("b1", farm="tftp")
    assert applier.apply(FARMS, conditions, NONE) == ApplyResult(1, 4)
    marks = Marks(FARMS)
    cut, tftp = (matched(marks, marks.backend(one, "b1")) for one in (CUT, TFTP))
    deleted = [call.arguments for call in conntrack.calls if call.arguments[0] == "-D"]
    assert {words[-1] for words in deleted} == {cut, tftp}
    assert {"udp" in words for words in deleted if words[-1] == tftp} == {True}


def test_a_whole_farm_ends_at_once(held: Held, conntrack: Played, applier: NftApplier) -> None:
    held.put(FARMS)
    applier.apply(FARMS, {}, NONE)
    applier.apply(FARMS, down("b1", "b2", "b3", farm="cut"), NONE)
    marks = Marks(FARMS)
    assert {call.arguments[-1] for call in conntrack.calls} == {matched(marks, marks.farm(CUT))}


def test_who_stands_by_ends_no_flows(held: Held, nft: Played, conntrack: Played) -> None:
    role = Role.BACKUP
    one = NftApplier(
        NftSession(idle=60), generation_of=lambda: 7, role_of=lambda: role, notices=cast("Notices", Told())
    )
    held.put(FARMS)
    try:
        one.apply(FARMS, {}, NONE)
        one.apply(FARMS, down("b1", farm="tftp") | down("b1", farm="cut"), NONE)
        assert conntrack.calls == []
        # What was not ended then is not ended later: the other balancer has done it.
        role = Role.MASTER
        one.apply(FARMS, down("b1", farm="tftp") | down("b1", farm="cut"), NONE)
        assert conntrack.calls == []
        one.apply(FARMS, down("b1", "b2", farm="tftp"), NONE)
        assert conntrack.calls != []
    finally:
        one.close()


def test_flows_that_could_not_be_ended_are_ended_the_next_time(
    held: Held, conntrack: Played, applier: NftApplier
) -> None:
    held.put(FARMS)
    applier.apply(FARMS, {}, NONE)
    conntrack.answer(err="conntrack v1.4.7: Operation not permitted\n", code=1, times=1)
    applied = applier.apply(FARMS, down("b1", farm="cut"), NONE)
    assert applied.transactions == 1
    assert "CAP_NET_ADMIN" in applied.trouble
    done = len(conntrack.calls)
    assert applier.apply(FARMS, down("b1", farm="cut"), NONE) == ApplyResult()
    assert len(conntrack.calls) == done + 2
