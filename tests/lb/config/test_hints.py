"""What is said of a configuration where it is written."""

from __future__ import annotations

import re
from dataclasses import replace
from ipaddress import ip_address

import pytest
from noidlb.config.hints import faults, hints
from noidlb.farm import Farm, Mode, Protocol
from noidlb.nft.compile import compile_table

from tests.support.lb.balancer import BOTH, Balancer
from tests.support.lb.farms import backend, farm

CROSSED = re.compile(
    r"farms\.(\w+)\.ftps active does not hold for (\S+): data connections of \S+ from port (.+) leave from (\S+), "
    r"a VIP of farm (\w+), and"
)


@pytest.mark.parametrize(
    ("one", "faulty", "hint"),
    [
        (farm("f", connection_limit=5), False, ""),
        (
            farm("f", protocol=Protocol.TFTP, connection_limit=5),
            True,
            "connection-limit has no effect for protocol tftp",
        ),
        (farm("f", protocol=Protocol.UDP, ports=(514,), connection_limit=5), True, "for protocol udp"),
        (farm("f", mode=Mode.DNAT, ftps=frozenset({"active"})), False, "connect_from_port_20"),
        (farm("f", mode=Mode.DNAT), False, ""),
    ],
)
def test_hints(one: Farm, faulty: bool, hint: str) -> None:
    assert bool(faults((one,))) is faulty
    found = hints((one,))
    assert bool(found) is bool(hint)
    assert hint in "".join(found)


def active(name: str, *vips: str, server: str = "10.0.1.11", port: int | None = None) -> Farm:
    return farm(
        name,
        mode=Mode.DNAT,
        ftps=frozenset({"active"}),
        vip=tuple(map(ip_address, vips)),
        backends=(backend(1, address=(ip_address(server), ip_address("fd00:1::11")), port=port),),
    )


@pytest.mark.parametrize(
    ("farms", "said"),
    [
        ((active("a", "192.0.2.10", "2001:db8::10"),), []),
        ((active("a", "192.0.2.10"), active("b", "192.0.2.11", server="10.0.1.12")), []),
        ((active("a", "192.0.2.10"), active("b", "2001:db8::10")), []),
        ((active("a", "192.0.2.10"), replace(active("b", "192.0.2.10"), ports=(2121,))), []),
        ((active("a", "192.0.2.10"), replace(active("b", "192.0.2.11"), ftps=frozenset())), []),
        ((active("a", "192.0.2.10", "192.0.2.11"),), ["a 192.0.2.11 20 192.0.2.10 a"]),
        ((active("a", "192.0.2.10"), active("b", "192.0.2.11")), ["b 192.0.2.11 20 192.0.2.10 a"]),
        ((active("a", "192.0.2.10"), active("b", "192.0.2.11", port=2121)), ["b 192.0.2.11 20 192.0.2.10 a"]),
        (
            tuple(active(name, vip, port=2121) for name, vip in (("a", "192.0.2.10"), ("b", "192.0.2.11"))),
            ["b 192.0.2.11 20 and 2120 192.0.2.10 a"],
        ),
        (
            tuple(replace(active(name, f"192.0.2.1{n}"), ports=(21, 2121)) for n, name in enumerate("ab")),
            ["b 192.0.2.11 20 and 2120 192.0.2.10 a"],
        ),
    ],
)
def test_active_ftps_from_another_vip(farms: tuple[Farm, ...], said: list[str]) -> None:
    found = [match for line in hints(farms) if (match := CROSSED.match(line))]
    assert [" ".join(match.groups()) for match in found] == said
    # The table of these farms lacks a VIP when something is said, and only then.
    elements = compile_table(farms).elements
    held = {item for version in (4, 6) for item in elements.get(f"sourceactive{version}", {}).items()}
    wanted = {
        (f"{one.backends[0].address_of(vip.version)} . 20", str(vip)) for one in farms if one.ftps for vip in one.vip
    }
    assert (wanted <= held) is not bool(said)


def test_check_refuses_what_apply_warns_of(applied: Balancer) -> None:
    limited = applied.write(BOTH.replace('protocol = "tftp"', 'protocol = "tftp"\nconnection-limit = 5'))
    code, said = applied.run("check", limited)
    assert code == 1
    assert "farms.boot.connection-limit has no effect" in said
    code, said = applied.run("apply", limited)
    assert code == 0
    assert "warning: farms.boot.connection-limit has no effect" in said
