from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import pytest
from noidlb.farm import BackendState, Condition, Conditions, Farm, Protocol
from noidlb.guard import Guard
from noidlb.guardian.applier import ApplyResult, NftApplier
from noidlb.nft.compile import compile_table
from noidlb.nft.marks import Marks
from noidlb.nft.notices import Notice
from noidlb.nft.run import KernelError
from noidlb.role import Role

from tests.support.lb.fake_nft import FakeNft, FakeNotices
from tests.support.lb.farms import backend, farm
from tests.support.lb.programs import Played

DOWN = Condition(BackendState.DOWN)
FTP = farm("ftp")
CUT = farm("cut", ports=(2121,), guardian=Guard(cut_connections=True))
TFTP = farm("tftp", protocol=Protocol.TFTP)
FARMS = (FTP, CUT, TFTP)
NONE: frozenset[str] = frozenset()


@pytest.fixture
def nft() -> FakeNft:
    return FakeNft()


@pytest.fixture
def applier(nft: FakeNft, conntrack: Played) -> Iterator[NftApplier]:
    one = NftApplier(nft, generation_of=lambda: nft.generation, notices=FakeNotices())
    yield one
    one.close()


def put(nft: FakeNft, farms: tuple[Farm, ...], conditions: Conditions | None = None) -> None:
    nft.load(compile_table(farms, conditions))


def down(*names: str, farm: str = "ftp") -> dict[tuple[str, str], Condition]:
    return {(farm, name): DOWN for name in names}


def matched(marks: Marks, mark: int) -> str:
    value, mask = marks.layout.match(mark)
    return f"{value:#x}/{mask:#x}"


def test_without_a_table_one_transaction_makes_it(nft: FakeNft, applier: NftApplier) -> None:
    assert applier.apply(FARMS, {}, NONE) == ApplyResult(1, 0, repaired=True)
    assert nft.transactions[0].startswith("table inet noidlb {")


def test_a_table_that_is_as_it_should_be_is_left_alone(nft: FakeNft, applier: NftApplier) -> None:
    put(nft, FARMS, down("b1"))
    assert applier.apply(FARMS, down("b1"), NONE) == ApplyResult()
    assert nft.transactions == []


def test_a_change_is_one_small_transaction_and_nobody_reads_the_table(nft: FakeNft, applier: NftApplier) -> None:
    put(nft, FARMS)
    applier.apply(FARMS, {}, NONE)
    assert applier.apply(FARMS, down("b1") | down("b2", "b3", farm="cut"), NONE).transactions == 1
    assert nft.reads == 1
    (line,) = nft.transactions
    marks = Marks(FARMS)
    assert f"{marks.backend(FTP, 'b1'):#010x}" in line
    assert f"{marks.farm(TFTP):#010x}" not in line
    assert applier.apply(FARMS, down("b1") | down("b2", "b3", farm="cut"), NONE).transactions == 0


def test_five_hundred_changes_are_one_transaction(nft: FakeNft, applier: NftApplier) -> None:
    farms = tuple(farm(f"f{number}", count=50, ports=(3000 + number,)) for number in range(10))
    put(nft, farms)
    applier.apply(farms, {}, NONE)
    all_down = {(one.name, backend.name): DOWN for one in farms for backend in one.backends}
    assert applier.apply(farms, all_down, NONE).transactions == 1
    assert len(nft.transactions) == 1


def test_other_farms_are_compared_with_what_was_applied_and_nobody_reads_the_table(
    nft: FakeNft, applier: NftApplier
) -> None:
    put(nft, FARMS)
    applier.apply(FARMS, {}, NONE)
    applier.apply(FARMS, down("b1"), NONE)
    fewer = (farm("ftp", count=5), CUT)
    assert applier.apply(fewer, down("b1"), frozenset({"cut"})).transactions >= 1
    assert nft.reads == 1
    found = nft.read()
    assert found is not None
    assert found.table == compile_table(fewer, down("b1"), frozenset({"cut"}))


