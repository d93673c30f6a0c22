"""Login, data connections and transfers against the real servers, in clear and with TLS."""

import socket
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from integration import servers
from integration.certificates import Certificates
from integration.conftest import Folders
from integration.daemon import Daemon
from integration.servers import FILES, Server, free_port
from noidchecks import Active, File, FtpProbe, Listing, Login, Range, Result, State, check
from noidchecks.dialogue.tls import TlsLayer

pytestmark = pytest.mark.root

PLAIN = ("vsftpd", "proftpd", "pure_ftpd")
EXPLICIT = ("vsftpd_explicit", "proftpd_explicit", "pure_ftpd_explicit", "pure_ftpd_tls_only")
IMPLICIT = ("vsftpd_implicit", "proftpd_implicit")
BLOCKS = File("blocks.bin", size=Range(1024, 1024), sha256=sha256(FILES["blocks.bin"]).hexdigest())


@pytest.fixture(params=["IPv4", "IPv6"])
def family(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


def ask(server: Server, family: str, **settings: Any) -> Result:
    host = server.host if family == "IPv4" else server.host6
    assert host is not None
    return check(FtpProbe(host, port=server.port, **{"timeout": 8} | settings))


def named(request: pytest.FixtureRequest, name: str) -> Server:
    server = request.getfixturevalue(name)
    assert isinstance(server, Server)
    return server


@pytest.mark.parametrize("name", PLAIN)
def test_every_way_to_the_data_works(request: pytest.FixtureRequest, name: str, family: str) -> None:
    result = ask(named(request, name), family, data="both", get=BLOCKS, show_phases=True)
    assert result.ok, result.text
    ways = "EPSV PASV PORT EPRT" if family == "IPv4" else "EPSV EPRT"
    assert f"data {ways}, get blocks.bin 1024 bytes]" in result.text
    assert [metric.label for metric in result.metrics][-2:] == ["size", "throughput"]
    assert {"login", "data", "transfer"} <= result.timings.phases.keys()


@pytest.mark.parametrize("name", PLAIN)
@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"get": File("nosuch")}, "get nosuch: RETR refused: 550"),
        ({"get": BLOCKS.replace(sha256="0" * 64)}, "get blocks.bin: SHA-256: expected 000"),
        ({"get": BLOCKS.replace(size=Range(1, 2))}, "get blocks.bin: size: expected 1:2 bytes, received 1024 bytes"),
        ({"get": File("hello.txt", contains=b"moon")}, "get hello.txt: does not contain 'moon'"),
        ({"listing": Listing(min_files=3)}, "list: 2 files, expected at least 3"),
        ({"listing": Listing(max_files=1)}, "list: 2 files, expected at most 1"),
        ({"put": ""}, "put: STOR refused: 55"),
    ],
)
def test_what_fails_is_named(request: pytest.FixtureRequest, name: str, settings: dict[str, Any], text: str) -> None:
    result = ask(named(request, name), "IPv4", **settings)
    assert result.state == State.CRITICAL
    assert result.text.startswith(f"FTP CRITICAL - {text}"), result.text
    assert "may be left" not in result.text


@pytest.mark.parametrize("name", PLAIN)
def test_a_file_is_what_it_should_be(request: pytest.FixtureRequest, name: str, family: str) -> None:
    hello = File("hello.txt", size=Range(14, 14), contains=b"world", max_age=3600)
    result = ask(named(request, name), family, get=hello, listing=Listing(min_files=2, max_files=2))
    assert result.ok, result.text


@pytest.mark.parametrize("name", PLAIN)
def test_where_the_server_calls_back(request: pytest.FixtureRequest, name: str, family: str) -> None:
    server = named(request, name)
    host = server.host if family == "IPv4" else server.host6
    assert host is not None
    low = free_port()
    good = ask(server, family, data="active", active=Active(host, (low, low + 9)))
    assert good.ok, good.text
    with socket.create_server((host, low), family=socket.AF_INET if family == "IPv4" else socket.AF_INET6):
        taken = ask(server, family, data="active", active=Active(ports=(low, low)))
    assert taken.state == State.UNKNOWN
    assert f"cannot listen on {host}: Address already in use" in taken.text
    # An address that is not the client's own: the server must not be made to call others.
    other = ask(server, family, data="active", active=Active("192.0.2.9" if family == "IPv4" else "2001:db8::9"))
    assert other.state == State.CRITICAL
    assert "data channel: " in other.text


