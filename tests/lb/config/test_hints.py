"""What is said of a configuration where it is written."""

from __future__ import annotations

import pytest
from noidlb.config.hints import faults, hints
from noidlb.farm import Farm, Mode, Protocol

from tests.support.lb.balancer import BOTH, Balancer
from tests.support.lb.farms import farm


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


def test_check_refuses_what_apply_warns_of(applied: Balancer) -> None:
    limited = applied.write(BOTH.replace('protocol = "tftp"', 'protocol = "tftp"\nconnection-limit = 5'))
    code, said = applied.run("check", limited)
    assert code == 1
    assert "farms.boot.connection-limit has no effect" in said
    code, said = applied.run("apply", limited)
    assert code == 0
    assert "warning: farms.boot.connection-limit has no effect" in said
