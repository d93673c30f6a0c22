from __future__ import annotations

from dataclasses import FrozenInstanceError, replace
from ipaddress import ip_address
from typing import Any

import pytest
from noidlb.errors import FarmError
from noidlb.farm import MAX_BACKENDS, Backend, Farm, Mode, Protocol, is_name
from noidlb.guard import Guard

V4 = ip_address("192.0.2.10")
V6 = ip_address("2001:db8::10")


def backend(name: str = "b1", *addresses: str, **given: Any) -> Backend:
    number = int(name[1:]) + 10 if name[1:].isdigit() else 10
    own = addresses or (f"10.0.{number // 250 + 1}.{number % 250}", f"fd00:1::{number}")
    return Backend(name=name, address=tuple(map(ip_address, own)), **given)


def farm(name: str = "one", protocol: Protocol = Protocol.FTP, **given: Any) -> Farm:
    settings: dict[str, Any] = {"name": name, "protocol": protocol, "vip": (V4,), "backends": (backend(),)}
    return Farm(**settings | given)


def refused(path: str, message: str, **given: Any) -> None:
    with pytest.raises(FarmError) as caught:
        farm(**given)
    assert caught.value.path == path
    assert message in caught.value.message
    assert str(caught.value) == f"{path}: {caught.value.message}"


@pytest.mark.parametrize(
    ("protocol", "transport", "helper", "ports"),
    [
        (Protocol.FTP, "tcp", "ftp", (21,)),
        (Protocol.TFTP, "udp", "tftp", (69,)),
        (Protocol.SFTP, "tcp", "", (22,)),
        (Protocol.TCP, "tcp", "", ()),
        (Protocol.UDP, "udp", "", ()),
    ],
)
def test_a_protocol_knows_its_transport_helper_and_ports(
    protocol: Protocol, transport: str, helper: str, ports: tuple[int, ...]
) -> None:
    assert (protocol.transport, protocol.helper, protocol.default_ports) == (transport, helper, ports)
    if ports:
        assert farm(protocol=protocol).ports == ports
    else:
        refused("ports", f"must be given for protocol {transport}", protocol=protocol)


def test_port_20_of_ftp_is_not_served() -> None:
    assert farm(ports=(20, 21)) == farm(ports=(21,)) == farm()
    assert farm(ports=(20, 21, 2121)).ports == (21, 2121)
    assert farm(protocol=Protocol.TCP, ports=(20, 21)).ports == (20, 21)
    refused("ports", "only the source of active data", ports=(20,))


def test_a_farm_answers_on_every_vip_and_port() -> None:
    served = farm(vip=(V4, V6), ports=(21, 2121), source=(V6,))
    assert served.services == (("tcp", V4, 21), ("tcp", V4, 2121), ("tcp", V6, 21), ("tcp", V6, 2121))
    assert (served.source_of(4), served.source_of(6)) == (None, V6)
    assert backend("b1", "10.0.1.11").address_of(6) is None
    assert backend().address_of(6) == ip_address("fd00:1::11")


def test_a_farm_is_a_value() -> None:
    assert farm() == farm()
    assert hash(farm()) == hash(farm())
    with pytest.raises(FrozenInstanceError):
        farm().name = "other"  # type: ignore[misc]
    with pytest.raises(FarmError):
        replace(farm(), ports=(0,))


@pytest.mark.parametrize(
    "address",
    ["0.0.0.0", "::", "127.0.0.1", "::1", "224.0.0.1", "ff02::1", "255.255.255.255", "::ffff:10.0.0.1"],
)
def test_an_address_is_one_host(address: str) -> None:
    refused("vip", f"not {ip_address(address)}", vip=(V4, ip_address(address)))
    refused("source", f"not {ip_address(address)}", source=(ip_address(address),))
    with pytest.raises(FarmError, match="must be the address of one host"):
        backend("b1", address)


# A zone is free text: what stands after '%' must neither reach nft nor a terminal.
@pytest.mark.parametrize("zone", ["eth0", "x } ; flush ruleset ; #", "a\nb", "\x1b[2J"])
def test_a_zone_is_refused_and_not_repeated(zone: str) -> None:
    zoned = ip_address(f"fe80::1%{zone}")
    for given in ({"vip": (zoned,)}, {"vip": (zoned, zoned)}, {"source": (zoned,)}):
        with pytest.raises(FarmError, match="must not have a zone") as caught:
            farm(**given)
        assert zone not in str(caught.value)
    with pytest.raises(FarmError, match="address: must not have a zone"):
        Backend(name="b1", address=(zoned,))


def test_vips_are_distinct_and_served() -> None:
    refused("vip", "must hold at least one address", vip=())
    refused("vip", "must not hold the value 192.0.2.10 twice", vip=(V4, V4))
    refused("backends", "must have an IPv6 address", vip=(V4, V6), backends=(backend("b1", "10.0.1.11"),))
    refused("backends[1].address", "must not be a VIP", backends=(backend(), backend("b2", str(V4))))


