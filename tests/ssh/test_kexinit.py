from __future__ import annotations

import string
from contextlib import suppress

import pytest
from hypothesis import given, strategies as st

from noidchecks.ssh.kexinit import PACKET_LIMIT, Kexinit, Malformed, PacketReader, disconnect_reason, packet
from tests.support import ssh as fake


def names(least: int) -> st.SearchStrategy[tuple[str, ...]]:
    name = st.text(string.ascii_letters + string.digits + "-@._+!~", min_size=1, max_size=30)
    return st.lists(name, min_size=least, max_size=8, unique=True).map(tuple)


OFFERS = st.fixed_dictionaries({name: names(0 if "languages" in name else 1) for name in Kexinit._fields}).map(
    lambda lists: Kexinit(**lists)
)


def payload_of(*lists: bytes, tail: bytes = bytes(5)) -> bytes:
    filled = [*lists, *[b"x"] * (8 - len(lists)), b"", b""]
    return b"\x14" + bytes(16) + b"".join(len(one).to_bytes(4) + one for one in filled) + tail


def test_the_lists_of_a_server() -> None:
    payload = PacketReader(fake.kexinit()).next()
    assert payload is not None
    offer = Kexinit.parse(payload)
    assert {name: ",".join(names) for name, names in offer.lists().items()} == fake.MODERN
    assert list(offer.lists()) == list(fake.MODERN)
    assert offer.lines()[1] == "server_host_key_algorithms: rsa-sha2-512, ssh-ed25519"
    # Those without a name are left out.
    assert len(offer.lines()) == 8


@given(OFFERS, st.binary(min_size=16, max_size=16))
def test_parsing_is_the_inverse_of_encoding(offer: Kexinit, cookie: bytes) -> None:
    payload = offer.payload(cookie)
    assert Kexinit.parse(payload) == offer
    assert PacketReader(packet(payload)).next() == payload
    assert packet(payload) == fake.packet(payload)


@given(st.lists(st.binary(min_size=1, max_size=300), max_size=5), st.lists(st.integers(1, 400), min_size=1))
def test_chunks_make_no_difference(payloads: list[bytes], sizes: list[int]) -> None:
    data = b"".join(map(packet, payloads))
    reader = PacketReader()
    found, place, turn = [], 0, 0
    while place < len(data):
        size = sizes[turn % len(sizes)]
        reader.feed(data[place : place + size])
        place, turn = place + size, turn + 1
        while (payload := reader.next()) is not None:
            found.append(payload)
    assert found == payloads
    assert len(reader) == 0


@given(OFFERS, st.data())
def test_a_truncated_message_is_refused(offer: Kexinit, data: st.DataObject) -> None:
    payload = offer.payload()
    cut = data.draw(st.integers(0, len(payload) - 1))
    with pytest.raises(Malformed):
        Kexinit.parse(payload[:cut])
    assert PacketReader(packet(payload)[:cut]).next() is None


@given(OFFERS, st.integers(0, 9), st.integers(1, 2**32 - 1))
def test_a_list_longer_than_the_packet_is_refused(offer: Kexinit, which: int, lie: int) -> None:
    payload = bytearray(offer.payload())
    place = 17
    for _ in range(which):
        place += 4 + int.from_bytes(payload[place : place + 4])
    payload[place : place + 4] = min(2**32 - 1, len(payload) + lie).to_bytes(4)
    with pytest.raises(Malformed, match=f"{Kexinit._fields[which]} is longer than the packet"):
        Kexinit.parse(bytes(payload))


@given(st.binary(max_size=400))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    for raw in (data, b"\x14" + data, payload_of(data[:100])[:-5] + data[100:]):
        with suppress(Malformed):
            assert isinstance(Kexinit.parse(raw), Kexinit)
    with suppress(Malformed):
        PacketReader(data).next()


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        (b"", "not a KEXINIT"),
        (b"\x15" + bytes(60), "not a KEXINIT"),
        (b"\x14", "kex_algorithms is longer than the packet"),
        (payload_of(b""), "kex_algorithms is empty"),
        (payload_of(*[b"a"] * 7, b""), "compression_algorithms_server_to_client is empty"),
        (payload_of(b"a,,b"), "kex_algorithms has an empty name"),
        (payload_of(b"a", b",b"), "server_host_key_algorithms has an empty name"),
        (payload_of(b"a,"), "kex_algorithms has an empty name"),
        (payload_of(b"a b"), "kex_algorithms has other bytes than those of names"),
        (payload_of(b"a\0"), "kex_algorithms has other bytes than those of names"),
        (payload_of(b"a\n|x=1"), "kex_algorithms has other bytes than those of names"),
        (payload_of(b"\xc3\xa4"), "kex_algorithms has other bytes than those of names"),
        (payload_of(b"a", tail=b""), "0 bytes behind the lists, not 5"),
        (payload_of(b"a", tail=bytes(6)), "6 bytes behind the lists, not 5"),
    ],
)
def test_lies_in_a_message(payload: bytes, message: str) -> None:
    with pytest.raises(Malformed, match=f"^{message}$"):
        Kexinit.parse(payload)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\0\0\0\0", "packet length 0"),
        (b"\0\0\0\x0b", "packet length 11"),
        (b"\xff\xff\xff\xff", "packet length 4294967295"),
        (PACKET_LIMIT.to_bytes(4), "packet length 35000"),
        (b"HTTP/1.1 400", "packet length 1213486160"),
        (b"\0\0\0\x0d", "packet length 13 is not of whole blocks"),
        (b"\0\0\0\x0c\x03", "padding of 3 bytes in a packet of 12"),
        (b"\0\0\0\x0c\x0b", "padding of 11 bytes in a packet of 12"),
        (b"\0\0\0\x0c\xff", "padding of 255 bytes in a packet of 12"),
    ],
)
def test_lies_in_a_packet_are_known_at_once(data: bytes, message: str) -> None:
    with pytest.raises(Malformed, match=f"^{message}$"):
        PacketReader(data).next()


def test_the_longest_packet_is_read() -> None:
    payload = payload_of(b"x" * (PACKET_LIMIT - 100))
    reader = PacketReader(packet(payload))
    assert reader.next() == payload
    assert reader.next() is None


@pytest.mark.parametrize("payload", [b"\1", b"\1\0\0\0\x0b", b"\1\0\0\0\x0b\xff\xff\xff\xffbye", b"\1" * 8])
def test_a_disconnect_says_what_it_can(payload: bytes) -> None:
    assert disconnect_reason(payload) in (b"", b"bye")
