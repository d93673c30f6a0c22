"""A canary that is written and read back, from scripted packets."""

from __future__ import annotations

from typing import Any

import pytest

from noidchecks import Result, TftpProbe, UsageError
from noidchecks.address import AF_INET, Address
from noidchecks.dialogue.operations import Datagram, Sleep
from noidchecks.plugin.plugin import parse_line
from tests.support.rehearse import Rehearsal, rehearse
from tests.support.tftp import ack, blocks, error, oack
from tests.support.tftp_script import ANSWER, OTHER_HOST, SILENCE, WRITE_REQUEST, refusal, sent
from tests.support.tftp_serving import CANARY

READER = Address(AF_INET, ("192.0.2.1", 40001))


def play(*incoming: Any, **settings: Any) -> tuple[Result, Rehearsal]:
    """Writes the file c; bytes come from the transfer port of the server."""
    probe = TftpProbe("192.0.2.1", **({"put": "c"} | settings))
    played = [Datagram(item, ANSWER) if isinstance(item, bytes) else item for item in incoming]
    rehearsal = rehearse(probe.dialogue(), *played, timeout=probe.timeout)
    assert rehearsal.failure is None
    return probe.judge(rehearsal.value, rehearsal.timings), rehearsal


def back(content: bytes) -> list[Datagram]:
    return [Datagram(packet, READER) for packet in blocks(content)]


@pytest.mark.usefixtures("canary")
def test_written_and_read_back() -> None:
    result, played = play(ack(0), ack(1), ack(2), ack(3), *back(CANARY))
    assert result.text == "TFTP OK - Wrote 1024 bytes and read them back in 0.0 seconds on 192.0.2.1 port 69 [c]"
    assert "size=1024B;;;0 retransmissions=0;;;0" in str(result)
    assert sent(played) == [WRITE_REQUEST, *blocks(CANARY), b"\0\1c\0octet\0", ack(1), ack(2), ack(3)]
    assert [part.text for part in result.parts][:2] == [
        "c (write): 1024 bytes acknowledged",
        "Transfer of c (read back) succeeded",
    ]


@pytest.mark.usefixtures("canary")
@pytest.mark.parametrize("second", [1024, 512])
def test_a_size_that_is_announced_before_the_file_is_closed_is_looked_at_again(second: int) -> None:
    """Servers announce the size that the file has when it is opened, and may write its end behind that (atftpd)."""
    pieces: list[Any] = [oack(tsize=1024), ack(1), ack(2), ack(3)]
    for announced in (512, second):
        pieces += [Datagram(oack(tsize=announced), READER), *back(CANARY)]
    result, played = play(*pieces, tsize=True)
    assert result.ok is (second == 1024), result.text
    assert [operation.seconds for operation in played.asked(Sleep)] == [0.25]


@pytest.mark.usefixtures("canary")
def test_written_only() -> None:
    result, _ = play(ack(0), ack(1), read_back=False, put_size=511)
    assert result.text == "TFTP OK - Wrote 511 bytes in 0.0 seconds on 192.0.2.1 port 69 [c]"
    assert (result.facts["written"], result.facts["complete"]) == (511, True)


@pytest.mark.usefixtures("canary")
def test_size_is_told_with_the_request() -> None:
    _, played = play(oack(tsize=1024), ack(1), ack(2), ack(3), tsize=True, read_back=False)
    assert sent(played)[:2] == [b"\0\2c\0octet\0tsize\x001024\0", blocks(CANARY)[0]]


@pytest.mark.usefixtures("canary")
def test_what_differs_is_read_once_more() -> None:
    written = [ack(0), ack(1), ack(2), ack(3)]
    result, played = play(*written, *back(b""), *back(CANARY))
    assert result.ok
    assert [operation.seconds for operation in played.asked(Sleep)] == [0.25]
    result, _ = play(*written, *back(b""), *back(b"x"))
    assert result.text.startswith(
        "TFTP CRITICAL - c (read back): size: expected 1024 bytes, received 1 bytes, SHA256: expected "
    )


@pytest.mark.usefixtures("canary")
def test_a_lost_last_acknowledgement_is_decided_by_reading_back() -> None:
    ended = [ack(0), ack(1), ack(2), SILENCE, refusal(ANSWER)]
    result, played = play(*ended, *back(CANARY))
    assert result.text == "TFTP OK - Wrote 1024 bytes and read them back in 1.0 seconds on 192.0.2.1 port 69 [c]"
    assert "size=1024B;;;0 retransmissions=1;;;0" in str(result)
    # The server that has ended is told nothing.
    assert sent(played)[3:6] == [blocks(CANARY)[2]] * 2 + [b"\0\1c\0octet\0"]
    result, _ = play(*ended, *back(CANARY[:1000]), *back(CANARY[:1000]))
    assert result.text.startswith("TFTP CRITICAL - c (read back): size: expected 1024 bytes, received 1000 bytes")
    assert result.parts[0].text == "c (write): 1024 bytes acknowledged"


