from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from noidchecks.ssh.wire import (
    GreetingReader,
    Identification,
    LimitExceeded,
    Malformed,
    is_foreign,
    refusal,
    version_numbers,
)


@pytest.mark.parametrize(
    ("line", "protocol", "software", "comment"),
    [
        (b"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3", b"2.0", b"OpenSSH_9.2p1", b"Debian-2+deb12u3"),
        (b"SSH-1.99-Cisco-1.25", b"1.99", b"Cisco-1.25", b""),
        (b"SSH-1.5-1.2.27", b"1.5", b"1.2.27", b""),
        (b"SSH-2.0-3.2.9.1 SSH Secure Shell", b"2.0", b"3.2.9.1", b"SSH Secure Shell"),
        (b"SSH-2.0-a\0b\xff", b"2.0", b"a\0b\xff", b""),
        (b"SSH-2.0--", b"2.0", b"-", b""),
        (b"SSH-2.0-x ", b"2.0", b"x", b""),
    ],
)
def test_identification_taken_apart(line: bytes, protocol: bytes, software: bytes, comment: bytes) -> None:
    found = Identification.parse(line)
    assert (found.line, found.protocol, found.software, found.comment) == (line, protocol, software, comment)


def test_version_is_software_and_comment() -> None:
    assert Identification.parse(b"SSH-2.0-OpenSSH-9 a b").version == b"OpenSSH-9 a b"


@pytest.mark.parametrize(
    "line",
    [b"SSH-", b"SSH-2.0", b"SSH-2.0-", b"SSH--x", b"SSH-2.0- x", b"SSH-two-x", b"SSH-2.0 -x", b"ssh-2.0-x", b""],
)
def test_no_identification(line: bytes) -> None:
    with pytest.raises(Malformed) as caught:
        Identification.parse(line)
    assert caught.value.line == line


def lines_of(data: bytes, sizes: list[int], **limits: int) -> list[object]:
    """What comes out of a reader fed in chunks of these sizes (the last one repeated), then ended."""
    reader = GreetingReader(**limits)
    seen: list[object] = []
    position = 0
    try:
        while position < len(data):
            size = sizes.pop(0) if len(sizes) > 1 else sizes[0]
            reader.feed(data[position : position + size])
            position += size
            while (line := reader.next()) is not None:
                seen.append(line)
        if (line := reader.end()) is not None:
            seen.append(line)
    except (Malformed, LimitExceeded) as error:
        seen.append((type(error).__name__, str(error), getattr(error, "line", b"")))
    return seen


@pytest.mark.parametrize("size", [1, 2, 3, 100, 100_000])
def test_lines_in_any_chunks(size: int) -> None:
    data = b"Welcome\r\n\r\nlegal\nSSH-2.0-x\r\n"
    assert lines_of(data, [size]) == [b"Welcome", b"", b"legal", b"SSH-2.0-x"]


@pytest.mark.parametrize("size", [1, 7, 1000])
@pytest.mark.parametrize(("length", "ending"), [(253, b"\r\n"), (254, b"\n"), (255, b"")])
def test_identification_line_of_255_bytes_is_whole(size: int, length: int, ending: bytes) -> None:
    line = b"SSH-2.0-".ljust(length, b"x")
    assert lines_of(line + ending, [size]) == [line]


