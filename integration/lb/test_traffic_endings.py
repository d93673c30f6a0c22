"""Flows in UDP that must end, or must begin again: with real datagrams from one port, as ROMs of PXE send them."""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing

import pytest

from integration.lab import Lab, vip
from integration.lb.balance import Balance, flows
from integration.lb.farms import farm

pytestmark = pytest.mark.root

PORT = 5140
_PATIENCE = 60.0
# What the first datagrams to a VIP meet where there is no table: a firewall that tracks them.
TRACKS = "table inet tracks { chain i { type filter hook input priority 0; ct state established accept; }; }"
_ECHO = """\
import socket, sys
one = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
one.bind(("::", int(sys.argv[1])))
print("ready", flush=True)
while True:
    _, client = one.recvfrom(99)
    one.sendto(sys.argv[2].encode(), client)
"""


class Asking:
    """A client that always asks from one port."""

    def __init__(self, lab: Lab, version: int, port: int = PORT) -> None:
        self._to = vip(version), port
        with lab.client.entered():
            self._socket = socket.socket(socket.AF_INET if version == 4 else socket.AF_INET6, socket.SOCK_DGRAM)
        self._socket.settimeout(0.3)

    def __call__(self) -> str:
        """Asks once, and returns the name of who answers; "" when nobody does."""
        try:
            self._socket.sendto(b"?", self._to)
            return self._socket.recv(99).decode()
        except OSError:
            return ""

    def request(self) -> str:
        """Asks for a file as TFTP does, and returns the name of who answers."""
        self._socket.sendto(b"\0\1name\0octet\0", self._to)
        self._socket.settimeout(_PATIENCE)
        return self._socket.recv(99).decode()

    def close(self) -> None:
        """Lets go of the port."""
        self._socket.close()

    def until(self, good: Callable[[str], bool]) -> str:
        """Asks until the answer is good; the last one."""
        end = time.monotonic() + _PATIENCE
        while not good(found := self()) and time.monotonic() < end:
            time.sleep(0.05)
        return found


Clients = Callable[[int], Asking]


@pytest.fixture
def asking(lab: Lab) -> Iterator[Clients]:
    """Makes clients for an IP version."""
    with ExitStack() as stack:
        yield lambda version: stack.enter_context(closing(Asking(lab, version)))


@pytest.fixture
def echoing(lab: Lab) -> Iterator[None]:
    """A server in UDP on each backend, which answers with its name."""
    started = [one.popen((sys.executable, "-c", _ECHO, str(PORT), one.name)) for one in lab.backends]
    try:
        for one in started:
            assert one.stdout is not None
            assert one.stdout.readline() == "ready\n"
        yield
    finally:
        for one in started:
            one.kill()
            one.wait()


@pytest.mark.usefixtures("echoing")
def test_who_asked_before_the_table_is_served_after(lab: Lab, balance: Balance, asking: Clients, version: int) -> None:
    lab.balancer.nft(TRACKS)
    ask = asking(version)
    assert ask() == ""
    balance(farm(lab, "udp", ports=[PORT]))
    assert ask.until(bool)


@pytest.mark.usefixtures("echoing")
def test_who_asked_while_the_table_was_away_is_served_after(
    lab: Lab, balance: Balance, asking: Clients, version: int
) -> None:
    lab.balancer.nft(TRACKS)
    balance(farm(lab, "udp", ports=[PORT]))
    balance.stop(cut=True)
    ask = asking(version)
    assert ask() == ""
    balance.start()
    assert ask.until(bool)


@pytest.mark.usefixtures("echoing")
def test_a_backend_that_is_removed_from_the_file_loses_its_streams(
    lab: Lab, balance: Balance, asking: Clients, version: int
) -> None:
    balance(farm(lab, "udp", ports=[PORT]))
    ask = asking(version)
    first = ask.until(bool)
    assert ask.until(bool) == first
    balance(farm(lab, "udp", ports=[PORT], backends=[one for one in lab.backends if one.name != first]))
    assert ask.until(lambda name: name not in ("", first))