@pytest.mark.parametrize("protection", ["P", "C"])
@pytest.mark.parametrize("name", [*EXPLICIT, *IMPLICIT])
def test_tls_also_of_the_data(request: pytest.FixtureRequest, name: str, protection: str, family: str) -> None:
    tls = "implicit" if name in IMPLICIT else "explicit"
    result = ask(named(request, name), family, tls=tls, data="both", get=BLOCKS, data_protection=protection)
    assert result.ok, result.text


@pytest.fixture(scope="module")
def vsftpd_reuse(new_folder: Folders, certificates: Certificates) -> Iterator[Server]:
    """Demands that data connections take up the TLS session of the control connection."""
    folder, port = new_folder(), free_port()
    with servers.vsftpd(folder, free_port(), explicit=certificates.good) as server:
        text = Path(folder / "vsftpd.conf").read_text()
        text = text.replace("require_ssl_reuse=NO", "require_ssl_reuse=YES")
        text = text.replace(f"listen_port={server.port}", f"listen_port={port}")
        strict = folder / "strict.conf"
        strict.write_text(text)
        with Daemon(["/usr/sbin/vsftpd", strict], folder) as daemon:
            daemon.wait_for_tcp((servers.HOST, servers.HOST6), port)
            yield Server(daemon=daemon, port=port, files=server.files)


def test_sessions_are_taken_up_again(vsftpd_reuse: Server, family: str) -> None:
    result = ask(vsftpd_reuse, family, tls="explicit", data="both", get=BLOCKS)
    assert result.ok, result.text


def test_the_end_of_a_download_is_said_where_it_is_demanded(new_folder: Folders, certificates: Certificates) -> None:
    strict: dict[str, str | Path] = {"strict_ssl_write_shutdown": "YES", "strict_ssl_read_eof": "YES"}
    with servers.vsftpd(
        new_folder(), free_port(), explicit=certificates.good, writable="delete", more=strict
    ) as server:
        result = ask(server, "IPv4", tls="explicit", data="both", get=BLOCKS, put="up")
        assert result.ok, result.text


def test_a_login_without_tls_is_refused_where_tls_is_demanded(pure_ftpd_tls_only: Server) -> None:
    result = ask(pure_ftpd_tls_only, "IPv4", login=Login())
    assert result.state == State.CRITICAL
    assert result.text.startswith("FTP CRITICAL - login: "), result.text


# Pure-FTPd takes every user for anonymous here.
@pytest.mark.parametrize("name", ["vsftpd", "proftpd"])
def test_a_wrong_password_is_a_refused_login(request: pytest.FixtureRequest, name: str, family: str) -> None:
    result = ask(named(request, name), family, login=Login("nobody", "wrong"))
    assert result.text.startswith("FTP CRITICAL - login: refused: 530"), result.text


def test_a_session_that_is_not_taken_up_again_is_refused(vsftpd_reuse: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TlsLayer, "resume", lambda layer: TlsLayer(layer._settings))
    result = ask(vsftpd_reuse, "IPv4", tls="explicit", get=BLOCKS)
    assert result.text.startswith("FTP CRITICAL - get blocks.bin: "), result.text
    assert "session reuse required" in result.text


@pytest.mark.parametrize("name", PLAIN)
def test_an_empty_directory_has_no_files(request: pytest.FixtureRequest, name: str) -> None:
    server = named(request, name)
    # A folder beside the files would change what the other tests count.
    empty = server.files / "empty"
    empty.mkdir()
    try:
        result = ask(server, "IPv4", listing=Listing("empty", max_files=0))
        assert result.ok, result.text
        assert ask(server, "IPv4", listing=Listing("empty", min_files=1)).text == (
            "FTP CRITICAL - list empty: 0 files, expected at least 1"
        )
    finally:
        empty.rmdir()


@pytest.mark.parametrize("name", PLAIN)
@pytest.mark.parametrize("settings", [{}, {"data": "both", "get": BLOCKS}])
def test_a_directory_that_cannot_be_entered_is_not_empty(
    request: pytest.FixtureRequest, name: str, settings: dict[str, Any]
) -> None:
    server = named(request, name)
    locked = server.files / "locked"
    locked.mkdir(mode=0o700)
    (locked / "file").touch()
    try:
        for folder in ("nosuch", "locked"):
            for listing in (Listing(folder), Listing(folder, max_files=9), Listing(folder, min_files=1)):
                result = ask(server, "IPv4", listing=listing, **settings)
                assert result.state == State.CRITICAL, result.text
                assert result.text.startswith(f"FTP CRITICAL - list {folder}: "), result.text
    finally:
        (locked / "file").unlink()
        locked.rmdir()


