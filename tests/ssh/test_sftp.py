"""Login and SFTP against servers of paramiko that misbehave, over every driver and both families."""

from __future__ import annotations

import hashlib
import os
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import paramiko
import pytest

from noidchecks import File, Identity, Listing, Login, Range, Result, SshProbe, State, UsageError, survey
from noidchecks.address import AF_INET, Address
from noidchecks.background import LOOK_UPS, SESSIONS
from noidchecks.dialogue import Connect, Mask, Receive, Resolve, Run
from noidchecks.errors import PeerError
from noidchecks.plugin.main import run as run_plugin
from noidchecks.ssh.dialogue import converse
from noidchecks.ssh.sftp import HostKey
from noidchecks.ssh.sockets import AgentSocket, Shuttable
from tests.fakes.sftp import HOST_KEY, Conduct, sftp_server
from tests.patience import LONG

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
    return SshProbe(host, **{"port": port, "timeout": LONG, "login": BOB, "fingerprints": PINNED, **settings})


def late(told: str, run: Check, slow: SshProbe) -> Result:
    """Lets a probe come so far before its deadline that its result tells so; keys cost a busy machine seconds."""
    for timeout in (1, 5, 20):
        result = run(slow.replace(timeout=timeout))
        if told in result.text:
            break
    assert told in result.text, result.text
    return result


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
        result = run(probe(port))
    assert result.ok
    assert result.facts["method"] == "password by keyboard-interactive"
    assert conduct.attempts == ["none", "keyboard-interactive"]


@pytest.mark.parametrize(
    ("questions", "asked"),
    [
        ([("Password: ", False), ("Token: ", False)], "Password:"),
        ([("Your name? ", True)], "Your name?"),
    ],
)
def test_a_server_that_asks_for_more(run: Check, folder: Path, questions: list[tuple[str, bool]], asked: str) -> None:
    with sftp_server(folder, Conduct(methods="keyboard-interactive", questions=questions)) as port:
        result = run(probe(port))
    assert result.text == f"SSH CRITICAL - login as bob: the server asks for more than a password: {asked}"


def test_the_password_is_no_answer_to_a_second_question(run: Check, folder: Path) -> None:
    """As that for a new password, when the old one has expired."""
    conduct = Conduct(methods="keyboard-interactive", again=True)
    with sftp_server(folder, conduct) as port:
        result = run(probe(port))
    assert result.text == "SSH CRITICAL - login as bob: the server asks for more than a password: Password:"
    assert conduct.answers == [["sesame"]]


