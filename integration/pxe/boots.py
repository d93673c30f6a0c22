"""PXE clients boot through a TFTP farm: one of each kind, all kinds, ten at once, and while a backend dies.

The file has no name that pytest collects by itself: ten emulated machines need the processors for minutes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from integration.lab import Lab, vip
from integration.lab.faults import BLACKHOLE, fault
from integration.lab.servers import Place, Server, atftpd
from integration.lb.farms import farm, settings_lines
from integration.lb_guard.farms import QUICK
from integration.lb_guard.guarding import Guarding
from integration.pxe.capture import Capture
from integration.pxe.clients import CLIENTS, Client
from integration.pxe.dhcp import ANY, EFI, dhcp
from integration.pxe.firmware import BIOS, OVMF, UBOOT
from integration.pxe.loaders import grub_efi, ipxe, pxelinux, uboot
from integration.pxe.machines import booting, wait
from integration.pxe.servers import dnsmasq, exchanged

pytestmark = pytest.mark.root

Start = Callable[[str], Guarding]
BACKENDS = ("b1", "b2", "b3")


@pytest.fixture(params=["snat", "dnat"])
def guarding(request: pytest.FixtureRequest, lab: Lab, guard: Start) -> Guarding:
    """A guarded TFTP farm, and an FTP farm of the same VIPs and backends, in one of the modes."""
    return guarded(lab, guard, request.param)


def guarded(lab: Lab, guard: Start, mode: Any, **settings: Any) -> Guarding:
    """Starts the farms; settings are those of the TFTP farm."""
    lab.mode = mode
    check = {**QUICK, "command": "check_tftp HOST -f name", "timeout": "10s"}
    lines = [farm(lab, "tftp", mode=mode, **settings), "[farms.farm.guardian]", *settings_lines(check), ""]
    found = guard("\n".join(lines) + farm(lab, "ftp", name="files", mode=mode))
    found.wait_all("up", *BACKENDS)
    return found


@pytest.mark.parametrize("client", CLIENTS.values(), ids=CLIENTS)
def test_one_machine_boots(lab: Lab, guarding: Guarding, client: Client) -> None:
    address = vip(client.version)
    with (
        Capture(lab) as capture,
        dhcp(lab, address, client.files(lab, address)),
        booting(lab, client.firmware) as machines,
    ):
        wait(machines)
    asked = {(request.words[0], request.asked) for request in capture.requests()}
    assert asked >= set(client.asks.items())


@pytest.mark.parametrize("server", [dnsmasq, atftpd])
def test_all_kinds_boot_at_once_from_other_servers(lab: Lab, guard: Start, server: Callable[[Place], Server]) -> None:
    with exchanged(lab, server):
        guarded(lab, guard, "snat", vips=[vip(4)], single_port=server is dnsmasq)
        # U-Boot asks for a file of its own, whatever DHCP names.
        uboot(lab, vip(4))
        files = {ANY: pxelinux(lab, vip(4)), EFI: grub_efi(lab, vip(4))}
        with dhcp(lab, vip(4), files), booting(lab, BIOS, OVMF, UBOOT) as machines:
            wait(machines)


def test_ten_boot_at_once_over_all_backends(lab: Lab, guarding: Guarding) -> None:
    with dhcp(lab, vip(4), {ANY: ipxe(lab, vip(4))}), booting(lab, *[BIOS] * 10) as machines:
        wait(machines)
    assert all(count > 0 for count in totals(lab).values()), totals(lab)


def test_a_backend_dies_while_ten_boot(lab: Lab, guarding: Guarding) -> None:
    with dhcp(lab, vip(4), {ANY: ipxe(lab, vip(4))}), booting(lab, *[BIOS] * 10) as machines:
        wait(machines, 2)
        with fault(lab.backends[1], BLACKHOLE):
            guarding.wait("down", "b2")
            wait(machines)


def totals(lab: Lab) -> dict[str, int]:
    """Returns how many connections each backend had."""
    listed = lab.balancer.run(("nft", "list", "map", "inet", "noidlb", "backend4")).stdout
    found = {}
    for name in BACKENDS:
        element = next(part for part in listed.split(",") if f'"farm/{name}"' in part)
        found[name] = int(element.split("packets")[1].split()[0])
    return found
