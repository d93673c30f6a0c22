"""The order of blocks: duplicates, numbers that wrap, windows."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from noidchecks.tftp.content import Content
from noidchecks.tftp.file import TftpFile
from noidchecks.tftp.findings import Findings
from noidchecks.tftp.transfer import Transfer
from tests.support.tftp import ack, blocks, data, oack
from tests.support.tftp_script import REQUEST, SILENCE, failure_of, findings_of, play, sent


def test_duplicates_count_once_and_are_acknowledged_again() -> None:
    first = data(1, b"x" * 512)
    played = play(first, first, data(2, b"y"))
    findings = findings_of(played)
    assert findings.content is not None
    assert findings.content.size == 513
    assert findings.duplicates == 1
    assert sent(played)[1:] == [ack(1), ack(1), ack(2)]


def test_storm_of_duplicates_is_not_kept_up() -> None:
    first = data(1, b"x" * 512)
    played = play(*[first] * 500, data(2))
    assert findings_of(played).duplicates == 499
    assert sent(played)[1:] == [*[ack(1)] * 5, ack(2)]


def test_old_duplicates_are_not_acknowledged() -> None:
    packets = blocks(b"x" * 1024)
    played = play(packets[0], packets[1], packets[0], packets[2])
    assert findings_of(played).complete
    assert findings_of(played).duplicates == 1
    assert sent(played)[1:] == [ack(1), ack(2), ack(3)]


def feed(packets: Iterable[bytes], asked: dict[str, int]) -> Findings:
    """Feeds packets to the receiving side alone: a rehearsal of so many would take seconds."""
    findings = Findings(TftpFile("f"), REQUEST, asked, Content())
    transfer = Transfer(REQUEST, findings, limit=10**9, patience=4)
    for packet in packets:
        assert not transfer.done
        transfer.take(packet)
    return findings


@pytest.mark.parametrize("first", [0, 1])
def test_block_numbers_wrap_to_zero_and_to_one(first: int) -> None:
    count = 65535 + 100
    numbers = [*range(1, 65536)]
    while len(numbers) <= count:
        numbers += range(first, 65536)
    findings = feed([*(data(number, b"x" * 512) for number in numbers[:count]), data(numbers[count])], {})
    assert findings.complete
    assert findings.content is not None
    assert findings.content.size == 512 * count
    assert findings.duplicates == 0


def test_duplicates_around_the_wrap() -> None:
    doubled = [packet for number in range(1, 65538) for packet in [data(number, b"x" * 512)] * 2]
    findings = feed([*doubled, data(65538)], {})
    assert findings.complete
    assert findings.blocks == 65538
    assert findings.duplicates == 65537


def test_window_around_the_wrap() -> None:
    packets = [data(number, b"x" * 8) for number in range(1, 65560)]
    asked = {"blksize": 8, "windowsize": 16}
    assert feed([oack(**asked), *packets, data(65560)], asked).complete


def test_window_is_acknowledged_at_its_end() -> None:
    packets = blocks(b"x" * (8 * 9), 8)
    played = play(oack(blksize=8, windowsize=4), *packets, blksize=8, windowsize=4)
    assert sent(played)[1:] == [ack(0), ack(4), ack(8), ack(10)]
    assert findings_of(played).complete


def test_gap_in_a_window_is_told_once() -> None:
    one, two, three, four, five = blocks(b"x" * 32, 8)
    played = play(oack(blksize=8, windowsize=4), one, three, four, two, three, four, five, blksize=8, windowsize=4)
    assert sent(played)[1:] == [ack(0), ack(1), ack(5)]
    findings = findings_of(played)
    assert findings.content is not None
    assert findings.content.size == 32


def test_lost_first_block_of_a_window() -> None:
    one, two, three = blocks(b"x" * 16, 8)
    played = play(oack(blksize=8, windowsize=4), two, three, one, two, three, blksize=8, windowsize=4)
    assert sent(played)[1:] == [ack(0), ack(0), ack(3)]
    assert findings_of(played).complete


def test_lost_end_of_a_window() -> None:
    packets = blocks(b"x" * 40, 8)
    played = play(
        oack(blksize=8, windowsize=4), *packets[:2], SILENCE, *packets[2:4], *packets[4:], blksize=8, windowsize=4
    )
    # The silence told the server that it has to begin a window with block 3.
    assert sent(played)[1:] == [ack(0), ack(2), ack(6)]
    assert findings_of(played).complete


def test_window_that_comes_twice() -> None:
    packets = blocks(b"x" * 40, 8)
    played = play(oack(blksize=8, windowsize=3), *packets[:3], *packets[:3], *packets[3:], blksize=8, windowsize=3)
    assert sent(played)[1:] == [ack(0), ack(3), ack(3), ack(6)]
    assert findings_of(played).duplicates == 3


def test_duplicate_within_a_window_is_not_acknowledged() -> None:
    one, two, three, four = blocks(b"x" * 24, 8)
    played = play(oack(blksize=8, windowsize=3), one, two, two, three, four, blksize=8, windowsize=3)
    assert sent(played)[1:] == [ack(0), ack(3), ack(4)]
    assert findings_of(played).duplicates == 1


def test_a_window_of_the_server_that_ends_within_ours() -> None:
    """RFC 7440: block 3 and two acknowledgements are lost, so that the server still waits for that of block 4."""
    packets = blocks(b"x" * 64, 8)
    first = [packets[0], packets[1], packets[3]]
    for retries in (0, 3):
        played = play(
            oack(blksize=8, windowsize=4), *first, *packets[:4], *packets[:4], *packets[4:],
            blksize=8, windowsize=4, retries=retries,
        )  # fmt: skip
        assert sent(played)[1:] == [ack(0), ack(2), ack(2), ack(4), ack(8), ack(9)]
        assert findings_of(played).complete


def test_early_acknowledgements_do_not_keep_up_a_storm() -> None:
    """A server that begins a new window at each of them would send each block twice from then on."""
    numbers = [1, 2, 3, 2, 3, 4, 5, 3, 4, 5, 6, 7, 5, 6, 7]
    played = play(
        oack(blksize=8, windowsize=8), *(data(number, b"x" * 8) for number in numbers), data(8), blksize=8, windowsize=8
    )
    assert sent(played)[1:] == [ack(0), ack(3), ack(8)]


def test_block_behind_the_window() -> None:
    played = play(oack(windowsize=4), data(5, b"x" * 512), windowsize=4)
    assert failure_of(played) == "packet: expected DATA block 1, received DATA block 5"
