from __future__ import annotations

import errno
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from noidchecks import DeadlineExceeded, LocalError, NotConnected, PeerError, TftpProbe
from noidchecks.address import AF_INET, AF_INET6, Address
from noidchecks.dialogue import Datagram, OpenDatagram, Resolve, SendTo
from noidchecks.tftp.client import LONGEST_WAIT, waits
from noidchecks.tftp.content import Content
from noidchecks.tftp.file import TftpFile
from noidchecks.tftp.findings import Findings
from noidchecks.tftp.steps import ABSENT_FILE
from noidchecks.tftp.transfer import Transfer
from tests.fakes.rehearse import Rehearsal, rehearse
from tests.fakes.tftp import ack, blocks, data, error, oack

SERVER = Address(AF_INET, ("192.0.2.1", 69))
ANSWER = Address(AF_INET, ("192.0.2.1", 40000))
OTHER_PORT = Address(AF_INET, ("192.0.2.1", 40001))
OTHER_HOST = Address(AF_INET, ("192.0.2.2", 40000))
REQUEST = b"\0\1f\0octet\0"
UNKNOWN_ID = b"\0\5\0\5Unknown transfer ID\0"
BYE = b"\0\5\0\0check ended\0"
ILLEGAL = b"\0\5\0\4Illegal TFTP operation\0"
SILENCE = None


def play(*incoming: bytes | Datagram | Exception | None, on: Any = None, **settings: Any) -> Rehearsal:
    """Reads the file f; bytes come from the transfer port of the server."""
    settings.setdefault("filename", "f")
    probe = TftpProbe("192.0.2.1", **settings)
    played: Any = [Datagram(item, ANSWER) if isinstance(item, bytes) else item for item in incoming]
    rehearsal = rehearse(probe.dialogue(), *played, on=on, timeout=probe.timeout)
    assert rehearsal.failure is None
    return rehearsal


def findings_of(rehearsal: Rehearsal) -> Findings:
    *_, findings = rehearsal.value
    assert isinstance(findings, Findings)
    return findings


def failure_of(rehearsal: Rehearsal) -> str:
    failure = findings_of(rehearsal).failure
    return "" if failure is None else failure.message


def sent(rehearsal: Rehearsal) -> list[bytes]:
    return [packet for packet, _ in rehearsal.datagrams]


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


def test_absent_file_is_alive() -> None:
    played = play(error(1, b"File not found"), filename="")
    assert sent(played) == [b"\0\1" + ABSENT_FILE.encode() + b"\0octet\0"]
    findings = findings_of(played)
    assert findings.alive
    assert findings.failure is None
    assert findings.error is not None
    assert findings.error.text == "File not found"


def test_forbidden_file_is_alive() -> None:
    assert findings_of(play(error(2), filename="")).alive


@pytest.mark.parametrize("answer", [data(1, b"x"), data(1, b"x" * 512)])
def test_present_file_is_alive_and_its_transfer_ended(answer: bytes) -> None:
    played = play(answer, filename="")
    assert findings_of(played).alive
    assert sent(played)[1:] == [BYE]


def test_options_without_a_file_are_alive_and_the_transfer_ended() -> None:
    played = play(oack(blksize=8), filename="", blksize=8)
    assert findings_of(played).alive
    assert sent(played)[1:] == [BYE]


@pytest.mark.parametrize("code", [0, 3, 4, 5, 6, 7, 8, 999])
def test_other_errors_are_not_alive(code: int) -> None:
    played = play(error(code, b"busy"), filename="")
    assert failure_of(played) == f"busy (error {code})"
    assert not findings_of(played).alive
    assert sent(played)[1:] == []


def test_error_ends_the_transfer_and_is_not_answered() -> None:
    played = play(data(1, b"x" * 512), error(0, b"disk on fire"))
    assert failure_of(played) == "disk on fire (error 0)"
    assert isinstance(findings_of(played).failure, PeerError)
    assert sent(played)[1:] == [ack(1)]


