"""The real servers as fixtures; what needs them is skipped without root and integration/run."""

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from integration import servers
from integration.certificates import Certificates, make_certificates
from integration.servers import Server, SshServer, free_port

Folders = Callable[[], Path]


def missing() -> str | None:
    """Says what keeps us from starting servers, or nothing."""
    if os.geteuid() != 0:
        return "needs root, and to be started with integration/run"
    if os.environ.get("NOIDCHECKS_NETNS") != os.readlink("/proc/self/ns/net"):
        return "would use the network of this machine: start it with integration/run"
    return None


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("root") and (reason := missing()):
        pytest.skip(reason)


@pytest.fixture(scope="session")
def new_folder() -> Iterator[Folders]:
    """Makes an empty folder at each call, for one server."""
    if reason := missing():
        pytest.skip(reason)
    if not servers.UNPACKED.exists():
        pytest.fail("the servers are not installed: run integration/prepare", pytrace=False)
    # In the /run of integration/run, so that it goes away even with kill -9; pytest's own folders are closed to the
    # users that servers turn into.
    with tempfile.TemporaryDirectory(dir="/run") as parent:
        Path(parent).chmod(0o755)
        yield lambda: Path(tempfile.mkdtemp(dir=parent))


@pytest.fixture(scope="session")
def certificates(new_folder: Folders) -> Certificates:
    return make_certificates(new_folder())


@pytest.fixture(scope="session")
def vsftpd(new_folder: Folders) -> Iterator[Server]:
    with servers.vsftpd(new_folder(), free_port()) as server:
        yield server


@pytest.fixture(scope="session")
def vsftpd_explicit(new_folder: Folders, certificates: Certificates) -> Iterator[Server]:
    with servers.vsftpd(new_folder(), free_port(), explicit=certificates.good) as server:
        yield server


@pytest.fixture(scope="session")
def vsftpd_implicit(new_folder: Folders, certificates: Certificates) -> Iterator[Server]:
    with servers.vsftpd(new_folder(), free_port(), implicit=certificates.good) as server:
        yield server


@pytest.fixture(scope="session")
def vsftpd_multiline(new_folder: Folders) -> Iterator[Server]:
    with servers.vsftpd(new_folder(), free_port(), banner=servers.BANNER) as server:
        yield server


@pytest.fixture
def vsftpd_single(new_folder: Folders) -> Iterator[Server]:
    """Serves one client at a time; not shared, since a session that ends slowly would fail the next test."""
    with servers.vsftpd(new_folder(), free_port(), max_clients=1) as server:
        yield server


@pytest.fixture(scope="session")
def proftpd(new_folder: Folders) -> Iterator[Server]:
    with servers.proftpd(new_folder(), free_port()) as server:
        yield server


@pytest.fixture(scope="session")
def proftpd_explicit(new_folder: Folders, certificates: Certificates) -> Iterator[Server]:
    with servers.proftpd(new_folder(), free_port(), explicit=certificates.good) as server:
        yield server


@pytest.fixture(scope="session")
def proftpd_implicit(new_folder: Folders, certificates: Certificates) -> Iterator[Server]:
    with servers.proftpd(new_folder(), free_port(), implicit=certificates.good) as server:
        yield server


@pytest.fixture(scope="session")
def proftpd_multiline(new_folder: Folders) -> Iterator[Server]:
    with servers.proftpd(new_folder(), free_port(), banner=servers.BANNER) as server:
        yield server


@pytest.fixture(scope="session")
def pure_ftpd(new_folder: Folders) -> Iterator[Server]:
    """Greets with several lines without being asked to."""
    with servers.pure_ftpd(new_folder(), free_port()) as server:
        yield server


@pytest.fixture(scope="session")
def pure_ftpd_explicit(new_folder: Folders, certificates: Certificates) -> Iterator[Server]:
    with servers.pure_ftpd(new_folder(), free_port(), explicit=certificates.good) as server:
        yield server


@pytest.fixture(scope="session")
def pure_ftpd_tls_only(new_folder: Folders, certificates: Certificates) -> Iterator[Server]:
    """Refuses a login without TLS."""
    with servers.pure_ftpd(new_folder(), free_port(), explicit=certificates.good, tls=2) as server:
        yield server


@pytest.fixture(scope="session")
def tftpd_hpa(new_folder: Folders) -> Iterator[Server]:
    with servers.tftpd_hpa(new_folder(), free_port()) as server:
        yield server


@pytest.fixture(scope="session")
def atftpd(new_folder: Folders) -> Iterator[Server]:
    with servers.atftpd(new_folder(), free_port()) as server:
        yield server


@pytest.fixture(scope="session")
def sshd(new_folder: Folders) -> Iterator[SshServer]:
    with servers.sshd(new_folder(), free_port()) as server:
        yield server


@pytest.fixture(scope="session")
def sshd_addendum(new_folder: Folders) -> Iterator[SshServer]:
    with servers.sshd(new_folder(), free_port(), version_addendum="noidchecks lab") as server:
        yield server


@pytest.fixture
def sshd_throttled(new_folder: Folders) -> Iterator[SshServer]:
    """Sends away whoever comes while one connection has not logged in yet."""
    with servers.sshd(new_folder(), free_port(), max_startups="1:100:1") as server:
        yield server
