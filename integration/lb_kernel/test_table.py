"""What is written into the kernel is what is read back, however it came about."""

from __future__ import annotations

from contextlib import closing
from ipaddress import ip_address
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from noidlb.doctor.rules import parse_ruleset
from noidlb.farm import Farm, Protocol
from noidlb.nft import nft as kernel
from noidlb.nft.compile import compile_table
from noidlb.nft.nft import NftSession
from noidlb.nft.plan import plan
from noidlb.nft.run import KernelError
from noidlb.nft.skeleton import TABLE, VERSION
from noidlb.nft.table import Table, render, transactions
from noidlb.overrides import Overrides

from integration.lb_kernel.conftest import nft
from tests.support.lb.farms import conditions, farm, farm_sets

pytestmark = pytest.mark.root

# The state of the kernel goes from one example to the next on purpose: each begins with what the last one left.
examples = settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def contents() -> Table:
    found = kernel.read()
    assert found is not None
    assert found.version == VERSION
    return found.table


@st.composite
def tables(draw: st.DrawFn) -> Table:
    """The table of some farms in some condition, of which some are stopped."""
    farms = draw(farm_sets())
    stopped = draw(st.frozensets(st.sampled_from([one.name for one in farms])))
    return compile_table(farms, draw(conditions(farms)), stopped)


@examples
@given(tables())
def test_nft_accepts_every_configuration_and_it_is_read_back(table: Table) -> None:
    kernel.remove()
    kernel.run(render(table))
    assert contents() == table


@examples
@given(st.lists(tables(), min_size=2, max_size=4))
def test_any_sequence_of_changes_ends_in_the_same_table_as_one_cold_apply(sequence: list[Table]) -> None:
    with closing(NftSession()) as session:
        for table in sequence:
            found = kernel.read()
            # By turns through the session that a guardian keeps open, and by a run of nft.
            batches = [render(table)] if found is None else transactions(found.table, table)
            for number, batch in enumerate(batches):
                (session.run if number % 2 else kernel.run)(batch)
            assert contents() == table
    warm = nft("-s", "list", "table", "inet", "noidlb")
    kernel.remove()
    kernel.run(render(sequence[-1]))
    assert contents() == sequence[-1]
    cold = nft("-s", "list", "table", "inet", "noidlb")
    # Chains stand in the order in which they were made, and elements in none.
    assert sorted(warm.replace(",", " ").split()) == sorted(cold.replace(",", " ").split())


@examples
@given(farm_sets())
def test_applying_twice_changes_nothing(farms: tuple[Farm, ...]) -> None:
    plan(farms, Overrides()).run()
    assert plan(farms, Overrides()).batches == ()


EDGES: dict[str, dict[str, Any]] = {
    "limit": {"connection_limit": 2**32 - 2},
    "sticky": {"sticky": 7 * 86400},
    "v6": {"vip": (ip_address("::1.2.3.4"), ip_address("2001:db8::"), ip_address("1:0:0:2::"))},
    "ports": {"ports": (1, 65535)},
}


@pytest.mark.parametrize("changes", EDGES.values(), ids=EDGES)
def test_extremes_are_read_back(changes: dict[str, Any]) -> None:
    table = compile_table((farm(**changes),))
    kernel.run(render(table))
    assert contents() == table


@pytest.mark.parametrize(("low", "high"), [(1, 1), (50000, 50000), (50176, 50431), (1024, 65535), (32768, 65535)])
def test_passive_ranges_are_read_back(low: int, high: int) -> None:
    one = farm(count=1)
    ranged = [type(backend)(name="b1", address=backend.address, passive_ports=(low, high)) for backend in one.backends]
    table = compile_table((farm(backends=tuple(ranged), ports=(990,)),)) if low > 990 or high < 990 else Table()
    kernel.run(render(table))
    assert contents() == table


def test_what_clients_have_left_is_not_read() -> None:
    table = compile_table((farm(sticky=300),))
    kernel.run(render(table))
    nft("add", "element", "inet", "noidlb", "sticky4", "{ 0x100 . 192.0.2.77 : 0x101 }")
    assert contents() == table


def test_another_version_is_replaced_as_a_whole_once() -> None:
    kernel.run(render(compile_table((farm("old", sticky=60),))).replace(f"noidlb {VERSION}", "noidlb 999"))
    found = kernel.read()
    assert found is not None
    assert found.version == 999
    change = plan((farm("new"),), Overrides())
    assert len(change.batches) == 1
    change.run()
    assert contents() == compile_table((farm("new"),))
    assert plan((farm("new"),), Overrides()).batches == ()


@pytest.mark.parametrize(
    "damage",
    [
        "flush chain inet noidlb dispatch; delete map inet noidlb range4",
        "flush chain inet noidlb output; delete chain inet noidlb output",
        "delete table inet noidlb; add table inet noidlb",
        "add table inet noidlb { flags dormant; }",
    ],
)
def test_a_damaged_table_is_made_anew(damage: str) -> None:
    farms = (farm(),)
    plan(farms, Overrides()).run()
    nft("-f", "-", text=f"{damage}\n")
    change = plan(farms, Overrides())
    assert change.foreign
    change.run()
    assert contents() == compile_table(farms)
    assert plan(farms, Overrides()).batches == ()