def test_backends_are_few_and_distinct() -> None:
    many = tuple(backend(f"b{number}") for number in range(MAX_BACKENDS + 1))
    assert len(farm(backends=many[1:]).backends) == MAX_BACKENDS
    refused("backends", "must be 1 to 255 backends, not 256", backends=many)
    refused("backends", "must be 1 to 255 backends, not 0", backends=())
    refused("backends", "must not hold the name b1 twice", backends=(backend(), backend()))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"port": 0}, "port: must be 1 to 65535, not 0"),
        ({"weight": 101}, "weight: must be 1 to 100, not 101"),
        ({"passive_ports": (2, 1)}, "passive-ports: must be a range in 1-65535, not 2-1"),
        ({"passive_ports": (0, 1)}, "passive-ports: must be a range in 1-65535, not 0-1"),
    ],
)
def test_a_backend_says_what_was_given(given: dict[str, Any], message: str) -> None:
    with pytest.raises(FarmError) as caught:
        backend(**given)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"commands": (" ",)}, "command: must not be empty"),
        ({"commands": ("a", "a")}, "commands[1]: must not be 'a' twice"),
        (
            {"commands": ("a --secret geheim",) * 2},
            """commands[1]: must not be "a --secret '****'" twice""",
        ),
        ({"commands": tuple("abcdefghijklmnopq")}, "commands: must be at most 16"),
        ({"fast_interval": 11}, "fast-interval: must be at most the interval, 10s, not 11s"),
        ({"slow_start": float("inf")}, "slow-start: must be at most 1h, not infs"),
        ({"min_backends": -1}, "min-backends: must be 0 to 255, not -1"),
        ({"interval": 0}, "interval: must be more than 0 and at most 1d, not 0s"),
        ({"interval": float("nan")}, "interval: must be more than 0 and at most 1d, not nans"),
        ({"timeout": 3601}, "timeout: must be more than 0 and at most 1h, not 3601s"),
        ({"rise": 0}, "rise: must be 1 to 100, not 0"),
        ({"fall": 101}, "fall: must be 1 to 100, not 101"),
    ],
)
def test_a_guard_says_what_was_given(given: dict[str, Any], message: str) -> None:
    with pytest.raises(FarmError) as caught:
        Guard(**{"commands": ("check_ftp -H HOST",)} | given)
    assert str(caught.value) == message


def test_limits_are_within_what_the_kernel_counts() -> None:
    assert farm(connection_limit=2**32 - 2, sticky=7 * 86400)
    refused("connection-limit", "must be 1 to 4294967294, not 4294967295", connection_limit=2**32 - 1)
    refused("connection-limit", "not 0", connection_limit=0)
    refused("sticky", "must be 1s to 7d, not 604801s", sticky=604801)


def test_ftps_needs_what_a_blind_helper_leaves_open() -> None:
    one, two = backend("b1", passive_ports=(1024, 1033)), backend("b2", passive_ports=(1034, 1043))
    assert farm(ftps=frozenset({"passive"}), backends=(one, two))
    assert farm(ftps=frozenset({"active"}), mode=Mode.DNAT)
    refused("ftps", "cannot be active in mode snat", ftps=frozenset({"active"}))
    refused("ftps", "must be of", ftps=frozenset({"both"}))
    refused("ftps", "only used by protocol ftp", ftps=frozenset({"passive"}), protocol=Protocol.SFTP)
    path = "backends[1].passive-ports"
    refused(path, "must be given", ftps=frozenset({"passive"}), backends=(one, backend("b2")))
    refused(path, "must not overlap b1's", backends=(one, replace(two, passive_ports=(1033, 1043))))
    refused("backends[0].passive-ports", "only used by protocol ftp", protocol=Protocol.SFTP, backends=(one,))


def test_source_belongs_to_snat() -> None:
    refused("source", "only used in mode snat", source=(V4,), mode=Mode.DNAT)
    refused("source", "at most one address of each family", source=(V4, ip_address("192.0.2.11")))


@pytest.mark.parametrize(
    "name", ["", "-a", ".a", "_a", "a b", "a\n", "é", "a" * 64, "a;b", 'a"', "a{", "../a", "\u0663", "a\0"]
)
def test_a_name_is_plain(name: str) -> None:
    assert not is_name(name)
    with pytest.raises(FarmError, match=r"^name: must be 1 to 63 letters") as caught:
        farm(name)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("name", ["a", "0", "ftp.example.org", "A-b_c.d", "a" * 63])
def test_a_plain_name_is_taken(name: str) -> None:
    assert is_name(name)
    assert farm(name).name == name
