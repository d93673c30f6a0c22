from __future__ import annotations

import pytest

from noidchecks import PeerError
from noidchecks.tftp.negotiation import granted
from noidchecks.tftp.wire import OptionAck

ASKED = {"blksize": 1428, "tsize": 0, "windowsize": 16}


def packet(*options: tuple[bytes, bytes]) -> OptionAck:
    return OptionAck(options)


def test_grants() -> None:
    answer = packet((b"blksize", b"1428"), (b"tsize", b"4"), (b"windowsize", b"16"))
    assert granted(ASKED, answer) == {"blksize": 1428, "tsize": 4, "windowsize": 16}


def test_grants_less_and_in_any_case_and_order() -> None:
    assert granted(ASKED, packet((b"WindowSize", b"1"), (b"BLKSIZE", b"8"))) == {"windowsize": 1, "blksize": 8}


def test_grants_the_very_size_that_was_asked_for() -> None:
    assert granted({"blksize": 8}, packet((b"blksize", b"8"))) == {"blksize": 8}


def test_names_the_block_size_that_holds_anyway() -> None:
    assert granted({"tsize": 0}, packet((b"tsize", b"4"), (b"blksize", b"512"))) == {"tsize": 4}
    assert granted({"windowsize": 16}, packet((b"blksize", b"512"))) == {}


@pytest.mark.parametrize(
    ("asked", "options", "text"),
    [
        (ASKED, [(b"blksize", b"1429")], "blksize: expected 8 to 1428, received 1429"),
        (ASKED, [(b"blksize", b"7")], "blksize: expected 8 to 1428, received 7"),
        ({"blksize": 8}, [(b"blksize", b"9")], "blksize: expected 8, received 9"),
        (ASKED, [(b"blksize", b"x")], "blksize: expected 8 to 1428, received 'x' (1 bytes)"),
        (ASKED, [(b"blksize", b"")], "blksize: expected 8 to 1428, received '' (0 bytes)"),
        (ASKED, [(b"blksize", b"-8")], "blksize: expected 8 to 1428, received '-8' (2 bytes)"),
        (ASKED, [(b"blksize", b"\xb2")], "blksize: expected 8 to 1428, received '\\xb2' (1 bytes)"),
        (ASKED, [(b"windowsize", b"17")], "windowsize: expected 1 to 16, received 17"),
        (ASKED, [(b"windowsize", b"0")], "windowsize: expected 1 to 16, received 0"),
        (ASKED, [(b"tsize", b"9" * 40)], "tsize: expected the size in bytes, received '999"),
        (ASKED, [(b"tsize", b"-1")], "tsize: expected the size in bytes, received '-1' (2 bytes)"),
        (ASKED, [(b"timeout", b"1")], "OACK: expected blksize tsize windowsize, received 'timeout', which was not"),
        (ASKED, [(b"\xff|\n", b"1")], "OACK: expected blksize tsize windowsize, received '\\\\xff \\n', which was not"),
        (ASKED, [(b"blksize", b"8"), (b"BlkSize", b"8")], "OACK: expected blksize once, received blksize twice"),
        (ASKED, [], "OACK: expected blksize tsize windowsize, received no option"),
        ({}, [(b"tsize", b"1")], "OACK: expected DATA, as no option was asked for, received 'tsize', which was not"),
        ({"tsize": 0}, [(b"blksize", b"1024")], "OACK: expected tsize, received 'blksize', which was not"),
        ({}, [(b"blksize", b"512")], "OACK: expected DATA, as no option was asked for, received 'blksize', which"),
        ({}, [], "OACK: expected DATA, as no option was asked for, received no option"),
    ],
)
def test_refuses(asked: dict[str, int], options: list[tuple[bytes, bytes]], text: str) -> None:
    with pytest.raises(PeerError) as caught:
        granted(asked, OptionAck(tuple(options)))
    assert caught.value.message.startswith(text)
    assert caught.value.message.isprintable()
