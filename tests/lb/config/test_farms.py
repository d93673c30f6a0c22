"""What must hold between farms; what a single table may hold is tested by the files in tests/lb/invalid."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

import pytest
from noidlb.config.farms import disjoint_errors
from noidlb.errors import FarmError, joined
from noidlb.farm import Farm, Protocol

from tests.support.lb.farms import backend, farm as any_farm

V4 = ip_address("192.0.2.10")
V6 = ip_address("2001:db8::10")


def farm(name: str = "one", protocol: Protocol = Protocol.FTP, **given: Any) -> Farm:
    return any_farm(name, **{"count": 1, "protocol": protocol, "vip": (V4,), **given})


def ranged(name: str, low: int, high: int, **given: Any) -> Farm:
    return farm(name, backends=(backend(1), backend(2, passive_ports=(low, high))), **given)


@pytest.mark.parametrize(
    ("farms", "message"),
    [
        ((farm(), farm(vip=(V6,))), "farms: must not hold the name one twice"),
        (
            (farm("one", vip=(V4, V6)), farm("two", vip=(V6,))),
            "farms.two.vip: tcp 2001:db8::10 port 21 belongs to farm one: it must not be claimed twice",
        ),
        (
            (farm("one"), farm("two", Protocol.TCP, ports=(80, 21))),
            "farms.two.vip: tcp 192.0.2.10 port 21 belongs to farm one: it must not be claimed twice",
        ),
        (
            (ranged("one", 50000, 50099), ranged("two", 50099, 50100, ports=(2121,))),
            "farms.two.backends[1].passive-ports: must not overlap 50000-50099 of farm one on 192.0.2.10",
        ),
        (
            (ranged("one", 2000, 3000), farm("two", Protocol.SFTP, ports=(2222,))),
            "farms.one.backends[1].passive-ports: must not hold port 2222 on 192.0.2.10, which belongs to farm two",
        ),
        (
            (ranged("one", 21, 30),),
            "farms.one.backends[1].passive-ports: must not hold port 21 on 192.0.2.10, which belongs to farm one",
        ),
        (
            (
                farm("one", backends=(backend(1), backend(2, address=(V4 + 1,)))),
                farm("two", vip=(ip_address("192.0.2.11"),)),
            ),
            "farms.one.backends[1].address: must not be a VIP, as 192.0.2.11 is of farm two",
        ),
    ],
)
def test_farms_keep_apart(farms: tuple[Farm, ...], message: str) -> None:
    with pytest.raises(FarmError) as caught:
        raise joined([*disjoint_errors(farms)])
    assert str(caught.value) == message


def test_farms_that_keep_apart_may_share() -> None:
    assert not [*disjoint_errors(())]
    together = (
        ranged("ftp", 50000, 50099),
        ranged("other-vip", 50000, 50099, vip=(V6,)),
        ranged("next-range", 50100, 50199, ports=(2121,)),
        farm("udp-inside-the-range", Protocol.UDP, ports=(50001, 21)),
        farm("tftp", Protocol.TFTP),
    )
    assert not [*disjoint_errors(together)]
