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
from tests.support.collecting import pytest_collection as pytest_collection

_LONGEST = (
    "test_passive.py", "test_service.py", "test_pages.py", "test_icinga.py", "test_nagios.py", "test_breaks.py",
    "test_roles.py", "test_traffic_refused.py", "test_traffic_operator.py", "test_page.py", "test_demo.py",
)  # fmt: skip

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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts the files that take longest first, and says what one worker of integration/parallel takes at a time.

    That is a file, because its tests share servers; the rows of one page, which share nothing, go by their protocol.
    """
    for item in items:
        group = item.path.name
        if group == "test_breaks.py":
            group += item.name.partition("[")[2].partition(":")[0]
        item.add_marker(pytest.mark.xdist_group(f"{item.path.parent.name}/{group}"))
    items.sort(key=lambda item: _LONGEST.index(item.path.name) if item.path.name in _LONGEST else len(_LONGEST))


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
# Its log has no line of another test.
sshd_alone = served(servers.sshd, shared=False)
sshd_addendum = served(servers.sshd, version_addendum="noidchecks lab")
# Sends away whoever comes while one connection has not logged in yet.
sshd_throttled = served(servers.sshd, shared=False, max_startups="1:100:1")