def test_other_farms_are_compared_with_the_kernels_table_where_the_kernel_counts_no_changes(
    nft: FakeNft, conntrack: Played
) -> None:
    # Without the counter nothing proves that the table is still the own one.
    applier = NftApplier(nft, generation_of=lambda: None, notices=FakeNotices())
    put(nft, FARMS)
    applier.apply(FARMS, {}, NONE)
    put(nft, FARMS, down("b2"))
    fewer = (FTP, CUT)
    applier.apply(fewer, {}, NONE)
    assert nft.reads == 2
    assert nft.table == compile_table(fewer)


def test_a_mark_that_another_farm_has_now_loses_the_old_name(nft: FakeNft, applier: NftApplier) -> None:
    old, new = farm("fd"), farm("fb")
    assert Marks((old,)).farm(old) == Marks((new,)).farm(new)
    put(nft, (old,))
    applier.apply((old,), {}, NONE)
    applier.apply((new,), {}, NONE)
    found = nft.read()
    assert found is not None
    assert {name.partition("/")[0] for name in found.table.names.values()} == {new.name}


def test_other_farms_are_compared_with_the_kernels_table_after_a_change_by_another_program(
    nft: FakeNft, applier: NftApplier
) -> None:
    put(nft, FARMS)
    applier.apply(FARMS, {}, NONE)
    # It has not been noticed yet.
    nft.load(None)
    nft.generation += 1
    assert applier.apply((FTP,), {}, NONE) == ApplyResult(1)
    assert nft.reads == 2
    found = nft.read()
    assert found is not None
    assert found.table == compile_table((FTP,))


def test_after_a_refusal_the_table_is_read_and_finished(nft: FakeNft, applier: NftApplier) -> None:
    put(nft, FARMS)
    applier.apply(FARMS, {}, NONE)
    nft.failures = 1
    with pytest.raises(KernelError, match="nft refuses"):
        applier.apply(FARMS, down("b1"), NONE)
    assert applier.apply(FARMS, down("b1"), NONE) == ApplyResult(1, 0, repaired=True)
    assert nft.reads == 2


def test_after_nft_has_died_nobody_knows_and_somebody_looks(nft: FakeNft, applier: NftApplier) -> None:
    put(nft, FARMS)
    applier.apply(FARMS, {}, NONE)
    nft.ends = True
    with pytest.raises(KernelError, match="nft has ended"):
        applier.apply(FARMS, down("b1"), NONE)
    # It had come through before the end.
    assert applier.apply(FARMS, down("b1"), NONE) == ApplyResult()
    assert nft.reads == 2


def cut(conntrack: Played) -> set[str]:
    """Returns the marks, as conntrack is given them, whose flows ended."""
    return {call.arguments[-1] for call in conntrack.calls if call.arguments[0] == "-D"}


def marked(backend: str, name: str = "cut") -> str:
    marks, one = Marks(FARMS), next(one for one in FARMS if one.name == name)
    return matched(marks, marks.backend(one, backend))


@pytest.mark.parametrize("more", [[], ["b1"]])
def test_flows_end_that_were_to_end_when_nft_died(
    nft: FakeNft, conntrack: Played, applier: NftApplier, more: list[str]
) -> None:
    put(nft, FARMS)
    applier.apply(FARMS, {}, NONE)
    nft.ends = True
    wanted = down("b1", farm="cut") | down("b2", farm="tftp")
    with pytest.raises(KernelError, match="nft has ended"):
        applier.apply(FARMS, wanted, NONE)
    # The table is right already, but for what has changed meanwhile.
    assert applier.apply(FARMS, wanted | down(*more), NONE).transactions == len(more)
    assert cut(conntrack) == {marked("b1"), marked("b2", "tftp")}
    done = len(conntrack.calls)
    applier.apply(FARMS, wanted | down(*more), NONE)
    assert len(conntrack.calls) == done


