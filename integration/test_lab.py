"""The lab itself: everybody reaches whom they should and nobody else, faults do what they say, nothing is left."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from integration.clients import Data, Errand, Target, curl_ftp, curl_tftp, sftp, sha256
from integration.lab import CLIENT, GATEWAY, Lab, Server, crowd, servers, vip
from integration.lab.faults import BLACKHOLE, FORBID, REFUSE, fault, slow
from integration.lab.names import Asked, ask, ask_udp, name_servers
from integration.lab.namespace import Namespace
from integration.lab.servers import Place
from tests.support.waiting import until

pytestmark = pytest.mark.root

PORT = 7000
SHORT = 0.3


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab() as lab:
        yield lab


@pytest.fixture
def bare() -> Iterator[Lab]:
    """A lab of its own, without any server."""
    with Lab(ftp=(), tftp=(), ssh=False) as lab:
        yield lab


@pytest.fixture(params=[4, 6], ids=["ipv4", "ipv6"])
def version(request: pytest.FixtureRequest) -> int:
    return int(request.param)


def here() -> tuple[str, list[str], list[str]]:
    """Describes what could be left behind: interfaces and their addresses, processes, files."""
    shown = subprocess.run(["ip", "address"], capture_output=True, text=True, check=True).stdout
    processes = [name for name in os.listdir("/proc") if name.isdigit()]
    return shown, sorted(processes), sorted(map(str, Path("/run").iterdir()))


def assert_nothing_new(before: tuple[str, list[str], list[str]]) -> None:
    """Fails when there is more than before; what earlier tests have ended may take a moment to go."""
    limit = time.monotonic() + 20
    while True:
        shown, processes, files = here()
        if (shown, files) == (before[0], before[2]) and set(processes) <= set(before[1]):
            return
        assert time.monotonic() < limit, (before, (shown, processes, files))
        time.sleep(0.05)


def test_nothing_is_left(lab: Lab) -> None:
    # The servers of the other lab have made already what theirs leave in /run, where it is compiled in.
    before, descriptors = here(), len(os.listdir("/proc/self/fd"))
    with Lab() as new:
        visit = curl_ftp(new.balancer, Target(host=new.backends[0].address(4), port=21), Errand())
        assert visit.code == 0, visit.output
        new.client.popen(["sleep", "1000"])
    assert_nothing_new(before)
    assert len(os.listdir("/proc/self/fd")) == descriptors


def test_nothing_is_left_of_a_lab_that_cannot_be_built(monkeypatch: pytest.MonkeyPatch) -> None:
    before = here()

    def broken(place: Place, passive: tuple[int, int]) -> Server:
        return Server(place, ["/bin/false"], lambda daemon: daemon.wait_for_tcp(["127.0.0.1"], passive[0]))

    monkeypatch.setitem(servers.FTP, "proftpd", broken)
    with pytest.raises(RuntimeError, match="ended before"), Lab(tftp=(), ssh=False):
        pytest.fail("it was built")
    assert_nothing_new(before)


def test_two_at_a_time(lab: Lab, bare: Lab) -> None:
    with name_servers([bare.balancer], PORT):
        assert ask(bare.client, GATEWAY[4], PORT) == "balancer"
        assert ask(lab.client, GATEWAY[4], PORT) == "refused"


def test_forwarding_is_on_in_the_balancer_alone(lab: Lab) -> None:
    for name in ("net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"):
        on = {
            one.name: one.run(("sysctl", "-n", name)).stdout.strip()
            for one in (lab.client, lab.balancer, *lab.backends)
        }
        assert on == {"client": "0", "balancer": "1", "b1": "0", "b2": "0", "b3": "0"}


def test_backends_are_out_of_the_clients_reach(lab: Lab, version: int) -> None:
    """A backend's address that leaks to the client fails a test, in any mode."""
    with name_servers(lab.backends, PORT):
        for backend in lab.backends:
            assert ask(lab.client, backend.address(version), PORT) == "EHOSTUNREACH"
            assert ask(lab.balancer, backend.address(version), PORT) == backend.name


def test_return_routes(bare: Lab, version: int) -> None:
    """With the way back a backend's packets come as far as to the client, without it they stay."""
    first = bare.backends[0]
    host = crowd(version, 7)
    assert ask(first, host, PORT) == "ENETUNREACH"
    bare.mode = "dnat"
    received = packets(bare.client, version)
    assert ask_udp(first, host, PORT, SHORT) == "timeout"
    assert packets(bare.client, version) > received
    bare.mode = "snat"
    assert ask(first, host, PORT) == "ENETUNREACH"


def packets(namespace: Namespace, version: int) -> int:
    """Counts datagrams that came for a port that nobody has."""
    name = "UdpNoPorts" if version == 4 else "Udp6NoPorts"
    shown = namespace.run(("nstat", "-asz", name)).stdout
    return int(next(line.split()[1] for line in shown.splitlines() if line.startswith(name)))