@pytest.mark.parametrize("size", [1, 7, 1000])
@pytest.mark.parametrize(("length", "ending"), [(254, b"\r\n"), (255, b"\n"), (256, b""), (900, b"\r\n")])
def test_identification_line_over_255_bytes_is_refused(size: int, length: int, ending: bytes) -> None:
    line = b"SSH-2.0-".ljust(length, b"x")
    shown = (line + ending)[:255]
    assert lines_of(line + ending, [size]) == [("Malformed", "longer than 255 bytes", shown)]


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_lines_before_it_may_be_longer(size: int) -> None:
    assert lines_of(b"w" * 900 + b"\nSSH-2.0-x\n", [size]) == [b"w" * 900, b"SSH-2.0-x"]


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_limits_of_lines_and_bytes(size: int) -> None:
    ident = b"SSH-2.0-x\n"
    assert lines_of(b"a\n" * 3 + ident, [size], max_lines=3)[-1] == b"SSH-2.0-x"
    assert lines_of(b"a\n" * 4 + ident, [size], max_lines=3)[-1] == ("LimitExceeded", "3 lines", b"")
    assert lines_of(b"aaa\n" + ident, [size], max_bytes=4)[-1] == b"SSH-2.0-x"
    assert lines_of(b"aaaa\n" + ident, [size], max_bytes=4) == [("LimitExceeded", "4 bytes", b"")]
    assert lines_of(b"aaaaa", [size], max_bytes=4) == [("LimitExceeded", "4 bytes", b"")]


@given(
    data=st.lists(st.sampled_from([b"SSH-", b"2.0-", b"x", b"S", b"\r", b"\n", b"\n", b"\0", b"yy" * 40])).map(
        b"".join
    ),
    sizes=st.lists(st.integers(1, 40), min_size=1),
)
def test_chunks_make_no_difference(data: bytes, sizes: list[int]) -> None:
    limits = {"max_lines": 3, "max_bytes": 120}
    assert lines_of(data, sizes, **limits) == lines_of(data, [len(data) + 1], **limits)


@given(st.lists(st.binary(max_size=300), max_size=30))
def test_reader_holds_little(chunks: list[bytes]) -> None:
    reader = GreetingReader(max_lines=10, max_bytes=500)
    try:
        for chunk in chunks:
            reader.feed(chunk)
            while reader.next() is not None:
                pass
            assert len(reader) <= 500
    except (Malformed, LimitExceeded):
        assert len(reader) <= 500 + 300


@pytest.mark.parametrize(
    ("head", "foreign"),
    [
        (b"220 (vsFTPd 3.0.3)\r\n", True),
        (b"220-Welcome", True),
        (b"220", False),
        (b"2200 ", False),
        (b"+OK ready", True),
        (b"* OK IMAP", True),
        (b"*** Authorized use only ***", False),
        (b"\xff\xfd\x18", True),
        (b"\x15\x03\x01", True),
        (b"J\0\0\0\n8.0.36", True),
        (b"RFB 003.008\n", True),
        (b"Welcome", False),
        (b"SSH-2.0-x", False),
        (b"", False),
    ],
)
def test_other_protocols(head: bytes, foreign: bool) -> None:
    assert is_foreign(head) is foreign


def test_refusals() -> None:
    assert refusal(b"Exceeded MaxStartups") == "overloaded"
    assert refusal(b"Not allowed at this time") == "overloaded or penalising us"
    assert refusal(b"Welcome") == ""


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("OpenSSH_9.2p1", (9, 2, 1)),
        ("OpenSSH_3.8.1p1", (3, 8, 1, 1)),
        ("OpenSSH_for_Windows_8.1", (8, 1)),
        ("dropbear_2022.83", (2022, 83)),
        ("libssh_0.9.6", (0, 9, 6)),
        ("libssh2_1.10.0", (1, 10)),
        ("Cisco-1.25", (1, 25)),
        ("1.2.27", (1, 2, 27)),
        ("GoAnywhere7.0.3", (7, 0, 3)),
        ("OpenSSH_10.0", (10,)),
        ("9", (9,)),
        ("0.0", (0,)),
        ("9.", (9,)),
        ("9pre", (9,)),
        ("9.2p1p2", (9, 2, 1, 2)),
        ("ROSSSH", ()),
        ("", ()),
        ("\u0663.\u0661", ()),
    ],
)
def test_version_numbers(text: str, numbers: tuple[int, ...]) -> None:
    assert version_numbers(text) == numbers


@given(st.text(max_size=255))
def test_version_numbers_of_anything(text: str) -> None:
    assert all(number >= 0 for number in version_numbers(text))
