"""SFTP sessions with servers of paramiko that misbehave, over every driver and both families."""

from __future__ import annotations

import os
import socket
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import paramiko
import pytest

from noidchecks import File, Listing, LocalError, PeerError, ProbeError, Range, State
from noidchecks.ssh.paramiko_.connection import Connection
from tests.support.sftp import Conduct, sftp_server
from tests.support.ssh_logins import FINE, SHA, Check, late, probe
from tests.support.waiting import LONG, until, with_time_enough


def test_everything_at_once(run: Check, host: str, folder: Path) -> None:
    get = File("hello.txt", size=Range(13, 13), sha256=SHA, contains=b"world", max_age=3600)
    with sftp_server(folder, host=host) as port:
        result = run(probe(port, host, listing=Listing("", min_files=2, max_files=2), get=get, put="in"))
    assert result.text == f"{FINE}[login bob, list 2 files, get hello.txt 13 bytes, put]"
    assert result.state == State.OK
    assert result.facts["sha256"] == SHA
    assert {metric.label: metric.value for metric in result.metrics}.items() >= {"files": 2, "size": 13}.items()
    assert "throughput" in [metric.label for metric in result.metrics]
    assert list(result.timings.phases)[-4:] == ["kex", "login", "sftp", "transfer"]
    assert list((folder / "in").iterdir()) == []


def test_no_subsystem(run: Check, folder: Path) -> None:
    with sftp_server(folder, Conduct(subsystem=False)) as port:
        result = run(probe(port, sftp=True))
    assert result.text.startswith("SFTP CRITICAL - the server gives no SFTP session: ")


def test_no_session(run: Check, folder: Path) -> None:
    def forbid(_: paramiko.Transport) -> int:
        return int(paramiko.OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED)

    with sftp_server(folder, Conduct(troubles={"channel": forbid})) as port:
        result = run(probe(port, sftp=True))
    assert result.text == "SFTP CRITICAL - the server gives no SFTP session: Administratively prohibited"


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"get": File("none")}, "get none: No such file"),
        ({"get": File("in/../..")}, "get in/../..: "),
        ({"get": File("hello.txt", size=Range(5, 5))}, "get hello.txt: size: expected 5 bytes, received 13 bytes"),
        (
            {"get": File("hello.txt", sha256="0" * 64)},
            f"get hello.txt: SHA-256: expected {'0' * 64}, received {SHA}",
        ),
        ({"get": File("hello.txt", contains=b"moon")}, "get hello.txt: does not contain 'moon'"),
        ({"get": File("hello.txt", limit=5)}, "get hello.txt: more than 5 bytes"),
        ({"listing": Listing("none")}, "list none: No such file"),
        ({"listing": Listing("in", min_files=1)}, "list in: 0 files, expected at least 1"),
        ({"listing": Listing("", max_files=1)}, "list: 2 files, expected at most 1"),
        ({"put": "none"}, "put none: No such file"),
        ({"timestamp": "none"}, "timestamp of none: No such file"),
    ],
)
def test_what_is_not_as_it_must_be(run: Check, folder: Path, settings: dict[str, Any], text: str) -> None:
    with sftp_server(folder) as port:
        result = run(probe(port, **settings))
    assert result.text.startswith(f"SFTP CRITICAL - {text}")
    assert list((folder / "in").iterdir()) == []


def test_an_old_file(run: Check, folder: Path) -> None:
    os.utime(folder / "hello.txt", (1e9, 1e9))
    with sftp_server(folder) as port:
        result = run(probe(port, get=File("hello.txt", max_age=60)))
        told = run(probe(port, timestamp="hello.txt"))
    assert result.text.startswith("SFTP CRITICAL - get hello.txt: age: expected at most 60s, received ")
    assert told.text == f"{FINE}[login bob, hello.txt of 2001-09-09 01:46:40 UTC]"


def refuse(_: paramiko.Transport) -> int:
    return int(paramiko.SFTP_PERMISSION_DENIED)


def fail(_: paramiko.Transport) -> int:
    return int(paramiko.SFTP_FAILURE)


def hang_up(transport: paramiko.Transport) -> int:
    transport.close()
    return int(paramiko.SFTP_FAILURE)