@pytest.mark.parametrize("program", ["vsftpd", "proftpd", "pure-ftpd"])
def test_ftp_servers(lab: Lab, version: int, program: str) -> None:
    backend = next(one for one in lab.backends if program in one.server)
    for data in Data:
        if version == 6 and not data.is_extended:
            continue
        target = Target(host=backend.address(version), port=21, data=data)
        visit = curl_ftp(lab.balancer, target, Errand(get=("name", "small"), put={"upload/new": lab.big}))
        assert visit.code == 0, visit.output
        assert visit.backend == backend.name
        assert "upload" in visit.listing
        uploaded = backend.files / "upload/new"
        assert sha256(uploaded) == sha256(lab.big)
        uploaded.unlink()


def test_tftp_servers(lab: Lab) -> None:
    for backend in lab.backends:
        errand = Errand(get=("name", "small"), put={"upload/new": backend.files / "small"})
        visit = curl_tftp(lab.balancer, Target(host=backend.address(4), port=69), errand)
        assert visit.code == 0, visit.output
        assert visit.backend == backend.name
        uploaded = backend.files / "upload/new"
        wait_for_content(uploaded, visit.sha256["small"])
        uploaded.unlink()


def wait_for_content(path: Path, checksum: str) -> None:
    """Waits until a file is what it should be: a TFTP server acknowledges the last block before it has written it."""
    until(lambda: sha256(path) == checksum, 60)


def test_ssh_servers_share_a_host_key(lab: Lab, version: int, tmp_path: Path) -> None:
    for backend in lab.backends:
        target = Target(host=backend.address(version), port=22)
        keys = tmp_path / backend.name
        visit = sftp(lab.balancer, target, Errand(), key=lab.keys.user, known_hosts=keys)
        assert visit.code == 0, visit.output
        assert visit.backend == backend.name
    assert len({path.read_text().split(" ", 1)[1] for path in tmp_path.iterdir()}) == 1


def test_faults_of_the_network(bare: Lab, version: int) -> None:
    backend = bare.backends[0]
    host = backend.address(version)
    with name_servers([backend], PORT):
        for rules, seen in ((REFUSE, "refused"), (FORBID, "EHOSTUNREACH" if version == 4 else "EACCES")):
            with fault(backend, rules):
                assert ask(bare.balancer, host, PORT) == seen
        with fault(backend, BLACKHOLE), Asked(bare.balancer, host, PORT, patience=SHORT) as lost:
            assert lost.backend == "timeout"
        with slow(backend, "100kbit"), Asked(bare.balancer, host, PORT) as connection:
            assert connection.is_alive()
        assert ask(bare.balancer, host, PORT) == backend.name


def test_link_down_and_up(bare: Lab, version: int) -> None:
    backend = bare.backends[0]
    bare.mode = "dnat"
    with name_servers([backend], PORT):
        backend.link_down()
        assert ask_udp(bare.balancer, backend.address(version), PORT, SHORT) != backend.name
        backend.link_up(bare.mode)
        assert ask(bare.balancer, backend.address(version), PORT) == backend.name
        assert "default" in backend.run(("ip", f"-{version}", "route")).stdout


def test_faults_of_a_server(lab: Lab) -> None:
    backend = lab.backends[0]
    target = Target(host=backend.address(4), port=21)
    server = backend.server["vsftpd"]
    server.hang()
    with Asked(lab.balancer, target.host, 21, patience=SHORT) as hung:
        assert hung.backend == "timeout", "the kernel accepts for it"
    server.wake()
    assert curl_ftp(lab.balancer, target, Errand()).code == 0
    server.kill()
    assert ask(lab.balancer, target.host, 21) == "refused"


def test_a_thread_enters_alone(bare: Lab) -> None:
    where = "/proc/thread-self/ns/net"
    home = os.readlink(where)
    with ThreadPoolExecutor(1) as other:
        assert other.submit(os.readlink, where).result() == home
        with bare.client.entered():
            with bare.balancer.entered():
                pass
            assert os.readlink(where) != home
            assert other.submit(os.readlink, where).result() == home
    assert os.readlink(where) == home


def test_what_a_program_started_ends_with_it(bare: Lab) -> None:
    with pytest.raises(TimeoutError, match="took over"):
        bare.client.run(["/bin/sh", "-c", "echo begun; sleep 1000; echo ended"], timeout=0.2)
    assert not any(b"1000" in words for words in command_lines())


def command_lines() -> Iterator[bytes]:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        # What has been listed may have ended.
        with suppress(FileNotFoundError, ProcessLookupError):
            yield path.read_bytes()


def test_client_addresses(bare: Lab, version: int) -> None:
    with name_servers([bare.balancer], PORT):
        for source in (CLIENT[version], crowd(version, 0), crowd(version, 300)):
            with Asked(bare.client, vip(version), PORT, source) as connection:
                assert (connection.backend, connection.peer) == ("balancer", source)
