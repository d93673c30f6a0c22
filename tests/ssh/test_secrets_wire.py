"""Passwords and passphrases are never shown."""

from __future__ import annotations

import socket
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from noidchecks import Identity, Login, SshProbe, UsageError
from noidchecks.address import AF_INET, Address
from noidchecks.dialogue.operations import Connect, Delegate, Receive, Redact, Resolve, Send
from noidchecks.plugin.main import run as run_plugin
from noidchecks.ssh import frames
from noidchecks.ssh.dialogue import converse
from tests.support.sftp import sftp_server
from tests.support.ssh_logins import KEY, probe


def test_no_transcript_shows_a_secret(folder: Path, key_file: Path) -> None:
    """Not even when the server repeats it."""
    identities = (Identity(str(key_file), "phr4se"),)
    secret = probe(1, login=Login("bob", "s3cret"), identities=identities, fingerprints=())
    masked: list[bytes | None] = []
    sent: list[Send] = []
    worker: Any = SimpleNamespace(address=None, is_internal=True)
    talk = converse(secret)
    operation = next(talk)
    connected = socket.socket()
    with connected, suppress(StopIteration):
        while True:
            answer: Any = None
            match operation:
                case Connect():
                    answer = SimpleNamespace(address=None, fileno=connected.fileno)
                case Receive() if operation.channel is worker:
                    answer = frames.pack_values(frames.KEY, "ssh-ed25519", "SHA256:x", ())
                    if sent:
                        answer = frames.pack_values(frames.FAILED, "peer", "no", "login", "", b"")
                case Receive():
                    # From the first byte of the server on.
                    assert masked
                    answer = b"SSH-2.0-x\r\n"
                case Delegate():
                    answer = worker
                case Send() if operation.channel is worker:
                    sent.append(operation)
                case Resolve():
                    answer = (Address(AF_INET, ("127.0.0.1", 1)),)
                case Redact():
                    masked.append(operation.secret)
            operation = talk.send(answer)
    assert masked == [b"s3cret", b"phr4se"]
    assert len(sent) == 1


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
        assert "go on in a worker process" in said
        assert password not in said
        assert "phr4se" not in said
    assert capfd.readouterr() == ("", "")


def test_secrets_are_not_in_the_repr() -> None:
    with pytest.raises(UsageError, match="Identity must be"):
        Identity("")
    shown = repr(SshProbe("h", login=Login("bob", "s3cret"), identities=(Identity("k", "phr4se"),)))
    assert "s3cret" not in shown
    assert "phr4se" not in shown
