"""The hosts of the examples: names that resolve to servers on loopback, and to no others."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from noidchecks.address import AF_INET, DATAGRAM, STREAM, Address
from noidchecks.demo.broken_ports import dead_tcp_port, dead_udp_port, hung_tcp_port, hung_udp_port
from noidchecks.demo.certificate import write_certificate
from noidchecks.demo.server_process import LOOPBACK, ServerProcess
from noidchecks.drivers.resolver import LookUp, Resolver
from noidchecks.errors import NotResolved
from tests.support.sftp import Conduct, sftp_server

Ask = Callable[[str, int, int, int], LookUp]

SSH_VERSION = "OpenSSH_9.2p1"
# Whom sftp.example.net lets in, and what lies there.
SFTP_LOGIN = ("monitor", "only for examples")
SFTP_FILES = {"report.csv": 1200, "orders.csv": 800}
FTP_BUSY = b"421 There are too many connected users, please try later.\r\n"
SSH_BUSY = b"Exceeded MaxStartups\r\n"
# Name and size of the files that tftp.example.net serves.
TFTP_FILES = {"pxelinux.0": 42430, "boot.bin": 3000}


@contextmanager
def example_hosts(folder: Path) -> Iterator[tuple[Ask, Path]]:
    """Runs the servers and yields the look-up that knows their names, and the certificate of the FTP servers.

    ftp.example.net speaks FTP and AUTH TLS, ftps.example.net implicit TLS, on whatever port; busy.example.net turns
    its clients away on ports 21 and 22; dead.example.net refuses everything, hung.example.net answers nothing; any
    other name or address is unknown.
    """
    public = folder / "public"
    public.mkdir()
    for name, size in TFTP_FILES.items():
        (public / name).write_bytes(bytes(size))
    private = folder / "private"
    (private / "in").mkdir(parents=True)
    for name, size in SFTP_FILES.items():
        (private / name).write_bytes(bytes(size))
    sftp = Conduct(user=SFTP_LOGIN[0], password=SFTP_LOGIN[1], version=SSH_VERSION)
    certificate = folder / "certificate.pem"
    write_certificate(certificate, "ftp.example.net", "ftps.example.net")
    with ExitStack() as stack:
        ftp = stack.enter_context(ServerProcess("ftp", str(public), str(certificate)))
        ftps = stack.enter_context(ServerProcess("ftps", str(certificate)))
        tftp = stack.enter_context(ServerProcess("tftp", str(public)))
        ssh = stack.enter_context(ServerProcess("ssh", SSH_VERSION))
        ports = {
            ("ftp.example.net", STREAM): ftp.port,
            ("ftps.example.net", STREAM): ftps.port,
            ("tftp.example.net", DATAGRAM): tftp.port,
            ("ssh.example.net", STREAM): ssh.port,
            ("sftp.example.net", STREAM): stack.enter_context(sftp_server(private, sftp)),
            ("busy.example.net", STREAM, 21): stack.enter_context(_greeter(FTP_BUSY)),
            ("busy.example.net", STREAM, 22): stack.enter_context(_greeter(SSH_BUSY)),
            ("dead.example.net", STREAM): stack.enter_context(dead_tcp_port()),
            ("dead.example.net", DATAGRAM): stack.enter_context(dead_udp_port()),
            ("hung.example.net", STREAM): stack.enter_context(hung_tcp_port()),
            ("hung.example.net", DATAGRAM): stack.enter_context(hung_udp_port()),
        }

        resolver = Resolver()

        def look_up(host: str, port: int, family: int, kind: int) -> LookUp:
            def work() -> tuple[Address, ...]:
                real = ports.get((host, kind)) or ports.get((host, kind, port))
                if real is None:
                    raise NotResolved("Name or service not known")
                return (Address(AF_INET, (LOOPBACK, real)),)

            return resolver.ask((host, port, family, kind), host, work)

        yield look_up, certificate


@contextmanager
def _greeter(greeting: bytes) -> Iterator[int]:
    class Session(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.sendall(greeting)

    with socketserver.TCPServer((LOOPBACK, 0), Session) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()
