"""Every real server answers as its kind does, asked by bare sockets at every address it has."""

import re
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from integration import servers
from integration.certificates import Certificates
from integration.servers import BANNER, FILES, Server, SshServer, free_port

pytestmark = pytest.mark.root

GREETINGS = {
    "vsftpd": b"220 (vsFTPd 3",
    "vsftpd_implicit": b"220 (vsFTPd 3",
    "proftpd": b"220 ProFTPD Server",
    "proftpd_implicit": b"220 ProFTPD Server",
    "pure_ftpd": b"220---------- Welcome to Pure-FTPd",
}
LIMIT = 10.0
"""Seconds for an answer; on loopback it takes milliseconds."""

Address = tuple[str, int]


@pytest.fixture(params=["IPv4", "IPv6"])
def address(request: pytest.FixtureRequest) -> Callable[[str], Address]:
    """Where the server of a named fixture answers in the family of this run."""

    def look_up(name: str) -> Address:
        server = request.getfixturevalue(name)
        assert isinstance(server, Server)
        host = server.host if request.param == "IPv4" else server.host6
        if host is None:
            pytest.skip(f"{name} has no {request.param}")
        return host, server.port

    return look_up


@pytest.fixture(scope="module")
def context(certificates: Certificates) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=certificates.ca)


