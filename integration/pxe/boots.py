"""PXE clients boot through a TFTP farm: one, ten at once, and while a backend dies.

The file has no name that pytest collects by itself: ten emulated machines need the processors for minutes.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from integration.lab import Lab, vip
from integration.lab.faults import BLACKHOLE, fault
from integration.lb_guard.farms import guarded
from integration.lb_guard.guarding import Guarding
from integration.pxe.loaders import grub, ipxe, pxelinux
from integration.pxe.machines import booting, dhcp, wait

pytestmark = pytest.mark.root

Start = Callable[[str], Guarding]
BACKENDS = ("b1", "b2", "b3")


@pytest.fixture(params=["snat", "dnat"])
def guarding(request: pytest.FixtureRequest, lab: Lab, guard: Start) -> Guarding:
    """A guarded TFTP farm of three backends in one of the modes."""
    lab.mode = request.param
    text = guarded(lab, "tftp", command="check_tftp HOST -f name", settings={"timeout": "10s"}, mode=request.param)
    found = guard(text)
    found.wait_all("up", *BACKENDS)
    return found


@pytest.mark.parametrize("loader", [ipxe, pxelinux, grub])
def test_one_machine_boots(lab: Lab, guarding: Guarding, loader: Callable[[Lab], str]) -> None:
    with dhcp(lab, vip(4), loader(lab)), booting(lab, 1) as machines:
        wait(machines, 1)


def test_ten_boot_at_once_over_all_backends(lab: Lab, guarding: Guarding) -> None:
    with dhcp(lab, vip(4), ipxe(lab)), booting(lab, 10) as machines:
        wait(machines, 10)
    assert all(count > 0 for count in totals(lab).values()), totals(lab)


def test_a_backend_dies_while_ten_boot(lab: Lab, guarding: Guarding) -> None:
    with dhcp(lab, vip(4), ipxe(lab)), booting(lab, 10) as machines:
        wait(machines, 2)
        with fault(lab.backends[1], BLACKHOLE):
            guarding.wait("down", "b2")
            wait(machines, 10)


def totals(lab: Lab) -> dict[str, int]:
    """Returns how many connections each backend had."""
    listed = lab.balancer.run(("nft", "list", "map", "inet", "noidlb", "backend4")).stdout
    found = {}
    for name in BACKENDS:
        element = next(part for part in listed.split(",") if f'"farm/{name}"' in part)
        found[name] = int(element.split("packets")[1].split()[0])
    return found