@pytest.mark.usefixtures("canary")
def test_a_server_that_ends_otherwise_is_lost() -> None:
    lost = "TFTP CRITICAL - c (write): connection lost (transfer): Connection refused"
    assert play(ack(0), ack(1), refusal(ANSWER), *back(CANARY))[0].text == lost
    assert play(ack(0), ack(1), ack(2), refusal(ANSWER), read_back=False)[0].text == lost


@pytest.mark.parametrize(
    ("incoming", "settings", "text"),
    [
        ([error(2)], {}, "c (write): Access violation (error 2)"),
        ([error(6, b"Exists")], {}, "c (write): Exists (error 6, file already exists)"),
        ([ack(0), error(3, b"No space|x")], {}, "c (write): No space x (error 3, disk full or allocation exceeded)"),
        ([ack(0), ack(2)], {}, "c (write): packet: expected ACK block 1, received ACK block 2"),
        ([ack(0)], {}, "c (write): Socket timeout after 10 seconds (transfer)"),
        ([ack(0), ack(1), ack(2), ack(3), error(1)], {}, "c (read back): File not found (error 1)"),
        ([error(1)], {"expect_error": 2}, "c (write): expected error 2, received error 1 (File not found)"),
        ([ack(0), ack(1)], {"expect_error": 2}, "c (write): expected error 2, received ACK block 1"),
    ],
)
@pytest.mark.usefixtures("canary")
def test_failures(incoming: list[bytes], settings: dict[str, Any], text: str) -> None:
    result, _ = play(*incoming, **settings)
    assert result.text == f"TFTP CRITICAL - {text}"
    assert "Wrote" not in str(result)


@pytest.mark.usefixtures("canary")
def test_refusal_that_is_expected() -> None:
    result, played = play(error(2), expect_error=2)
    assert result.text.endswith("on 192.0.2.1 port 69 [c (write): Access violation]")
    assert sent(played) == [WRITE_REQUEST]


@pytest.mark.usefixtures("canary")
@pytest.mark.parametrize("begin", [ack(0), oack(tsize=1024)])
def test_refusal_of_the_first_block_is_expected_too(begin: bytes) -> None:
    """As by atftpd, which opens the file no earlier."""
    result, played = play(begin, error(2), expect_error=2, tsize=True)
    assert result.text.endswith("on 192.0.2.1 port 69 [c (write): Access violation]")
    assert sent(played)[1:] == [blocks(CANARY)[0]]


@pytest.mark.usefixtures("canary")
def test_lost_packets_are_sent_again() -> None:
    result, played = play(SILENCE, ack(0), SILENCE, ack(1), ack(2), ack(3), read_back=False)
    one, two, three = blocks(CANARY)
    assert sent(played) == [WRITE_REQUEST, WRITE_REQUEST, one, one, two, three]
    assert result.facts["retransmissions"] == 2


@pytest.mark.usefixtures("canary")
def test_a_server_that_repeats_itself_does_not_put_off_the_retransmission() -> None:
    result, played = play(ack(0), *[ack(0)] * 20, SILENCE, ack(1), ack(2), ack(3), read_back=False)
    assert result.ok
    assert played.seconds < 0.001
    assert result.facts["duplicates"] == 20


@pytest.mark.usefixtures("canary")
def test_strangers_do_not_acknowledge() -> None:
    result, _ = play(ack(0), Datagram(ack(1), OTHER_HOST), ack(1), ack(2), ack(3), read_back=False)
    assert result.facts["foreign_packets"] == 1


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"filename": "f"}, "A file is either read (-f) or written (--put)"),
        ({"mode": "netascii"}, "A file can only be written in mode octet"),
        ({"put_size": 0}, "Put size must be 1 to 16777216, not 0"),
        ({"put_size": 101, "limit": 100}, "Put size must be 1 to 100, not 101"),
        ({"put": "a\0"}, "put must not hold NUL"),
        ({"put": "a" * 504}, "File name is too long: the request has 513 bytes, at most 512 fit"),
        ({"sha1": "ab" * 20}, "A size or a hash can only be checked with a file (-f)"),
    ],
)
def test_impossible_settings(settings: dict[str, Any], text: str) -> None:
    with pytest.raises(UsageError) as caught:
        TftpProbe("h", **({"put": "c"} | settings))
    assert str(caught.value) == text


def test_options() -> None:
    line = "check_tftp h --put c --put-size 5 --no-read-back"
    assert parse_line(line).probe == TftpProbe("h", put="c", put_size=5, read_back=False)
    for wrong in ("--put ''", "--put c --put-size 0"):
        with pytest.raises(UsageError):
            parse_line(f"check_tftp h {wrong}")
