"""Whatever an SSH or SFTP server says during and behind the login, what is printed is ours, and has no secret."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import paramiko
import pytest

from noidchecks import File, Identity, Listing, Login, check
from noidchecks.status.render import render
from tests.support.hostile_words import PHRASE, SECRET, check_output
from tests.support.sftp import Conduct, hang_up, sftp_server, want_new_password
from tests.support.ssh_logins import KEY, probe

TEXTS = {
    "hostile": f"|x=1;2;3 <script>alert(1)</script>\x1b[2J\r\nSSH OK - fine \u202e{SECRET}, {PHRASE}",
    "at the cut": "a" * 190 + SECRET,
    "long": f"{SECRET}|" * 2300,
    "phrase": PHRASE,
}
Say = Callable[[paramiko.Transport, str], int]


def message(number: int, *parts: Any) -> Say:
    """Returns what sends a message with these fields, the text in place of None."""

    def say(transport: paramiko.Transport, text: str) -> int:
        sent = paramiko.Message()
        sent.add_byte(bytes((number,)))
        for part in parts:
            if isinstance(part, bool):
                sent.add_boolean(part)
            elif isinstance(part, int):
                sent.add_int(part)
            else:
                sent.add_string(text if part is None else part)
        transport._send_message(sent)
        return int(paramiko.SFTP_FAILURE)

    return say


WHEN = {
    "disconnect": hang_up,
    "new password": want_new_password,
    "banner": message(53, None, None),
    "debug": message(4, True, None, None),
    "ignore": message(2, None),
    "global request": message(80, None, True),
    "methods": message(51, None, False),
    "partial success": message(51, None, True),
    "no such message": message(192, None),
}
Settings = dict[str, Any]


def look_at(port: int, password: str = SECRET, **settings: Any) -> str:
    """Checks, looks at all that may be printed, and returns the status line."""
    told = probe(port, login=Login("bob", password), identities=settings.pop("identities", ()), **settings)
    result = check(told, transcript=True)
    plain = result.replace(transcript=())
    printed = (
        str(plain),
        str(result),
        *(render(one, name)[1] for one in (plain, result) for name in ("multi-line", "json")),
    )
    for text in printed:
        check_output(text)
    for hidden in (SECRET, SECRET[:7], "phr4se"):
        assert hidden not in repr(result)
        assert hidden not in str(result.failure)
    return result.text


@pytest.fixture(params=TEXTS, ids=str)
def text(request: pytest.FixtureRequest) -> str:
    return TEXTS[request.param]


@pytest.fixture
def locked(tmp_path: Path) -> Identity:
    path = tmp_path / "locked"
    KEY.write_private_key_file(str(path), password=PHRASE)
    return Identity(str(path), PHRASE)


@pytest.mark.parametrize("when", WHEN)
def test_instead_of_an_answer_to_the_password(folder: Path, text: str, when: str, locked: Identity) -> None:
    conduct = Conduct(password=SECRET, troubles={"password": lambda transport: WHEN[when](transport, text)})
    with sftp_server(folder, conduct) as port:
        assert "login as bob" in look_at(port, identities=(locked,))


@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize("field", ["title", "instruction", "prompt", "echoed"])
def test_questions(folder: Path, text: str, field: str, again: bool, locked: Identity, monkeypatch: Any) -> None:
    whole = paramiko.InteractiveQuery

    def query(title: str, instruction: str, *prompts: Any) -> Any:
        made = whole(text if field == "title" else "", text if field == "instruction" else "")
        prompt = text if field in ("prompt", "echoed") else ""
        made.add_prompt(prompt, field == "echoed")
        return made

    monkeypatch.setattr(paramiko, "InteractiveQuery", query)
    # The tuple is what the server compares with.
    monkeypatch.setattr(paramiko.auth_handler, "InteractiveQuery", whole)
    conduct = Conduct(methods="keyboard-interactive", password="another", again=again)
    with sftp_server(folder, conduct) as port:
        assert "login as bob" in look_at(port, identities=(locked,))


def test_an_identification_string(folder: Path, locked: Identity) -> None:
    for version in (f"{SECRET}|x=1", f"x {SECRET} <script>", f"{PHRASE}_1"):
        with sftp_server(folder, Conduct(version=version, password=SECRET)) as port:
            look_at(port, identities=(locked,), algorithms=True)


def test_a_channel_that_is_refused(folder: Path, text: str, monkeypatch: Any) -> None:
    def refuse(self: Any, kind: str, number: int) -> int:
        message(92, 0, 1, None, None)(self._transport, text)
        return int(paramiko.OPEN_FAILED_CONNECT_FAILED)

    monkeypatch.setattr("tests.support.sftp._Door.check_channel_request", refuse)
    with sftp_server(folder, Conduct(password=SECRET)) as port:
        assert "no SFTP session" in look_at(port, sftp=True)


@pytest.mark.parametrize("trouble", ["list", "open", "read", "create", "write", "remove", "stat"])
def test_the_status_of_an_operation(folder: Path, text: str, trouble: str, locked: Identity, monkeypatch: Any) -> None:
    send = paramiko.SFTPServer._send_status

    def say(self: Any, number: int, code: int, desc: str | None = None) -> None:
        send(self, number, code, text if code not in (paramiko.SFTP_OK, paramiko.SFTP_EOF) else desc)

    monkeypatch.setattr(paramiko.SFTPServer, "_send_status", say)
    asked: Settings = {"get": File("hello.txt")}
    if trouble == "list":
        asked = {"listing": Listing("in")}
    elif trouble in ("create", "write", "remove"):
        asked = {"put": "in"}
    elif trouble == "stat":
        asked = {"timestamp": "hello.txt"}
    conduct = Conduct(password=SECRET, troubles={trouble: lambda _: int(paramiko.SFTP_FAILURE)})
    with sftp_server(folder, conduct) as port:
        told = look_at(port, identities=(locked,), **asked)
    assert told.startswith("SFTP ")
    assert len(told) < 1000


def test_names_in_a_folder(folder: Path, text: str, monkeypatch: Any) -> None:
    entry = paramiko.SFTPAttributes.from_stat(folder.stat(), text)
    monkeypatch.setattr("tests.support.sftp._Files.list_folder", lambda self, path: [entry])
    with sftp_server(folder, Conduct(password=SECRET)) as port:
        assert "list in 1 files" in look_at(port, listing=Listing("in"))


def test_extensions_of_a_version(folder: Path, text: str, monkeypatch: Any) -> None:
    def answer(self: Any) -> int:
        self._read_packet()
        sent = paramiko.Message()
        sent.add_int(3)
        for part in (text, text):
            sent.add_string(part)
        self._send_packet(paramiko.sftp.CMD_VERSION, sent)
        return 3

    monkeypatch.setattr(paramiko.SFTPServer, "_send_server_version", answer)
    with sftp_server(folder, Conduct(password=SECRET)) as port:
        assert look_at(port, sftp=True)


@pytest.mark.parametrize("secret", ["pw", "x"])
def test_a_short_secret_takes_the_text_of_the_server_with_it(folder: Path, secret: str) -> None:
    conduct = Conduct(troubles={"password": lambda transport: hang_up(transport, f"no {secret} here")})
    with sftp_server(folder, conduct) as port:
        result = check(probe(port, login=Login("bob", secret)), transcript=True)
    assert f"no {secret} here" not in str(result)
    assert result.text.startswith("SSH CRITICAL - login as bob: ")
