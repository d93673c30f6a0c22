"""Farms compiled to the table, and one table turned into another."""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import ip_address

from hypothesis import given, settings, strategies as st
from noidlb.config.mark_layout import Layout
from noidlb.farm import BackendState, Condition, Farm, Mode, Protocol, Scheduler
from noidlb.guard import Guard
from noidlb.nft.compile import compile_farm, compile_table
from noidlb.nft.marks import Marks
from noidlb.nft.skeleton import skeleton
from noidlb.nft.table import MAPS, Table, render, transactions

from tests.support.lb.fake_nft import FakeNft
from tests.support.lb.farms import backend, conditions, farm, farm_sets

DOWN, DRAIN = Condition(BackendState.DOWN), Condition(BackendState.DRAIN)


def marks_in(values: Mapping[str, str]) -> set[str]:
    return set(values.values())


def hexed(mark: int) -> str:
    return f"{mark:#010x}"


def test_every_service_leads_to_its_farm_and_every_slot_to_a_backend() -> None:
    one = farm()
    table = compile_table((one,))
    mark = hexed(Marks((one,)).farm(one))
    assert table.of("service4") == {"tcp . 10.10.0.100 . 21": "goto plain4"}
    assert table.of("service6") == {"tcp . fd00:10::100 . 21": "goto plain6"}
    assert table.of("farm4") == {"tcp . 10.10.0.100 . 21": mark}
    assert table.of("ftp4") == {"10.10.0.100 . 21": ""}
    assert len(table.of("slot4")) == 12
    assert marks_in(table.of("slot4")) == set(table.of("backend4"))
    assert set(table.of("backend4").values()) == {f"10.20.{number}.2 . 21" for number in (1, 2, 3)}
    assert table.of("pick4")[mark].removeprefix("jump ") in table.chains


def test_a_down_backend_leaves_slots_and_backends_a_draining_one_only_the_slots() -> None:
    one = farm()
    marks = Marks((one,))
    b1 = hexed(marks.backend(one, "b1"))
    down = compile_table((one,), {("f", "b1"): DOWN})
    assert b1 not in down.of("backend4")
    assert b1 not in marks_in(down.of("slot4"))
    drain = compile_table((one,), {("f", "b1"): DRAIN})
    assert b1 in drain.of("backend4")
    assert b1 not in marks_in(drain.of("slot4"))
    assert len(down.of("slot4")) == len(drain.of("slot4")) == 12


def test_without_a_serving_backend_there_is_nothing_to_pick() -> None:
    one = farm(count=2)
    table = compile_table((one,), {("f", "b1"): DOWN, ("f", "b2"): DOWN})
    assert table.of("pick4") == {}
    assert table.of("slot4") == {}
    assert table.of("service4") == {"tcp . 10.10.0.100 . 21": "goto plain4"}


def test_a_stopped_farm_refuses() -> None:
    one = farm()
    table = compile_table((one,), stopped=frozenset({"f"}))
    assert dict(table.elements) == {
        "service4": {"tcp . 10.10.0.100 . 21": "goto refuse"},
        "service6": {"tcp . fd00:10::100 . 21": "goto refuse"},
    }


def test_a_stopped_farm_goes_on_counting_its_connections() -> None:
    one = farm(connection_limit=7)
    stopped = compile_table((one,), stopped=frozenset({"f"}))
    assert stopped.of("full") == compile_table((one,)).of("full") != {}


def test_a_stopped_farm_keeps_the_data_ports_of_its_ftps_sessions() -> None:
    members = (backend(1, passive_ports=(50000, 50099)),)
    one = farm(backends=members)
    running, stopped = compile_table((one,)), compile_table((one,), stopped=frozenset({"f"}))
    for name in ("range4", "passive4", "hostrange4", "masqrange4"):
        assert stopped.of(name) == running.of(name) != {}
    assert stopped.of("backend4") == stopped.of("pick4") == {}


def test_ports_20_and_21_mean_21() -> None:
    assert compile_table((farm(ports=(20, 21)),)) == compile_table((farm(ports=(21,)),))


def test_several_ports_without_one_of_the_backend_keep_the_client_s() -> None:
    table = compile_table((farm(ports=(21, 2121)),))
    assert table.of("backend4") == {}
    assert set(table.of("host4").values()) == {f"10.20.{number}.2" for number in (1, 2, 3)}


def test_helpers_are_for_their_protocols() -> None:
    tftp = compile_table((farm(protocol=Protocol.TFTP),))
    assert tftp.of("tftp6") == {"fd00:10::100 . 69": ""}
    assert "tcp . 10.10.0.100 . 22" in compile_table((farm(protocol=Protocol.SFTP),)).of("service4")
    assert not compile_table((farm(protocol=Protocol.SFTP),)).of("ftp4")


