"""A command that cannot be run here, or looks at another peer than its backend, is refused before it is used."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st
from noidlb.errors import FarmError
from noidlb.guard import Guard
from noidlb.guardian.commands import complaints, misuse, require_usable

from tests.support.lb.farms import farm

RIGHT = [
    "check_ftp -H HOST",
    "check_ftp --hostname=HOST -p PORT",
    "check_ssh HOST",
    "check_tftp HOST -f noid_check.txt",
    "check_sftp HOST -p PORT -l monitor",
    "check_ftp -H HOST -e '220|230'",
    "check_http -I HOST -u '/a?b=1;c=2&d=3'",
    "check_http -I HOST -u /a?b=1&c=2",
    "check_url http://HOST:PORT/",
    "check_url http://[HOST]:PORT/x",
    "check_ping -H HOST -w 100,20% -c 500,60%",
    "sh -c 'check_ftp -H HOST | grep 220 > /dev/null && exit 0'",
    "ssh probe@HOST true",
]
WRONG = [
    ("check_ftp", "'check_ftp -H HOST'"),
    ("check_ftp -H 10.0.1.11", "'check_ftp -H HOST'"),
    ("check_ftp -H fd00::1 -p 21", "'check_ftp -H HOST -p 21'"),
    ("check_ftp -H ftp.example.net", "'check_ftp -H HOST'"),
    ("check_ssh 10.0.1.11", "'check_ssh HOST'"),
    ("check_ftp -HHOST", "'check_ftp -H HOST'"),
    ("check_ftp -H host", "'check_ftp -H HOST'"),
    ("check_ftp -H 10.0.1.11 -p PORT", "'check_ftp -H HOST -p PORT'"),
    ("check_ftp -H $HOST$", "'check_ftp -H HOST'"),
    ("check_ftp -H $HOST", "'check_ftp -H HOST'"),
    ("check_ftp -H ${HOST} -p ${PORT}", "'check_ftp -H HOST -p PORT'"),
    ("check_ftp -H HOST -p $PORT$", "'check_ftp -H HOST -p PORT'"),
    ("check_ftp -H %HOST%", "'check_ftp -H HOST'"),
    ("check_ftp -H {{HOST}}", "'check_ftp -H HOST'"),
    ("check_ftp -H <HOST>", "'check_ftp -H HOST'"),
    ("check_ftp -H $HOSTADDRESS$", "'check_ftp -H HOST'"),
    ("check_ftp -H HOST -p $ARG1$", "$ARG1$"),
    ("check_ftp -H HOST:PORT", "-H HOST -p PORT"),
    ("/opt/check HOST:PORT", "words of their own"),
    ("check_ftp -H HOST:2121", "not the backend"),
    ("check_ftp -H HOST.", "not the backend"),
    ("check_ftp -H HOST | grep 220", "so a pipe sign does not work"),
    ("check_ftp -H HOST|grep 220", "so a pipe sign does not work"),
    ("check_ftp -H HOST && check_ssh HOST", "'&&'"),
    ("check_ftp -H HOST || true", "so a pipe sign does not work"),
    ("check_ftp -H HOST; true", "';'"),
    ("check_ftp -H HOST > /dev/null", "'>'"),
    ("check_ftp -H HOST 2>&1", "'2>&1'"),
    ("check_ftp -H HOST &", "'&'"),
    ("check_x -H HOST -s $(cat /etc/secret)", "'$('"),
    ("check_x -H HOST -s `id`", "'`'"),
]


@pytest.mark.parametrize("command", RIGHT)
def test_takes_what_looks_at_the_backend(command: str) -> None:
    assert misuse(command) is None


@pytest.mark.parametrize(("command", "form"), WRONG, ids=[command for command, _ in WRONG])
def test_refuses_what_does_not_and_shows_the_right_form(command: str, form: str) -> None:
    found = misuse(command)
    assert found is not None
    assert form in found


def test_a_constant_is_taken_when_it_is_meant() -> None:
    assert misuse("check_ftp -H 10.0.1.11", shared=True) is None
    assert misuse("check_ftp -H $HOST$", shared=True) is not None
    assert misuse("check_ftp -H 10.0.1.11 | cat", shared=True) is not None


@given(st.text(st.sampled_from("HOST PORT$|&;><'\\\"{}%a1.:/-"), min_size=1, max_size=40))
def test_never_fails_on_words_that_the_configuration_takes(text: str) -> None:
    command = f"check_x {text}"
    try:
        Guard(commands=(command,))
        found = misuse(command)
    except ValueError:
        # A quote that does not end, which the configuration refuses.
        return
    assert found is None or isinstance(found, str)


def guarded(*commands: str, **settings: bool) -> tuple[FarmError, ...]:
    return tuple(complaints((farm(guardian=Guard(commands=commands, **settings)),)))  # type: ignore[arg-type]


def test_names_the_program_and_where_it_stands_in_the_file() -> None:
    (found,) = guarded("/no/such/check HOST")
    assert str(found) == ("farms.f.guardian.command: there is no program /no/such/check, in '/no/such/check HOST'")
    first, second = guarded("check_ftp -H HOST", "chek_ftp -H HOST", "check_ftp")
    assert first.path == "farms.f.guardian.commands[1]"
    assert "chek_ftp" in first.message
    assert second.path == "farms.f.guardian.commands[2]"
    assert guarded("check_ftp -H HOST") == guarded() == ()
    with pytest.raises(FarmError, match="chek_ftp"):
        require_usable((farm(guardian=Guard(commands=("chek_ftp -H HOST",))),))
    require_usable((farm(),))


@pytest.mark.parametrize(
    "command",
    [
        "/no/such/check_sftp HOST",
        "check_sftp",
        "check_sftp -H $HOSTADDRESS$",
        "check_sftp HOST:PORT",
        "check_sftp HOST;",
    ],
)
def test_a_wrong_command_is_shown_without_its_password(command: str) -> None:
    (found,) = guarded(f"{command} --secret geheim123")
    assert "geheim123" not in str(found)
    assert "--secret '****'" in str(found)


def test_our_own_plugins_need_no_file() -> None:
    assert guarded("check_sftp HOST", "check_tftp HOST -f x") == ()


def test_a_constant_may_be_written_on_purpose() -> None:
    assert guarded("/bin/true", shared_check=True) == ()
    assert len(guarded("/bin/true")) == 1