def test_clients_from_before_the_table_are_looked_for_when_nft_died_making_it(
    nft: FakeNft, conntrack: Played, applier: NftApplier
) -> None:
    nft.ends = True
    for _ in range(2):
        with suppress(KernelError):
            applier.apply(FARMS, {}, NONE)
    assert {call.arguments[0] for call in conntrack.calls} == {"-L"}


@pytest.mark.parametrize("fault", ["failures", "ends"])
def test_a_backend_that_is_back_when_nft_works_again_loses_no_flows(
    nft: FakeNft, conntrack: Played, applier: NftApplier, fault: str
) -> None:
    put(nft, FARMS)
    applier.apply(FARMS, {}, NONE)
    setattr(nft, fault, 1)
    with pytest.raises(KernelError):
        applier.apply(FARMS, down("b1", "b2", farm="cut"), NONE)
    applier.apply(FARMS, down("b2", farm="cut"), NONE)
    assert cut(conntrack) == {marked("b2")}


def test_somebody_elses_change_is_noticed_and_undone(nft: FakeNft, conntrack: Played) -> None:
    number = 7
    applier = NftApplier(nft, generation_of=lambda: number, notices=FakeNotices())
    put(nft, FARMS)
    applier.apply(FARMS, {}, NONE)
    assert not applier.is_disturbed()
    number = 8
    assert applier.is_disturbed()
    put(nft, FARMS, down("b2"))
    assert applier.apply(FARMS, {}, NONE) == ApplyResult(1, 0, repaired=True)
    # Our own transaction counts; and where nobody tells, nobody is disturbed.
    number = 9
    assert not applier.is_disturbed()
    applier.close()


def test_what_the_kernel_tells_decides_who_looks(nft: FakeNft, conntrack: Played) -> None:
    number, told = 7, FakeNotices(works=True)
    applier = NftApplier(nft, generation_of=lambda: number, notices=told)
    put(nft, FARMS)
    applier.apply(FARMS, {}, NONE)
    number = 8
    # Somebody has changed a table of theirs.
    assert not applier.is_disturbed()
    told.notice = Notice(removed=True, who=" (nft, process 7)")
    assert applier.is_disturbed()
    nft.load(None)
    assert applier.apply(FARMS, {}, NONE) == ApplyResult(
        1, repaired=True, why="the table was removed by another program (nft, process 7)"
    )
    assert told.ignored > 0
    told.notice = Notice(lost=True)
    assert applier.is_disturbed() is (applier._expected != number)
    applier.close()


def test_other_farms_and_words_are_a_change_of_the_whole(nft: FakeNft, applier: NftApplier) -> None:
    put(nft, FARMS)
    applier.apply(FARMS, {}, NONE)
    # What pointed at its chain goes first, then the chain.
    assert applier.apply(FARMS[:2], {}, NONE).transactions == 2
    assert applier.apply(FARMS[:2], {}, frozenset({"ftp"})).transactions == 2
    # While a farm is stopped, its backends change nothing.
    assert applier.apply(FARMS[:2], down("b1"), frozenset({"ftp"})).transactions == 0


def test_flows_of_a_backend_that_fails_while_its_farm_is_stopped_end_when_it_starts(
    nft: FakeNft, conntrack: Played, applier: NftApplier
) -> None:
    listed = "udp 17 29 src=10.9.9.9 dst=10.10.0.100 sport=7 dport=69 src=10.20.{}.2 dst=10.20.1.1 sport=69 dport=7\n"
    conntrack.answer("-L", "ipv4", out="".join(listed.format(number) for number in (1, 2, 3)))
    put(nft, FARMS)
    applier.apply(FARMS, {}, NONE)
    applier.apply(FARMS, {}, frozenset({"tftp"}))
    applier.apply(FARMS, down("b1", farm="tftp"), frozenset({"tftp"}))
    assert conntrack.calls == []
    applier.apply(FARMS, down("b1", farm="tftp"), NONE)
    (deleted,) = (call.arguments for call in conntrack.calls if call.arguments[0] == "-D")
    assert " ".join(deleted).endswith("-p udp -d 10.10.0.100 --dport 69 -r 10.20.1.2 --reply-port-src 69")