def test_the_helpers_read_the_guardians_checks_whatever_is_down_or_stopped() -> None:
    members = (backend(1), backend(2, port=6969))
    one = farm(protocol=Protocol.TFTP, backends=members, guardian=Guard())
    wanted = {"10.20.1.2 . 69": "", "10.20.2.2 . 6969": ""}
    for table in (compile_table((one,), {("f", "b1"): DOWN}), compile_table((one,), stopped=frozenset({"f"}))):
        assert table.of("tftpcheck4") == wanted
    assert "fd00:20:1::2 . 21" in compile_table((farm(guardian=Guard()),)).of("ftpcheck6")
    assert compile_table((farm(),)).of("ftpcheck4") == {}
    assert compile_table((farm(protocol=Protocol.SFTP, guardian=Guard()),)).of("ftpcheck4") == {}


def test_sources_limits_and_passive_ranges() -> None:
    members = (backend(1, passive_ports=(50000, 50099)), backend(2, passive_ports=(50100, 50100)))
    one = farm(source=(ip_address("10.20.0.9"),), connection_limit=5, backends=members)
    table = compile_table((one,), {("f", "b2"): DOWN})
    marks = Marks((one,))
    b1, b2 = (hexed(marks.backend(one, name)) for name in ("b1", "b2"))
    assert table.of("source4") == {"tcp . 10.10.0.100 . 21": "10.20.0.9"}
    assert table.of("sourcerange4") == dict.fromkeys(table.of("passive4"), "10.20.0.9")
    assert table.of("masq4") == {}
    assert table.of("masq6") == {"tcp . fd00:10::100 . 21": ""}
    assert table.of("full") == {b1: "5", b2: "5"}
    assert table.of("passive4") == {"10.10.0.100 . 50000-50099": b1, "10.10.0.100 . 50100": b2}
    # The clients of b1 are counted in backend4, so its data connections must not be in a map with counters.
    assert table.of("hostrange4") == {b1: "10.20.1.2"}
    assert table.of("host4") == {}


def test_backends_see_the_client_in_mode_dnat() -> None:
    table = compile_table((farm(mode=Mode.DNAT),))
    assert not [name for name in table.elements if name.startswith(("masq", "source"))]
    # Nor do other connections of this machine pass rules that change nothing.
    assert "postrouting" not in table.chains
    assert "postrouting" in compile_table((farm(mode=Mode.DNAT), farm(name="g", vip=(ip_address("10.9.0.1"),)))).chains


def test_a_transfer_on_one_port_has_no_helper() -> None:
    table = compile_table((farm(protocol=Protocol.TFTP, single_port=True),))
    assert table.of("tftp4") == {}
    assert table.of("service4") == {"udp . 10.10.0.100 . 69": "goto plain4"}


def test_a_limit_holds_for_tcp_alone() -> None:
    assert compile_table((farm(protocol=Protocol.TFTP, connection_limit=5),)).of("full") == {}


def test_sticky_tcp_clients_are_remembered_when_established_and_udp_ones_at_once() -> None:
    tcp = compile_table((farm(sticky=300),))
    mark = hexed(Marks((farm(),)).farm(farm()))
    assert tcp.of("remember") == {mark: "jump remember-300"}
    udp = compile_table((farm(protocol=Protocol.TFTP, sticky=300),))
    assert udp.of("remember") == {}
    assert "remember" not in udp.chains


def test_active_ftps_comes_from_the_vip() -> None:
    members = (backend(1), backend(2, port=2121))
    one = farm(mode=Mode.DNAT, ftps=frozenset({"active"}), backends=members)
    table, marks = compile_table((one,)), Marks((one,))
    from_ports = ("10.20.1.2 . 20", "10.20.2.2 . 20", "10.20.2.2 . 2120")
    assert table.of("activeport4") == dict.fromkeys(from_ports, "goto active4")
    assert table.of("sourceactive4") == dict.fromkeys(from_ports, "10.10.0.100")
    b1, b2 = (hexed(marks.backend(one, name)) for name in ("b1", "b2"))
    assert table.of("active4") == dict(zip(from_ports, (b1, b2, b2), strict=True))


def test_active_ftps_of_a_server_in_two_farms_belongs_to_the_first() -> None:
    active = frozenset({"active"})
    one, other = (
        farm(name, 1, mode=Mode.DNAT, ftps=active, vip=(ip_address(vip),))
        for name, vip in (("f", "10.9.0.1"), ("g", "10.9.0.2"))
    )
    table = compile_table((one, other))
    assert table.of("active4") == {"10.20.1.2 . 20": hexed(Marks((one, other)).backend(one, "b1"))}
    assert table.of("sourceactive4") == {"10.20.1.2 . 20": "10.9.0.1"}


