"""The control connection: commands out, and of all that comes the final replies, none of which is lost or repeated."""

from __future__ import annotations

from collections.abc import Callable
from errno import ECONNRESET
from typing import Any

import pytest

from noidchecks.dialogue.operations import Dialogue, Redact, Send
from noidchecks.dialogue.stream import Stream
from noidchecks.errors import DeadlineExceeded, NotConnected, PeerError
from noidchecks.ftp.control import Control, encoded, path
from noidchecks.status.gate import Gate
from tests.support.rehearse import FakeChannel, Rehearsal, rehearse

Act = Callable[[Control], Dialogue[Any]]


def play(
    act: Act, *incoming: bytes | None, limit: int = 200, jail: bool = False, gate: Gate | None = None
) -> Rehearsal:
    """Lets the act speak over a control connection on which this comes in."""

    def dialogue() -> Dialogue[Any]:
        control = Control(Stream(FakeChannel(None)), limit=limit, jail=jail, gate=gate)
        yield from control.enter("login")
        found = yield from act(control)
        return found, control.owed

    return rehearse(dialogue(), *incoming)


def noop(control: Control) -> Dialogue[Any]:
    reply = yield from control.command("NOOP")
    return reply.code


@pytest.mark.parametrize(
    ("incoming", "code"),
    [
        ([b"200 ok\r\n"], 200),
        ([b"2", b"00 o", b"k\r", b"\n"], 200),
        ([b"200-a\r\n200-b\r\n", b"200 c\r\n"], 200),
        # What is on its way is not the answer.
        ([b"150 wait\r\n", b"125 still\r\n226 done\r\n"], 226),
        # A line that ends in CR is whole as soon as the server pauses.
        ([b"200 ok\r", None], 200),
    ],
)
def test_a_command_has_one_final_reply(incoming: list[bytes | None], code: int) -> None:
    played = play(noop, *incoming)
    assert played.failure is None
    assert played.value == (code, 0)
    assert played.sent == b"NOOP\r\n"
    assert played.phases == ["login"]


@pytest.mark.parametrize("left", [b"421 too slow\r\n", b""])
def test_what_a_server_said_before_it_left_is_read(left: bytes) -> None:
    """A command that cannot be sent any more has no reply; the reason why may be there."""

    def dialogue() -> Dialogue[Any]:
        reply = yield from Control(Stream(FakeChannel(None)), limit=200).password("sesame")
        return reply.code

    lost = NotConnected("Connection reset by peer", ECONNRESET)
    played = rehearse(dialogue(), left, on={Send: [lost]})
    if left:
        assert played.value == 421
    else:
        assert str(played.failure) == "the server closed the connection"


def test_replies_that_come_together_are_taken_one_by_one() -> None:
    def act(control: Control) -> Dialogue[Any]:
        yield from control.send("USER", "a")
        yield from control.send("NOOP")
        first = yield from control.reply()
        more = control.has_more
        second = yield from control.reply()
        return first.code, more, second.code, control.has_more

    assert play(act, b"331 go\r\n200 ok\r\n").value == ((331, True, 200, False), 0)


def test_a_reply_that_was_put_back_is_the_next_one() -> None:
    def act(control: Control) -> Dialogue[Any]:
        reply = yield from control.reply()
        control.put_back(reply)
        again = yield from control.poll(0.0)
        return again is reply

    assert play(act, b"220 hi\r\n").value == (True, 0)


@pytest.mark.parametrize(
    ("incoming", "code"),
    [
        ([b"426 broken off\r\n", b"200 ok\r\n"], 200),
        ([b"150 soon\r\n226 done\r\n200 ok\r\n"], 200),
        ([b"550 no\r\n", b"550 not that either\r\n"], 550),
        # The reply to the transfer was forgotten.
        ([b"200 ok\r\n"], 200),
        ([b"502 what\r\n"], 502),
        ([b"421 closing\r\n"], 421),
    ],
)
def test_the_belated_end_of_a_transfer_is_not_the_reply_to_the_next_command(incoming: list[bytes], code: int) -> None:
    def act(control: Control) -> Dialogue[Any]:
        yield from control.send("RETR", "x")
        return (yield from noop(control))

    assert play(act, *incoming).value == (code, 0)


def test_silence_is_no_reply() -> None:
    def act(control: Control) -> Dialogue[Any]:
        yield from control.send("NOOP")
        return (yield from control.poll(3.0))

    played = play(act, None)
    assert played.value == (None, 1)
    assert played.seconds == 3.0


@pytest.mark.parametrize(
    ("incoming", "text"),
    [
        ([b""], "the server closed the connection"),
        ([b"200-" + b"x" * 300], "the reply does not end"),
        ([b"150 wait\r\n" * 15, b"150 wait\r\n" * 15], "the reply does not end"),
    ],
)
def test_an_end_and_a_reply_without_one_are_failures(incoming: list[bytes], text: str) -> None:
    failure = play(noop, *incoming).failure
    assert isinstance(failure, PeerError)
    assert str(failure) == text


def test_what_is_no_reply_is_named_at_the_deadline() -> None:
    failure = play(noop, b"HTTP/1.1 400 Bad Request\r\n").failure
    assert isinstance(failure, DeadlineExceeded)
    assert "does not answer with a reply: HTTP/1.1 400 Bad Request" in str(failure.message)


@pytest.mark.parametrize("jail", [False, True])
def test_a_password_is_shown_nowhere(jail: bool) -> None:
    def act(control: Control) -> Dialogue[Any]:
        yield from control.keep_secret("sesame")
        reply = yield from control.password("sesame")
        return control.words(reply), str(control.unexpected("login", "230", reply))

    played = play(act, b"530 no sesame here\r\n", gate=Gate(), jail=jail)
    assert played.sent == b"PASS sesame\r\n"
    assert [operation.secret for operation in played.asked(Redact)] == [b"sesame"]
    (words, failure), _ = played.value
    assert "sesame" not in words + failure
    assert "530" in words


@pytest.mark.parametrize(("name", "sent"), [("a", "a"), ("-la", "./-la"), ("", ""), ("a -b", "a -b")])
def test_no_name_is_an_option(name: str, sent: str) -> None:
    assert path(name) == sent


def test_names_of_any_bytes_are_sent_as_they_are() -> None:
    assert encoded("é\udcff") == b"\xc3\xa9\xff"
