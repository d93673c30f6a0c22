from __future__ import annotations

import pytest
from hypothesis import example, given, strategies as st
from tftpy.TftpPacketFactory import TftpPacketFactory
from tftpy.TftpPacketTypes import TftpPacketDAT, TftpPacketERR, TftpPacketOACK

from noidchecks import PeerError
from noidchecks.tftp import wire
from noidchecks.tftp.wire import Data, Error, OptionAck, decode
from tests.support import tftp as fake

BLOCKS = st.integers(0, 65535)
WORDS = st.binary(min_size=1, max_size=20).map(lambda word: word.replace(b"\0", b"0"))
NAMES = st.text("abcdefghijklmnopqrstuvwxyz/._-0123456789", min_size=1, max_size=60)


def test_request() -> None:
    assert wire.request(b"boot.img", "octet", {}) == b"\0\1boot.img\0octet\0"
    expected = b"\0\1f\0netascii\0blksize\x001428\0tsize\x000\0"
    assert wire.request(b"f", "netascii", {"blksize": 1428, "tsize": 0}) == expected


def test_acknowledgement_and_error() -> None:
    assert wire.acknowledgement(0) == b"\0\4\0\0"
    assert wire.acknowledgement(65535) == b"\0\4\xff\xff"
    assert wire.error(5, "Unknown transfer ID") == b"\0\5\0\5Unknown transfer ID\0"


@pytest.mark.parametrize(
    ("datagram", "expected"),
    [
        (b"\0\3\0\1OK\r\n", Data(1, b"OK\r\n")),
        (b"\0\3\xff\xff", Data(65535, b"")),
        (b"\0\5\0\1File not found\0", Error(1, b"File not found")),
        (b"\0\5\0\1no end", Error(1, b"no end")),
        (b"\0\5\0\0", Error(0, b"")),
        (b"\0\5\0\1a\0trailing", Error(1, b"a")),
        (b"\0\6blksize\x008\0", OptionAck(((b"blksize", b"8"),))),
        (b"\0\6", OptionAck(())),
        (b"\0\6a\0\0", OptionAck(((b"a", b""),))),
    ],
)
def test_decode(datagram: bytes, expected: object) -> None:
    assert decode(datagram) == expected


@pytest.mark.parametrize(
    ("datagram", "text"),
    [
        (b"", "packet: expected a whole DATA, OACK or ERROR, received '' (0 bytes)"),
        (b"\0", "packet: expected a whole DATA, OACK or ERROR, received '\\x00' (1 bytes)"),
        (b"\0\3\0", "packet: expected a whole DATA, OACK or ERROR, received '\\x00\\x03\\x00' (3 bytes)"),
        (b"\0\5\0", "packet: expected a whole DATA, OACK or ERROR, received '\\x00\\x05\\x00' (3 bytes)"),
        (b"\0\4\0\1", "packet: expected DATA, OACK or ERROR, received ACK"),
        (b"\0\1f\0octet\0", "packet: expected DATA, OACK or ERROR, received RRQ"),
        (b"\0\7xx", "packet: expected DATA, OACK or ERROR, received opcode 7"),
        (b"HTTP/1.1 400", "packet: expected DATA, OACK or ERROR, received opcode 18516"),
        (b"\0\6blksize", "OACK: expected names and values, each ended by NUL, received "),
        (b"\0\6blksize\0", "OACK: expected names and values, each ended by NUL, received "),
        (b"\0\6blksize\x008", "OACK: expected names and values, each ended by NUL, received "),
    ],
)
def test_decode_refuses(datagram: bytes, text: str) -> None:
    with pytest.raises(PeerError) as caught:
        decode(datagram)
    assert caught.value.message.startswith(text)
    assert caught.value.expected


@given(st.binary(max_size=80))
@example(b"\0\6" + b"\0" * 60000)
def test_any_datagram_is_a_packet_or_a_peer_error(datagram: bytes) -> None:
    packet: object = None
    failure = None
    try:
        packet = decode(datagram)
    except PeerError as error:
        failure = error
    if failure is None:
        assert isinstance(packet, Data | Error | OptionAck)
    else:
        assert failure.message.isprintable()
        assert len(failure.message) < 500


