from __future__ import annotations

from pathlib import Path

import pytest

from noidchecks import FtpProbe, SshProbe, TftpProbe
from noidchecks.exporter.errors import ConfigurationError, RequestError
from noidchecks.exporter.module import read_module
from noidchecks.exporter.target import Target
from noidchecks.plugin.plugin import parse_line
from noidchecks.status.state import State

HOST = Target("ftp.example.net")


@pytest.fixture
def password(tmp_path: Path) -> Path:
    path = tmp_path / "password"
    path.write_text("geheim123\n")
    return path


@pytest.mark.parametrize(
    "line",
    [
        "check_ftp -M crit",
        "check_ftp -M crit --user monitor --password-file PASSWORD --data passive -p 2121",
        "check_ftp -M crit -E -s 'a\\n' -e 220 -w 1 -c 2",
        "check_ftp -M crit --user monitor --password-file PASSWORD --data both --active-ports 4000-4010",
        "check_tftp -f pxelinux.0 --size 42430",
        "check_ssh --overload-state critical --min-version 9.2",
        "check_ssh --overload-state critical --algorithms --forbid '*sha1*'",
        "check_sftp --overload-state critical --user monitor --password-file PASSWORD --list /",
    ],
)
def test_a_module_makes_the_probe_of_its_command_line(line: str, password: Path) -> None:
    line = line.replace("PASSWORD", str(password))
    program, _, rest = line.partition(" ")
    module = read_module("m", line)
    for host in ("ftp.example.net", "192.0.2.1", "2001:db8::1"):
        expected = parse_line(f"{program} -H {host} {rest}").probe
        assert module.probe(Target(host), expected.timeout) == expected
        assert module.probe(Target(host, 7), 3.5) == expected.replace(port=7, timeout=3.5)  # type: ignore[attr-defined]  # every probe of ours is a Value


def test_a_warning_is_left_to_thresholds() -> None:
    found = read_module("m", "check_ftp").probe(HOST, 1)
    assert isinstance(found, FtpProbe)
    assert found.mismatch_state == State.CRITICAL
    found = read_module("m", "check_ftp -M warn").probe(HOST, 1)
    assert isinstance(found, FtpProbe)
    assert found.mismatch_state == State.WARNING
    ssh = read_module("m", "check_ssh").probe(HOST, 1)
    assert isinstance(ssh, SshProbe)
    assert ssh.overload_state == State.CRITICAL


def test_what_a_certificate_says_is_always_wanted() -> None:
    found = read_module("m", "check_ftp --starttls").probe(HOST, 1)
    assert isinstance(found, FtpProbe)
    assert found.certificate_facts
    assert found.certificate_days is None


def test_a_server_may_have_another_name_in_tls_than_its_target() -> None:
    target = Target("192.0.2.1", hostname="ftp.example.net")
    for line, sni in (
        ("check_ftp --starttls --verify", "ftp.example.net"),
        ("check_ftp --starttls --sni own.example.net", "own.example.net"),
        ("check_ftp", ""),
    ):
        probe = read_module("m", line).probe(target, 1)
        assert isinstance(probe, FtpProbe)
        assert (probe.host, probe.sni) == ("192.0.2.1", sni)
    assert read_module("m", "check_ssh").probe(target, 1).host == "192.0.2.1"


def test_a_login_by_host(tmp_path: Path) -> None:
    entries = tmp_path / "auth"
    entries.write_text(
        "machine a.example.net login one password first\nmachine b.example.net login two password second\n"
    )
    module = read_module("m", f"check_ftp --auth-file {entries}")
    logins = []
    for host in ("a.example.net", "b.example.net"):
        probe = module.probe(Target(host), 1)
        assert isinstance(probe, FtpProbe)
        assert probe.login is not None
        logins.append((probe.login.user, probe.login.password))
    assert logins == [("one", "first"), ("two", "second")]
    with pytest.raises(RequestError, match=r"module m: Auth file .* has no login and password for c.example.net"):
        module.probe(Target("c.example.net"), 1)
    entries.write_text("machine a.example.net login one password first\n")
    module = read_module("m", f"check_ftp --auth-file {entries} --starttls -t 3 --get f")
    assert module.timeout == 3
    assert {"tls", "login", "data", "transfer"} <= set(module.phases)
    probe = module.probe(Target("a.example.net", hostname="ftp.example.net"), 1)
    assert isinstance(probe, FtpProbe)
    assert probe.sni == "ftp.example.net"
    entries.write_text("default login one password first\n")
    probe = read_module("m", f"check_ftp --auth-file {entries} --starttls --sni own.example.net").probe(
        Target("a.example.net", hostname="ftp.example.net"), 1
    )
    assert isinstance(probe, FtpProbe)
    assert probe.sni == "own.example.net"
    with pytest.raises(ConfigurationError, match="module m: Cannot read auth file"):
        read_module("m", f"check_ftp --auth-file {tmp_path / 'none'}")


