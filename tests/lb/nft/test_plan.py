from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address

import pytest
from noidlb.config.mark_layout import MANY, Layout
from noidlb.farm import BackendState, Farm, Mode, Protocol
from noidlb.nft import nft as kernel
from noidlb.nft.compile import compile_table
from noidlb.nft.marks import Marks
from noidlb.nft.plan import describe, plan, shares
from noidlb.nft.run import KernelError
from noidlb.nft.skeleton import VERSION
from noidlb.nft.table import Snapshot, Table, render, transactions
from noidlb.overrides import Overrides

from tests.support.lb.farms import backend, farm
from tests.support.lb.programs import Played

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


def holding(current: Current, *farms: Farm, overrides: Overrides | None = None) -> Table:
    said = overrides or Overrides()
    table = compile_table(farms, said.conditions(), said.stopped_of(farms))
    current["it"] = Snapshot(VERSION, table)
    return table


def down(*names: tuple[str, str], state: BackendState = DOWN) -> Overrides:
    return Overrides(dict.fromkeys(names, state))


def test_without_a_table_all_of_it_is_made(current: Current) -> None:
    change = plan((FTP,), Overrides())
    assert change.batches == (render(compile_table((FTP,))),)
    assert change.old is None
    assert describe(change, (FTP,)) == ["the table is made, with 1 farm"]


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (Snapshot(None), "the table is of another version"),
        (Snapshot(VERSION + 1), "the table is of another version"),
        (Snapshot(None, damage="chain nat4 has other rules"), "the table is not as noidlb has made it (chain nat4"),
        (Snapshot(VERSION, Table(layout=Layout(MANY))), "the table has other bits for its marks"),
    ],
)
def test_a_table_that_is_another_is_replaced_in_one_transaction(current: Current, found: Snapshot, why: str) -> None:
    current["it"] = found
    change = plan((FTP,), Overrides())
    assert change.batches == (f"delete table inet noidlb\n{render(compile_table((FTP,)))}",)
    (line,) = describe(change, (FTP,))
    assert line.startswith(why)
    assert line.endswith("it is replaced as a whole")


def test_what_is_right_already_is_not_touched(current: Current) -> None:
    holding(current, FTP, overrides=down(("ftp", "b1")))
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
    change = plan((FTP, farm("g", vip=(ip_address("192.0.2.9"),), sticky=60)), Overrides())
    assert len(change.batches) == 2
    change.run()
    assert [call.given for call in nft.calls] == list(change.batches)


def test_a_transaction_that_fails_ends_it(current: Current, nft: Played) -> None:
    holding(current, FTP)
    change = plan((FTP, farm("g", vip=(ip_address("192.0.2.9"),), sticky=60)), Overrides())
    nft.answer(err="Error: no\n", code=1)
    with pytest.raises(KernelError, match="Error: no"):
        change.run()
    assert len(nft.calls) == 1


def lines(
    current: Current, old: tuple[Farm, ...], new: tuple[Farm, ...], overrides: Overrides | None = None
) -> list[str]:
    holding(current, *old)
    return describe(plan(new, overrides or Overrides()), new)


def test_changes_are_told_in_words(current: Current) -> None:
    v4 = (ip_address("192.0.2.1"),)
    one, other = farm("one", 2, vip=v4), farm("other", 2, vip=(ip_address("192.0.2.2"),))
    assert lines(current, (one,), (one, other)) == ["service tcp 192.0.2.2 21 of farm other: added"]
    assert lines(current, (one, other), (one,)) == ["service tcp 192.0.2.2 21 of farm other: removed"]
    assert lines(current, (one,), (one,), down(("one", "b1"))) == [
        "backend one/b1: gets no connections any more, new clients 50 % -> none",
        "backend one/b2: new clients 50 % -> 100 %",
    ]
    assert lines(current, (one,), (one,), Overrides(all_stopped=True)) == [
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
    assert lines(current, (one,), (farm("one", 2, vip=v4, connection_limit=5),)) == [
        "details only, such as a limit or the scheduler: diff prints them as nft text"
    ]
    holding(current, one, overrides=Overrides(all_stopped=True))
    assert describe(plan((one,), Overrides()), (one,)) == [
        "service tcp 192.0.2.1 21 of farm one: serves its clients again"
    ]


def test_a_farm_that_changes_its_mode_is_told(current: Current) -> None:
    v4 = (ip_address("192.0.2.1"),)
    snat, dnat = farm("one", 1, vip=v4), farm("one", 1, vip=v4, mode=Mode.DNAT)
    fixed = farm("one", 1, vip=v4, source=(ip_address("10.0.0.1"),))
    told = "service tcp 192.0.2.1 21 of farm one: mode"
    assert lines(current, (snat,), (dnat,)) == [f"{told} snat becomes dnat"]
    assert lines(current, (dnat,), (fixed,)) == [f"{told} dnat becomes snat from 10.0.0.1"]
    assert lines(current, (fixed,), (snat,)) == [f"{told} snat from 10.0.0.1 becomes snat"]
    assert lines(current, (snat,), (farm("one", 1, vip=v4, mode=Mode.DNAT, sticky=60),)) == [
        "service tcp 192.0.2.1 21 of farm one: goto plain4 becomes goto sticky4-60",
        f"{told} snat becomes dnat",
    ]


def as_names(farms: tuple[Farm, ...], found: Mapping[int, tuple[int, int]]) -> dict[str, tuple[int, int]]:
    return {Marks(farms).names[mark]: share for mark, share in found.items()}


def test_shares_are_of_the_slots() -> None:
    weighted = farm("w", backends=(backend(1, weight=3), backend(2), backend(3, backup=True)))
    assert as_names((weighted,), shares(compile_table((weighted,)))) == {"w/b1": (45, 60), "w/b2": (15, 60)}
    mixed = farm("m", backends=(backend(1, address=(ip_address("10.0.0.1"),)), backend(2)))
    assert as_names((mixed,), shares(compile_table((mixed,)))) == {"m/b1": (6, 12), "m/b2": (12, 12)}
