"""Addresses, ports and times taken from replies, and what arrives over data connections."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given, strategies as st

from noidchecks.errors import PeerError
from noidchecks.ftp.reply_values import directory, epsv_port, modification_time, pasv_endpoint
from noidchecks.ftp.wire import Reply


def reply(code: int, text: bytes) -> Reply:
    return Reply(code, b"%d %s\r\n" % (code, text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"Entering Passive Mode (127,0,0,1,4,5)", ("127.0.0.1", 1029)),
        (b"Entering Passive Mode (127,0,0,1,4,5).", ("127.0.0.1", 1029)),
        (b"Entering Passive Mode 127,0,0,1,4,5", ("127.0.0.1", 1029)),
        (b"=127,0,0,1,4,5", ("127.0.0.1", 1029)),
        (b"Mode 2 ( 127, 0, 0 ,1,4, 5 )", ("127.0.0.1", 1029)),
        (b"(000,000,000,000,255,255)", ("0.0.0.0", 65535)),
        (b"1,2,3 (127,0,0,1,0,1)", ("127.0.0.1", 1)),
        (b"OK, 127,0,0,1,4,5", ("127.0.0.1", 1029)),
        (b"Entering Passive Mode,127,0,0,1,4,5", ("127.0.0.1", 1029)),
        (b"Passive mode 127,0,0,1,4,5, go", ("127.0.0.1", 1029)),
        (b"(127,0,0,1,4,5,)", ("127.0.0.1", 1029)),
    ],
)
def test_pasv(text: bytes, expected: tuple[str, int]) -> None:
    assert pasv_endpoint(reply(227, text)) == expected


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"(127,0,0,1,0,0)",
        b"(127,0,0,1,256,1)",
        b"(127,0,0,300,1,1)",
        b"(127,0,0,1,1)",
        b"(127,0,0,1,1,1,1)",
        b"(127,0,0,1,,1)",
        b"(127,0,0,1,-1,1)",
        b"(0127,0,0,1,1,1)",
        "(١٢٧,0,0,1,1,1)".encode(),
        b"|||50|",
    ],
)
def test_no_pasv(text: bytes) -> None:
    with pytest.raises(PeerError, match="227 holds no address"):
        pasv_endpoint(reply(227, text))


@pytest.mark.parametrize(
    ("text", "port"),
    [
        (b"Entering Extended Passive Mode (|||6446|)", 6446),
        (b"(as asked) mode (!!!1!).", 1),
        (b"(|||65535|)", 65535),
        # What stands in brackets before it is no delimiter and no port.
        (b"Attempt (1 of 2) (|||50000|)", 50000),
        (b"EPSV ( ) (|||50000|)", 50000),
    ],
)
def test_epsv(text: bytes, port: int) -> None:
    assert epsv_port(reply(229, text)) == port


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"(|||0|)",
        b"(|||65536|)",
        b"(|||1)",
        b"(|||1|",
        b"|||1|",
        b"(|1|192.0.2.1|1|)",
        b"(1111511)",
        b"(||| 5|)",
        b"(|||+5|)",
        b"(|||" + b"9" * 9999 + b"|)",
        b"(\x01\x01\x015\x01)",
    ],
)
def test_no_epsv(text: bytes) -> None:
    with pytest.raises(PeerError, match="229 holds no port"):
        epsv_port(reply(229, text))


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        (b'257 "/home/bob" is the current directory\r\n', "/home/bob"),
        (b'257 "/a ""b"" c"\r\n', '/a "b" c'),
        (b"257 \"'HLQ.'\" is working directory.\r\n", "'HLQ.'"),
        (b'257-here\r\n257 "/\xff" it is\r\n', "/\udcff"),
        (b"257 /home\r\n", ""),
        (b'257 "\r\n', ""),
        (b'257 ""\r\n', ""),
        (b'257-"/a\r\nDELE x"\r\n257 end\r\n', ""),
        (b'257 "/a\0b"\r\n', ""),
        (b'250 "/home"\r\n', ""),
    ],
)
def test_directories(raw: bytes, name: str) -> None:
    assert directory(Reply(int(raw[:3]), raw)) == name


@given(st.tuples(*[st.integers(0, 255)] * 6), st.sampled_from([b"(%s)", b"%s", b"x %s.", b"( %s )"]))
def test_every_endpoint_is_read_back(numbers: tuple[int, ...], frame: bytes) -> None:
    text = frame % b",".join(b"%d" % number for number in numbers)
    if not any(numbers[4:]):
        with pytest.raises(PeerError):
            pasv_endpoint(reply(227, text))
        return
    host, port = pasv_endpoint(reply(227, text))
    assert host == ".".join(map(str, numbers[:4]))
    assert port == numbers[4] * 256 + numbers[5]


@given(st.binary(max_size=80) | st.text("(|!,0123456789 )", max_size=40).map(str.encode))
def test_hostile_text_is_an_endpoint_or_a_peer_error(text: bytes) -> None:
    with suppress(PeerError):
        assert 1 <= pasv_endpoint(reply(227, text))[1] <= 65535
    with suppress(PeerError):
        assert 1 <= epsv_port(reply(229, text)) <= 65535
    assert not {"\r", "\n", "\0"} & set(directory(reply(257, b'"' + text)))
    with suppress(PeerError):
        assert len(modification_time(reply(213, text))) == 6


@pytest.mark.parametrize("text", [b"20260102030405", b"20260102030405.678", b" 20260102030405"])
def test_times(text: bytes) -> None:
    assert modification_time(reply(213, text)) == (2026, 1, 2, 3, 4, 5)


@pytest.mark.parametrize(
    "text",
    [
        *(b"", b"2026", b"20261302030405", b"20260102250405", b"00000000000000", b"x" * 14),
        # Each field one beyond its range.
        *(b"20260002030405", b"20260100030405", b"20260132030405"),
        *(b"20260102240405", b"20260102036005", b"20260102030461"),
    ],
)
def test_no_times(text: bytes) -> None:
    with pytest.raises(PeerError, match="213 holds no time"):
        modification_time(reply(213, text))
