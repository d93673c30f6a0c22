"""Login and SFTP against servers of paramiko that misbehave, over every driver and both families."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import paramiko
import pytest

from noidchecks import File, Identity, Listing, Login, Range, Result, SshProbe, State, UsageError, survey
from tests.fakes.sftp import HOST_KEY, Conduct, sftp_server

Check = Callable[[SshProbe], Result]
BOB = Login("bob", "sesame")
PINNED = (HOST_KEY.fingerprint,)
HELLO = b"hello, world\n"
SHA = hashlib.sha256(HELLO).hexdigest()
FINE = "SFTP OK - lab_1 (protocol 2.0) "


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    root.mkdir()
    (root / "hello.txt").write_bytes(HELLO)
    (root / "in").mkdir()
    return root


def probe(port: int, host: str = "127.0.0.1", **settings: Any) -> SshProbe:
    return SshProbe(host, **{"port": port, "timeout": 10, "login": BOB, "fingerprints": PINNED, **settings})


def test_a_login_alone(run: Check, host: str, folder: Path) -> None:
    conduct = Conduct()
    with sftp_server(folder, conduct, host) as port:
        result = run(probe(port, host, show_phases=True))
    assert result.text == "SSH OK - lab_1 (protocol 2.0) [login bob]"
    assert result.facts["method"] == "password"
    assert result.facts["host_key_checked"] is True
    assert conduct.attempts == ["none", "password"]
    assert list(result.timings.phases)[-3:] == ["greeting", "kex", "login"]


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


def test_no_password_for_a_server_with_another_key(run: Check, folder: Path) -> None:
    conduct = Conduct()
    with sftp_server(folder, conduct) as port:
        result = run(probe(port, fingerprints=(f"SHA256:{'A' * 43}",), sftp=True))
    assert result.state == State.CRITICAL
    assert "host key mismatch" in result.text
    assert conduct.attempts == []


def test_without_a_pin_any_key_will_do_and_it_is_said(run: Check, folder: Path) -> None:
    with sftp_server(folder) as port:
        result = run(probe(port, fingerprints=(), sftp=True))
    assert result.text == f"{FINE}[login bob]"
    assert result.facts["host_key_checked"] is False
    assert any("which nobody asked for" in part.text for part in result.parts)


KEY = paramiko.ECDSAKey.generate()


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "id"
    KEY.write_private_key_file(str(path))
    return path


def test_a_key(run: Check, folder: Path, key_file: Path) -> None:
    with sftp_server(folder, Conduct(key=KEY)) as port:
        result = run(probe(port, login=Login("bob", ""), identities=(Identity(str(key_file)),), sftp=True))
    assert result.text == f"{FINE}[login bob]"
    assert result.facts["method"] == f"key {key_file}"


def test_an_encrypted_key(run: Check, folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "locked"
    KEY.write_private_key_file(str(path), password="open")
    login = Login("bob", "")
    with sftp_server(folder, Conduct(key=KEY)) as port:
        assert run(probe(port, login=login, identities=(Identity(str(path), "open"),))).ok
        for phrase, why in (("", "it is encrypted"), ("wrong", "no private key, or not with this passphrase")):
            result = run(probe(port, login=login, identities=(Identity(str(path), phrase),)))
            assert result.text == f"SSH UNKNOWN - login as bob: cannot read identity {path}: {why}"


def test_a_key_that_is_refused_and_then_the_password(run: Check, folder: Path, key_file: Path) -> None:
    conduct = Conduct()
    with sftp_server(folder, conduct) as port:
        result = run(probe(port, identities=(Identity(str(key_file)),)))
    assert result.ok
    assert conduct.attempts == ["none", "publickey", "password"]


def test_two_factors(run: Check, folder: Path, key_file: Path) -> None:
    with sftp_server(folder, Conduct(key=KEY, methods="publickey,then,password")) as port:
        assert run(probe(port, identities=(Identity(str(key_file)),))).facts["method"] == "password"
        result = run(probe(port, login=Login("bob", ""), identities=(Identity(str(key_file)),)))
    assert result.text == (
        f"SSH CRITICAL - login as bob: key {key_file} accepted, but not enough; the server offers password"
    )


def test_a_server_that_only_asks_questions(run: Check, folder: Path) -> None:
    conduct = Conduct(methods="keyboard-interactive")
    with sftp_server(folder, conduct) as port:
        assert run(probe(port)).ok
    assert conduct.attempts[-1] == "keyboard-interactive"


@pytest.mark.parametrize(
    ("login", "conduct", "why"),
    [
        (Login("bob", "wrong"), Conduct(), "password refused; the server offers publickey, password"),
        (Login("eve", "sesame"), Conduct(), "password refused; the server offers publickey, password"),
        (BOB, Conduct(methods="publickey"), "password not accepted; the server offers publickey"),
    ],
)
def test_refused(run: Check, folder: Path, login: Login, conduct: Conduct, why: str) -> None:
    with sftp_server(folder, conduct) as port:
        result = run(probe(port, login=login, sftp=True))
    assert result.text == f"SFTP CRITICAL - login as {login.user}: {why}"
    assert result.failure is not None
    assert result.failure.phase == "login"
    assert "wrong" not in str(result) + repr(result)


def test_an_agent_without_keys(run: Check, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    with sftp_server(folder) as port:
        result = run(probe(port, login=Login("bob", ""), agent=True))
    assert result.text == "SSH CRITICAL - login as bob: agent has no keys; the server offers publickey, password"


def test_no_subsystem(run: Check, folder: Path) -> None:
    with sftp_server(folder, Conduct(subsystem=False)) as port:
        result = run(probe(port, sftp=True))
    assert result.text.startswith("SFTP CRITICAL - the server gives no SFTP session: ")


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
    run: Check, folder: Path, step: str, trouble: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    before = threads()
    with sftp_server(folder, Conduct(troubles={step: trouble})) as port:
        result = run(probe(port, **ASKED.get(step, {"put": "in"})))
    task = next(iter(ASKED.get(step, {"put in": ""})))
    words = {"listing": "list", "get": "get hello.txt", "timestamp": "timestamp of hello.txt"}.get(task, task)
    assert result.state == State.CRITICAL
    assert result.text.startswith(f"SFTP CRITICAL - {words}: ")
    assert str(result).isprintable()
    left = list((folder / "in").iterdir())
    if step in ("create", "write") and trouble is not hang_up:
        assert left == []
        assert "may be left" not in result.text
    else:
        assert bool(left) is ("may be left" in result.text)
    assert capfd.readouterr() == ("", "")
    until = time.monotonic() + 5
    while threads() > before:
        assert time.monotonic() < until, "a thread is left"
        time.sleep(0.01)


@pytest.mark.parametrize("step", STEPS)
def test_silence_at_every_step_is_a_timeout(run: Check, folder: Path, step: str) -> None:
    over = threading.Event()

    def hang(_: paramiko.Transport) -> int:
        over.wait(10)
        return int(paramiko.SFTP_FAILURE)

    files = len(os.listdir("/proc/self/fd"))
    with sftp_server(folder, Conduct(troubles={step: hang})) as port:
        began = time.monotonic()
        result = run(probe(port, timeout=1, **ASKED.get(step, {"put": "in"})))
        assert time.monotonic() - began < 3
        over.set()
    assert result.text.startswith("SFTP CRITICAL - Socket timeout after 1 seconds (transfer)")
    if step in ("write", "remove"):
        assert "may be left on the server" in result.text
    until = time.monotonic() + 5
    while len(os.listdir("/proc/self/fd")) > files:
        assert time.monotonic() < until, "a descriptor is left"
        time.sleep(0.01)


def test_at_the_deadline_the_canary_is_taken_back(run: Check, folder: Path) -> None:
    def dawdle(_: paramiko.Transport) -> int:
        time.sleep(1.05)
        return int(paramiko.SFTP_OK)

    with sftp_server(folder, Conduct(troubles={"write": dawdle})) as port:
        result = run(probe(port, timeout=1, put="in"))
        assert result.state == State.CRITICAL
        until = time.monotonic() + 5
        while list((folder / "in").iterdir()):
            assert time.monotonic() < until, "the canary is left"
            time.sleep(0.02)


def test_many_at_once(folder: Path) -> None:
    with sftp_server(folder) as port:
        results = [result for _, result in survey([probe(port, get=File("hello.txt"))] * 40)]
    assert [result.text for result in results] == [f"{FINE}[login bob, get hello.txt 13 bytes]"] * 40


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"sftp": True}, "An SFTP session needs a user to log in as"),
        ({"get": File("x")}, "An SFTP session needs a user to log in as"),
        ({"agent": True}, "An identity or an agent needs a user to log in as"),
        ({"login": Login("bob", "")}, "User bob needs an identity, an agent or a password"),
        ({"login": BOB, "put": "a\nb"}, "Directory must not hold line ends or NUL"),
    ],
)
def test_settings_that_make_no_sense(settings: dict[str, Any], text: str) -> None:
    with pytest.raises(UsageError, match=text):
        SshProbe("127.0.0.1", **settings)


def test_secrets_are_not_in_the_repr() -> None:
    with pytest.raises(UsageError, match="Identity must be"):
        Identity("")
    shown = repr(SshProbe("h", login=Login("bob", "s3cret"), identities=(Identity("k", "phr4se"),)))
    assert "s3cret" not in shown
    assert "phr4se" not in shown
