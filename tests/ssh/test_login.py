"""Logins with passwords, at servers of paramiko that misbehave, over every driver and both families."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from noidchecks import File, Login, SshProbe, State, UsageError
from tests.fakes.sftp import Conduct, sftp_server
from tests.ssh.logins import BOB, FINE, Check, probe


def test_a_login_alone(run: Check, host: str, folder: Path) -> None:
    conduct = Conduct()
    with sftp_server(folder, conduct, host) as port:
        result = run(probe(port, host, show_phases=True))
    assert result.text == "SSH OK - lab_1 (protocol 2.0) [login bob]"
    assert result.facts["method"] == "password"
    assert result.facts["host_key_checked"] is True
    assert conduct.attempts == ["none", "password"]
    assert list(result.timings.phases)[-3:] == ["greeting", "kex", "login"]


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