@pytest.mark.usefixtures("echoing")
def test_a_farm_that_is_removed_from_the_file_loses_its_streams(
    lab: Lab, balance: Balance, asking: Clients, version: int
) -> None:
    other = farm(lab, "ftp", name="other")
    balance(other + farm(lab, "udp", ports=[PORT]))
    ask = asking(version)
    assert ask.until(bool)
    balance(other)
    assert ask.until(lambda name: not name) == ""


@pytest.mark.usefixtures("echoing")
def test_a_farm_that_is_stopped_keeps_its_streams(lab: Lab, balance: Balance, asking: Clients, version: int) -> None:
    balance(farm(lab, "udp", ports=[PORT]))
    ask = asking(version)
    first = ask.until(bool)
    balance.stop("farm")
    assert ask.until(bool) == first


def stop_and_down(lab: Lab, balance: Balance, first: str) -> None:
    balance.stop("farm")
    balance.down("farm", first)
    balance.start("farm")


def stop_and_remove(lab: Lab, balance: Balance, first: str) -> None:
    balance.stop()
    balance(farm(lab, "udp", ports=[PORT], backends=[one for one in lab.backends if one.name != first]))
    balance.start()


def flush_and_down(lab: Lab, balance: Balance, first: str) -> None:
    lab.balancer.nft("delete table inet noidlb")
    balance.down("farm", first)
    balance(farm(lab, "udp", ports=[PORT]))


def down_with_other_marks(lab: Lab, balance: Balance, first: str) -> None:
    balance(farm(lab, "udp", ports=[PORT], of={first: {"state": "down"}}) + others(lab))


def others(lab: Lab) -> str:
    """Writes so many farms that with one more the marks have other bits."""
    return "".join(farm(lab, "tcp", name=f"x{port}", ports=[port], every={"port": 22}) for port in range(8000, 8031))


@pytest.mark.usefixtures("echoing")
@pytest.mark.parametrize("lose", [stop_and_down, stop_and_remove, flush_and_down, down_with_other_marks])
def test_a_backend_that_is_lost_while_the_table_does_not_have_it_loses_its_streams(
    lab: Lab, balance: Balance, asking: Clients, version: int, lose: Callable[[Lab, Balance, str], None]
) -> None:
    balance(farm(lab, "udp", ports=[PORT]))
    clients = [asking(version) for _ in range(3)]
    before = [ask.until(bool) for ask in clients]
    assert sorted(before) == ["b1", "b2", "b3"]
    lose(lab, balance, before[0])
    after = [ask.until(bool) for ask in clients]
    assert after[0] in before[1:]
    assert after[1:] == before[1:], "streams of the others go on"


@pytest.mark.usefixtures("echoing")
def test_a_farm_that_is_removed_when_the_marks_change_loses_its_streams(
    lab: Lab, balance: Balance, asking: Clients, version: int
) -> None:
    balance(others(lab) + farm(lab, "udp", ports=[PORT]))
    ask = asking(version)
    assert ask.until(bool)
    balance(others(lab))
    assert ask.until(lambda name: not name) == ""


@pytest.mark.usefixtures("echoing")
def test_a_service_in_udp_knows_no_limit(lab: Lab, balance: Balance, asking: Clients) -> None:
    balance(farm(lab, "udp", ports=[PORT], connection_limit=1))
    assert all(asking(4).until(bool) for _ in range(10))


@pytest.mark.usefixtures("echoing")
@pytest.mark.parametrize("single_port", [True, False])
def test_servers_that_answer_from_the_port_that_was_asked(
    lab: Lab, balance: Balance, asking: Clients, version: int, single_port: bool
) -> None:
    """With the helper, each leaves an expectation behind; there is room for 4,096 of them on the whole machine."""
    balance(farm(lab, "tftp", ports=[PORT], single_port=single_port))
    assert all(asking(version).request() for _ in range(5))
    left = flows(lab.balancer, version, table="expect")
    assert len(left) == (0 if single_port else 5)
