"""Logins with passwords, at servers of paramiko that misbehave, over every driver and both families."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from noidchecks import Identity, Login, State
from tests.support.sftp import Conduct, sftp_server, want_new_password
from tests.support.ssh_logins import BOB, FINE, KEY, Check, probe


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
    assert any("which is not verified" in part.text for part in result.parts)


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


BOTH = "password,keyboard-interactive"
QUESTIONS = [("Password: ", False), ("Token: ", False)]


@pytest.mark.parametrize("only", ["password", "keyboard-interactive"])
@pytest.mark.parametrize("methods", [BOTH, "keyboard-interactive,password"])
def test_both_ways_to_give_a_password_are_tried(run: Check, host: str, folder: Path, only: str, methods: str) -> None:
    conduct = Conduct(methods=methods, only=only)
    with sftp_server(folder, conduct, host) as port:
        result = run(probe(port, host))
    assert result.ok, result.text
    tried = ["none", "keyboard-interactive", "password"]
    assert conduct.attempts == tried[: tried.index(only) + 1]


@pytest.mark.parametrize(
    ("conduct", "why"),
    [
        (
            Conduct(methods=BOTH),
            "password by keyboard-interactive refused, password refused; "
            "the server offers password, keyboard-interactive",
        ),
        # One and the same PAM is asked by OpenSSH.
        (
            Conduct(methods=BOTH, version="OpenSSH_9.2p1"),
            "password by keyboard-interactive refused; the server offers password, keyboard-interactive",
        ),
        (
            Conduct(methods=BOTH, version="OpenSSH_9.2p1", questions=QUESTIONS),
            "keyboard-interactive asks for more than a password (Password:), password refused; "
            "the server offers password, keyboard-interactive",
        ),
    ],
)
def test_a_wrong_password_is_given_once_in_each_way(run: Check, folder: Path, conduct: Conduct, why: str) -> None:
    conduct.attempts.clear()
    with sftp_server(folder, conduct) as port:
        result = run(probe(port, login=Login("bob", "wrong")))
    assert f"login as bob: {why}" in result.text
    assert len(set(conduct.attempts)) == len(conduct.attempts)


def test_a_second_question_leaves_the_other_way(run: Check, folder: Path) -> None:
    for conduct in (Conduct(methods=BOTH, again=True), Conduct(methods=BOTH, questions=QUESTIONS)):
        with sftp_server(folder, conduct) as port:
            result = run(probe(port))
        assert result.facts["method"] == "password"


@pytest.mark.parametrize(
    "prompt",
    [
        "Verification code: ",
        "Enter your TOKEN",
        "OTP:",
        "(PIN)",
        "One-time password (OATH) for `bob': ",
        "Code:",
        "PASSCODE:",
    ],
)
def test_a_hidden_question_for_a_second_factor_does_not_get_the_password(run: Check, folder: Path, prompt: str) -> None:
    conduct = Conduct(methods="keyboard-interactive", questions=[(prompt, False)])
    with sftp_server(folder, conduct) as port:
        result = run(probe(port))
    assert result.text.startswith("SSH CRITICAL - login as bob: the server asks for more than a password: ")
    assert conduct.answers == []


@pytest.mark.parametrize("prompt", ["", "Mot de passe :", "bob's shopping password", "Kennwort für Codename Spin: "])
def test_any_other_hidden_question_gets_the_password(run: Check, folder: Path, prompt: str) -> None:
    conduct = Conduct(methods="keyboard-interactive", questions=[(prompt, False)])
    with sftp_server(folder, conduct) as port:
        result = run(probe(port))
    assert result.ok, result.text
    assert conduct.answers == [["sesame"]]


@pytest.mark.parametrize(
    ("prompt", "said"), [("Change it|now\n", "Change it now"), (b"gr\xfc\xdf", "gr\\xfc\\xdf"), ("", "")]
)
def test_a_password_that_has_expired(run: Check, folder: Path, prompt: str | bytes, said: str) -> None:
    conduct = Conduct(troubles={"password": lambda transport: want_new_password(transport, prompt)})
    with sftp_server(folder, conduct) as port:
        result = run(probe(port))
    assert result.state == State.CRITICAL
    assert f"login as bob: the password has expired{said and f': {said}'}" in result.text
    assert conduct.attempts.count("password") == 1


@pytest.mark.parametrize("version", ["lab_1", "OpenSSH_9.2p1"])
@pytest.mark.parametrize(
    ("methods", "after", "attempts"),
    [
        ("password", {"password": "publickey"}, ["password", "publickey"]),
        ("publickey", {"publickey": BOTH}, ["publickey", "keyboard-interactive"]),
        ("publickey", {"publickey": "password"}, ["publickey", "password"]),
        ("password", {"password": "keyboard-interactive"}, ["password", "keyboard-interactive"]),
        (
            "keyboard-interactive",
            {"keyboard-interactive": "password", "password": "publickey"},
            ["keyboard-interactive", "password", "publickey"],
        ),
    ],
)
def test_after_a_partial_success_what_is_left_is_tried(
    run: Check, folder: Path, key_file: Path, methods: str, after: dict[str, str], attempts: list[str], version: str
) -> None:
    """RFC 4252 section 5.1; `AuthenticationMethods keyboard-interactive,password` of OpenSSH wants a password twice."""
    conduct = Conduct(methods=methods, after_success=after, key=KEY, version=version)
    with sftp_server(folder, conduct) as port:
        result = run(probe(port, identities=(Identity(str(key_file)),)))
    assert result.ok, result.text
    assert conduct.attempts == ["none", *attempts]


def test_a_partial_success_that_leaves_nothing(run: Check, folder: Path) -> None:
    conduct = Conduct(methods="password", after_success={"password": "publickey"})
    with sftp_server(folder, conduct) as port:
        result = run(probe(port))
    assert "login as bob: password accepted, but not enough; the server offers publickey" in result.text


def test_a_partial_success_that_offers_no_method_is_no_login(run: Check, folder: Path) -> None:
    """RFC 4252 section 5.1: only SSH_MSG_USERAUTH_SUCCESS is one."""
    with sftp_server(folder, Conduct(methods="password", after_success={"password": ""})) as port:
        result = run(probe(port))
    assert result.text == ("SSH CRITICAL - login as bob: password accepted, but not enough; the server offers password")


@pytest.mark.parametrize("settings", [{}, {"algorithms": True}, {"policy": "modern", "sftp": True}])
def test_a_server_whose_kexinit_waits_for_ours(run: Check, folder: Path, settings: dict[str, Any]) -> None:
    with sftp_server(folder, Conduct(patience=True)) as port:
        result = run(probe(port, **settings))
    assert "Key exchange failed" not in result.text
    assert result.facts["method"] == "password"


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
