"""Errors that are expected, several files, and answers of other hosts."""

from __future__ import annotations

import hashlib
import re
from typing import Any

import pytest

from noidchecks import NotConnected, Range, Result, State, TftpProbe, UsageError
from noidchecks.address import AF_INET, Address
from noidchecks.dialogue.operations import Datagram, Resolve
from noidchecks.plugin.main import run
from noidchecks.plugin.plugin import parse_line
from noidchecks.tftp.file import TftpFile
from noidchecks.timings import Timings
from tests.conftest import Check
from tests.support.rehearse import Rehearsal, rehearse
from tests.support.tftp import Server, Session, ack, data, error, oack
from tests.support.waiting import DEADLINES

SERVER = Address(AF_INET, ("192.0.2.1", 69))
ANSWER = Address(AF_INET, ("192.0.2.1", 40000))
SECOND = Address(AF_INET, ("192.0.2.1", 40001))
STRANGER = Address(AF_INET, ("192.0.2.2", 40000))
BYE = b"\0\5\0\0check ended\0"
SHA256 = hashlib.sha256(b"b").hexdigest()
TWO = (TftpFile("b"),)


def play(*incoming: Any, on: Any = None, **settings: Any) -> tuple[Result, Rehearsal]:
    """The result of a conversation about the file a; bytes come from the transfer port of the server."""
    probe = TftpProbe("tftp.example", **({"filename": "a"} | settings))
    played = [Datagram(item, ANSWER) if isinstance(item, bytes) else item for item in incoming]
    rehearsal = rehearse(probe.dialogue(), *played, on=on, timeout=probe.timeout)
    timings = Timings(0.04, {"resolve": 0.01, "greeting": 0.02, "transfer": 0.01})
    return probe.judge(rehearsal.value, timings), rehearsal


def text_of(*incoming: Any, **settings: Any) -> str:
    result, _ = play(*incoming, **settings)
    return result.text


# --- an error that is expected


@pytest.mark.parametrize("code", range(9))
def test_expected_error(code: int) -> None:
    result, rehearsal = play(error(code, b"no"), expect_error=code)
    assert str(result) == (
        "TFTP OK - 0.040 second response time on tftp.example port 69 [a: no]"
        "|time=0.040000s;;;0.000000;10.000000 retransmissions=0;;;0"
    )
    assert len(rehearsal.datagrams) == 1
    assert result.facts["error"] == {"code": code, "message": "no"}


@pytest.mark.parametrize(
    ("answer", "settings", "received"),
    [
        (error(1), {}, "error 1 (File not found)"),
        (error(0, b"a|b\x1b"), {}, "error 0 (a b\\x1b)"),
        (data(1, b"x"), {}, "DATA"),
        (data(1, b"x" * 512), {}, "DATA"),
        (oack(blksize=8), {"blksize": 8}, "OACK"),
    ],
)
def test_other_answer_than_the_expected_error(answer: bytes, settings: dict[str, Any], received: str) -> None:
    result, rehearsal = play(answer, expect_error=2, **settings)
    assert result.text == f"TFTP CRITICAL - a: expected error 2, received {received}"
    assert "Received" not in str(result)
    assert getattr(result.failure, "expected", None) == "error 2"
    # An error has ended the transfer by itself.
    assert [packet for packet, _ in rehearsal.datagrams[1:]] == ([] if answer.startswith(b"\0\5") else [BYE])


def test_silence_is_not_the_expected_error() -> None:
    assert text_of(expect_error=2) == "TFTP CRITICAL - Socket timeout after 10 seconds (greeting)"


def test_expected_error_for_the_absent_file() -> None:
    assert text_of(error(0, b"nope"), filename="", expect_error=0).endswith("on tftp.example port 69 [nope]")
    text = text_of(error(2), filename="", expect_error=1)
    assert text == "TFTP CRITICAL - server answered: expected error 1, received error 2 (Access violation)"
    text = text_of(data(1), filename="", expect_error=1)
    assert text == "TFTP CRITICAL - server answered: expected error 1, received DATA"


# --- several files


def test_several_files_are_read_one_after_the_other() -> None:
    result, rehearsal = play(
        data(1, b"a" * 512), data(2, b"a"), Datagram(data(1, b"b"), SECOND), further=(TftpFile("b", sha256=SHA256),)
    )
    assert str(result) == (
        "TFTP OK - Received 514 bytes in 0.0 seconds from tftp.example port 69 [a, b]"
        "|time=0.040000s;;;0.000000;10.000000 size=514B;;;0 retransmissions=0;;;0"
    )
    assert rehearsal.datagrams == [
        (b"\0\1a\0octet\0", SERVER),
        (ack(1), ANSWER),
        (ack(2), ANSWER),
        (b"\0\1b\0octet\0", SERVER),
        (ack(1), SECOND),
    ]
    assert rehearsal.phases == ["resolve", "greeting", "transfer", "greeting", "transfer"]
    transfers = result.facts["transfers"]
    assert isinstance(transfers, list)
    assert [(one["file"], one["size"], one["blocks"], one["answer"]) for one in transfers] == [
        ("a", 513, 2, "192.0.2.1:40000"),
        ("b", 1, 1, "192.0.2.1:40001"),
    ]
    assert result.facts["rtt"] == 0.01


