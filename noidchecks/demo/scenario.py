"""The scenario of the demonstration: its servers, the checks of them, and the expected states.

A new kind of server is a new file in this folder; it is started here and gets its steps here.
"""

from __future__ import annotations

import tempfile
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from .. import __version__
from ..status.state import State
from .broken_ports import dead_tcp_port, dead_udp_port, hung_tcp_port, hung_udp_port
from .certificate import write_certificate
from .server_process import LOOPBACK, ServerProcess

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

FILE = "boot.bin"
_FILE_SIZE = 3000


@dataclass(frozen=True, slots=True)
class Step:
    """One check of the demonstration: its title, the words of its command line, and the expected state."""

    title: str
    words: tuple[str, ...]
    expected: State


@contextmanager
def servers() -> Iterator[tuple[Step, ...]]:
    """Runs all servers and yields their checks; raises ServerFailed when one does not start."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="noidchecks-demo-")))
        public = folder / "public"
        public.mkdir()
        (public / FILE).write_bytes(bytes(_FILE_SIZE))
        certificate = folder / "certificate.pem"
        write_certificate(certificate, LOOPBACK)
        # All servers are started before the first port is read, which waits for its server.
        ftp = stack.enter_context(ServerProcess("ftp", str(public), str(certificate)))
        ftps = stack.enter_context(ServerProcess("ftps", str(certificate)))
        tftp = stack.enter_context(ServerProcess("tftp", str(public)))
        ssh = stack.enter_context(ServerProcess("ssh", f"noidchecks_{__version__}"))
        dead_tcp = stack.enter_context(dead_tcp_port())
        dead_udp = stack.enter_context(dead_udp_port())
        hung_tcp = stack.enter_context(hung_tcp_port())
        hung_udp = stack.enter_context(hung_udp_port())
        yield (
            *_ftp_steps(ftp.port, ftps.port, dead_tcp, hung_tcp, certificate),
            *_tftp_steps(tftp.port, dead_udp, hung_udp),
            *_ssh_steps(ssh.port, ftp.port, dead_tcp, hung_tcp),
        )


def _ftp_steps(plain: int, tls: int, dead: int, hung: int, authority: Path) -> Iterator[Step]:
    def step(title: str, expected: State, port: int, *options: str) -> Step:
        return Step(title, ("check_ftp", "-H", LOOPBACK, "-p", str(port), *options), expected)

    yield step("an FTP server", State.OK, plain)
    yield step("the same, slower than allowed", State.WARNING, plain, "-w", "0", "-c", "5")
    yield step("the same over AUTH TLS, certificate included", State.OK, plain, "--starttls", "-D", "30,14")
    yield step("an FTP server over implicit TLS, verified", State.OK, tls, "--verify", "--ca-file", str(authority))
    yield step("a port on which no FTP server listens", State.CRITICAL, dead)
    yield step("an FTP server that hangs", State.CRITICAL, hung, "-t", "1")


def _tftp_steps(healthy: int, dead: int, hung: int) -> Iterator[Step]:
    def step(title: str, expected: State, port: int, *options: str) -> Step:
        return Step(title, ("check_tftp", "-H", LOOPBACK, "-p", str(port), *options), expected)

    yield step("a file on a TFTP server", State.OK, healthy, "-f", FILE)
    yield step("a TFTP server, whatever files it has", State.OK, healthy)
    yield step("a file that is missing there", State.CRITICAL, healthy, "-f", "missing.bin")
    yield step("a port on which no TFTP server listens", State.CRITICAL, dead, "-f", FILE)
    yield step("a TFTP server that hangs", State.CRITICAL, hung, "-f", FILE, "-t", "1")


def _ssh_steps(healthy: int, foreign: int, dead: int, hung: int) -> Iterator[Step]:
    def step(title: str, expected: State, port: int, *options: str) -> Step:
        return Step(title, ("check_ssh", *options, "-p", str(port), LOOPBACK), expected)

    yield step("an SSH server", State.OK, healthy)
    yield step("the same, older than allowed", State.CRITICAL, healthy, "--min-version", "99.0")
    yield step("an FTP server in its place", State.CRITICAL, foreign)
    yield step("a port on which no SSH server listens", State.CRITICAL, dead)
    yield step("an SSH server that hangs", State.CRITICAL, hung, "-t", "1")
