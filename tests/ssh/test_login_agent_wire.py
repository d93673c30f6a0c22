"""Logins with an agent, which may misbehave too."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from noidchecks import Login, check
from tests.support.sftp import Conduct, sftp_server
from tests.support.ssh_logins import KEY, NO_PASSWORD, Check, late, probe


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


@pytest.mark.usefixtures("mute_agent", "nothing_left")
def test_an_agent_that_does_not_answer_is_no_sick_server_and_holds_no_thread(run: Check, folder: Path) -> None:
    with sftp_server(folder) as port:
        result = late("agent", run, probe(port, login=NO_PASSWORD, agent=True))
    assert result.text == "SSH UNKNOWN - login as bob: the agent does not answer"


@pytest.mark.usefixtures("mute_agent", "nothing_left")
def test_an_agent_that_does_not_answer_leaves_the_password(folder: Path) -> None:
    with sftp_server(folder) as port:
        result = check(probe(port, timeout=8, agent=True))
    assert result.facts["method"] == "password"


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
