"""Tests of noidchecks.plugin.extra_opts."""

from __future__ import annotations

from pathlib import Path

import pytest

from noidchecks import FtpProbe, Range, UsageError
from noidchecks.plugin import extra_opts
from noidchecks.plugin.extra_opts import expand
from noidchecks.plugin.plugin import parse

INI = """\
; a comment
# another one
[check_ftp]
hostname = ftp.example.org
  port=2121
warning = 3
ssl =

[other section]
hostname = other.example.org
send = a=b ; c

[empty]
"""


@pytest.fixture(autouse=True)
def no_files_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MP_CONFIG_FILE", raising=False)
    monkeypatch.delenv("NAGIOS_CONFIG_PATH", raising=False)
    monkeypatch.setattr(extra_opts, "_PLACES", ())


@pytest.fixture
def ini(tmp_path: Path) -> Path:
    path = tmp_path / "plugins.ini"
    path.write_text(INI)
    return path


FROM_FILE = ["--hostname=ftp.example.org", "--port=2121", "--warning=3", "--ssl"]


def test_options_of_the_plugins_own_section_come_first(ini: Path) -> None:
    assert expand(["-v", f"--extra-opts=@{ini}", "-w", "9"], "check_ftp") == [*FROM_FILE, "-v", "-w", "9"]
    assert expand(["--extra-opts", f"@{ini}", "-v"], "check_ftp") == [*FROM_FILE, "-v"]
    assert expand(["--extra-opts", f"check_ftp@{ini}"], "check_x") == FROM_FILE


def test_a_section_is_chosen_by_name(ini: Path) -> None:
    found = ["--hostname=other.example.org", "--send=a=b ; c"]
    assert expand([f"--extra-opts=other section@{ini}"], "check_ftp") == found


def test_extra_opts_may_be_repeated(ini: Path) -> None:
    words = [f"--extra-opts=other section@{ini}", "-v", f"--extra-opts=@{ini}"]
    assert expand(words, "check_ftp") == ["--hostname=other.example.org", "--send=a=b ; c", *FROM_FILE, "-v"]


def test_the_command_line_wins(ini: Path) -> None:
    probe = parse(["/usr/lib/nagios/plugins/check_ftp", f"--extra-opts=@{ini}", "-w", "9"]).probe
    assert probe == FtpProbe("ftp.example.org", port=2121, tls="implicit", warning=Range(0, 9))


def test_without_a_file_the_environment_names_it(ini: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MP_CONFIG_FILE", str(ini))
    monkeypatch.setenv("NAGIOS_CONFIG_PATH", "/nowhere")
    assert expand(["--extra-opts"], "check_ftp") == FROM_FILE
    assert expand(["--extra-opts", "-v"], "check_ftp") == [*FROM_FILE, "-v"]
    assert expand(["--extra-opts", "check_ftp"], "x") == FROM_FILE
    assert expand(["--extra-opts="], "check_ftp") == FROM_FILE


@pytest.mark.parametrize("name", ["monitoring-plugins.ini", "plugins.ini", "nagios-plugins.ini"])
def test_without_a_file_the_folders_of_the_environment_are_searched(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "etc"
    folder.mkdir()
    (folder / name).write_text("[check_ftp]\nport=1\n")
    monkeypatch.setenv("NAGIOS_CONFIG_PATH", f"/nowhere::{folder}")
    assert expand(["--extra-opts"], "check_ftp") == ["--port=1"]


def test_without_a_file_the_usual_places_are_searched(ini: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extra_opts, "_PLACES", ("/nowhere/x.ini", str(ini)))
    assert expand(["--extra-opts"], "check_ftp") == FROM_FILE


def test_a_key_of_one_letter_is_a_short_option(tmp_path: Path) -> None:
    """The C plugin writes `-w=5`, which it then reads as the value "=5"."""
    path = tmp_path / "short.ini"
    path.write_text("[check_ftp]\nH = localhost\nw = 5\nj=\nse = x\n")
    words = expand([f"--extra-opts=@{path}"], "check_ftp")
    assert words == ["-Hlocalhost", "-w5", "-j", "--se=x"]
    assert parse(["check_ftp", *words]).probe == FtpProbe("localhost", warning=Range(0, 5), jail=True, send=b"x")


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("--extra-opts=nosuch@{ini}", "Invalid section 'nosuch' in config file '{ini}'"),
        ("--extra-opts=empty@{ini}", "Invalid section 'empty' in config file '{ini}'"),
        ("--extra-opts=@{ini}.no", "Can't read config file: No such file or directory"),
        ("--extra-opts=@{folder}", "Can't read config file: Is a directory"),
        ("--extra-opts=check_ftp", "Cannot find config file in any standard location."),
        ("--extra-opts", "Cannot find config file in any standard location."),
        ("--extra-opts=x\ny@{ini}", "Invalid section 'x y' in config file '{ini}'"),
    ],
)
def test_a_file_that_cannot_serve_is_a_usage_error(word: str, message: str, ini: Path) -> None:
    words = [word.format(ini=ini, folder=ini.parent)]
    with pytest.raises(UsageError) as caught:
        expand(words, "check_ftp")
    assert str(caught.value) == message.format(ini=ini)