# --- loss


def test_lost_request_is_sent_again() -> None:
    played = play(SILENCE, SILENCE, data(1, b"x"))
    assert sent(played) == [REQUEST, REQUEST, REQUEST, ack(1)]
    assert findings_of(played).retransmissions == 2
    assert played.seconds == 3.0


def test_lost_acknowledgement_is_sent_again() -> None:
    played = play(data(1, b"x" * 512), SILENCE, data(2))
    assert sent(played) == [REQUEST, ack(1), ack(1), ack(2)]
    assert findings_of(played).retransmissions == 1


def test_waiting_starts_anew_with_each_block() -> None:
    played = play(*[SILENCE, SILENCE, data(1, b"x" * 512)], *[SILENCE, SILENCE, data(2)])
    assert findings_of(played).complete
    assert played.seconds == 6.0


def test_silence_to_the_end() -> None:
    played = play(SILENCE, SILENCE, SILENCE)
    findings = findings_of(played)
    assert isinstance(findings.failure, DeadlineExceeded)
    assert findings.failure.phase == "greeting"
    assert sent(played) == [REQUEST] * 4
    assert played.seconds == 10


def test_silence_without_a_deadline_ends_as_well() -> None:
    played = play(*[SILENCE] * 4, timeout=0)
    assert failure_of(played) == "answer: expected DATA, OACK or ERROR, received nothing after 4 transmissions"
    assert played.seconds == 15.0


def test_no_retries() -> None:
    assert sent(play(retries=0)) == [REQUEST]
    assert waits(10, 0) == (None,)
    assert waits(0, 0) == (1.0,)


def test_waits() -> None:
    assert waits(10, 3) == (1.0, 2.0, 2.5, None)
    assert waits(60, 3) == (1.0, 2.0, 4.0, None)
    assert waits(2, 3) == (0.5, 0.5, 0.5, None)
    assert waits(0, 8)[-2:] == (LONGEST_WAIT, LONGEST_WAIT)


@given(st.floats(0.001, 1e6), st.integers(0, 100))
def test_all_retries_fit_in_the_timeout(timeout: float, retries: int) -> None:
    *before, last = waits(timeout, retries)
    assert last is None
    assert len(before) == retries
    assert sum(wait or 0.0 for wait in before) < timeout
    assert all((earlier or 0) <= (later or 0) for earlier, later in pairwise(before))


# --- duplicates and order


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


# --- options


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


# --- windows


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


def test_block_behind_the_window() -> None:
    played = play(oack(windowsize=4), data(5, b"x" * 512), windowsize=4)
    assert failure_of(played) == "packet: expected DATA block 1, received DATA block 5"


# --- strangers


@pytest.mark.parametrize("stranger", [OTHER_PORT, OTHER_HOST])
def test_other_port_or_host_during_the_transfer(stranger: Address) -> None:
    played = play(data(1, b"x" * 512), Datagram(data(2, b"evil"), stranger), data(2, b"good!"))
    findings = findings_of(played)
    assert findings.content is not None
    assert findings.content.size == 517
    assert findings.strays == 1
    assert (UNKNOWN_ID, stranger) in played.datagrams


def test_other_host_as_first_answer() -> None:
    played = play(Datagram(data(1, b"evil"), OTHER_HOST), data(1, b"good!"))
    findings = findings_of(played)
    assert findings.content is not None
    assert findings.content.size == 5
    assert findings.answer == ANSWER


def test_errors_of_strangers_are_not_answered() -> None:
    played = play(Datagram(error(1), OTHER_HOST), data(1))
    assert sent(played) == [REQUEST, ack(1)]
    assert findings_of(played).complete


def test_flood_of_strangers_is_answered_within_limits() -> None:
    flood = [Datagram(data(1, b"evil"), Address(AF_INET, ("192.0.2.9", 1000 + number))) for number in range(1000)]
    played = play(*flood, data(1))
    assert sent(played).count(UNKNOWN_ID) == 16
    assert findings_of(played).complete


