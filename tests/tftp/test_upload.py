"""The sending side: blocks out, acknowledgements in."""

from __future__ import annotations

import pytest
from hypothesis import given, settings, strategies as st

from noidchecks import PeerError
from noidchecks.tftp.file import TftpFile
from noidchecks.tftp.findings import Findings
from noidchecks.tftp.upload import Upload
from tests.support.tftp import ack, blocks, data, error, oack
from tests.support.tftp_script import WRITE_REQUEST
from tests.support.tftp_serving import CANARY


def upload(asked: dict[str, int] | None = None, content: bytes = CANARY, expect: int | None = None) -> Upload:
    findings = Findings(TftpFile("c"), WRITE_REQUEST, asked or {}, None, canary=content, expect=expect)
    return Upload(findings, content)


def test_block_by_block() -> None:
    machine = upload()
    assert machine.silence() == (WRITE_REQUEST,)
    one, two, three = blocks(CANARY)
    assert machine.take(ack(0)) == (True, (one,))
    assert machine.take(ack(1)) == (True, (two,))
    assert machine.silence() == (two,)
    assert machine.take(ack(2)) == (True, (three,))
    assert three == data(3)
    assert machine.take(ack(3)) == (True, ())
    assert machine.done


def test_duplicate_acknowledgements_send_nothing() -> None:
    machine = upload()
    machine.take(ack(0))
    machine.take(ack(1))
    assert [machine.take(packet) for packet in [ack(1), ack(0)] * 50] == [(False, ())] * 100
    assert machine.take(ack(2))[0]


def test_numbers_wrap_to_zero() -> None:
    content = bytes(8 * 65540)
    machine = upload({"blksize": 8}, content)
    assert machine.take(oack(blksize=8)) == (True, (data(1, bytes(8)),))
    for number in range(1, 65541):
        _, packets = machine.take(ack(number))
        assert machine.take(ack(number)) == (False, ())
        assert packets[0][2:4] == data(number + 1)[2:4]
    machine.take(ack(65541))
    assert machine.done


def test_windows() -> None:
    packets = blocks(CANARY, 128)
    machine = upload({"blksize": 128, "windowsize": 4})
    assert machine.take(oack(blksize=128, windowsize=4)) == (True, tuple(packets[:4]))
    # Block 3 was lost: the next window begins with it.
    assert machine.take(ack(2)) == (True, tuple(packets[2:6]))
    assert machine.take(ack(2)) == (False, ())
    assert machine.silence() == tuple(packets[2:6])
    assert machine.take(ack(6)) == (True, tuple(packets[6:]))
    assert machine.take(ack(9)) == (True, ())
    assert machine.done


@pytest.mark.parametrize(
    ("packets", "text"),
    [
        ([ack(1)], "packet: expected ACK block 0 or OACK, received ACK block 1"),
        ([ack(0), ack(2)], "packet: expected ACK block 1, received ACK block 2"),
        ([ack(0), ack(65535)], "packet: expected ACK block 1, received ACK block 65535"),
        ([ack(0), oack(blksize=8)], "packet: expected ACK block 1, received OACK"),
        ([oack(blksize=8), oack(blksize=9)], "packet: expected ACK block 1, received OACK once more, changed"),
        ([data(1)], "packet: expected ACK, OACK or ERROR, received DATA"),
        ([b"\0\4\0"], "packet: expected a whole ACK, OACK or ERROR, received '\\x00\\x04\\x00' (3 bytes)"),
        ([oack(blksize=1025)], "blksize: expected 8 to 1024, received 1025"),
        ([oack(windowsize=3)], "windowsize: expected 1 to 2, received 3"),
        ([oack(tsize=1)], "tsize: expected 1024, received 1"),
        ([oack(timeout=1)], "OACK: expected blksize tsize windowsize, received 'timeout', which was not asked for"),
        ([error(4, b"x")], "x (error 4, illegal tftp operation)"),
        ([error(9)], "No message (error 9)"),
    ],
)
def test_what_breaks_the_protocol(packets: list[bytes], text: str) -> None:
    machine = upload({"blksize": 1024, "tsize": 1024, "windowsize": 2})
    for packet in packets[:-1]:
        machine.take(packet)
    with pytest.raises(PeerError) as caught:
        machine.take(packets[-1])
    assert caught.value.message == text
    assert bool(machine.farewell) == (not packets[-1].startswith(b"\0\5"))


def test_repeated_options_send_nothing() -> None:
    machine = upload({"blksize": 8})
    machine.take(oack(blksize=8))
    assert machine.take(oack(blksize=8)) == (False, ())
    assert machine.take(ack(0)) == (False, ())


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.builds(ack, st.integers(0, 12)),
            st.sampled_from([ack(65535), oack(blksize=128), oack(windowsize=2), error(3), data(1)]),
            st.binary(max_size=8),
        ),
        max_size=40,
    )
)
def test_any_packets_end_or_go_on(packets: list[bytes]) -> None:
    machine = upload({"blksize": 128, "windowsize": 4})
    for packet in packets:
        try:
            progress, answer = machine.take(packet)
        except PeerError:
            return
        assert progress or not answer
        assert len(answer) <= 4
        if machine.done:
            return


@given(st.lists(st.integers(0, 3), min_size=1, max_size=40), st.integers(1, 4), st.integers(0, 600))
def test_what_a_lossy_receiver_takes_is_the_content(losses: list[int], window: int, size: int) -> None:
    content = (CANARY * 2)[:size]
    asked = {"blksize": 16, "windowsize": window}
    machine = upload(asked, content)
    _, packets = machine.take(oack(**asked))
    got, number = b"", 0
    for _ in range(1000):
        kept = losses.pop(0) if losses else window
        for packet in packets[: max(kept, 0)]:
            if packet[2:4] == data(number + 1)[2:4]:
                number += 1
                got += packet[4:]
        progress, packets = machine.take(ack(number))
        if machine.done:
            break
        packets = packets if progress else machine.silence()
    assert got == content
