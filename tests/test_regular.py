"""Tests of noidchecks.regular, and that whatever names a file on a command line refuses what is none."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from noidlb.config.load import load
from noidlb.errors import FarmError
from noidlb.service.state import StateError, StateFolder

from noidchecks import FtpProbe, UsageError, check
from noidchecks.files.login import first_line, read_login
from noidchecks.install import is_ours
from noidchecks.plugin.plugin import parse, parse_line
from noidchecks.regular import NotRegular, TooLarge, open_regular, read_regular, require_regular
from noidchecks.surveys.report.choose import choose
from noidchecks.surveys.report.icinga2 import credentials
from noidchecks.surveys.runner import Sources
from tests.support.peers import Peer
from tests.support.waiting import LONG

pytestmark = pytest.mark.usefixtures("nothing_left")


def test_a_regular_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"abc")
    (tmp_path / "link").symlink_to(path)
    assert read_regular(path, 3) == read_regular(str(tmp_path / "link"), 3) == b"abc"
    require_regular(path, 3)
    for act in (read_regular, require_regular):
        with pytest.raises(TooLarge) as caught:
            act(path, 2)
        assert caught.value.strerror == "it has more than 2 bytes"
    with pytest.raises(NotRegular):
        open_regular(tmp_path / "link", os.O_NOFOLLOW)


def test_a_file_whose_size_is_told_as_nothing_is_bounded_too() -> None:
    assert read_regular("/proc/self/status", 1 << 16).startswith(b"Name:")
    with pytest.raises(TooLarge):
        read_regular("/proc/self/status", 10)


def fifo(path: Path) -> None:
    os.mkfifo(path)


def bound(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(path))


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def terminal(path: Path) -> None:
    path.symlink_to("/dev/tty")


KINDS = [fifo, bound, device, terminal, Path.mkdir]


@pytest.fixture(params=KINDS)
def unusual(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    make: Callable[[Path], None] = request.param
    make(path := tmp_path / "unusual")
    return path


def said(path: Path) -> str:
    return "Is a directory" if path.is_dir() else "it is no regular file"


def test_what_is_no_regular_file_is_refused_at_once(unusual: Path) -> None:
    for act in (read_regular, require_regular):
        with pytest.raises(NotRegular) as caught:
            act(unusual, 100)
        assert caught.value.strerror == said(unusual)


def test_what_becomes_a_pipe_after_it_was_looked_at_is_refused_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_bytes(b"abc")
    os.mkfifo(tmp_path / "pipe")
    was = os.stat(tmp_path / "file")
    monkeypatch.setattr(os, "stat", lambda *_: was)
    with pytest.raises(NotRegular):
        read_regular(tmp_path / "pipe", 100)


def test_a_pipe_of_a_shell_is_refused_too() -> None:
    """What `<(command)` is: a path under /dev/fd."""
    reading, writing = os.pipe()
    try:
        with pytest.raises(NotRegular):
            read_regular(f"/dev/fd/{reading}", 100)
    finally:
        os.close(reading)
        os.close(writing)


READERS: dict[str, Callable[[str], object]] = {
    "password file": lambda path: first_line("password file", path),
    "auth file": lambda path: read_login("u", "auth-file", path, "h"),
    "--password-file": lambda path: parse_line(f"check_ftp -H h --user u --password-file {path}"),
    "--auth-file": lambda path: parse_line(f"check_ftp -H h --auth-file {path}"),
    "--ca-file": lambda path: parse_line(f"check_ftp -H h -S --verify --ca-file {path}"),
    "--extra-opts": lambda path: parse_line(f"check_ssh --extra-opts=@{path} -H h"),
    "--passphrase-file": lambda path: parse_line(f"check_sftp --user u --identity i --passphrase-file {path} h"),
    "targets": lambda path: Sources([path]).read(),
    "objects": lambda path: Sources(objects=[path]).read(),
    "resources": lambda path: Sources(resources=[path]).read(),
    "--icinga-credentials": credentials,
    "--icinga-ca": lambda path: choose(
        "icinga2=https://h", icinga_ca=path, icinga_credentials=credentials_beside(path)
    ),
    "farms file": load,
    "state folder": lambda path: StateFolder(linked(path, "words.json")).overrides(),
    "applied": lambda path: StateFolder(linked(path, "farms.toml")).applied(),
}


def credentials_beside(path: str) -> str:
    file = Path(path).with_name("credentials")
    file.write_text("user\npassword\n")
    return str(file)


def linked(path: str, name: str) -> Path:
    link = Path(path).with_name(name)
    link.symlink_to(path)
    return link.parent


@pytest.mark.parametrize("reader", READERS)
def test_every_reader_says_in_a_sentence_what_is_no_regular_file(reader: str, unusual: Path) -> None:
    with pytest.raises((UsageError, FarmError, StateError)) as caught:
        READERS[reader](str(unusual))
    assert said(unusual) in str(caught.value)


def test_authorities_in_a_pipe_are_refused_by_the_library_too(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with Peer() as peer:
        probe = FtpProbe(peer.host, port=peer.port, tls="implicit", verify=True, ca_file=str(tmp_path / "pipe"))
        result = check(probe)
    assert "it is no regular file" in result.text


def test_a_link_to_a_pipe_is_no_plugin_of_ours(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "check_ftp").symlink_to(tmp_path / "pipe")
    assert not is_ours(tmp_path / "check_ftp")


def test_standard_input_is_for_a_plugin_alone() -> None:
    with pytest.raises(UsageError, match="one of many"):
        parse_line("check_ssh --extra-opts=@- -H h")


def test_standard_input_that_does_not_end_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("noidchecks.plugin.extra_opts._PATIENCE", 0.05)
    kept = os.dup(0)
    reading, writing = os.pipe()
    os.dup2(reading, 0)
    os.write(writing, b"[check_ssh]\n")
    try:
        with pytest.raises(UsageError, match="has no end"):
            parse(["check_ssh", "--extra-opts=@-", "-H", "h"], stdin=True)
        os.write(writing, b"[check_ssh]\nport=23\n")
        threading.Timer(0.01, os.close, [writing]).start()
        monkeypatch.setattr("noidchecks.plugin.extra_opts._PATIENCE", LONG)
        assert parse(["check_ssh", "--extra-opts=@-", "-H", "h"], stdin=True).probe.port == 23  # type: ignore[attr-defined]  # an SshProbe
    finally:
        os.dup2(kept, 0)
        os.close(kept)
        os.close(reading)
