"""Where passwords come from, and that none is ever told."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from noidchecks import Login, UsageError
from noidchecks.files.login import read_login

AUTH = """\
# machine h login commented password out
machine other login bob password wrong
machine h
  login bob
  password pa#ss account x
machine h login eve password evil
default login any password thing
"""


@pytest.fixture
def auth(tmp_path: Path) -> str:
    path = tmp_path / "auth"
    path.write_text(AUTH)
    return str(path)


@pytest.mark.parametrize(
    ("host", "user", "expected"),
    [
        ("h", "", Login("bob", "pa#ss")),
        ("h", "eve", Login("eve", "evil")),
        ("other", "bob", Login("bob", "wrong")),
        ("elsewhere", "", Login("any", "thing")),
        ("elsewhere", "any", Login("any", "thing")),
    ],
)
def test_an_auth_file_is_searched_for_host_and_user(auth: str, host: str, user: str, expected: Login) -> None:
    assert read_login(user, "auth-file", auth, host) == expected


@pytest.mark.parametrize(
    ("text", "password"),
    [
        ('machine h login bob password "two words"', "two words"),
        ('machine h login bob password "secret"', "secret"),
        (r'machine h login "bob" password "a\"b\\c\td" account x', 'a"b\\c\td'),
        ('machine h login bob password ""', ""),
        # Quotes that do not enclose a whole word are a part of it, as ever, and so are backslashes outside of quotes.
        ('machine h login bob password "a"b', '"a"b'),
        ('machine h login bob password a"b', 'a"b'),
        ('machine h login bob password "ab', '"ab'),
        (r"machine h login bob password a\b", r"a\b"),
        ("machine H login bob password secret", "secret"),
        ("machine other login x password y\nmacdef init\ncd /pub\n\nmachine h login bob password secret", "secret"),
        ("macdef a\nmachine h login eve password no\n\nmachine h login bob password secret\nmacdef b\nbye", "secret"),
        ("macdef a\r\nbye\r\n\r\nmachine h\r\nlogin bob\r\npassword secret\r\n", "secret"),
        ("machine h login bob password macdef", "macdef"),
        ("machine h login bob password \udcff", "\udcff"),
    ],
)
def test_an_auth_file_is_read_as_by_curl(tmp_path: Path, text: str, password: str) -> None:
    path = tmp_path / "auth"
    path.write_bytes(text.encode(errors="surrogateescape"))
    assert read_login("", "auth-file", str(path), "h") == Login("bob", password)
    assert read_login("", "auth-file", str(path), "H") == Login("bob", password)


def test_a_large_auth_file_is_read_at_once(tmp_path: Path) -> None:
    path = tmp_path / "auth"
    for text in ('"\\ ' * 20_000, "macdef " * 9_000, "macdef x\n" * 7_000, '"' * 60_000):
        path.write_text(text)
        began = time.monotonic()
        with pytest.raises(UsageError):
            read_login("", "auth-file", str(path), "h")
        assert time.monotonic() - began < 5


def test_the_first_line_of_a_password_file_counts(tmp_path: Path) -> None:
    path = tmp_path / "password"
    path.write_bytes(b" two words \r\nsecond\n")
    assert read_login("bob", "password-file", str(path), "h") == Login("bob", " two words ")
    assert read_login("", "password-file", str(path), "h").user == "anonymous"


def test_a_password_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FTP_PASSWORD", "sesame")
    assert read_login("bob", "password-env", "FTP_PASSWORD", "h") == Login("bob", "sesame")


def test_anonymous_needs_no_password() -> None:
    assert read_login("ftp", "", "", "h") == Login("ftp")
    assert read_login("", "", "", "h") == Login()


def test_what_cannot_be_had_is_said(auth: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FTP_PASSWORD", raising=False)
    empty = tmp_path / "empty"
    empty.write_text("\nsecond\n")
    broken = tmp_path / "broken"
    broken.write_text("machine h login bob sesame\n")
    for arguments, message in [
        (("bob", "", "", "h"), "User bob needs a --password-file, --password-env or --auth-file"),
        (("bob", "password-env", "FTP_PASSWORD", "h"), "The environment has no variable FTP_PASSWORD"),
        (("bob", "password-file", f"{tmp_path}/no", "h"),
         f"Cannot read password file {tmp_path}/no: No such file or directory"),
        (("bob", "password-file", str(empty), "h"), f"The first line of password file {empty} is empty"),
        (("mallory", "auth-file", auth, "h"), f"Auth file {auth} has no login and password for user mallory at h"),
        (("bob", "auth-file", str(broken), "h"),
         f"Auth file {broken} must have lines: machine HOST login USER password PASSWORD"),
    ]:  # fmt: skip
        with pytest.raises(UsageError) as caught:
            read_login(*arguments)
        assert str(caught.value) == message


def test_a_login_hides_its_password() -> None:
    assert "sesame" not in repr(Login("bob", "sesame"))
    for user, password in [("a\r\nb", "x"), ("", "x"), ("a\0", "x"), ("bob", "sesame\nDELE x"), ("bob", "sesame\0")]:
        with pytest.raises(UsageError) as caught:
            Login(user, password)
        assert "sesame" not in str(caught.value)
