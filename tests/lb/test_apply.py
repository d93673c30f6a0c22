from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address

import pytest

from lb import kernel
from lb.apply import describe, plan, shares
from lb.farm import BackendState, Farm, Mode, Protocol
from lb.kernel import KernelError
from lb.listing import Snapshot
from lb.marks import FLOW_MASK, Marks
from lb.ruleset import compile_table
from lb.skeleton import VERSION
from lb.table import Table, render, transactions
from lb.words import Words

from .farms import backend, farm
from .programs import Played

DRAIN, DOWN = BackendState.DRAIN, BackendState.DOWN
FTP = farm("ftp")
TFTP = farm("tftp", protocol=Protocol.TFTP)


@pytest.fixture
def current(monkeypatch: pytest.MonkeyPatch) -> dict[str, Snapshot | None]:
    """What the kernel has, under "it"."""
    held: dict[str, Snapshot | None] = {"it": None}
    monkeypatch.setattr(kernel, "read", lambda: held["it"])
    return held


Current = dict[str, Snapshot | None]


def holding(current: Current, *farms: Farm, words: Words | None = None) -> Table:
    said = words or Words()
    table = compile_table(farms, said.conditions(), said.stopped_of(farms))
    current["it"] = Snapshot(VERSION, table)
    return table


def down(*names: tuple[str, str], state: BackendState = DOWN) -> Words:
    return Words(dict.fromkeys(names, state))


def marks_of(farms: tuple[Farm, ...], *names: tuple[str, str]) -> set[int]:
    by_name = {one.name: one for one in farms}
    return {Marks(farms).backend(by_name[name], one) & FLOW_MASK for name, one in names}


def test_without_a_table_all_of_it_is_made(current: Current) -> None:
    change = plan((FTP,), Words())
    assert change.batches == (render(compile_table((FTP,))),)
    assert change.old is None
    assert describe(change, (FTP,)) == ["the table is made, with 1 farm"]
    assert change.gone() == change.pinned((FTP,)) == frozenset()


@pytest.mark.parametrize("version", [None, VERSION + 1])
def test_a_table_of_another_version_is_replaced_in_one_transaction(current: Current, version: int | None) -> None:
    current["it"] = Snapshot(version)
    change = plan((FTP,), Words())
    assert change.batches == (f"delete table inet noidlb\n{render(compile_table((FTP,)))}",)
    assert describe(change, (FTP,)) == ["the table of another version is replaced as a whole"]


def test_what_is_right_already_is_not_touched(current: Current) -> None:
    holding(current, FTP, words=down(("ftp", "b1")))
    change = plan((FTP,), down(("ftp", "b1")))
    assert change.batches == ()
    assert describe(change, (FTP,)) == []


def test_a_change_is_the_smallest_one(current: Current) -> None:
    old = holding(current, FTP, TFTP)
    change = plan((FTP, TFTP), down(("ftp", "b1")))
    new = compile_table((FTP, TFTP), down(("ftp", "b1")).conditions())
    assert change.batches == tuple(transactions(old, new))


def test_transactions_run_in_their_order(current: Current, nft: Played) -> None:
    holding(current, FTP)
    change = plan((FTP, farm("g", vip=(ip_address("192.0.2.9"),), sticky=60)), Words())
    assert len(change.batches) == 2
    change.run()
    assert [call.given for call in nft.calls] == list(change.batches)


def test_a_transaction_that_fails_ends_it(current: Current, nft: Played) -> None:
    holding(current, FTP)
    change = plan((FTP, farm("g", vip=(ip_address("192.0.2.9"),), sticky=60)), Words())
    nft.answer(err="Error: no\n", code=1)
    with pytest.raises(KernelError, match="Error: no"):
        change.run()
    assert len(nft.calls) == 1


BOTH = (FTP, TFTP)


@pytest.mark.parametrize(
    ("words", "gone", "pinned"),
    [
        (down(("tftp", "b1")), {("tftp", "b1")}, {("tftp", "b1")}),
        (down(("ftp", "b1")), {("ftp", "b1")}, set()),
        (down(("tftp", "b1"), state=DRAIN), set(), set()),
        # Established flows go on when a farm is stopped.
        (Words(stopped=frozenset({"tftp"})), {("tftp", "b1"), ("tftp", "b2"), ("tftp", "b3")}, set()),
    ],
)
def test_udp_backends_that_go_down_are_pinned(
    current: Current, words: Words, gone: set[tuple[str, str]], pinned: set[tuple[str, str]]
) -> None:
    holding(current, *BOTH)
    change = plan(BOTH, words)
    assert change.gone() == marks_of(BOTH, *gone)
    assert change.pinned(BOTH) == marks_of(BOTH, *pinned)