@pytest.mark.parametrize(
    ("incoming", "settings", "text"),
    [
        ([data(1, b"a"), error(1)], {"further": TWO}, "b: File not found (error 1)"),
        ([error(1)], {"further": TWO}, "a: File not found (error 1)"),
        ([data(1, b"a")], {"further": TWO}, "b: Socket timeout after 10 seconds (greeting)"),
        ([data(1, b"a"), data(2)], {"further": TWO}, "b: packet: expected DATA block 1, received DATA block 2"),
        (
            [data(1, b"a"), data(1, b"b")],
            {"further": (TftpFile("b", size=Range(2, 2)),)},
            "b: size: expected 2 bytes, received 1 bytes",
        ),
        (
            [data(1, b"a"), data(1, b"b")],
            {"size": Range(5), "further": (TftpFile("b", size=Range(2, 2)),)},
            "a: size: expected 5: bytes, received 1 bytes, b: size: expected 2 bytes, received 1 bytes",
        ),
        (
            [error(2), error(1)],
            {"expect_error": 2, "further": TWO},
            "b: expected error 2, received error 1 (File not found)",
        ),
    ],
)
def test_the_file_that_decides_is_named(incoming: list[bytes], settings: dict[str, Any], text: str) -> None:
    result, _ = play(*incoming, **settings)
    assert result.text == f"TFTP CRITICAL - {text}"
    assert "Received" not in str(result)


def test_expected_error_of_several_files() -> None:
    text = text_of(error(2), error(2, b"go away"), expect_error=2, further=TWO)
    assert text.endswith("on tftp.example port 69 [a: Access violation, b: go away]")


def test_metrics_of_several_files_add_up() -> None:
    result, _ = play(None, data(1, b"a"), None, None, data(1, b"bc"), size=Range(1, 1), further=TWO)
    assert "size=3B;;;0 retransmissions=3;;;0" in str(result)
    assert "rtt" not in result.facts


def test_the_address_that_answered_is_asked_for_all_files() -> None:
    dead = Address(AF_INET, ("192.0.2.9", 69))
    refused = NotConnected("Connection refused", 111, dead)
    _, rehearsal = play(refused, data(1), data(1), on={Resolve: [(dead, SERVER)]}, further=TWO)
    assert [to for _, to in rehearsal.datagrams] == [dead, SERVER, ANSWER, SERVER, ANSWER]


# --- the time of an answer


@pytest.mark.parametrize(
    ("incoming", "rtt"), [([data(1)], 0.02), ([error(1)], 0.02), ([None, data(1)], None), ([], None)]
)
def test_the_time_of_an_answer_is_only_told_when_it_is_known(incoming: list[Any], rtt: float | None) -> None:
    result, _ = play(*incoming)
    assert result.facts.get("rtt") == rtt


def test_a_block_that_is_sent_again_later_does_not_blur_the_time_of_the_answer() -> None:
    result, _ = play(data(1, b"x" * 512), None, data(2))
    assert (result.facts["rtt"], result.facts["retransmissions"]) == (0.02, 1)


# --- answers of other hosts


FOREIGN = Datagram(data(1, b"evil"), STRANGER)


@pytest.mark.parametrize("state", [State.OK, State.WARNING, State.CRITICAL])
def test_answer_of_another_host(state: State) -> None:
    result, _ = play(FOREIGN, data(1, b"good"), foreign_answer=state)
    assert result.state == state
    assert result.facts["foreign_packets"] == 1
    if state == State.OK:
        assert result.text.startswith("TFTP OK - Received 4 bytes")
    else:
        assert result.text == f"TFTP {state} - a: 1 packet came from 192.0.2.2:40000"
    assert "a: 1 packet came from 192.0.2.2:40000" in [part.text for part in result.parts]


def test_by_default_it_is_a_warning() -> None:
    result, _ = play(FOREIGN, data(1, b"good"))
    assert result.state == State.WARNING


def test_answer_of_another_port_is_not_foreign() -> None:
    result, _ = play(data(1, b"x" * 512), Datagram(data(2), SECOND), data(2), foreign_answer=State.CRITICAL)
    assert result.ok
    assert (result.facts["stray_packets"], result.facts["foreign_packets"]) == (1, 0)


def test_answers_of_another_host_about_the_absent_file() -> None:
    text = text_of(FOREIGN, FOREIGN, error(1), filename="", foreign_answer=State.WARNING)
    assert text == "TFTP WARNING - 2 packets came from 192.0.2.2:40000"


@pytest.mark.parametrize(
    ("state", "over", "expected"),
    [
        (State.OK, State.UNKNOWN, State.UNKNOWN),
        (State.WARNING, State.UNKNOWN, State.WARNING),
        (State.CRITICAL, State.UNKNOWN, State.CRITICAL),
        (State.WARNING, State.CRITICAL, State.CRITICAL),
    ],
)
def test_answers_of_another_host_only(state: State, over: State, expected: State) -> None:
    text = text_of(FOREIGN, foreign_answer=state, timeout_state=over)
    sentence = "Socket timeout after 10 seconds (greeting), but 1 packet came from 192.0.2.2:40000"
    assert text == f"TFTP {expected} - {sentence}"