def test_elements_that_were_lost_come_back() -> None:
    farms = (farm(), farm("tftp", protocol=Protocol.TFTP))
    plan(farms, Overrides()).run()
    nft("flush", "map", "inet", "noidlb", "slot4")
    nft("delete", "element", "inet", "noidlb", "service4", "{ udp . 10.10.0.100 . 69 }")
    change = plan(farms, Overrides())
    assert len(change.batches) == 1
    change.run()
    assert contents() == compile_table(farms)


FOREIGN = {
    "service4": [
        "tcp . 10.10.0.100 . 22 : accept",
        "sctp . 10.10.0.100 . 21 : goto refuse",
        "200 . 10.10.0.100 . 21 : drop",
        "udp . 10.10.0.100 . 69 : return",
    ],
    "service6": ['tcp . fd00:10::100 . 22 comment "x" : continue'],
    "range4": [
        "10.10.0.100 . 1-9 : drop",
        "10.10.1.0/24 . 21 : accept",
        "10.10.2.3-10.10.2.7 . 1-9 : goto refuse",
    ],
    "range6": ["fd00:10::/64 . 21 : accept"],
    "passive6": ["fd00:10::/64 . 21 : 0x4"],
    "masq4": ["sctp . 10.10.0.100 . 21"],
    "masqrange6": ["fd00:10::/64 . 21"],
    "pick4": ["0x4 : drop"],
}


def test_elements_of_other_programs_are_removed_alone() -> None:
    farms = (farm(sticky=300),)
    plan(farms, Overrides()).run()
    nft("add", "element", "inet", "noidlb", "sticky4", "{ 0x100 . 192.0.2.77 : 0x101 }")
    for name, elements in FOREIGN.items():
        nft("add", "element", "inet", "noidlb", name, f"{{ {', '.join(elements)} }}")
    # In the place of an element of noidlb's.
    nft("delete", "element", "inet", "noidlb", "service4", "{ tcp . 10.10.0.100 . 21 }")
    nft("add", "element", "inet", "noidlb", "service4", "{ tcp . 10.10.0.100 . 21 : accept }")
    plan(farms, Overrides()).run()
    assert contents() == compile_table(farms)
    assert "192.0.2.77" in nft("list", "map", "inet", "noidlb", "sticky4"), "the sticky clients are forgotten"


@pytest.mark.parametrize(
    "element", ["service4 { * : accept }", "slot4 { * : 0x4 }", "host6 { * : fd00::1 }", "tftp4 { * }"]
)
def test_a_catch_all_element_has_the_table_replaced(element: str) -> None:
    farms = (farm(),)
    plan(farms, Overrides()).run()
    nft("add", "element", "inet", "noidlb", *element.split(" ", 1))
    plan(farms, Overrides()).run()
    assert contents() == compile_table(farms)


def test_a_session_survives_errors_and_changes_by_others() -> None:
    table = compile_table((farm(),))
    with closing(NftSession()) as session:
        session.run(render(table))
        held = contents()
        with pytest.raises(KernelError, match="syntax error"):
            session.run("bogus")
        # All or nothing: the first half alone would be fine.
        with pytest.raises(KernelError, match="No such file or directory"):
            session.run("flush map inet noidlb slot4\ndelete element inet noidlb slot4 { 1 . 1 }\n")
        key = next(iter(table.of("backend4")))
        with pytest.raises(KernelError, match="File exists"):
            session.run(f"add element inet noidlb backend4 {{ {key} : 192.0.2.99 . 99 }}\n")
        assert contents() == held
        nft("delete", "table", "inet", "noidlb")
        with pytest.raises(KernelError, match="No such file or directory"):
            session.run("flush map inet noidlb slot4\n")
        session.run(render(table))
        assert contents() == held


def test_a_session_takes_farms_by_the_thousand() -> None:
    vips = [ip_address(f"10.{number // 250}.{number % 250}.1") for number in range(1000)]
    table = compile_table(tuple(farm(f"f{number}", vip=(vip,)) for number, vip in enumerate(vips)))
    with closing(NftSession()) as session:
        session.run(render(table))
    assert contents() == table


def test_the_kernel_has_all_parts() -> None:
    assert kernel.missing_parts() == []
    assert kernel.read() is None


def test_base_chains_of_others_are_found() -> None:
    plan((farm(),), Overrides()).run()
    found = [one for one in parse_ruleset(kernel.ruleset()) if one.hook and one.table != TABLE]
    assert {(one.table, one.name, one.policy) for one in found} == {
        ("firewall", "forwarded", "drop"),
        ("nat", "prerouting", "accept"),
    }


def test_removing_is_idempotent() -> None:
    kernel.remove()
    plan((farm(),), Overrides()).run()
    kernel.remove()
    kernel.remove()
    assert kernel.read() is None
