"""The plugins against real servers, beside the C plugins where there is one."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from integration.certificates import Certificates
from integration.contract.compare import OURS, both, run
from integration.servers import FILES, Server, SshServer, free_port, proftpd, vsftpd

pytestmark = pytest.mark.root

NewFolder = Callable[[], Path]
FTP = ("vsftpd", "vsftpd_multiline", "proftpd", "proftpd_multiline", "pure_ftpd")
EXPLICIT = ("vsftpd_explicit", "proftpd_explicit", "pure_ftpd_explicit", "pure_ftpd_tls_only")
IMPLICIT = ("vsftpd_implicit", "proftpd_implicit")


def server(request: pytest.FixtureRequest, name: str) -> Server:
    found: Server = request.getfixturevalue(name)
    return found


def hosts(one: Server) -> list[str]:
    """The addresses that a server listens on."""
    return [host for host in (one.host, one.host6) if host]


@pytest.mark.parametrize("name", FTP)
def test_ftp_greetings_are_those_of_the_c_plugin_on_one_line(request: pytest.FixtureRequest, name: str) -> None:
    one = server(request, name)
    for host in hosts(one):
        theirs, ours = both("check_ftp", ["-H", host, "-p", str(one.port)])
        assert ours.code == theirs.code == 0
        assert ours.text.startswith(f"FTP OK - T3 second response time on {host} port {one.port} [220")
        if "\r\n" not in theirs.text and "[220-" not in theirs.text:
            assert ours == theirs
        elif name == "pure_ftpd":
            # The C plugin prints every line as it is; the time of day and the user's number may differ.
            assert ours.text.count("220") == theirs.text.count("220")


@pytest.mark.parametrize("name", FTP)
def test_a_greeting_of_several_lines_is_read_to_its_last(request: pytest.FixtureRequest, name: str) -> None:
    one = server(request, name)
    ours = run(OURS / "check_ftp", ["-H", one.host, "-p", str(one.port), "--output-format", "json"])
    greeting = json.loads(ours.text)["facts"]["greeting"]
    last = greeting.rpartition("220")[2]
    assert not last.startswith("-"), greeting
    assert ("220-" in greeting) == (name in ("vsftpd_multiline", "proftpd_multiline", "pure_ftpd"))


@pytest.mark.parametrize("name", EXPLICIT)
def test_explicit_tls(request: pytest.FixtureRequest, name: str, certificates: Certificates) -> None:
    one = server(request, name)
    words = ["-H", one.host, "-p", str(one.port), "--starttls", "-D", "30,14", "--verify"]
    words += ["--ca-file", str(certificates.ca)]
    by_address = run(OURS / "check_ftp", words)
    assert by_address.code == 0, by_address
    assert by_address.text.startswith("OK - Certificate 'good.example' will expire on ")
    assert "\nFTP OK - " in by_address.text
    by_name = run(OURS / "check_ftp", [*words, "--sni", "good.example"])
    assert by_name.code == 0, by_name
    wrong = run(OURS / "check_ftp", [*words, "--sni", "bad.example"])
    assert wrong.code == 2
    assert "Cannot verify certificate: Hostname mismatch" in wrong.text
    untrusted = run(OURS / "check_ftp", ["-H", one.host, "-p", str(one.port), "--starttls", "--verify"])
    assert untrusted.code == 2
    assert "Cannot verify certificate: " in untrusted.text


@pytest.mark.parametrize("name", IMPLICIT)
def test_implicit_tls_as_the_c_plugin(request: pytest.FixtureRequest, name: str) -> None:
    one = server(request, name)
    for host in hosts(one):
        theirs, ours = both("check_ftp", ["-H", host, "-p", str(one.port), "-S", "-D", "30"])
        assert ours == theirs
        assert ours.code == 0


@pytest.mark.parametrize(
    ("name", "days", "code", "begins"),
    [
        ("expiring", "30,14", 2, "CRITICAL - Certificate 'good.example' expires in 5 day(s) ("),
        ("expiring", "30,4", 1, "WARNING - Certificate 'good.example' expires in 5 day(s) ("),
        ("expiring", "4", 0, "OK - Certificate 'good.example' will expire on "),
        ("hours", "30,14", 2, "CRITICAL - Certificate 'good.example' expires in 5 hours ("),
        ("expired", "30,14", 2, "CRITICAL - Certificate 'good.example' expired on "),
    ],
)
def test_certificates_that_end(
    new_folder: NewFolder, certificates: Certificates, name: str, days: str, code: int, begins: str
) -> None:
    with vsftpd(new_folder(), free_port(), implicit=getattr(certificates, name)) as one:
        words = ["-H", one.host, "-p", str(one.port), "-D", days]
        theirs, ours = both("check_ftp", words)
        plain = run(OURS / "check_ftp", ["-H", one.host, "-p", str(one.port), "-S"])
    assert (ours.code, theirs.code) == (code, code)
    assert ours.text.startswith(begins)
    assert ours.text.splitlines()[0] == theirs.text.splitlines()[0]
    assert "\nFTP OK - " in ours.text, "a bad certificate does not hide the service"
    assert plain.code == 0, "without -D or --verify the certificate is not judged"


def test_a_server_without_tls(new_folder: NewFolder) -> None:
    with proftpd(new_folder(), free_port()) as one:
        implicit = run(OURS / "check_ftp", ["-H", one.host, "-p", str(one.port), "-S"])
        explicit = run(OURS / "check_ftp", ["-H", one.host, "-p", str(one.port), "--starttls"])
    assert implicit.text.startswith("CRITICAL - Cannot make SSL connection. (wrong version number)|")
    assert explicit.text.startswith("FTP CRITICAL - AUTH TLS refused: 5")


def test_too_many_users(vsftpd_single: Server) -> None:
    import socket

    with socket.create_connection((vsftpd_single.host, vsftpd_single.port)) as first:
        first.recv(100)
        theirs, ours = both("check_ftp", ["-H", vsftpd_single.host, "-p", str(vsftpd_single.port)])
    assert ours == theirs
    assert ours.code == 1
    assert "421 " in ours.text


@pytest.mark.parametrize("name", ["tftpd_hpa", "atftpd"])
@pytest.mark.parametrize("options", [[], ["--blksize", "1428", "--tsize"], ["--blksize", "1024", "--windowsize", "4"]])
def test_tftp(request: pytest.FixtureRequest, name: str, options: list[str]) -> None:
    one = server(request, name)
    for host in hosts(one):
        for file, content in FILES.items():
            words = [host, "-p", str(one.port), "-f", file, "--size", str(len(content)), *options]
            found = run(OURS / "check_tftp", words)
            assert found.code == 0, found
            assert f"Received {len(content)} bytes in 0." in found.text
        absent = run(OURS / "check_tftp", [host, "-p", str(one.port), "-f", "absent"])
        assert absent.code == 2
        alive = run(OURS / "check_tftp", [host, "-p", str(one.port)])
        assert alive.code == 0, alive


def test_ssh(sshd: SshServer, sshd_addendum: SshServer) -> None:
    for one in (sshd, sshd_addendum):
        for host in hosts(one):
            theirs, ours = both("check_ssh", ["-p", str(one.port), host])
            assert ours.code == theirs.code == 0
            # 2.4 does not show the comment, 2.3 does.
            version = ours.text.removeprefix("SSH OK - ").partition(" (")[0]
            assert theirs.text.startswith(f"SSH OK - {version}")
            assert run(OURS / "check_ssh", ["-r", version, "-p", str(one.port), host]).code == 0
            assert run(OURS / "check_ssh", ["--min-version", "5.0", "-p", str(one.port), host]).code == 0
            assert run(OURS / "check_ssh", ["--min-version", "99", "-p", str(one.port), host]).code == 2


def test_a_dead_port_is_told_at_once() -> None:
    port = str(free_port())
    for plugin in ("check_ftp", "check_ssh", "check_tftp"):
        for host in ("127.0.0.1", "::1"):
            found = run(OURS / plugin, ["-H", host, "-p", port, "--output-format", "json"])
            tree = json.loads(found.text)
            assert tree["state"] == "CRITICAL"
            assert "Connection refused" in tree["text"]
            assert tree["metrics"][0]["value"] < 5