def test_strangers_do_not_put_off_the_retransmission() -> None:
    stray = Datagram(data(1, b"evil"), OTHER_HOST)
    played = play(*[stray] * 20, SILENCE, data(1))
    assert sent(played).count(REQUEST) == 2
    assert played.seconds < 0.001


def refusal(address: Address | None, code: int = errno.ECONNREFUSED) -> NotConnected:
    return NotConnected("Connection refused", code, address)


def test_dead_port_of_a_stranger_is_ignored() -> None:
    played = play(data(1, b"x" * 512), Datagram(b"\0\3\0\1", OTHER_PORT), refusal(OTHER_PORT), data(2))
    assert findings_of(played).complete


def test_dead_port_of_a_stranger_that_stops_a_send() -> None:
    answers: list[object] = [None, None, refusal(OTHER_PORT), refusal(OTHER_HOST), None]
    played = play(data(1, b"x" * 512), Datagram(b"\0\3\0\1", OTHER_PORT), data(2), on={SendTo: answers})
    assert findings_of(played).failure is None
    packets = [operation.data for operation in played.asked(SendTo)]
    assert packets == [REQUEST, ack(1), UNKNOWN_ID, ack(2), ack(2)]


@pytest.mark.parametrize("about", [SERVER, None])
def test_dead_port(about: Address | None) -> None:
    played = play(refusal(about))
    assert isinstance(findings_of(played).failure, NotConnected)
    assert sent(played) == [REQUEST]


def test_dead_transfer_port() -> None:
    played = play(data(1, b"x" * 512), refusal(ANSWER))
    failure = findings_of(played).failure
    assert isinstance(failure, NotConnected)
    assert failure.phase == "transfer"


def test_dead_server_port_during_the_transfer_is_ignored() -> None:
    assert findings_of(play(data(1, b"x" * 512), refusal(SERVER), data(2))).complete


def test_scope_and_flow_of_an_address_do_not_matter_for_a_dead_port() -> None:
    server = Address(AF_INET6, ("fe80::1", 69, 0, 2))
    played = play(refusal(Address(AF_INET6, ("fe80::1", 69, 0, 0))), on={Resolve: [(server,)]})
    assert isinstance(findings_of(played).failure, NotConnected)


# --- addresses


def test_next_address_is_asked_when_a_port_is_dead() -> None:
    six = Address(AF_INET6, ("2001:db8::1", 69, 0, 0))
    played = play(refusal(six), data(1, b"x"), on={Resolve: [(six, SERVER)]})
    assert findings_of(played).complete
    assert [address for _, address in played.datagrams] == [six, SERVER, ANSWER]
    assert [operation.family for operation in played.asked(OpenDatagram)] == [AF_INET6, AF_INET]


def test_next_address_is_not_asked_once_one_has_answered() -> None:
    played = play(data(1, b"x" * 512), refusal(ANSWER), on={Resolve: [(SERVER, OTHER_HOST)]})
    assert failure_of(played) == "Connection refused"
    assert len(played.asked(OpenDatagram)) == 1


def test_source_decides_the_family() -> None:
    played = play(source="::1")
    assert played.asked(Resolve)[0].family == AF_INET6
    assert played.asked(OpenDatagram)[0].source == "::1"


def test_local_errors_are_findings() -> None:
    played = play(on={OpenDatagram: [LocalError("no descriptor left")]})
    assert isinstance(findings_of(played).failure, LocalError)


# --- bounds


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
    assert findings.alive or findings.failure is not None
    assert len(played.operations) < 20 + 4 * len(events)
    assert findings.blocks + findings.duplicates <= len(events)
    if findings.failure is not None:
        assert findings.failure.message.isprintable()
    if findings.complete and findings.content is not None:
        assert findings.content.size <= 512 * len(events)
