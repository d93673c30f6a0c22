"""Farms to try things with."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

from hypothesis import strategies as st
from noidlb.farm import Backend, BackendState, Condition, Farm, Mode, Protocol, Scheduler


def backend(number: int, **changes: Any) -> Backend:
    """Returns backend b<number> with an address of each family."""
    addresses = (ip_address(f"10.20.{number}.2"), ip_address(f"fd00:20:{number}::2"))
    return Backend(**{"name": f"b{number}", "address": addresses} | changes)


def farm(name: str = "f", count: int = 3, **changes: Any) -> Farm:
    """Returns an FTP farm of so many backends, with a VIP of each family."""
    settings: dict[str, Any] = {
        "name": name,
        "protocol": Protocol.FTP,
        "vip": (ip_address("10.10.0.100"), ip_address("fd00:10::100")),
        "backends": tuple(backend(number) for number in range(1, count + 1)),
    }
    return Farm(**settings | changes)


@st.composite
def farm_sets(draw: st.DrawFn) -> tuple[Farm, ...]:
    """Some farms that do not get in each other's way."""
    made = []
    for number in range(draw(st.integers(1, 4))):
        protocol = draw(st.sampled_from(list(Protocol)))
        mode = draw(st.sampled_from(list(Mode)))
        families = draw(st.sampled_from([(4,), (6,), (4, 6)]))
        vips = {4: f"192.0.2.{number + 1}", 6: f"2001:db8::{number + 1}"}
        sources = {4: "192.0.2.200", 6: "2001:db8::200"}
        count = draw(st.integers(1, 4))
        ranged = protocol is Protocol.FTP and draw(st.booleans())
        made.append(
            Farm(
                name=draw(st.sampled_from(["a", "b.c", "D_e", "f-1"])) + str(number),
                protocol=protocol,
                vip=tuple(ip_address(vips[family]) for family in families),
                ports=draw(st.sampled_from([(2000,), (2000, 2001)])),
                mode=mode,
                source=tuple(ip_address(sources[family]) for family in families)
                if mode is Mode.SNAT and draw(st.booleans())
                else (),
                scheduler=draw(st.sampled_from(list(Scheduler))),
                sticky=draw(st.sampled_from([None, 60, 300])),
                ftps=frozenset({"active"}) if ranged and mode is Mode.DNAT and draw(st.booleans()) else frozenset(),
                connection_limit=draw(st.sampled_from([None, 1, 200])),
                backends=tuple(
                    backend(
                        index,
                        port=draw(st.sampled_from([None, 2121])),
                        weight=draw(st.integers(1, 5)),
                        backup=index > 2,
                        state=draw(st.sampled_from(list(BackendState))),
                        passive_ports=(50000 + 100 * index, 50099 + 100 * index) if ranged else None,
                    )
                    for index in range(1, count + 1)
                ),
            )
        )
    return tuple(made)


def conditions(farms: tuple[Farm, ...]) -> st.SearchStrategy[dict[tuple[str, str], Condition]]:
    """Conditions of some of the backends."""
    names = [(farm.name, backend.name) for farm in farms for backend in farm.backends]
    one = st.builds(Condition, st.sampled_from(list(BackendState)), st.sampled_from([None, 1, 7]))
    return st.dictionaries(st.sampled_from(names), one)
