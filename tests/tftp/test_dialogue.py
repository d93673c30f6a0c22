"""The course of a TFTP conversation: files, what breaks the protocol, options, limits."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from noidchecks import DeadlineExceeded, PeerError
from noidchecks.dialogue.operations import Datagram, SendTo
from noidchecks.tftp.settings import ABSENT_FILE
from tests.support.tftp import ack, blocks, data, error, oack
from tests.support.tftp_script import (
    ANSWER,
    BYE,
    ILLEGAL,
    OTHER_HOST,
    OTHER_PORT,
    REQUEST,
    SERVER,
    SILENCE,
    failure_of,
    findings_of,
    play,
    refusal,
    sent,
)


def test_one_block() -> None:
    played = play(data(1, b"OK\r\n"))
    findings = findings_of(played)
    assert played.datagrams == [(REQUEST, SERVER), (ack(1), ANSWER)]
    assert played.phases == ["resolve", "greeting", "transfer"]
    assert findings.failure is None
    assert findings.complete
    assert findings.content is not None
    assert findings.content.size == 4
    assert findings.answer == ANSWER


@pytest.mark.parametrize("size", [0, 1, 511, 512, 513, 1024, 5000])
def test_sizes(size: int) -> None:
    packets = blocks(b"x" * size)
    played = play(*packets)
    findings = findings_of(played)
    assert findings.complete
    assert findings.content is not None
    assert findings.content.size == size
    assert sent(played)[1:] == [ack(number) for number in range(1, len(packets) + 1)]


def test_absent_file_is_no_failure() -> None:
    played = play(error(1, b"File not found"), filename="")
    assert sent(played) == [b"\0\1" + ABSENT_FILE.encode() + b"\0octet\0"]
    findings = findings_of(played)
    assert findings.failure is None
    assert findings.error is not None
    assert findings.error.text == "File not found"


def test_forbidden_file_is_no_failure() -> None:
    assert findings_of(play(error(2), filename="")).failure is None


@pytest.mark.parametrize("answer", [data(1, b"x"), data(1, b"x" * 512)])
def test_present_file_is_no_failure_and_its_transfer_ended(answer: bytes) -> None:
    played = play(answer, filename="")
    assert findings_of(played).failure is None
    assert sent(played)[1:] == [BYE]


def test_options_without_a_file_are_no_failure_and_the_transfer_ended() -> None:
    played = play(oack(blksize=8), filename="", blksize=8)
    assert findings_of(played).failure is None
    assert sent(played)[1:] == [BYE]


@pytest.mark.parametrize("code", [0, 3, 4, 5, 6, 7, 8, 999])
def test_other_errors_are_failures(code: int) -> None:
    played = play(error(code, b"busy"), filename="")
    assert failure_of(played) == f"busy (error {code})"
    assert sent(played)[1:] == []


def test_error_ends_the_transfer_and_is_not_answered() -> None:
    played = play(data(1, b"x" * 512), error(0, b"disk on fire"))
    assert failure_of(played) == "disk on fire (error 0)"
    assert isinstance(findings_of(played).failure, PeerError)
    assert sent(played)[1:] == [ack(1)]


@pytest.mark.parametrize(
    ("packets", "text"),
    [
        ([data(0, b"x")], "packet: expected DATA block 1, received DATA block 0"),
        ([data(2, b"x")], "packet: expected DATA block 1, received DATA block 2"),
        ([data(65535, b"x")], "packet: expected DATA block 1, received DATA block 65535"),
        ([data(1, b"x" * 512), data(3)], "packet: expected DATA block 2, received DATA block 3"),
        ([data(1, b"x" * 512), data(0)], "packet: expected DATA block 2, received DATA block 0"),
        ([data(1, b"x" * 513)], "DATA block 1: expected at most 512 bytes, received 513"),
        ([data(1, b"x" * 512), oack(blksize=8)], "packet: expected DATA block 2, received OACK"),
        ([b"\0\4\0\1"], "packet: expected DATA, OACK or ERROR, received ACK"),
        ([b""], "packet: expected a whole DATA, OACK or ERROR, received '' (0 bytes)"),
    ],
)
def test_what_breaks_the_protocol_is_told_and_ended(packets: list[bytes], text: str) -> None:
    played = play(*packets)
    assert failure_of(played) == text
    assert sent(played)[-1] == ILLEGAL
    failure = findings_of(played).failure
    assert isinstance(failure, PeerError)
    assert failure.expected
    assert failure.phase == "transfer"


def test_options_are_granted() -> None:
    played = play(oack(blksize=1428, tsize=3), data(1, b"abc"), blksize=1428, tsize=True)
    findings = findings_of(played)
    assert sent(played) == [b"\0\1f\0octet\0blksize\x001428\0tsize\x000\0", ack(0), ack(1)]
    assert findings.granted == {"blksize": 1428, "tsize": 3}
    assert findings.complete


def test_smaller_block_size_is_used() -> None:
    played = play(oack(blksize=8), data(1, b"x" * 8), data(2, b"x"), blksize=1428)
    assert findings_of(played).complete
    assert failure_of(play(oack(blksize=8), data(1, b"x" * 9), blksize=1428)).startswith(
        "DATA block 1: expected at most 8"
    )


def test_server_that_ignores_options() -> None:
    played = play(data(1, b"x" * 512), data(2), blksize=1428, windowsize=16)
    findings = findings_of(played)
    assert findings.complete
    assert findings.granted == {}
    assert sent(played)[1:] == [ack(1), ack(2)]


def test_options_that_lie_are_refused() -> None:
    played = play(oack(blksize=9000), blksize=1428)
    assert failure_of(played) == "blksize: expected 8 to 1428, received 9000"
    assert sent(played)[-1] == b"\0\5\0\x08Option negotiation failed\0"


def test_refused_options() -> None:
    assert failure_of(play(error(8), blksize=1428)) == "Option negotiation failed (error 8)"


def test_repeated_options_are_acknowledged_again() -> None:
    answer = oack(blksize=8)
    played = play(answer, answer, data(1, b"x" * 8), answer, data(2), blksize=8)
    assert sent(played)[1:] == [ack(0), ack(0), ack(1), ack(2)]
    assert findings_of(played).duplicates == 2


def test_options_that_change_are_refused() -> None:
    played = play(oack(blksize=16), oack(blksize=8), blksize=16)
    assert failure_of(played) == "packet: expected DATA block 1, received OACK once more, changed"


def test_lost_first_block_after_options() -> None:
    played = play(oack(blksize=8), SILENCE, data(1), blksize=8)
    assert sent(played)[1:] == [ack(0), ack(0), ack(1)]


def test_limit() -> None:
    played = play(data(1, b"x" * 512), data(2, b"x" * 512), limit=1023)
    assert failure_of(played) == "file: expected at most 1023 bytes, received more"
    assert sent(played)[-1] == b"\0\5\0\3File is too big\0"


def test_limit_by_announcement() -> None:
    played = play(oack(tsize=1024), limit=1023, tsize=True)
    assert failure_of(played) == "file: expected at most 1023 bytes, received a tsize of 1024"


def test_file_as_big_as_the_limit() -> None:
    assert findings_of(play(*blocks(b"x" * 512), limit=512)).complete


def test_deadline_during_the_transfer() -> None:
    played = play(data(1, b"x" * 512))
    failure = findings_of(played).failure
    assert isinstance(failure, DeadlineExceeded)
    assert failure.phase == "transfer"
    # The attempt to say goodbye; a driver refuses it after the deadline.
    assert played.asked(SendTo)[-1].data == BYE


PACKETS = st.one_of(
    st.builds(data, st.sampled_from([0, 1, 2, 3, 4, 65535]), st.sampled_from([b"", b"x", b"x" * 8, b"x" * 512])),
    st.builds(error, st.integers(0, 9), st.binary(max_size=8)),
    st.sampled_from([oack(blksize=8), oack(windowsize=2), oack(blksize=8, windowsize=2), oack(tsize=4), ack(1)]),
    st.binary(max_size=20),
)
ADDRESSES = st.sampled_from([ANSWER, ANSWER, ANSWER, SERVER, OTHER_PORT, OTHER_HOST])
EVENTS = st.one_of(
    st.builds(Datagram, PACKETS, ADDRESSES),
    st.builds(refusal, st.sampled_from([OTHER_PORT, OTHER_HOST, ANSWER])),
)


@settings(max_examples=400)
@given(
    st.lists(EVENTS, max_size=30), st.sampled_from(["", "f"]), st.sampled_from([None, 8]), st.sampled_from([None, 2])
)
def test_any_datagrams_end_in_findings(
    events: list[Any], name: str, blksize: int | None, windowsize: int | None
) -> None:
    played = play(*events, filename=name, blksize=blksize, windowsize=windowsize, tsize=blksize is not None)
    findings = findings_of(played)
    assert findings.answer is not None or findings.failure is not None
    assert len(played.operations) < 20 + 4 * len(events)
    assert findings.blocks + findings.duplicates <= len(events)
    if findings.failure is not None:
        assert findings.failure.message.isprintable()
    if findings.complete and findings.content is not None:
        assert findings.content.size <= 512 * len(events)