def test_active_ftps_comes_from_the_port_below_each_that_the_server_is_asked_at() -> None:
    members = (backend(1, passive_ports=(50000, 50099)), backend(2, port=990, passive_ports=(50100, 50199)))
    both = frozenset({"active", "passive"})
    table = compile_table((farm(ports=(1, 20, 21, 2121), mode=Mode.DNAT, ftps=both, backends=members),))
    own, other = ("10.20.1.2 . 20", "10.20.1.2 . 2120"), ("10.20.2.2 . 20", "10.20.2.2 . 989")
    assert table.of("sourceactive4") == dict.fromkeys(own + other, "10.10.0.100")
    assert {key.partition(" . ")[2] for key in table.of("sourceactive6")} == {"20", "2120", "989"}
    assert len(table.of("range4")) == 2


def test_a_backend_serves_only_the_families_it_has() -> None:
    only4 = backend(1, address=(ip_address("10.20.1.2"),))
    table = compile_table((farm(backends=(only4, backend(2))),))
    assert len(marks_in(table.of("slot4"))) == 2
    assert len(marks_in(table.of("slot6"))) == 1


def test_two_farms_count_their_round_robin_apart() -> None:
    farms = tuple(farm(f"f{number}", vip=(ip_address(f"10.10.0.{number + 1}"),)) for number in range(20))
    jumps = compile_table(farms).of("pick4").values()
    assert len(set(jumps)) == 20


def test_the_size_of_a_change_does_not_depend_on_the_number_of_farms() -> None:
    def change(count: int) -> str:
        farms = tuple(farm(f"f{number}", vip=(ip_address(f"10.10.{number}.1"),)) for number in range(count))
        old = compile_table(farms)
        (batch,) = transactions(old, compile_table(farms, {("f0", "b1"): DOWN}))
        return batch

    assert change(40) == change(100)


def test_chains_are_made_before_they_are_needed_and_removed_after() -> None:
    plain, sticky = compile_table((farm(),)), compile_table((farm(sticky=300),))
    made, changed, gone = transactions(plain, compile_table((farm(sticky=300, scheduler=Scheduler.RANDOM),)))
    assert "chain sticky4-300 {" in made
    assert "element" not in made
    assert "goto sticky4-300" in changed
    assert "chain" not in changed.replace(" chain", "")
    assert re.search(r"delete chain inet noidlb rr4-", gone)
    assert transactions(sticky, sticky) == []


@settings(max_examples=60, deadline=None)
@given(farm_sets(), st.data())
def test_a_change_of_condition_is_one_transaction_of_its_farm_alone(
    farms: tuple[Farm, ...], data: st.DataObject
) -> None:
    one = farms[0]
    marks = Marks(farms)
    own = {(one.name, backend.name): data.draw(st.sampled_from([DOWN, DRAIN])) for backend in one.backends}
    small = transactions(compile_farm(marks, one, {}), compile_farm(marks, one, own))
    assert small == transactions(compile_table(farms), compile_table(farms, own))
    assert len(small) <= 1


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_sequence_of_changes_ends_where_a_cold_start_does(data: st.DataObject) -> None:
    nft = FakeNft()
    nft.run(skeleton(Layout()))
    now = Table()
    for _ in range(data.draw(st.integers(1, 4))):
        farms = data.draw(farm_sets())
        wanted = compile_table(
            farms, data.draw(conditions(farms)), frozenset(data.draw(st.sets(st.just(farms[0].name))))
        )
        for batch in transactions(now, wanted):
            nft.run(batch)
        assert nft.table == wanted
        assert transactions(wanted, wanted) == []
        now = wanted
    cold = FakeNft()
    cold.run(render(now))
    assert cold.table == now


@settings(max_examples=60, deadline=None)
@given(farm_sets(), st.data())
def test_compiling_is_deterministic_and_leaves_no_hole(farms: tuple[Farm, ...], data: st.DataObject) -> None:
    state = data.draw(conditions(farms))
    table = compile_table(farms, state)
    assert render(table) == render(compile_table(farms, dict(reversed(state.items()))))
    for version in (4, 6):
        backends = {**table.of(f"backend{version}"), **table.of(f"host{version}")}
        assert set(table.of(f"slot{version}").values()) <= set(backends)
        for mark, jump in table.of(f"pick{version}").items():
            slots = [key for key in table.of(f"slot{version}") if key.startswith(f"{mark} . ")]
            count = int(jump.split("-")[1])
            assert {int(key.rpartition(" ")[2]) for key in slots} == set(range(count))


def test_the_skeleton_holds_every_map_and_seeds_every_hash() -> None:
    text = skeleton(Layout())
    for name in MAPS:
        assert re.search(rf"\t(map|set) {name} \{{", text), name
    table = compile_table((farm(scheduler=Scheduler.SOURCE_HASH, sticky=60),))
    for line in render(table).splitlines():
        assert line.count("jhash") == line.count("seed")