def test_a_udp_backend_that_moves_is_pinned(current: Current) -> None:
    holding(current, TFTP)
    moved = farm("tftp", protocol=Protocol.TFTP, backends=(backend(1, port=70), backend(2), backend(3)))
    assert plan((moved,), Words()).pinned((moved,)) == marks_of((moved,), ("tftp", "b1"))


def test_a_backend_that_is_removed_is_gone_but_not_pinned(current: Current) -> None:
    holding(current, TFTP)
    fewer = farm("tftp", 2, protocol=Protocol.TFTP)
    change = plan((fewer,), Words())
    assert change.gone() == marks_of((TFTP,), ("tftp", "b3"))
    assert change.pinned((fewer,)) == frozenset()


def test_a_farm_that_gets_another_port_keeps_its_backends(current: Current) -> None:
    holding(current, TFTP)
    more = farm("tftp", protocol=Protocol.TFTP, ports=(69, 70))
    assert plan((more,), Words()).gone() == frozenset()


def test_a_backend_that_gets_passive_ports_keeps_its_flows(current: Current) -> None:
    ranged = farm("ftp", backends=tuple(backend(n, passive_ports=(50000 + n, 50000 + n)) for n in (1, 2, 3)))
    holding(current, ranged)
    assert plan((FTP,), Words()).gone() == frozenset()


def lines(current: Current, old: tuple[Farm, ...], new: tuple[Farm, ...], words: Words | None = None) -> list[str]:
    holding(current, *old)
    return describe(plan(new, words or Words()), new)


def test_changes_are_told_in_words(current: Current) -> None:
    v4 = (ip_address("192.0.2.1"),)
    one, other = farm("one", 2, vip=v4), farm("other", 2, vip=(ip_address("192.0.2.2"),))
    assert lines(current, (one,), (one, other)) == ["service tcp 192.0.2.2 21 of farm other: added"]
    assert lines(current, (one, other), (one,)) == ["service tcp 192.0.2.2 21 of farm other: removed"]
    assert lines(current, (one,), (one,), down(("one", "b1"))) == [
        "backend one/b1: gets no connections any more, new clients 50 % -> none",
        "backend one/b2: new clients 50 % -> 100 %",
    ]
    assert lines(current, (one,), (one,), Words(all_stopped=True)) == [
        "service tcp 192.0.2.1 21 of farm one: refuses its clients"
    ]
    assert lines(current, (one,), (farm("one", 2, vip=v4, sticky=60),)) == [
        "service tcp 192.0.2.1 21 of farm one: goto plain4 becomes goto sticky4-60"
    ]
    moved = farm("one", vip=v4, backends=(backend(1, port=2121), backend(2)))
    assert lines(current, (one,), (moved,)) == [
        "backend one/b1: 10.20.1.2 port 21 becomes 10.20.1.2 port 2121",
    ]
    assert lines(current, (one,), (farm("one", 3, vip=v4),)) == [
        "backend one/b1: new clients 50 % -> 33 %",
        "backend one/b2: new clients 50 % -> 33 %",
        "backend one/b3: added as 10.20.3.2 port 21, new clients none -> 33 %",
    ]
    assert lines(current, (one,), (farm("one", 2, vip=v4, connection_limit=5),)) == ["details only: see the nft text"]
    holding(current, one, words=Words(all_stopped=True))
    assert describe(plan((one,), Words()), (one,)) == ["service tcp 192.0.2.1 21 of farm one: serves its clients again"]


def test_a_farm_that_changes_its_mode_is_told(current: Current) -> None:
    assert lines(current, (FTP,), (farm("ftp", mode=Mode.DNAT),)) != []


def as_names(farms: tuple[Farm, ...], found: Mapping[int, tuple[int, int]]) -> dict[str, tuple[int, int]]:
    return {Marks(farms).names[mark]: share for mark, share in found.items()}


def test_shares_are_of_the_slots() -> None:
    weighted = farm("w", backends=(backend(1, weight=3), backend(2), backend(3, backup=True)))
    assert as_names((weighted,), shares(compile_table((weighted,)))) == {"w/b1": (45, 60), "w/b2": (15, 60)}
    mixed = farm("m", backends=(backend(1, address=(ip_address("10.0.0.1"),)), backend(2)))
    assert as_names((mixed,), shares(compile_table((mixed,)))) == {"m/b1": (6, 12), "m/b2": (12, 12)}