class Control:
    """An FTP control connection."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection

    def reply(self) -> bytes:
        received = b""
        while not re.search(rb"(?:^|\n)(\d{3}) [^\n]*\n$", received):
            block = self.socket.recv(4096)
            assert block, received
            received += block
        return received

    def ask(self, command: str) -> bytes:
        self.socket.sendall(f"{command}\r\n".encode())
        return self.reply()


@contextmanager
def connected(address: Address, context: ssl.SSLContext | None = None) -> Iterator[Control]:
    with socket.create_connection(address, timeout=LIMIT) as plain:
        if context is None:
            yield Control(plain)
        else:
            with context.wrap_socket(plain, server_hostname="good.example") as secured:
                yield Control(secured)


@pytest.mark.parametrize("name", ["vsftpd", "proftpd", "pure_ftpd"])
def test_ftp_greets_and_delivers(name: str, address: Callable[[str], Address]) -> None:
    host, port = address(name)
    with connected((host, port)) as control:
        assert control.reply().startswith(GREETINGS[name])
        assert control.ask("USER anonymous").startswith(b"331") or name == "pure_ftpd"
        assert control.ask("PASS probe@good.example").startswith(b"230")
        assert control.ask("TYPE I").startswith(b"200")
        passive = control.ask("EPSV")
        assert passive.startswith(b"229")
        data_port = int(passive.split(b"|")[3])
        with socket.create_connection((host, data_port), timeout=LIMIT) as data:
            assert control.ask("RETR hello.txt").startswith(b"150")
            assert data.recv(4096) == FILES["hello.txt"]


@pytest.mark.parametrize("name", ["vsftpd_implicit", "proftpd_implicit"])
def test_ftp_speaks_tls_at_once(name: str, address: Callable[[str], Address], context: ssl.SSLContext) -> None:
    with connected(address(name), context) as control:
        assert control.reply().startswith(GREETINGS[name])


@pytest.mark.parametrize("name", ["vsftpd_explicit", "proftpd_explicit", "pure_ftpd_explicit", "pure_ftpd_tls_only"])
def test_ftp_turns_to_tls_when_asked(name: str, address: Callable[[str], Address], context: ssl.SSLContext) -> None:
    with connected(address(name)) as control:
        control.reply()
        assert control.ask("AUTH TLS").startswith(b"234")
        with context.wrap_socket(control.socket, server_hostname="good.example") as secured:
            assert Control(secured).ask("NOOP").startswith((b"200", b"530"))


def test_pure_ftpd_can_demand_tls(pure_ftpd_tls_only: Server) -> None:
    with connected((pure_ftpd_tls_only.host, pure_ftpd_tls_only.port)) as control:
        control.reply()
        assert control.ask("USER anonymous").startswith(b"421")


@pytest.mark.parametrize(
    ("name", "mark", "last"), [("vsftpd_multiline", "220-", ""), ("proftpd_multiline", " ", "ProFTPD")]
)
def test_ftp_greets_with_several_lines(name: str, mark: str, last: str, address: Callable[[str], Address]) -> None:
    with connected(address(name)) as control:
        first, *others, end = control.reply().decode().splitlines()
    said = BANNER.splitlines()
    # RFC 959 leaves it to the server how the lines between begin.
    assert [first, *others] == [f"220-{said[0]}", *(f"{mark}{line}" for line in said[1:])]
    assert end.startswith(f"220 {last}")


def test_a_full_vsftpd_refuses(vsftpd_single: Server) -> None:
    with connected((vsftpd_single.host, vsftpd_single.port)) as first:
        assert first.reply().startswith(b"220")
        with connected((vsftpd_single.host, vsftpd_single.port)) as second:
            assert second.reply().startswith(b"421")


@pytest.mark.parametrize("name", ["tftpd_hpa", "atftpd"])
@pytest.mark.parametrize("file", FILES)
def test_tftp_delivers(name: str, file: str, address: Callable[[str], Address]) -> None:
    host, port = address(name)
    received = b""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(LIMIT)
        client.sendto(b"\0\1" + file.encode() + b"\0octet\0", (host, port))
        number, size = 0, 512
        while size == 512:
            packet, peer = client.recvfrom(1024)
            number, size = number + 1, len(packet) - 4
            assert packet[:4] == b"\0\3" + number.to_bytes(2, "big")
            received += packet[4:]
            client.sendto(b"\0\4" + packet[2:4], peer)
    assert peer[1] != port
    assert received == FILES[file]


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("sshd", rb"SSH-2\.0-OpenSSH_\S+ Debian-\S+\r\n"),
        ("sshd_addendum", rb"SSH-2\.0-OpenSSH_\S+ Debian-\S+ noidchecks lab\r\n"),
    ],
)
def test_ssh_identifies_itself(name: str, line: bytes, address: Callable[[str], Address]) -> None:
    with socket.create_connection(address(name), timeout=LIMIT) as connection, connection.makefile("rb") as lines:
        assert re.fullmatch(line, lines.readline())


def test_a_throttled_sshd_refuses(sshd_throttled: SshServer) -> None:
    address = (sshd_throttled.host, sshd_throttled.port)
    with socket.create_connection(address, timeout=LIMIT) as first:
        assert first.recv(256).startswith(b"SSH-2.0-")
        with socket.create_connection(address, timeout=LIMIT) as second:
            assert second.recv(256) == b"Exceeded MaxStartups\r\n"


def test_sftp_lets_its_user_in(sshd: SshServer, tmp_path: Path) -> None:
    known = tmp_path / "known_hosts"
    known.write_text(f"[{sshd.host}]:{sshd.port} {sshd.host_key.read_text()}")
    options = ["-F", "none", "-b", "-", "-i", str(sshd.user_key), "-o", f"UserKnownHostsFile={known}"]
    target = f"sftp://{sshd.user}@{sshd.host}:{sshd.port}"
    got = tmp_path / "got"
    subprocess.run(["/usr/bin/sftp", *options, target], input=f"get hello.txt {got}\n".encode(), check=True, timeout=60)
    assert got.read_bytes() == FILES["hello.txt"]


def test_a_stopped_server_is_gone_with_its_sessions(new_folder: Callable[[], Path]) -> None:
    with servers.vsftpd(new_folder(), free_port()) as server, connected((server.host, server.port)) as control:
        control.reply()
        server.daemon.stop()
        assert control.socket.recv(1) == b""
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((server.host, server.port), timeout=LIMIT)


def test_a_server_that_fails_says_why(new_folder: Callable[[], Path]) -> None:
    broken = servers.sshd(new_folder(), free_port(), max_startups="many")
    with pytest.raises(RuntimeError, match="Invalid MaxStartups"), broken:
        pytest.fail("it runs")
