"""What keeps two nodes from taking over from each other, found before it happens."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address

from noidlb.config.pair import Pair, with_sources
from noidlb.doctor.finding import FAULT, NOTE, OK, WARN
from noidlb.doctor.takeover import look_at
from noidlb.farm import Farm, Mode, Protocol

from tests.support.lb.pairs import backend, ftp, leg, pair


def sftp() -> Farm:
    v4 = (ip_address("10.10.0.100"),)
    return ftp(name="sftp", protocol=Protocol.SFTP, vip=v4, backends=(backend("b1", "10.20.0.9"),))


def found(both: Pair, *farms: Farm) -> dict[str, set[str]]:
    levels: dict[str, set[str]] = {}
    for one in look_at(both, with_sources(farms, both)):
        levels.setdefault(one.level, set()).add(one.subject)
    return levels


def test_nothing_is_in_the_way() -> None:
    assert found(pair(), sftp()) == {OK: {"pair"}}


def test_masquerade_is_a_fault() -> None:
    assert found(pair("fd00:20::100"), ftp())[FAULT] == {"farms.ftp"}


def test_dnat_without_a_gateway_that_moves_is_a_fault() -> None:
    assert found(pair("fd00:20::100"), ftp(mode=Mode.DNAT))[FAULT] == {"farms.ftp"}


def test_dnat_with_a_gateway_that_backends_cannot_reach_is_a_fault() -> None:
    direct = ftp(mode=Mode.DNAT)
    assert FAULT not in found(pair(), direct)
    assert found(pair("10.99.0.100", "fd00:20::100"), direct, replace(direct, name="x"))[FAULT] == {"pair.source"}
    both = pair()
    legs = [replace(one, backend=leg("back", str(one.backend.address_of(4)))) for one in both.nodes]
    (fault,) = (one for one in look_at(replace(both, nodes=tuple(legs)), (direct,)) if one.level == FAULT)
    assert "fd00:20::100 is not in the backends' network (the nodes have no IPv6 address there)" in fault.text
    # In mode snat an answer may find it by a route.
    assert FAULT not in found(pair("10.99.0.100", "fd00:20::100"), ftp())


def test_sticky_clients_are_forgotten() -> None:
    assert found(pair(), ftp(sticky=60))[WARN] == {"farms.ftp.sticky"}


def test_addresses_of_other_length() -> None:
    levels = found(pair(), ftp(backends=(backend("b1", "10.20.0.9", "fd00:20::9"),)))
    assert levels[WARN] == {"farms.ftp.backends"}
    assert levels[NOTE] == {"farms.ftp.source", "farms.ftp.vip"}
    assert WARN not in found(pair(), sftp())


def test_networks() -> None:
    both = pair("10.99.0.1", "fd00:20::100")
    far = ftp(vip=(ip_address("192.0.2.1"), ip_address("fd00:10::100")))
    assert found(both, far)[WARN] == {"farms.ftp.vip", "farms.ftp.source", "farms.ftp.backends"}


def test_a_sync_link_that_is_shared() -> None:
    shared = Pair(nodes=tuple(replace(one, sync=leg("front", str(one.sync.address[0]))) for one in pair().nodes))
    assert {"pair.nodes.lb1.sync", "pair.nodes.lb2.sync"} <= found(shared, ftp())[WARN]


def test_a_finding_is_one_line() -> None:
    lines = [str(one) for one in look_at(pair("fd00:20::100"), (ftp(sticky=60),))]
    assert [line for line in lines if line.startswith("fault  farms.ftp: masquerades in IPv4 ")]
    assert all("\n" not in line for line in lines)