# --- settings and options


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"expect_error": -1}, "Expected error must be 0 to 8, not -1"),
        ({"expect_error": 9}, "Expected error must be 0 to 8, not 9"),
        ({"expect_error": 1, "size": Range(4, 4)}, "A file that is answered by an error has no size and no hash"),
        (
            {"expect_error": 1, "further": (TftpFile("b", sha256=SHA256),)},
            "A file that is answered by an error has no size and no hash",
        ),
        ({"filename": "", "further": TWO}, "File name must not be empty"),
        ({"further": (TftpFile(""),)}, "File name must not be empty"),
        (
            {"further": (TftpFile("b" * 600),)},
            "File name is too long: the request has 609 bytes, at most 512 fit",
        ),
    ],
)
def test_impossible_settings(settings: dict[str, Any], text: str) -> None:
    with pytest.raises(UsageError) as caught:
        TftpProbe(**({"host": "h", "filename": "f"} | settings))
    assert str(caught.value) == text


def test_options() -> None:
    line = f"check_tftp h -f a -f b --size 4 --size 5: --sha256 {SHA256} --sha256 {SHA256} --foreign-answer crit"
    assert parse_line(line).probe == TftpProbe(
        "h",
        "a",
        size=Range(4, 4),
        sha256=SHA256,
        further=(TftpFile("b", size=Range(5), sha256=SHA256),),
        foreign_answer=State.CRITICAL,
    )
    assert parse_line("check_tftp h -f a --expect-error 2").probe == TftpProbe("h", "a", expect_error=2)
    assert parse_line("check_tftp h -f a -f b").probe == TftpProbe("h", "a", further=TWO)
    assert parse_line("check_tftp h -f a --size 4 --size 5").probe == TftpProbe("h", "a", size=Range(5, 5))


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("h -f a -f b --size 4", "2 files need 2 values of --size, in the same order, not 1"),
        ("h -f a -f b --sha1 x --sha1 y --sha1 z", "2 files need 2 values of --sha1, in the same order, not 3"),
        ("h -f a --expect-error x", "Expected error must be a whole number, not 'x'"),
        ("h -f a --foreign-answer ''", "Foreign answer must be one of ok, warning, critical, unknown: "),
        ("h -f a --foreign-answer no", "Foreign answer must be one of ok, warning, critical, unknown: no"),
    ],
)
def test_usage_errors(line: str, text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_line(f"check_tftp {line}")
    assert str(caught.value) == text


# --- over sockets


def by_name(session: Session) -> None:
    """Serves every file but secret, with its name as its content."""
    if session.filename == b"secret":
        session.send(error(2))
    else:
        session.deliver(session.filename * 100)


def test_files_over_sockets(check: Check, host: str) -> None:
    with Server(by_name, host) as server:
        probe = TftpProbe(host, "one", port=server.port, further=(TftpFile("eleven", size=Range(600, 600)),))
        result = check(probe)
        assert result.text.startswith("TFTP OK - Received 900 bytes in "), str(result)
        assert result.text.endswith(f" from {host} port {server.port} [one, eleven]")
        failed = check(probe.replace(further=(TftpFile("secret"),)))
        assert failed.text == "TFTP CRITICAL - secret: Access violation (error 2)"
        assert check(TftpProbe(host, "secret", port=server.port, expect_error=2)).ok
        readable = check(TftpProbe(host, "public", port=server.port, expect_error=2))
        assert readable.text == "TFTP CRITICAL - public: expected error 2, received DATA"


def test_the_deadline_covers_all_files(check: Check, host: str) -> None:
    def script(session: Session) -> None:
        if session.filename == b"a":
            session.deliver(b"a")

    with Server(script, host) as server:
        for timeout in DEADLINES:
            result = check(TftpProbe(host, "a", port=server.port, timeout=timeout, further=TWO))
            if result.text.startswith("TFTP CRITICAL - b"):
                break
    assert result.text == f"TFTP CRITICAL - b: Socket timeout after {timeout:g} seconds (greeting)"
    assert result.timings.total >= timeout


def test_answer_of_another_host_over_sockets(check: Check) -> None:
    def script(session: Session) -> None:
        session.stranger("127.0.0.2").sendto(data(1, b"evil"), session.client)
        session.send(data(1, b"good!"))

    with Server(script) as server:
        result = check(TftpProbe("127.0.0.1", "f", port=server.port, foreign_answer=State.WARNING))
    assert re.fullmatch(r"TFTP WARNING - f: 1 packet came from 127\.0\.0\.2:\d+", result.text)


def test_the_plugin_over_sockets() -> None:
    with Server(by_name) as server:
        words = ["check_tftp", "127.0.0.1", "-p", str(server.port), "-f", "secret"]
        assert run("check_tftp", words)[0] == 2
        assert run("check_tftp", [*words, "--expect-error", "2"])[0] == 0
        assert run("check_tftp", [*words, "-f", "public", "--expect-error", "2"])[0] == 2
