"""Worker processes: killed at the deadline whatever they do, used again after a good end, bounded in memory."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from noidchecks import State
from noidchecks.address import AF_UNSPEC
from noidchecks.dialogue.operations import Close, Delegate, Dialogue, Prepare, Receive, Sleep
from noidchecks.dialogue.stream import open_stream
from noidchecks.drivers import fork_server, workers
from noidchecks.errors import DeadlineExceeded, LocalError
from tests.conftest import Check, NewPeer
from tests.support.peers import Peer, await_text
from tests.support.processes import environment, run_alone
from tests.support.talk import TalkProbe
from tests.support.waiting import until

MODULE = "tests.support.spinner"


@pytest.fixture(autouse=True)
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A server of this test alone, whose workers are the spinner."""
    monkeypatch.setattr(workers, "_server", None)
    until(lambda: not workers.prepare(MODULE))
    yield
    pid = pid_of_the_server()
    workers._server.end()  # type: ignore[union-attr]  # it is there
    until(lambda: not os.path.exists(f"/proc/{pid}") or is_zombie(pid))


def pid_of_the_server() -> int:
    found: int = workers._server._pid  # type: ignore[union-attr]  # as above
    return found


def is_zombie(pid: int) -> bool:
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rpartition(")")[2].split()[0] == "Z"


def children() -> list[str]:
    pid = pid_of_the_server()
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return file.read().split()


def talk(peer: Peer, said: bytes, *, ends_well: bool = False) -> Dialogue[bytes]:
    while (yield Prepare(MODULE)):
        yield Sleep(0.01)
    stream = yield from open_stream(peer.host, peer.port, AF_UNSPEC)
    worker = yield Delegate(stream.channel, MODULE, said)
    answer: bytes = yield Receive(worker)
    if ends_well:
        yield Close(worker)
    return answer


def test_the_deadline_kills_a_worker_that_python_cannot_interrupt(check: Check, new_peer: NewPeer) -> None:
    peer = new_peer(await_text(b"never"))
    result = check(TalkProbe(lambda: talk(peer, b"spin"), timeout=1))
    assert isinstance(result.failure, DeadlineExceeded)
    until(lambda: children() == [])


def test_a_worker_is_used_again_only_after_a_good_end(check: Check, new_peer: NewPeer) -> None:
    peer = new_peer(await_text(b"never"))

    def who() -> str:
        result = check(TalkProbe(lambda: talk(peer, b"who", ends_well=True)))
        assert result.state == State.OK, result.text
        found: bytes = result.facts["found"]  # type: ignore[assignment]  # what talk() returns
        return found.decode()

    first = who()
    # It says that it is idle a moment after the end; till then another one is forked, of at most a few.
    seen = {first}
    while (now := who()) not in seen:
        seen.add(now)
    assert len(seen) < 20
    for _ in range(600):
        # One is replaced now and then, between two sessions.
        who()
    last = check(TalkProbe(lambda: talk(peer, b"who"))).facts["found"]
    until(lambda: str(last) not in [f"b'{one}'" for one in children()])


def test_the_memory_of_a_worker_is_bounded(check: Check, new_peer: NewPeer) -> None:
    peer = new_peer(await_text(b"never"))
    assert check(TalkProbe(lambda: talk(peer, b"eat"))).facts["found"] == b"no memory"


def test_a_server_that_was_killed_is_started_again(check: Check, new_peer: NewPeer) -> None:
    peer = new_peer(await_text(b"never"))
    before = pid_of_the_server()
    os.kill(before, signal.SIGKILL)
    until(lambda: is_zombie(before))
    result = check(TalkProbe(lambda: talk(peer, b"who")))
    assert result.state == State.OK
    assert pid_of_the_server() != before


ALONE = """
import os, socket
from noidchecks.drivers import workers
from noidchecks.drivers.sockets import Channel
workers.stand_alone()
workers.prepare("tests.support.spinner")
worker = workers.ask_for("tests.support.spinner")
worker.arrive()
worker.hand_over(Channel(socket.socketpair()[0], None), b"spin")
print(workers._own_pid, flush=True)
input()
"""