@pytest.mark.parametrize(
    ("login", "conduct", "why"),
    [
        (Login("bob", "wrong"), Conduct(), "password refused; the server offers publickey, password"),
        (Login("eve", "sesame"), Conduct(), "password refused; the server offers publickey, password"),
        (BOB, Conduct(methods="publickey"), "password not accepted; the server offers publickey"),
        (
            Login("bob", "wrong"),
            Conduct(methods="keyboard-interactive"),
            "password by keyboard-interactive refused; the server offers keyboard-interactive",
        ),
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


@pytest.fixture
def mute_agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """An agent that takes connections and says nothing; whoever has it may answer in its place."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "agent"))
        listener.listen(16)
        monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "agent"))
        yield listener


NO_PASSWORD = Login("bob", "")


@pytest.mark.usefixtures("mute_agent", "nothing_left")
def test_an_agent_that_does_not_answer_is_no_sick_server_and_holds_no_thread(run: Check, folder: Path) -> None:
    with sftp_server(folder) as port:
        result = late("agent", run, probe(port, login=NO_PASSWORD, agent=True))
    assert result.text == "SSH UNKNOWN - login as bob: the agent does not answer"


@pytest.mark.usefixtures("nothing_left")
def test_the_deadline_frees_the_thread_from_a_mute_agent(
    run: Check, folder: Path, mute_agent: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("noidchecks.ssh.sockets.AgentSocket.__init__", without_patience)
    with sftp_server(folder) as port:
        result = late("(login)", run, probe(port, login=NO_PASSWORD, agent=True))
    assert result.text.startswith("SSH CRITICAL - Socket timeout after ")


def without_patience(sock: AgentSocket, _: float | None) -> None:
    Shuttable.__init__(sock, socket.socket(socket.AF_UNIX))
    sock._patience, sock._is_shut = None, False


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize(
    ("signs", "why"), [(False, "does not answer"), (True, "fails: lost ssh-agent")], ids=["mute", "gone"]
)
def test_an_agent_that_lists_keys_and_does_not_sign(
    run: Check, folder: Path, mute_agent: socket.socket, signs: bool, why: str
) -> None:
    blob = KEY.asbytes()
    text = struct.pack(">BI", 12, 1) + struct.pack(">I", len(blob)) + blob + struct.pack(">I", 1) + b"k"

    def serve() -> None:
        client = mute_agent.accept()[0]
        with client:
            client.recv(100)
            client.sendall(struct.pack(">I", len(text)) + text)
            while client.recv(1000) and not signs:
                pass

    agent = threading.Thread(target=serve)
    agent.start()
    try:
        with sftp_server(folder, Conduct(key=KEY)) as port:
            result = late("agent", run, probe(port, login=NO_PASSWORD, agent=True))
    finally:
        agent.join()
    assert result.text == f"SSH UNKNOWN - login as bob: the agent {why}"


@pytest.mark.usefixtures("nothing_left")
def test_an_agent_that_takes_no_connection(
    run: Check, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(tmp_path / "full")
    monkeypatch.setenv("SSH_AUTH_SOCK", path)
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as first:
        listener.bind(path)
        listener.listen(0)
        first.connect(path)
        with sftp_server(folder) as port:
            result = late("agent", run, probe(port, login=NO_PASSWORD, agent=True))
    assert result.text == "SSH UNKNOWN - login as bob: the agent takes no connection"


@pytest.mark.parametrize("which", ["identity", "certificate", "known hosts"])
def test_a_pipe_in_place_of_a_file(run: Check, folder: Path, key_file: Path, which: str) -> None:
    path = key_file.with_name("id-cert.pub") if which == "certificate" else key_file.with_name("pipe")
    os.mkfifo(path)
    settings: dict[str, Any] = {"login": NO_PASSWORD, "identities": (Identity(str(key_file)),)}
    if which == "identity":
        settings["identities"] = (Identity(str(path)),)
    elif which == "known hosts":
        settings["known_hosts"] = str(path)
    with sftp_server(folder, Conduct(key=KEY)) as port:
        result = run(probe(port, **settings))
    wanted = {
        "known hosts": f"cannot read known hosts {path}",
        "identity": f"login as bob: cannot read identity {path}",
    }
    told = wanted.get(which, f"login as bob: cannot read identity {key_file}")
    assert result.text.endswith(f"{told}: it is no regular file")
    assert result.state == State.UNKNOWN


def test_a_huge_file_in_place_of_a_key(run: Check, folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "huge"
    with path.open("wb") as file:
        file.truncate(10**12)
    with sftp_server(folder) as port:
        result = run(probe(port, login=NO_PASSWORD, identities=(Identity(str(path)),)))
    assert result.text == f"SSH UNKNOWN - login as bob: cannot read identity {path}: it has more than 1000000 bytes"


def timers() -> set[threading.Thread]:
    return {one for one in threading.enumerate() if isinstance(one, threading.Timer)}


@pytest.mark.usefixtures("nothing_left")
def test_silent_servers_delay_neither_healthy_ones_nor_look_ups(folder: Path) -> None:
    """More of them than there may be look-ups at once."""
    before = timers()
    with socket.create_server(("127.0.0.1", 0), backlog=256) as listener, sftp_server(folder) as port:
        greeted: list[socket.socket] = []

        def greet() -> None:
            with suppress(OSError):
                while True:
                    greeted.append(listener.accept()[0])
                    greeted[-1].sendall(b"SSH-2.0-mute\r\n")

        thread = threading.Thread(target=greet)
        thread.start()
        mute = probe(listener.getsockname()[1], timeout=6, sftp=True)
        healthy = [probe(port, sftp=True), probe(port, "localhost", family=socket.AF_INET)]
        try:
            found = list(survey([*[mute] * (LOOK_UPS.limit + 16), *healthy]))
            # paramiko's own, of which each would be a thread that outlives the check.
            assert timers() <= before
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
            for sock in greeted:
                sock.close()
    # They end first, although they began last.
    assert [one for one, result in found[:2] if result.ok] == [one for one, _ in found[:2]]
    assert {result.text for one, result in found if one is mute} == {
        "SFTP CRITICAL - Socket timeout after 6 seconds (kex)"
    }


def test_no_thread_for_a_session_is_no_sick_server(run: Check, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SESSIONS, "limit", 0)
    with sftp_server(folder) as port:
        result = run(probe(port, sftp=True))
    assert result.text.startswith("SFTP UNKNOWN - more than 0 sessions run in threads at once")


def test_no_transcript_shows_a_secret(folder: Path, key_file: Path) -> None:
    """Not even when the server repeats it."""
    identities = (Identity(str(key_file), "phr4se"),)
    secret = probe(1, login=Login("bob", "s3cret"), identities=identities, fingerprints=())
    masked = []
    talk = converse(secret)
    operation = next(talk)
    connected = socket.socket()
    with connected, suppress(StopIteration):
        while True:
            answer: Any = None
            match operation:
                case Connect():
                    answer = SimpleNamespace(address=None, fileno=connected.fileno)
                case Receive():
                    answer = b"SSH-2.0-x\r\n"
                case Resolve():
                    answer = (Address(AF_INET, ("127.0.0.1", 1)),)
                case Mask():
                    masked.append(operation.secret)
                case Run() if masked:
                    raise_here = PeerError("no", expected="", received=b"")
                    operation = talk.throw(raise_here)
                    continue
                case Run():
                    answer = HostKey("ssh-ed25519", "SHA256:x")
            operation = talk.send(answer)
    assert masked == [b"s3cret", b"phr4se"]


def test_a_login_with_everything_shown(folder: Path, key_file: Path, capfd: pytest.CaptureFixture[str]) -> None:
    key_file.unlink()
    KEY.write_private_key_file(str(key_file), password="phr4se")
    word, phrase = key_file.with_name("word"), key_file.with_name("phrase")
    phrase.write_text("phr4se\n")
    for password, code in (("sesame", 0), ("s3cret", 2)):
        word.write_text(f"{password}\n")
        with sftp_server(folder) as port:
            login = ["--user", "bob", "--password-file", str(word), "--identity", str(key_file)]
            more = ["--passphrase-file", str(phrase), "-vvv", "--transcript", "-p", str(port), "-H", "127.0.0.1"]
            ended, said = run_plugin("check_sftp", ["check_sftp", *login, *more])
        assert ended == code
        assert "run in a thread" in said
        assert password not in said
        assert "phr4se" not in said
    assert capfd.readouterr() == ("", "")


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
    else:
        assert bool(left) is ("may be left" in result.text)
    assert capfd.readouterr() == ("", "")
    until = time.monotonic() + LONG
    while threads() > before:
        assert time.monotonic() < until, "a thread is left"
        time.sleep(0.01)


@pytest.mark.parametrize("step", STEPS)
def test_silence_at_every_step_is_a_timeout(run: Check, host: str, folder: Path, step: str) -> None:
    over = threading.Event()

    def hang(_: paramiko.Transport) -> int:
        over.wait(LONG)
        return int(paramiko.SFTP_FAILURE)

    files = len(os.listdir("/proc/self/fd"))
    with sftp_server(folder, Conduct(troubles={step: hang}), host) as port:
        result = late("(transfer)", run, probe(port, host, **ASKED.get(step, {"put": "in"})))
        over.set()
    assert result.text.startswith("SFTP CRITICAL - Socket timeout after ")
    assert " seconds (transfer)" in result.text
    if step in ("write", "remove"):
        assert "may be left on the server" in result.text
    until = time.monotonic() + LONG
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
        until = time.monotonic() + LONG
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