@pytest.mark.parametrize("name", ["vsftpd", "pure_ftpd"])
@pytest.mark.parametrize("settings", [{}, {"data": "both", "get": BLOCKS}])
def test_a_directory_that_can_be_entered_and_not_read_is_not_empty(
    request: pytest.FixtureRequest, name: str, settings: dict[str, Any]
) -> None:
    server = named(request, name)
    drop_box = server.files / "box"
    drop_box.mkdir()
    drop_box.chmod(0o733)
    (drop_box / "file").touch()
    try:
        for listing in (Listing("box"), Listing("box", max_files=9), Listing("box", min_files=1)):
            result = ask(server, "IPv4", listing=listing, **settings)
            assert result.text.startswith("FTP CRITICAL - list box: "), result.text
    finally:
        (drop_box / "file").unlink()
        drop_box.rmdir()


@pytest.mark.parametrize("tls", ["", "explicit"])
def test_a_canary_is_stored_and_deleted(new_folder: Folders, certificates: Certificates, family: str, tls: str) -> None:
    secured = certificates.good if tls else None
    with servers.vsftpd(new_folder(), free_port(), writable="delete", explicit=secured) as server:
        result = ask(server, family, put="up", tls=tls)
        assert result.ok, result.text
        assert list((server.files / "up").iterdir()) == []


def test_a_canary_that_must_stay_is_named(new_folder: Folders) -> None:
    with servers.vsftpd(new_folder(), free_port(), writable="keep") as server:
        result = ask(server, "IPv4", put="up")
        (left,) = (server.files / "up").iterdir()
        assert result.text == (
            "FTP CRITICAL - put up: DELE refused: 550 Permission denied.; "
            f"put: up/{left.name} may be left on the server"
        )


def test_a_server_that_denies_epsv_is_asked_with_pasv(new_folder: Folders, family: str) -> None:
    """vsftpd answers 550, which is in no list of codes for unknown commands."""
    denied: dict[str, str | Path] = {"cmds_denied": "EPSV"}
    with servers.vsftpd(new_folder(), free_port(), writable="delete", more=denied) as server:
        for settings in ({"get": BLOCKS}, {"listing": Listing(min_files=2)}, {"put": "up"}, {"data": "passive"}):
            result = ask(server, family, **settings)
            if family == "IPv6":
                assert "EPSV: refused: 550 Permission denied.; over IPv6 there is no PASV to try instead" in result.text
            else:
                assert result.ok, result.text
                assert "data PASV" in result.text


@pytest.mark.parametrize("denied", ["NLST", "LIST", "NLST,EPSV"])
def test_a_server_that_forbids_a_listing_lists_otherwise(new_folder: Folders, family: str, denied: str) -> None:
    more: dict[str, str | Path] = {"cmds_denied": denied}
    if family == "IPv6" and "EPSV" in denied:
        pytest.skip("over IPv6 there is no way but EPSV")
    with servers.vsftpd(new_folder(), free_port(), more=more) as server:
        counted = ask(server, family, listing=Listing("", min_files=len(FILES), max_files=len(FILES)))
        assert counted.ok, counted.text
        assert ask(server, family, listing=Listing("")).ok
        missing = ask(server, family, listing=Listing("nosuch", max_files=0))
        assert missing.state == State.CRITICAL, missing.text


def test_a_server_that_forbids_cwd_has_empty_directories(new_folder: Folders) -> None:
    with servers.vsftpd(new_folder(), free_port(), more={"cmds_denied": "CWD"}) as server:
        (server.files / "empty").mkdir()
        for listing in (Listing("empty"), Listing("empty", max_files=0)):
            result = ask(server, "IPv4", listing=listing, get=BLOCKS)
            assert result.ok, result.text


def test_a_server_that_denies_port_is_asked_with_eprt(new_folder: Folders) -> None:
    with servers.vsftpd(new_folder(), free_port(), more={"cmds_denied": "PORT"}) as server:
        result = ask(server, "IPv4", data="active", get=BLOCKS)
        assert result.ok, result.text
        assert "data EPRT" in result.text


@pytest.mark.parametrize("settings", [{}, {"get": BLOCKS}])
def test_a_demanded_certificate_is_missed(
    new_folder: Folders, certificates: Certificates, family: str, settings: dict[str, Any]
) -> None:
    """With TLS 1.3 vsftpd says so behind the handshake."""
    demanded: dict[str, str | Path] = {
        "require_cert": "YES",
        "ssl_request_cert": "YES",
        "ca_certs_file": certificates.ca,
    }
    with servers.vsftpd(new_folder(), free_port(), explicit=certificates.good, more=demanded) as server:
        result = ask(server, family, tls="explicit", **settings)
        assert result.state == State.CRITICAL, result.text