def test_a_worker_that_is_busy_ends_with_the_plugin_that_was_killed(tmp_path: Path) -> None:
    paths = f"import sys; sys.path[:] = {sys.path!r}\n"
    command = [sys.executable, "-c", paths + ALONE]
    with subprocess.Popen(
        command, env=environment(tmp_path), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as plugin:
        assert plugin.stdout is not None
        pid = int(plugin.stdout.readline())
        assert os.path.exists(f"/proc/{pid}")
        plugin.kill()
    until(lambda: not os.path.exists(f"/proc/{pid}") or is_zombie(pid))


def test_a_plugin_ends_its_worker_where_sigchld_is_ignored(tmp_path: Path) -> None:
    # As some programs that start plugins have it, which passes on to us: there is nothing to wait for then.
    code = f"import signal; signal.signal(signal.SIGCHLD, signal.SIG_IGN){ALONE.replace('input()', 'workers.reap()')}"
    pid = int(run_alone(code, tmp_path))
    until(lambda: not os.path.exists(f"/proc/{pid}") or is_zombie(pid))


def in_a_child(call: str, tmp_path: Path) -> str:
    """Calls it in a process that is forked while another thread holds the lock, and returns what it prints."""
    return run_alone(
        f"""
import os
from noidchecks.drivers import workers
workers.prepare("tests.support.spinner")
server, lock = workers._server, workers._lock
lock.acquire()
if not os.fork():
    {call}
    os._exit(0)
os.wait()
""",
        tmp_path,
    )


def test_a_forked_process_does_not_wait_for_a_thread_that_it_has_not(tmp_path: Path) -> None:
    call = "workers.prepare('tests.support.spinner'); print(workers._server is not server, flush=True)"
    assert in_a_child(call, tmp_path) == "True\n"


def test_a_forked_process_leaves_the_server_to_the_other(tmp_path: Path) -> None:
    assert in_a_child("print(server._socket.fileno(), flush=True)", tmp_path) == "-1\n"


def test_a_program_that_ends_closes_the_socket_of_its_server(tmp_path: Path) -> None:
    code = """
import atexit
# The last that was registered is called first.
atexit.register(lambda: print(server._socket.fileno(), flush=True))
from noidchecks.drivers import workers
workers.prepare("tests.support.spinner")
server = workers._server
"""
    assert run_alone(code, tmp_path) == "-1\n"


def test_a_forked_process_kills_no_worker_of_the_other(check: Check, new_peer: NewPeer) -> None:
    found = []

    def fork(peer: Peer) -> Dialogue[bytes]:
        while (yield Prepare(MODULE)):
            yield Sleep(0.01)
        stream = yield from open_stream(peer.host, peer.port, AF_UNSPEC)
        worker = yield Delegate(stream.channel, MODULE, b"who")
        pid = os.fork()
        if not pid:
            worker.close()
            os._exit(0)
        os.waitpid(pid, 0)
        answer: bytes = yield Receive(worker)
        found.append(os.path.exists(f"/proc/{answer.decode()}") and not is_zombie(int(answer)))
        return answer

    peer = new_peer(await_text(b"never"))
    assert check(TalkProbe(lambda: fork(peer))).state == State.OK
    assert found == [True]


def test_a_frozen_program_is_not_started_a_second_time(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(workers, "_server", None)
        patch.setattr(sys, "frozen", True, raising=False)
        with pytest.raises(LocalError, match="no Python interpreter beside it"):
            workers.prepare(MODULE)


def test_a_package_of_a_working_directory_that_was_left(tmp_path: Path) -> None:
    """As in a checkout: sys.path has "" in it, and the program goes elsewhere."""
    root = Path(workers.__file__).parents[2]
    code = f"""
import os, sys
os.chdir({str(root)!r})
sys.path[:] = [""] + [path for path in sys.path if path != {str(root)!r} and not path.endswith("site-packages")]
from noidchecks.drivers import workers
os.chdir("/")
while workers.prepare("noidchecks.drivers.poll"):
    pass
"""
    with pytest.raises(AssertionError, match="has no attribute 'serve'"):
        run_alone(code, tmp_path)


def test_without_proc_what_was_ever_in_memory_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_proc(*_: object) -> None:
        raise FileNotFoundError

    limits: list[int] = []
    with monkeypatch.context() as patch:
        patch.setattr(fork_server, "open", no_proc, raising=False)
        patch.setattr(fork_server, "setrlimit", lambda _, both: limits.append(both[0]))
        fork_server._limit_memory()
    assert fork_server.MEMORY < limits[0] < 8 * fork_server.MEMORY


def test_a_plugin_did_not_wait_for_its_worker_while_it_did_other_things(tmp_path: Path) -> None:
    """As while a server greets slowly, for which the machine is not to be blamed."""
    told = run_alone(
        """
from time import monotonic, sleep
from noidchecks.drivers import workers
workers.stand_alone()
workers.prepare("tests.support.spinner")
sleep(0.1)
began = monotonic()
worker = workers.ask_for("tests.support.spinner")
worker.arrive()
print(worker.waited <= monotonic() - began)
""",
        tmp_path,
    )
    assert told == "True\n"


def test_what_cannot_be_loaded_is_told_each_time(tmp_path: Path) -> None:
    told = run_alone(
        """
from noidchecks import LocalError
from noidchecks.drivers import workers
for _ in range(2):
    try:
        while workers.prepare("noidchecks.none"):
            pass
    except LocalError as error:
        print(error.message)
""",
        tmp_path,
    )
    words = "no worker processes: ModuleNotFoundError: No module named 'noidchecks.none'\n"
    assert told == words * 2


def test_others_go_on_while_workers_are_not_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first SSH check of a guardian must not keep it from all its other checks."""
    with monkeypatch.context() as patch:
        patch.setattr(workers, "_server", None)
        patch.setattr(workers, "_BOOT", "input()")
        assert workers.prepare(MODULE)
        assert workers.prepare(MODULE)
        stopped = workers._server
        assert stopped is not None
        patch.setattr(workers, "_PATIENCE", 0.0)
        with pytest.raises(LocalError, match="it does not come up"):
            workers.prepare(MODULE)
        assert workers._server is None
        until(lambda: is_zombie(stopped._pid) or not os.path.exists(f"/proc/{stopped._pid}"))