@given(BLOCKS, st.binary(max_size=600))
def test_data_is_read_as_it_was_written(block: int, payload: bytes) -> None:
    assert decode(fake.data(block, payload)) == Data(block, payload)


@given(st.integers(0, 65535), WORDS)
def test_error_is_read_as_it_was_written(code: int, message: bytes) -> None:
    assert decode(fake.error(code, message)) == Error(code, message)


@given(st.integers(0, 8), st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_our_own_errors_are_read_back(code: int, message: str) -> None:
    assert decode(wire.error(code, message)) == Error(code, message.encode())


@given(st.lists(st.tuples(WORDS, WORDS), max_size=5))
def test_options_are_read_as_they_were_written(options: list[tuple[bytes, bytes]]) -> None:
    assert decode(fake.pairs(*options)) == OptionAck(tuple(options))


@given(st.lists(st.tuples(WORDS, WORDS), min_size=1, max_size=3))
def test_options_cut_short_are_never_more_than_they_were(options: list[tuple[bytes, bytes]]) -> None:
    whole = fake.pairs(*options)
    for length in range(2, len(whole)):
        try:
            packet = decode(whole[:length])
        except PeerError:
            continue
        assert isinstance(packet, OptionAck)
        assert packet.options == tuple(options)[: len(packet.options)]


def test_error_text_is_printable_and_bounded() -> None:
    assert Error(1, b"a|b\x1b[31m\n").text == "a b\\x1b[31m"
    assert Error(1, b"").text == "File not found"
    assert Error(8, b" ").text == "Option negotiation failed"
    assert Error(77, b"").text == "No message"
    assert len(Error(1, b"x" * 60000).text) == 400


# tftpy is the oracle for valid packets only: its codec raises struct.error and the like for others.


@given(NAMES, st.dictionaries(st.sampled_from(["blksize", "tsize"]), st.integers(0, 65464)))
def test_tftpy_reads_our_request(name: str, options: dict[str, int]) -> None:
    packet = TftpPacketFactory().parse(wire.request(name.encode(), "octet", options))
    assert packet.opcode == wire.RRQ
    assert (packet.filename, packet.mode) == (name, "octet")
    assert {str(key): int(value) for key, value in packet.options.items()} == options


@given(BLOCKS)
def test_tftpy_reads_our_acknowledgement(block: int) -> None:
    packet = TftpPacketFactory().parse(wire.acknowledgement(block))
    assert (packet.opcode, packet.blocknumber) == (wire.ACK, block)


def test_tftpy_reads_our_error() -> None:
    packet = TftpPacketFactory().parse(wire.error(5, "Unknown transfer ID"))
    assert (packet.opcode, packet.errorcode, packet.errmsg) == (wire.ERROR, 5, b"Unknown transfer ID")


@given(BLOCKS, st.binary(max_size=512))
def test_we_read_the_data_of_tftpy(block: int, payload: bytes) -> None:
    packet = TftpPacketDAT()
    packet.blocknumber, packet.data = block, payload
    assert decode(packet.encode().buffer) == Data(block, payload)


@given(st.integers(1, 8))
def test_we_read_the_errors_of_tftpy(code: int) -> None:
    packet = TftpPacketERR()
    packet.errorcode = code
    read = decode(packet.encode().buffer)
    assert isinstance(read, Error)
    assert read.code == code


@given(st.dictionaries(st.sampled_from(["blksize", "tsize", "windowsize"]), st.integers(0, 65464), min_size=1))
def test_we_read_the_options_of_tftpy(options: dict[str, int]) -> None:
    packet = TftpPacketOACK()
    packet.options = {name: str(value) for name, value in options.items()}
    read = decode(packet.encode().buffer)
    assert isinstance(read, OptionAck)
    assert {name.decode(): int(value) for name, value in read.options} == options