def threads() -> int:
    # Those of the kernel: threading never forgets one that it did not start itself.
    return len(os.listdir("/proc/self/task"))


STEPS = ["list", "open", "read", "create", "write", "remove", "stat"]
ASKED: dict[str, dict[str, Any]] = {
    "list": {"listing": Listing()},
    "open": {"get": File("hello.txt")},
    "read": {"get": File("hello.txt")},
    "stat": {"timestamp": "hello.txt"},
}


@pytest.mark.parametrize("trouble", [refuse, fail, hang_up])
@pytest.mark.parametrize("step", STEPS)
def test_trouble_at_every_step(
    run: Check, host: str, folder: Path, step: str, trouble: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    before = threads()
    with sftp_server(folder, Conduct(troubles={step: trouble}), host) as port:
        result = run(probe(port, host, **ASKED.get(step, {"put": "in"})))
    task = next(iter(ASKED.get(step, {"put in": ""})))
    words = {"listing": "list", "get": "get hello.txt", "timestamp": "timestamp of hello.txt"}.get(task, task)
    assert result.state == State.CRITICAL
    assert result.text.startswith(f"SFTP CRITICAL - {words}: ")
    assert str(result).isprintable()
    left = list((folder / "in").iterdir())
    if step in ("create", "write") and trouble is not hang_up:
        assert left == []
        assert "may be left" not in result.text
    elif step == "create":
        # The client cannot know that there is none.
        assert "may be left" in result.text
    else:
        assert bool(left) is ("may be left" in result.text)
    assert capfd.readouterr() == ("", "")
    until(lambda: threads() <= before)


@pytest.mark.parametrize("step", STEPS)
def test_silence_at_every_step_is_a_timeout(run: Check, host: str, folder: Path, step: str) -> None:
    over = threading.Event()

    def hang(_: paramiko.Transport) -> int:
        over.wait(LONG)
        return int(paramiko.SFTP_FAILURE)

    files = len(os.listdir("/proc/self/fd"))
    with sftp_server(folder, Conduct(troubles={step: hang}), host) as port:
        # A busy machine may not come to the step before the first deadline.
        told = "may be left on the server" if step in ("create", "write", "remove") else "(transfer)"
        result = late(told, run, probe(port, host, **ASKED.get(step, {"put": "in"})))
        over.set()
    assert result.text.startswith("SFTP CRITICAL - Socket timeout after ")
    assert " seconds (transfer)" in result.text
    until(lambda: len(os.listdir("/proc/self/fd")) <= files)


def test_at_the_deadline_the_canary_is_taken_back(run: Check, folder: Path) -> None:
    def left_after(timeout: float) -> list[Path]:
        for before in (folder / "in").iterdir():
            before.unlink()

        def dawdle(_: paramiko.Transport) -> int:
            time.sleep(1.05 * timeout)
            return int(paramiko.SFTP_OK)

        with sftp_server(folder, Conduct(troubles={"write": dawdle})) as port:
            assert run(probe(port, timeout=timeout, put="in")).state == State.CRITICAL
            # The server comes to it when it has dawdled.
            with suppress(AssertionError):
                until(lambda: not list((folder / "in").iterdir()), 5 * timeout)
        return list((folder / "in").iterdir())

    # The last tenth of the deadline is for it, in which a busy machine may not come to send anything.
    assert with_time_enough(left_after, lambda left: not left) == []


@pytest.mark.parametrize(
    ("error", "state", "text"),
    [
        (RuntimeError("can't start new thread"), LocalError, "this machine has no thread free for the session"),
        (KeyError(200), PeerError, "the server sends what paramiko cannot read (KeyError)"),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "no"), PeerError, "what paramiko cannot read (UnicodeDecodeError)"),
    ],
)
def test_whose_fault_it_is(error: Exception, state: type[ProbeError], text: str) -> None:
    def fail() -> None:
        raise error

    ours, theirs = socket.socketpair()
    with ours, theirs:
        connection = Connection(ours, probe(22), "SSH-2.0-x", b"")
        with pytest.raises(state) as caught:
            connection.step("login", fail)
        assert text in caught.value.message
        assert caught.value.phase == "login"
