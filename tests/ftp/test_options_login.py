"""The options of check_ftp that make it log in."""

from __future__ import annotations

from typing import Any

import pytest

from noidchecks import Active, File, FtpProbe, Listing, Login, Range, State, UsageError
from noidchecks.plugin.main import run
from tests.support.ftp_command_line import probe
from tests.support.loading import loaded_after
from tests.support.peers import Peer

HEX = "ab" * 32


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], {"login": None, "data": "", "listing": None, "get": None, "put": None, "active": None, "is_deep": False}),
        (["--user", "anonymous"], {"login": Login(), "is_deep": True, "moves": False}),
        (["--data", "both"], {"data": "both", "login": None, "is_deep": True, "moves": True}),
        (["--data", "active", "--active-ports", "5000-5010"], {"active": Active(ports=(5000, 5010))}),
        (["--data", "active", "--active-ports", "5000"], {"active": Active(ports=(5000, 5000))}),
        (["--data", "active", "--active-address", "192.0.2.1"], {"active": Active("192.0.2.1")}),
        (["--data", "passive", "--foreign-pasv", "warn"], {"foreign_pasv": State.WARNING}),
        (["--list", ""], {"listing": Listing()}),
        (["--list", "a b", "--min-files", "0", "--max-files", "7"], 
         {"listing": Listing("a b", min_files=0, max_files=7)}),
        (["--get", "x", "--size", "5"], {"get": File("x", size=Range(5, 5))}),
        (["--get", "x", "--size", "1:5", "--sha256", HEX.upper()], {"get": File("x", size=Range(1, 5), sha256=HEX)}),
        (["--get", "x", "--contains", "é", "--max-age", "2h"], {"get": File("x", contains="é".encode(), max_age=7200)}),
        (["--get", "x", "--max-age", "1.5h"], {"get": File("x", max_age=5400)}),
        (["--get", "x", "--max-age", "2w"], {"get": File("x", max_age=1209600)}),
        (["--data", "passive", "--foreign-pasv", "Warning"], {"foreign_pasv": State.WARNING}),
        (["--get", "x", "--max-age", "90"], {"get": File("x", max_age=90)}),
        (["--get", "x", "--size", "2000000000"],
         {"get": File("x", size=Range(2000000000, 2000000000), limit=2000000000)}),
        (["--get", "x", "--size", "1:2000000000"],
         {"get": File("x", size=Range(1, 2000000000), limit=2000000000)}),
        (["--get", "x", "--size", "2000000000:"], {"get": File("x", size=Range(2000000000), limit=1 << 63)}),
        (["--get", "x", "--size", "@0:2000000000"],
         {"get": File("x", size=Range(0, 2000000000, inside=True), limit=1 << 63)}),
        (["--put", ""], {"put": "", "moves": True}),
        (["--put", "in", "--starttls", "--data-protection", "c"], {"put": "in", "data_protection": "C"}),
    ],
)  # fmt: skip
def test_words(words: list[str], expected: dict[str, Any]) -> None:
    built = probe("-H", "h", *words)
    assert {name: getattr(built, name) for name in expected} == expected


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--user", ""], "User name must not be empty"),
        (["--user", "bob"], "User bob needs a --password-file, --password-env or --auth-file"),
        (["--user", "ftp\r\nDELE x", "--password-env", "PATH"],
         "User name must not hold line ends or NUL: 'ftp\\r\\nDELE x'"),
        (["--user", "ftp\r\nDELE x"], "User ftp DELE x needs a --password-file, --password-env or --auth-file"),
        (["--password-env", "A", "--password-file", "B"], "--password-file and --password-env exclude each other"),
        (["--data", "sideways"], "Data must be passive, active or both, not sideways"),
        (["--data", ""], "Data must be passive, active or both"),
        (["--data", "passive", "--active-ports", "1-2"],
         "Active ports and address are for active data connections (--data active or both)"),
        (["--data", "active", "--active-ports", "9-2"], "Active ports must be LOW-HIGH within 1 and 65535, not 9-2"),
        (["--data", "active", "--active-ports", "x"], "Active ports must be LOW-HIGH, not 'x'"),
        (["--data", "active", "--active-address", "nat"], "Active address must be an IPv4 or IPv6 address: nat"),
        (["--data", "active", "--foreign-pasv", "maybe"],
         "Foreign PASV must be one of ok, warning, critical, unknown: maybe"),
        (["--foreign-pasv", "ok"],
         "--foreign-pasv needs a check that logs in, as with --user, --data, --list or --get"),
        (["--data", "active", "--data-protection", "P"], "Data protection is for a check with TLS that moves data"),
        (["-S", "--data", "active", "--data-protection", "X"], "Data protection must be P or C, not X"),
        (["--min-files", "1"], "--min-files needs --list"),
        (["--list", "x", "--min-files", "few"], "Min-files must be a whole number, not 'few'"),
        (["--list", "x", "--min-files", "3", "--max-files", "2"], "At least 3 files cannot be at most 2"),
        (["--list", "a\nb"], "Directory must not hold line ends or NUL: 'a\\nb'"),
        (["--put", "a\r\nb"], "Directory must not hold line ends or NUL: 'a\\r\\nb'"),
        (["--size", "1"], "--size needs --get"),
        (["--get", ""], "File name must not be empty"),
        (["--get", "a\r\nDELE b"], "File name must not hold line ends or NUL: 'a\\r\\nDELE b'"),
        (["--get", "x", "--size", "big"], "Size must be a number of bytes or a range, not 'big'"),
        (["--get", "x", "--size", "3e3"], "Size must be a number of bytes or a range, not '3e3'"),
        (["--get", "x", "--sha256", "abc"], "SHA-256 must be 64 hexadecimal digits"),
        (["--get", "x", "--sha256", ""], "--sha256 must not be empty"),
        (["--get", "x", "--max-age", "old"], "Max-age must be a number of seconds, or like 30m, 24h, 7d, not 'old'"),
        (["--get", "x", "-e", "220"],
         "A check that logs in cannot send or expect other strings, nor stop after a number of bytes"),
    ],
)  # fmt: skip
def test_impossible_words(words: list[str], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        probe("-H", "h", *words)
    assert str(caught.value) == message
    code, text = run("check_ftp", ["check_ftp", "-H", "h", *words])
    assert code == 3
    assert text.splitlines()[1] == "Usage:"


def test_a_unix_socket_has_no_data_connections() -> None:
    with pytest.raises(UsageError, match="no data connections"):
        FtpProbe("/run/ftp", data="passive")
    assert FtpProbe("/run/ftp", login=Login()).is_deep


def test_a_check_of_the_greeting_loads_nothing_of_it() -> None:
    with Peer(b"220 ready\r\n") as peer:
        words = ["check_ftp", "-H", peer.host, "-p", str(peer.port)]
        loaded = loaded_after(
            f"from noidchecks.plugin.main import run\ncode, text = run('check_ftp', {words!r})\nassert code == 0, text"
        )
    ftp = ("active", "canary", "control", "data", "deep_findings", "listing", "login", "session", "verdict", "ways")
    files = ("canary", "content", "findings", "judge", "login", "settings")
    unneeded = {*(f"noidchecks.ftp.{name}" for name in ftp), *(f"noidchecks.files.{name}" for name in files)}
    assert loaded & {"hashlib", "re", *unneeded} == set()
