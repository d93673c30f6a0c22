"""Logins with an agent, which may misbehave too."""

from __future__ import annotations

import socket
import struct
import threading
from base64 import b64decode
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import SSHCertificateBuilder, SSHCertificateType

from noidchecks import check
from tests.support.sftp import Conduct, sftp_server
from tests.support.ssh_logins import KEY, NO_PASSWORD, Check, late, probe


@pytest.mark.parametrize("path", ["", "/nowhere/agent"])
def test_no_agent_is_no_sick_server(run: Check, folder: Path, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSH_AUTH_SOCK", path)
    with sftp_server(folder) as port:
        result = run(probe(port, login=NO_PASSWORD, agent=True))
    assert result.text == "SSH UNKNOWN - login as bob: there is no agent (SSH_AUTH_SOCK)"


@pytest.mark.usefixtures("nothing_left")
def test_an_agent_without_keys_is_no_sick_server(folder: Path, mute_agent: socket.socket) -> None:
    with an_agent(mute_agent, []), sftp_server(folder) as port:
        result = check(probe(port, login=NO_PASSWORD, agent=True))
    assert result.text == "SSH UNKNOWN - login as bob: the agent has no keys"


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


def ed25519() -> Any:
    return Ed25519PrivateKey.generate()


def rsa() -> Any:
    return generate_private_key(65537, 2048)


@contextmanager
def an_agent(
    listener: socket.socket, comments: Sequence[bytes], answers: Sequence[bytes] = (), blob: bytes = KEY.asbytes()
) -> Iterator[list[bytes]]:
    """Lists the key once for each comment, gives these answers to the requests that follow, and ends or is mute."""
    key = string(blob)
    requests: list[bytes] = []
    listing = struct.pack(">BI", 12, len(comments)) + b"".join(key + string(comment) for comment in comments)

    def serve() -> None:
        client = listener.accept()[0]
        with client:
            for answer in (listing, *answers):
                requests.append(client.recv(4096))
                if not answer:
                    return
                client.sendall(string(answer))
            while client.recv(1000):
                pass

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield requests
    finally:
        thread.join()


def string(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


REFUSED = b"\x05"
GONE = b""


@pytest.mark.usefixtures("nothing_left")
def test_a_comment_that_is_no_utf_8(folder: Path, mute_agent: socket.socket) -> None:
    """ssh does not look at it either; no server is to blame."""
    with an_agent(mute_agent, [b"M\xfcller"], [REFUSED]), sftp_server(folder, Conduct(key=KEY)) as port:
        result = check(probe(port, agent=True))
    assert result.facts["method"] == "password", result.text


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize("make", [ed25519, rsa])
def test_a_certificate_is_offered_as_it_is(folder: Path, mute_agent: socket.socket, make: Callable[[], Any]) -> None:
    """The agent may have it without its key, which paramiko takes out of those of RSA."""
    key = make()
    builder = SSHCertificateBuilder().public_key(key.public_key()).type(SSHCertificateType.USER).key_id(b"bob")
    builder = builder.valid_principals([b"bob"]).valid_after(0).valid_before(2**64 - 1).serial(1)
    blob = b64decode(builder.sign(key).public_bytes().split()[1])
    with an_agent(mute_agent, [b"k"], [REFUSED], blob) as requests, sftp_server(folder) as port:
        check(probe(port, agent=True))
    # That of the signature, and what is signed, which names the key that is offered.
    assert requests[1].count(string(blob)) == 2


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize(
    ("answers", "why"), [([], "does not answer"), ([GONE], "fails: lost ssh-agent")], ids=["mute", "gone"]
)
def test_an_agent_that_lists_keys_and_does_not_sign(
    run: Check, folder: Path, mute_agent: socket.socket, answers: list[bytes], why: str
) -> None:
    with an_agent(mute_agent, [b"k"], answers), sftp_server(folder, Conduct(key=KEY)) as port:
        result = late("agent", run, probe(port, login=NO_PASSWORD, agent=True))
    assert result.text == f"SSH UNKNOWN - login as bob: the agent {why}"


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize("answers", [[], [GONE], [REFUSED, REFUSED]], ids=["mute", "gone", "refuses"])
def test_an_agent_that_does_not_sign_leaves_the_password(
    folder: Path, mute_agent: socket.socket, answers: list[bytes]
) -> None:
    """Of one that refuses, each key is tried: one may need a confirmation (`ssh-add -c`), or a token that is gone."""
    with an_agent(mute_agent, [b"k", b"k"], answers), sftp_server(folder, Conduct(key=KEY)) as port:
        result = check(probe(port, timeout=8, agent=True))
    assert result.facts["method"] == "password", result.text


@pytest.mark.usefixtures("nothing_left")
def test_an_agent_that_refuses_to_sign_is_no_sick_server(folder: Path, mute_agent: socket.socket) -> None:
    with an_agent(mute_agent, [b"k"], [REFUSED]), sftp_server(folder, Conduct(key=KEY)) as port:
        result = check(probe(port, login=NO_PASSWORD, agent=True))
    assert result.text == "SSH UNKNOWN - login as bob: the agent refuses to sign"


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
