"""The real servers as fixtures; what needs them is skipped without root and integration/run."""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Literal

import pytest

from integration import servers
from integration.certificates import Certificates, make_certificates
from integration.servers import Server, free_port

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


def served(
    start: Callable[..., AbstractContextManager[Server]],
    *,
    secured: Literal["", "explicit", "implicit"] = "",
    shared: bool = True,
    **settings: Any,
) -> Any:
    """Returns a fixture that runs a server, one for all tests or one for each; secured with the good certificate."""

    @pytest.fixture(scope="session" if shared else "function")
    def server(request: pytest.FixtureRequest, new_folder: Folders) -> Iterator[Server]:
        own = {secured: request.getfixturevalue("certificates").good} if secured else {}
        with start(new_folder(), free_port(), **own, **settings) as running:
            yield running

    return server


vsftpd = served(servers.vsftpd)
vsftpd_explicit = served(servers.vsftpd, secured="explicit")
vsftpd_implicit = served(servers.vsftpd, secured="implicit")
vsftpd_multiline = served(servers.vsftpd, banner=servers.BANNER)
# One client at a time; not shared, since a session that ends slowly would fail the next test.
vsftpd_single = served(servers.vsftpd, shared=False, max_clients=1)
proftpd = served(servers.proftpd)
proftpd_explicit = served(servers.proftpd, secured="explicit")
proftpd_implicit = served(servers.proftpd, secured="implicit")
proftpd_multiline = served(servers.proftpd, banner=servers.BANNER)
# Greets with several lines without being asked to.
pure_ftpd = served(servers.pure_ftpd)
pure_ftpd_explicit = served(servers.pure_ftpd, secured="explicit")
# Refuses a login without TLS.
pure_ftpd_tls_only = served(servers.pure_ftpd, secured="explicit", tls=2)
tftpd_hpa = served(servers.tftpd_hpa)
atftpd = served(servers.atftpd)
sshd = served(servers.sshd)
sshd_addendum = served(servers.sshd, version_addendum="noidchecks lab")
# Sends away whoever comes while one connection has not logged in yet.
sshd_throttled = served(servers.sshd, shared=False, max_startups="1:100:1")
