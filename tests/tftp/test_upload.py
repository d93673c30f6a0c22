"""The sending side: blocks out, acknowledgements in, and a canary that is written and read back."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from noidchecks import PeerError, Result, TftpProbe, UsageError
from noidchecks.address import AF_INET, Address
from noidchecks.dialogue import Datagram, Sleep
from noidchecks.plugin.command import parse_line
from noidchecks.tftp.file import TftpFile
from noidchecks.tftp.findings import Findings
from noidchecks.tftp.upload import Upload
from tests.conftest import Check
from tests.fakes.rehearse import Rehearsal, rehearse
from tests.fakes.tftp import Server, Session, ack, blocks, data, error, oack, taking

ANSWER = Address(AF_INET, ("192.0.2.1", 40000))
READER = Address(AF_INET, ("192.0.2.1", 40001))
OTHER_HOST = Address(AF_INET, ("192.0.2.2", 40000))
REQUEST = b"\0\2c\0octet\0"
CANARY = bytes(range(256)) * 4
SILENCE = None


def upload(asked: dict[str, int] | None = None, content: bytes = CANARY, expect: int | None = None) -> Upload:
    findings = Findings(TftpFile("c"), REQUEST, asked or {}, None, canary=content, expect=expect)
    return Upload(findings, content)


@pytest.fixture
def canary(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("noidchecks.tftp.steps.urandom", lambda size: (CANARY * (size // len(CANARY) + 1))[:size])


def play(*incoming: Any, **settings: Any) -> tuple[Result, Rehearsal]:
    """Writes the file c; bytes come from the transfer port of the server."""
    probe = TftpProbe("192.0.2.1", **({"put": "c"} | settings))
    played = [Datagram(item, ANSWER) if isinstance(item, bytes) else item for item in incoming]
    rehearsal = rehearse(probe.dialogue(), *played, timeout=probe.timeout)
    assert rehearsal.failure is None
    return probe.judge(rehearsal.value, rehearsal.timings), rehearsal


def sent(rehearsal: Rehearsal) -> list[bytes]:
    return [packet for packet, _ in rehearsal.datagrams]


def back(content: bytes) -> list[Datagram]:
    return [Datagram(packet, READER) for packet in blocks(content)]


# --- the state machine


def test_block_by_block() -> None:
    machine = upload()
    assert machine.silence() == (REQUEST,)
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


# --- the conversation


@pytest.mark.usefixtures("canary")
def test_written_and_read_back() -> None:
    result, played = play(ack(0), ack(1), ack(2), ack(3), *back(CANARY))
    assert result.text == "TFTP OK - Wrote 1024 bytes and read them back in 0.0 seconds on 192.0.2.1 port 69 [c]"
    assert "size=1024B;;;0 retransmissions=0;;;0" in str(result)
    assert sent(played) == [REQUEST, *blocks(CANARY), b"\0\1c\0octet\0", ack(1), ack(2), ack(3)]
    assert [part.text for part in result.parts][:2] == [
        "c (write): 1024 bytes acknowledged",
        "Transfer of c (read back) succeeded",
    ]


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
        ([ack(0)], {"expect_error": 2}, "c (write): expected error 2, received ACK"),
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
    assert sent(played) == [REQUEST]


@pytest.mark.usefixtures("canary")
def test_lost_packets_are_sent_again() -> None:
    result, played = play(SILENCE, ack(0), SILENCE, ack(1), ack(2), ack(3), read_back=False)
    one, two, three = blocks(CANARY)
    assert sent(played) == [REQUEST, REQUEST, one, one, two, three]
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
        ({"put": "a\0"}, "File name must not contain NUL: 'a\\x00'"),
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


# --- over sockets


@pytest.mark.usefixtures("canary")
def test_canary_over_sockets(check: Check, host: str) -> None:
    kept: dict[bytes, bytes] = {}
    with Server(taking(kept, lose=1), host) as server:
        result = check(TftpProbe(host, put="c", port=server.port, timeout=4))
    assert result.text.startswith("TFTP OK - Wrote 1024 bytes and read them back in "), str(result)
    assert kept == {b"c": CANARY}
    # More where the machine is busy.
    assert re.search(r" retransmissions=[1-9]", str(result))


@pytest.mark.usefixtures("canary")
def test_spoilt_canary_over_sockets(check: Check, host: str) -> None:
    with Server(taking({}, spoil=lambda content: content[:-1] + b"!"), host) as server:
        result = check(TftpProbe(host, put="c", port=server.port))
    assert result.text.startswith("TFTP CRITICAL - c (read back): SHA256: expected "), str(result)


@pytest.mark.usefixtures("canary")
def test_refusal_over_sockets(check: Check, host: str) -> None:
    def script(session: Session) -> None:
        assert session.opcode == 2
        session.send(error(2, b"read only"))

    with Server(script, host) as server:
        result = check(TftpProbe(host, put="c", port=server.port))
    assert result.text == "TFTP CRITICAL - c (write): read only (error 2, access violation)"


# --- another implementation as the peer

_TFTPY = """
import logging, sys, threading, tftpy
logging.disable(logging.CRITICAL)
server = tftpy.TftpServer(sys.argv[1])
def tell():
    server.is_running.wait()
    print(server.listenport, flush=True)
threading.Thread(target=tell, daemon=True).start()
server.listen("127.0.0.1", 0)
"""


@pytest.fixture
def tftpy_port(tmp_path: Path) -> Iterator[int]:
    argv = [sys.executable, "-c", _TFTPY, str(tmp_path)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        yield int(process.stdout.readline())
        process.kill()


@pytest.mark.parametrize("asked", [{}, {"blksize": 100}])
@pytest.mark.usefixtures("canary")
def test_tftpy(tftpy_port: int, tmp_path: Path, check: Check, asked: dict[str, Any]) -> None:
    result = check(TftpProbe("127.0.0.1", put="canary", put_size=3000, port=tftpy_port, **asked))
    assert re.match("TFTP OK - Wrote 3000 bytes and read them back ", result.text), str(result)
    assert (tmp_path / "canary").read_bytes() == (CANARY * 3)[:3000]


def test_tftpy_answers_the_size_with_nothing(tftpy_port: int, check: Check) -> None:
    result = check(TftpProbe("127.0.0.1", put="canary", port=tftpy_port, blksize=512, tsize=True))
    assert result.text == "TFTP CRITICAL - canary (write): tsize: expected 1024, received 0"
