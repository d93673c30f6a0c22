"""Worker processes: killed at the deadline whatever they do, used again after a good end, bounded in memory."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from noidchecks import State
from noidchecks.address import AF_UNSPEC
from noidchecks.dialogue.operations import Close, Delegate, Dialogue, Prepare, Receive
from noidchecks.dialogue.stream import open_stream
from noidchecks.drivers import workers
from noidchecks.errors import DeadlineExceeded
from tests.conftest import Check, NewPeer
from tests.support.peers import Peer, await_text
from tests.support.talk import TalkProbe
from tests.support.waiting import until

MODULE = "tests.support.spinner"


@pytest.fixture(autouse=True)
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A server of this test alone, whose workers are the spinner."""
    monkeypatch.setattr(workers, "_server", None)
    workers.prepare(MODULE)
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
    yield Prepare(MODULE)
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
