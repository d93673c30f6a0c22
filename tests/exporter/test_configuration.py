from __future__ import annotations

from pathlib import Path

import pytest

from noidchecks.exporter.configuration import read_configuration
from noidchecks.exporter.errors import ConfigurationError

BUILT_IN = ["ftp", "ftp_tls", "tftp", "ssh", "sftp"]


def test_without_a_file_there_are_the_built_in_modules_for_loopback() -> None:
    found = read_configuration("")
    assert list(found.modules) == BUILT_IN
    assert found.allowed.entries == ("127.0.0.0/8", "::1")
    assert all(module.fault == "" for name, module in found.modules.items() if name != "sftp")


def test_a_file(tmp_path: Path) -> None:
    path = tmp_path / "modules.toml"
    path.write_text(
        'allow = ["10.0.0.0/8"]\n[modules]\nftp_data = "check_ftp --data passive"\nssh = "check_ssh -p 2222"\n'
    )
    found = read_configuration(str(path), ("*.example.net",))
    assert list(found.modules) == [*BUILT_IN, "ftp_data"]
    assert found.modules["ssh"].shown == "check_ssh -p 2222"
    assert found.allowed.entries == ("10.0.0.0/8", "*.example.net")


@pytest.mark.parametrize(("text", "entries"), [("allow = []", ()), ("", ("127.0.0.0/8", "::1"))])
def test_an_empty_list_allows_nothing(text: str, entries: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "m").write_text(text)
    assert read_configuration(str(tmp_path / "m")).allowed.entries == entries


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("[modules", "", "is not TOML"),
        ("a = 1", "", "unknown key a: modules stand in the table"),
        ('ftp2 = "check_ftp"', "", "unknown key ftp2"),
        ('allow = "10.0.0.0/8"', "", "allow must be a list"),
        ("allow = [1]", "", "allow must be a list"),
        ('allow = ["10.0.0.1/8"]', "", "10.0.0.0/8 would be the network"),
        ("modules = 1", "", "modules must be a table"),
        ('[modules]\n\nx = "check_http"', ":3", "module x: not one of"),
        ('[modules]\n"a b" = "check_ftp"', ":2", "module 'a b': its name may have"),
        ("[modules]\na = 1", ":2", "module a must be a command line in quotes"),
        ('[modules.a]\nb = "c"', ":1", "module a must be a command line in quotes"),
        ('modules.x = "check_ftp -p x"', ":1", "module x: Port must be"),
        ('[modules]\nx = "check_ftp"\nx = "check_ssh"', "", "is not TOML"),
        (b"\xff", "", "is not UTF-8"),
        ("x = " + "[" * 20000, "", "is not TOML"),
    ],
)
def test_a_wrong_file_gets_one_sentence(text: str | bytes, place: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "modules.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigurationError, match=words) as caught:
        read_configuration(str(path))
    assert str(caught.value).startswith(f"{path}{place}: ")
    assert str(caught.value).isprintable()


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none", Path("/dev/zero")):
        with pytest.raises(ConfigurationError, match=f"{path}: cannot be read: "):
            read_configuration(str(path))