def test_of_a_stopped_farm_the_passive_ports_follow_the_backends(nft: FakeNft, applier: NftApplier) -> None:
    ftps = (farm("f", backends=(backend(1, passive_ports=(50000, 50099)),)),)
    stopped = frozenset({"f"})
    applier.apply(ftps, down("b1", farm="f"), stopped)
    applier.apply(ftps, {}, stopped)
    assert nft.table == compile_table(ftps, {}, stopped)
    applier.apply(ftps, {}, NONE)
    assert nft.table == compile_table(ftps)


def test_flows_end_where_they_must_and_where_it_is_asked_for(
    nft: FakeNft, conntrack: Played, applier: NftApplier
) -> None:
    put(nft, FARMS)
    applier.apply(FARMS, {}, NONE)
    conntrack.answer("ipv4", err="conntrack v1.4.7 (conntrack-tools): 2 flow entries have been deleted.\n")
    conditions = down("b1") | down("b1", farm="cut") | down("b1", farm="tftp")
    assert applier.apply(FARMS, conditions, NONE) == ApplyResult(1, 4)
    marks = Marks(FARMS)
    cut, tftp = (matched(marks, marks.backend(one, "b1")) for one in (CUT, TFTP))
    deleted = [call.arguments for call in conntrack.calls if call.arguments[0] == "-D"]
    assert {words[-1] for words in deleted} == {cut, tftp}
    assert {"udp" in words for words in deleted if words[-1] == tftp} == {True}


def test_a_whole_farm_ends_at_once(nft: FakeNft, conntrack: Played, applier: NftApplier) -> None:
    put(nft, FARMS)
    applier.apply(FARMS, {}, NONE)
    applier.apply(FARMS, down("b1", "b2", "b3", farm="cut"), NONE)
    marks = Marks(FARMS)
    assert {call.arguments[-1] for call in conntrack.calls} == {matched(marks, marks.farm(CUT))}


def test_who_stands_by_ends_no_flows(nft: FakeNft, conntrack: Played) -> None:
    role = Role.BACKUP
    one = NftApplier(nft, generation_of=lambda: 7, role_of=lambda: role, notices=FakeNotices())
    put(nft, FARMS)
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
    nft: FakeNft, conntrack: Played, applier: NftApplier
) -> None:
    put(nft, FARMS)
    applier.apply(FARMS, {}, NONE)
    conntrack.answer(err="conntrack v1.4.7: Operation not permitted\n", code=1, times=1)
    applied = applier.apply(FARMS, down("b1", farm="cut"), NONE)
    assert applied.transactions == 1
    assert "CAP_NET_ADMIN" in applied.trouble
    done = len(conntrack.calls)
    assert applier.apply(FARMS, down("b1", farm="cut"), NONE) == ApplyResult()
    assert len(conntrack.calls) == done + 2
    assert applier.apply(FARMS, down("b1", farm="cut"), NONE) == ApplyResult()
    assert len(conntrack.calls) == done + 2


def test_flows_of_every_change_end_when_conntrack_works_again_but_not_those_of_backends_that_are_back(
    nft: FakeNft, conntrack: Played, applier: NftApplier
) -> None:
    put(nft, FARMS)
    applier.apply(FARMS, down("b2", farm="cut"), NONE)
    conntrack.answer(err="conntrack v1.4.7: Operation not permitted\n", code=1, times=3)
    # b1 goes down, b2 serves and goes down again, all before conntrack works; then b1 serves again.
    for names in (["b1", "b2"], ["b1"], ["b1", "b2"]):
        assert applier.apply(FARMS, down(*names, farm="cut"), NONE).trouble
    seen = len(conntrack.calls)
    assert applier.apply(FARMS, down("b2", farm="cut"), NONE).trouble == ""
    assert {call.arguments[-1] for call in conntrack.calls[seen:]} == {marked("b2")}
