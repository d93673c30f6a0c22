"""Which flows end with a change of the table."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address

import pytest
from noidlb.farm import BackendState, Condition, Conditions, Farm, Protocol
from noidlb.nft.compile import compile_table
from noidlb.nft.flows import Ending, ending_of
from noidlb.nft.marks import Marks
from noidlb.nft.table import united

from tests.support.lb.farms import backend, farm

DRAIN, DOWN = Condition(BackendState.DRAIN), Condition(BackendState.DOWN)
FTP = farm("ftp")
TFTP = farm("tftp", protocol=Protocol.TFTP)
BOTH = (FTP, TFTP)
ASKED = {("10.10.0.100", 69), ("fd00:10::100", 69)}
STOPPED = frozenset({"tftp"})


def led(*numbers: int) -> dict[tuple[str, int], frozenset[tuple[str, int]]]:
    """Returns where clients of the TFTP farm are led while these backends serve."""
    return {
        ("10.10.0.100", 69): frozenset((f"10.20.{number}.2", 69) for number in numbers),
        ("fd00:10::100", 69): frozenset((f"fd00:20:{number}::2", 69) for number in numbers),
    }


LED = led(1, 2, 3)

Matches = set[tuple[int, tuple[int, int]]]


def match(farms: tuple[Farm, ...], name: str, backend: str = "", versions: tuple[int, ...] = (4, 6)) -> Matches:
    marks = Marks(farms)
    one = next(one for one in farms if one.name == name)
    found = marks.layout.match(marks.backend(one, backend) if backend else marks.farm(one))
    return {(version, found) for version in versions}


def ending(
    before: tuple[Farm, ...], after: tuple[Farm, ...], conditions: Conditions | None = None, *, cut: bool = False
) -> Ending:
    return ending_of(compile_table(before), compile_table(after, conditions), cuts=lambda _: cut)


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ({("ftp", "b1"): DOWN}, set()),
        ({("tftp", "b1"): DOWN}, match(BOTH, "tftp", "b1")),
        ({("tftp", "b1"): DRAIN}, set()),
        ({("tftp", name): DOWN for name in ("b1", "b2", "b3")}, match(BOTH, "tftp")),
    ],
)
def test_flows_in_udp_end_with_their_backend(
    conditions: Conditions, expected: set[tuple[int, tuple[int, int]]]
) -> None:
    assert ending(BOTH, BOTH, conditions) == Ending(udp=expected)


def test_a_backend_that_is_removed_or_moves_is_as_one_that_is_down() -> None:
    fewer = farm("tftp", 2, protocol=Protocol.TFTP)
    assert ending(BOTH, (FTP, fewer)) == Ending(udp=match(BOTH, "tftp", "b3"))
    moved = farm("tftp", protocol=Protocol.TFTP, backends=(backend(1, port=70), backend(2), backend(3)))
    assert ending(BOTH, (FTP, moved)) == Ending(udp=match(BOTH, "tftp", "b1"))


def test_a_backend_whose_port_moves_for_clients_of_one_port_loses_those() -> None:
    asked = farm("tftp", 2, protocol=Protocol.TFTP, ports=(69, 70))
    own = replace(asked, backends=(backend(1, port=70), backend(2)))
    assert ending((asked,), (own,)).elsewhere == {
        ("10.10.0.100", 69): {("10.20.1.2", 70), ("10.20.2.2", 69)},
        ("fd00:10::100", 69): {("fd00:20:1::2", 70), ("fd00:20:2::2", 69)},
    }
    assert set(ending((own,), (asked,)).elsewhere) == ASKED
    single = replace(own, ports=(69,))
    assert set(ending((asked,), (single,)).elsewhere) == ASKED
    tcp = replace(asked, protocol=Protocol.TCP)
    assert ending((tcp,), (replace(own, protocol=Protocol.TCP),)) == Ending()


def test_a_farm_that_is_removed_ends_its_flows_in_udp() -> None:
    assert ending(BOTH, (FTP,)) == Ending(udp=match(BOTH, "tftp"))
    assert ending(BOTH, (TFTP,)) == Ending()


def test_a_service_that_is_removed_ends_what_asks_it() -> None:
    fewer = farm("tftp", protocol=Protocol.TFTP, vip=(ip_address("10.10.0.100"),))
    expected = Ending(services={("fd00:10::100", 69)}, udp=match(BOTH, "tftp", versions=(6,)))
    assert ending(BOTH, (FTP, fewer)) == expected


def test_one_family_that_is_lost_ends_no_flow_of_the_other() -> None:
    lost = Condition(BackendState.UP, lost=frozenset({6}))
    assert ending(BOTH, BOTH, {("tftp", "b1"): lost}) == Ending(udp=match(BOTH, "tftp", "b1", versions=(6,)))


def test_udp_clients_of_a_service_with_another_programs_verdict_are_led_to_the_farm_again() -> None:
    table = compile_table(BOTH)
    foreign = {**table.of("service4"), "udp . 10.10.0.100 . 69": "accept", "132 . 10.10.0.100 . 69": "drop"}
    changed = replace(table, elements={**table.elements, "service4": foreign})
    service = ("10.10.0.100", 69)
    assert ending_of(changed, table) == Ending(elsewhere={service: LED[service]})


def test_a_farm_that_is_stopped_goes_on_until_it_is_removed() -> None:
    stopped = compile_table(BOTH, {}, STOPPED)
    assert ending_of(compile_table(BOTH), stopped) == Ending()
    assert ending_of(stopped, compile_table((FTP,))) == Ending(services=ASKED)
    assert ending_of(stopped, compile_table(BOTH)) == Ending(elsewhere=LED)


def test_a_farm_that_starts_ends_what_does_not_lead_to_its_backends() -> None:
    stopped = compile_table(BOTH, {}, STOPPED)
    down = {("tftp", "b1"): DOWN, ("tftp", "b2"): DRAIN}
    assert ending_of(stopped, compile_table(BOTH, {}, STOPPED)) == Ending()
    assert ending_of(stopped, compile_table(BOTH, down)) == Ending(elsewhere=led(2, 3))
    fewer = farm("tftp", 2, protocol=Protocol.TFTP)
    assert ending_of(stopped, compile_table((FTP, fewer))) == Ending(elsewhere=led(1, 2))
    ported = farm("tftp", protocol=Protocol.TFTP, backends=(backend(1, port=70),))
    assert ending_of(stopped, compile_table((FTP, ported))).elsewhere["10.10.0.100", 69] == {("10.20.1.2", 70)}


def test_a_service_that_another_farm_takes_over_ends_what_does_not_lead_to_its_backends() -> None:
    vips = [ip_address(vip) for vip in ("10.10.0.100", "10.10.0.101")]
    one, other = (farm(name, 1, protocol=Protocol.TFTP, vip=(vip,)) for name, vip in zip("ab", vips, strict=True))
    both, mine = replace(one, vip=tuple(vips)), replace(other, backends=(backend(2),), vip=(ip_address("10.10.0.102"),))
    found = ending((both, mine), (one, replace(mine, vip=(*mine.vip, vips[1]))))
    assert found == Ending(elsewhere={("10.10.0.101", 69): frozenset({("10.20.2.2", 69)})})


def test_all_flows_of_what_is_gone_end_when_they_are_cut() -> None:
    down = {("ftp", "b1"): DOWN}
    assert ending(BOTH, BOTH, down, cut=True) == Ending(marks=match(BOTH, "ftp", "b1"))
    assert ending(BOTH, (TFTP,), cut=True) == Ending(marks=match(BOTH, "ftp"))
    assert ending(BOTH, (FTP,), cut=True) == Ending(marks=match(BOTH, "tftp"))
    assert ending(BOTH, BOTH, cut=True) == Ending()


def test_a_service_that_appears_forgets_who_asked_before() -> None:
    table = compile_table(BOTH)
    assert ending_of(None, table) == Ending(elsewhere=LED)
    assert ending((FTP,), BOTH) == Ending(elsewhere=LED)
    refusing = compile_table(BOTH, {("tftp", name): DOWN for name in ("b1", "b2", "b3")})
    assert ending_of(refusing, table) == Ending(elsewhere=LED)
    assert ending_of(table, table) == Ending()


@pytest.mark.parametrize("version", [4, 6])
def test_a_family_that_is_served_again_forgets_who_asked_meanwhile(version: int) -> None:
    table = compile_table(BOTH)
    lost = Condition(BackendState.UP, lost=frozenset({version}))
    refusing = compile_table(BOTH, {("tftp", name): lost for name in ("b1", "b2", "b3")})
    assert ending_of(refusing, table) == Ending(elsewhere=LED)


def test_what_other_marks_mean_is_not_known() -> None:
    moved = tuple(farm(one.name, protocol=one.protocol, marks=0xFFFF) for one in BOTH)
    assert ending_of(compile_table(moved), compile_table(BOTH)) == Ending(elsewhere=LED)
    assert ending_of(compile_table(moved), compile_table((FTP,))) == Ending(services=ASKED)
    # Of several tables before failed changes, only the services of those with other marks count.
    left = united(compile_table((FTP,)), compile_table(moved))
    assert ending_of(left, compile_table((FTP,)), cuts=lambda _: True) == Ending(services=ASKED)


def test_a_farm_that_gets_another_port_or_passive_ports_keeps_its_flows() -> None:
    assert ending(BOTH, (FTP, farm("tftp", protocol=Protocol.TFTP, ports=(69, 70)))).udp == set()
    ranged = farm("ftp", backends=tuple(backend(n, passive_ports=(50000 + n, 50000 + n)) for n in (1, 2, 3)))
    assert ending((ranged, TFTP), BOTH, cut=True) == Ending()