def test_a_target_that_does_not_suit_the_module() -> None:
    with pytest.raises(RequestError, match="module m: Invalid hostname/address - ::1"):
        read_module("m", "check_ssh -4").probe(Target("::1"), 1)


def test_options_of_an_ini_file(tmp_path: Path) -> None:
    ini = tmp_path / "plugins.ini"
    ini.write_text("[tftp]\nfile = boot.bin\n[wrong]\nhostname = ftp.example.net\n")
    probe = read_module("m", f"check_tftp --extra-opts=tftp@{ini}").probe(HOST, 1)
    assert isinstance(probe, TftpProbe)
    assert probe.filename == "boot.bin"
    with pytest.raises(ConfigurationError, match="names a host"):
        read_module("m", f"check_tftp --extra-opts=wrong@{ini}")


@pytest.mark.parametrize(
    ("line", "seconds"),
    [("check_ftp", None), ("check_ftp -t 7", 7), ("check_ssh -t 0", None), ("check_tftp --timeout=3:warning", 3)],
)
def test_its_own_deadline(line: str, seconds: float | None) -> None:
    assert read_module("m", line).timeout == seconds


@pytest.mark.parametrize(
    ("line", "phases"),
    [
        ("check_ftp", "resolve connect greeting"),
        ("check_ftp -S", "resolve connect tls greeting"),
        ("check_ftp --starttls --data passive", "resolve connect greeting tls login data"),
        ("check_ftp --get f", "resolve connect greeting login data transfer"),
        ("check_tftp", "resolve greeting"),
        ("check_tftp -f f", "resolve greeting transfer"),
        ("check_ssh", "resolve connect greeting"),
        ("check_ssh --algorithms", "resolve connect greeting kexinit"),
        ("check_sftp --user u --agent --put ''", "resolve connect greeting kex login sftp transfer"),
    ],
)
def test_its_phases(line: str, phases: str) -> None:
    assert read_module("m", line).phases == tuple(phases.split())


@pytest.mark.parametrize("password", ["geheim123", '"ge\\"heim"', r"ge\ heim", r"'ge'\''heim'", "ge", '"ge|heim"'])
def test_its_command_line_is_shown_without_passwords(password: str) -> None:
    shown = read_module("m", f"check_sftp --user u --secret {password}").shown
    assert shown == "check_sftp --user u --secret '****'"
    assert read_module("m", f"check_sftp --user u --secret={password}").shown.endswith(("=****'", " '****'"))


def test_the_login_of_an_auth_file_is_not_shown(tmp_path: Path) -> None:
    (tmp_path / "auth").write_text("machine ftp.example.net login bob password ftpsecret\n")
    shown = read_module("m", f"check_ftp --auth-file {tmp_path}/auth --get ftpsecret").shown
    assert shown == f"check_ftp --auth-file {tmp_path}/auth --get '****'"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("", "not one of check_ftp, "),
        ("check_http", "not one of check_ftp, .*: check_http"),
        ("/bin/sh -c true", "not one of"),
        ("check_ftp 'x", "cannot be split: no closing quotation"),
        ("check_ftp --nonsense", "unrecognized option '--nonsense'"),
        ("check_ftp -H ftp.example.net", "names a host"),
        ("check_ftp -Hftp.example.net", "names a host"),
        ("check_ftp --hostname=x", "names a host"),
        ("check_ftp --host x", "names a host"),
        ("check_ftp ftp.example.net", "unexpected word 'ftp.example.net'"),
        ("check_ftp -- -H x", "unexpected word '-H'"),
        ("check_ssh ftp.example.net", "unexpected word"),
        ("check_ssh 22", "unexpected word"),
        ("check_tftp --connect x", "module m: "),
        ("check_ftp -p 0", "Port must be a positive integer"),
        ("check_ftp -h", "asks for help"),
        ("check_ssh -V", "asks for help"),
        ("check_ftp --output-format json", "--output-format"),
        ("check_ftp --user u", "User u needs"),
        ("check_ftp --user u --password-file /nonexistent", "Cannot read password file /nonexistent"),
        ("check_sftp --user u", "User u needs"),
        ("check_ftp --verify --ca-file /nonexistent", "Cannot read CA file"),
        ("check_ftp --send 'a\0b'", "NUL"),
    ],
)
def test_a_wrong_command_line_gets_one_sentence(line: str, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words) as caught:
        read_module("m", line)
    assert str(caught.value).startswith("module m: ")
    assert "\n" not in str(caught.value)