@pytest.mark.parametrize(
    "text",
    [
        "[check_ftp]\nport=1\n[x]\njunk\n=\n",
        "[x]\njunk\n[check_ftp]\nport=1\n",
        "[check_ftp]\nport=1\n[x\njunk\n",
        "[check_ftp] # ours\nport=1\n",
        "[ check_ftp ]; ours\nport=1\n",
    ],
)
def test_what_other_sections_hold_is_of_no_interest(text: str, tmp_path: Path) -> None:
    path = tmp_path / "shared.ini"
    path.write_text(text)
    assert expand([f"--extra-opts=@{path}"], "check_ftp") == ["--port=1"]


@pytest.mark.parametrize(
    "text", ["[check_ftp]\nport\n", "[check_ftp]\n=1\n", "junk\n[check_ftp]", "[check_ftp] # x\njunk\n"]
)
def test_a_file_with_a_mistake_is_a_usage_error(text: str, tmp_path: Path) -> None:
    path = tmp_path / "wrong.ini"
    path.write_text(text)
    with pytest.raises(UsageError, match=r"^Config file error$"):
        expand([f"--extra-opts=@{path}"], "check_ftp")


def test_a_missing_file_of_the_environment_is_a_usage_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MP_CONFIG_FILE", "/nowhere/x.ini")
    with pytest.raises(UsageError, match="Can't read config file: No such file"):
        expand(["--extra-opts"], "check_ftp")


def test_bytes_of_any_kind_are_no_traceback(tmp_path: Path) -> None:
    path = tmp_path / "bytes.ini"
    path.write_bytes(b"[check_ftp]\r\nsend = \xff\xfe\x00\r\nport = 1\r\n")
    assert expand([f"--extra-opts=@{path}"], "check_ftp") == ["--send=\udcff\udcfe\x00", "--port=1"]
    with pytest.raises(UsageError, match="NUL"):
        parse(["check_ftp", f"--extra-opts=@{path}"])


def test_a_value_ends_at_the_line_end_only(tmp_path: Path) -> None:
    path = tmp_path / "lines.ini"
    path.write_bytes("[check_ftp]\nsend = a\x0bb\u2028c\x85d\n".encode())
    assert expand([f"--extra-opts=@{path}"], "check_ftp") == ["--send=a\x0bb\u2028c\x85d"]


def test_extra_opts_of_a_file_are_not_ignored(tmp_path: Path) -> None:
    path = tmp_path / "more.ini"
    path.write_text("[check_ftp]\nhostname=a\nextra-opts=other\n")
    with pytest.raises(UsageError, match="--extra-opts"):
        parse(["check_ftp", f"--extra-opts=@{path}"])


def test_a_device_is_read_up_to_a_limit() -> None:
    with pytest.raises(UsageError):
        expand(["--extra-opts=@/dev/zero"], "check_ftp")
