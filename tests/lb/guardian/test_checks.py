"""Our own plugins within this process answer as the executables do; foreign ones are run."""

from __future__ import annotations

import asyncio
import gc
import re
import shlex
import threading
from collections.abc import Callable, Iterator
from types import FrameType, TracebackType

import pytest
from noidlb.guardian.checks import Check, CheckRunner
from noidlb.guardian.worker import Worker
from noidlb.nft.run import KernelError

from noidchecks.errors import ProbeError
from noidchecks.plugin.main import run as run_plugin
from noidchecks.status.result import Result
from noidchecks.status.state import State
from tests.support.peers import Client, Peer, close, reset, silent
from tests.support.waiting import until_async

FTP = b"220 ready\r\n"
SSH = b"SSH-2.0-OpenSSH_9.2p1 Debian\r\n"
# The command line, and what the peer does; PORT is the peer's.
LINES = [
    ("check_ftp -H 127.0.0.1 -p PORT", (FTP,)),
    ("check_ftp 127.0.0.1 -p PORT -e 220", (FTP,)),
    ("check_ftp -H 127.0.0.1 -p PORT -e '230 other'", (FTP,)),
    ("check_ftp -H 127.0.0.1 -p PORT -M crit -e other", (FTP,)),
    ("check_ftp -H 127.0.0.1 -p PORT -w 0 -c 50", (FTP,)),
    ("check_ftp -H 127.0.0.1 -p PORT -v", (FTP,)),
    ("check_ftp -H 127.0.0.1 -p PORT --phases", (FTP,)),
    ("check_ftp -H 127.0.0.1 -p PORT", (b"421 full\r\n",)),
    ("check_ftp -H 127.0.0.1 -p PORT", (b"SSH-2.0-x\r\n",)),
    ("check_ftp -H 127.0.0.1 -p PORT", (close,)),
    ("check_ftp -H 127.0.0.1 -p PORT", (reset,)),
    ("check_ftp -H 127.0.0.1 -p PORT -t 1", (silent,)),
    ("check_ftp -H 127.0.0.1 -p PORT -t 1:warning", (silent,)),
    ("check_ftp -H 127.0.0.1 -p 1", ()),
    ("check_ftp -H no.such.name.invalid. -p PORT", ()),
    ("check_ftp", ()),
    ("check_ftp --no-such-option", ()),
    ("check_ftp -H 127.0.0.1 -p x", ()),
    ("check_ssh -H 127.0.0.1 -p PORT", (SSH,)),
    ("check_ssh -p PORT 127.0.0.1", (SSH,)),
    ("check_ssh -p PORT -r OpenSSH_8 127.0.0.1", (SSH,)),
    ("check_ssh -p PORT 127.0.0.1", (b"Exceeded MaxStartups\r\n",)),
    ("check_ssh -p PORT -t 1 127.0.0.1", (silent,)),
    ("check_ssh -p 1 127.0.0.1", ()),
    ("check_tftp -H 127.0.0.1 -p 1", ()),
    ("check_tftp -H 127.0.0.1 -p PORT -t 1", ()),
    ("check_tftp 127.0.0.1", ()),
]


async def probe(check: Check, checks: CheckRunner | None = None) -> Result:
    own = checks or CheckRunner()
    done: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
    own.start(check, done.set_result)
    try:
        return await done
    finally:
        if checks is None:
            await own.close()


def comparable(text: str) -> str:
    """Returns a status line without its seconds, and without what -v adds."""
    return re.sub(r"\d+\.\d+", "N", text.partition("\n")[0].partition("|")[0]).strip()


@pytest.fixture
def script(request: pytest.FixtureRequest) -> Iterator[tuple[str, int]]:
    line, steps = request.param
    with Peer(*steps) as peer:
        yield line.replace("PORT", str(peer.port)), peer.port


def is_of_a_check(one: object) -> bool:
    """Tells whether it was left by a check, and not by the thread of its peer."""
    if isinstance(one, BaseException) and one.__traceback__ is not None:
        one = one.__traceback__
    if isinstance(one, TracebackType):
        one = one.tb_frame
    if isinstance(one, FrameType):
        return str(one.f_globals.get("__name__", "")).startswith("noid")
    return isinstance(one, (ProbeError, Result))


@pytest.mark.parametrize("script", LINES, indirect=True, ids=[line for line, _ in LINES])
async def test_what_has_ended_is_gone_without_a_collector(script: tuple[str, int]) -> None:
    checks = CheckRunner()
    check = Check(shlex.split(script[0]), 20.0)
    await probe(check, checks)
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        await probe(check, checks)
        gc.collect()
        left = [one for one in gc.garbage if is_of_a_check(one)]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
        await checks.close()
    assert left == []


@pytest.mark.parametrize("script", LINES, indirect=True, ids=[line for line, _ in LINES])
def test_a_command_line_means_the_same_in_this_process_and_as_an_executable(script: tuple[str, int]) -> None:
    words = shlex.split(script[0])
    code, printed = run_plugin(words[0], words)
    result = asyncio.run(probe(Check(words, 20.0)))
    assert result.state == code
    text = comparable(printed)
    # The usage error of an executable is followed by how it is used, and begins with the program's name.
    expected = f"{words[0]} UNKNOWN - {text.removeprefix(f'{words[0]}: ')}" if code == 3 and ": " in text else text
    assert comparable(result.text) in (expected, text)


def test_a_shorter_deadline_among_the_words_holds() -> None:
    for words, limit, seconds in (
        ("check_ftp -H h", 3.0, 3.0),
        ("check_ftp -H h -t 2", 3.0, 2.0),
        ("check_ssh -t 0 h", 3.0, 3.0),
        ("check_tftp h -t 60", 3.0, 3.0),
    ):
        found = Check(shlex.split(words), limit).probe()
        assert not isinstance(found, Result)
        assert found.timeout == seconds


def test_only_a_bare_name_of_ours_is_ours() -> None:
    assert Check(["check_ftp"], 1).is_ours
    assert not Check(["/usr/lib/nagios/plugins/check_ftp"], 1).is_ours
    assert not Check(["check_mytftp.sh"], 1).is_ours
    assert not Check(["my_check_ftp"], 1).is_ours


def test_help_is_no_check() -> None:
    result = asyncio.run(probe(Check(["check_ftp", "--help"], 1)))
    assert (result.state, result.text) == (State.UNKNOWN, "check_ftp UNKNOWN - it checks nothing, it prints a text")


def test_a_foreign_plugin_is_run() -> None:
    result = asyncio.run(probe(Check(["/bin/echo", "FTP OK - fine"], 20)))
    assert (result.state, result.text) == (State.OK, "FTP OK - fine")


async def test_more_than_there_is_room_for_wait_and_all_get_an_answer() -> None:
    checks, go = CheckRunner(most=3), threading.Event()

    async def hold(_: Client) -> None:
        await until_async(go.is_set)

    with Peer(hold, FTP) as peer:
        check = Check(["check_ftp", "-H", peer.host, "-p", str(peer.port)], 60)
        tasks = [asyncio.create_task(probe(check, checks)) for _ in range(7)]
        await until_async(lambda: peer.connected == 3)
        await asyncio.sleep(0.1)
        assert peer.connected == 3
        go.set()
        results = await asyncio.gather(*tasks)
        assert len(peer.clients) == 7
    await checks.close()
    assert [result.state for result in results] == [State.OK] * 7


async def test_words_that_cannot_be_run_hold_up_none_that_wait_behind_them() -> None:
    checks = CheckRunner(most=1)
    results: asyncio.Queue[Result] = asyncio.Queue()
    with Peer(FTP) as peer:
        good = Check(shlex.split(f"check_ftp -H 127.0.0.1 -p {peer.port}"), 10)
        for check in (good, Check(["check_ftp"], 10), good):
            checks.start(check, results.put_nowait)
        async with asyncio.timeout(60):
            states = [(await results.get()).state for _ in range(3)]
    await checks.close()
    assert sorted(states) == [State.OK, State.OK, State.UNKNOWN]


async def test_a_hung_peer_delays_no_other() -> None:
    checks = CheckRunner()
    with Peer(silent) as hung, Peer(FTP) as well:
        slow = asyncio.create_task(probe(Check(["check_ftp", "-H", hung.host, "-p", str(hung.port)], 60), checks))
        for _ in range(20):
            result = await probe(Check(["check_ftp", "-H", well.host, "-p", str(well.port)], 60), checks)
            assert result.state == State.OK
        assert not slow.done()
        hung.close()
        assert (await slow).state == State.CRITICAL
    await checks.close()


def test_a_transcript_where_it_is_wanted() -> None:
    async def both(port: int) -> tuple[Result, Result]:
        checks, check = CheckRunner(), Check(["check_ftp", "-H", "127.0.0.1", "-p", str(port)], 20)
        results: list[Result] = []
        for wanted in (True, False):
            done = asyncio.Event()

            def take(result: Result, done: asyncio.Event = done) -> None:
                results.append(result)
                done.set()

            checks.start(check, take, transcript=wanted)
            await done.wait()
        await checks.close()
        return results[0], results[1]

    with Peer(FTP) as peer:
        with_one, without = asyncio.run(both(peer.port))
    assert any("220 ready" in line for line in with_one.transcript)
    assert without.transcript == ()


def test_closing_ends_what_runs(nothing_left: Callable[[], None]) -> None:
    async def begin(port: int) -> list[Result]:
        checks, results = CheckRunner(), list[Result]()
        for _ in range(5):
            checks.start(Check(["check_ftp", "-H", "127.0.0.1", "-p", str(port)], 20), results.append)
        await asyncio.sleep(0.05)
        await checks.close()
        await asyncio.sleep(0.05)
        return results

    with Peer() as peer:
        assert asyncio.run(begin(peer.port)) == []
        peer.settle()
    nothing_left()


async def test_a_thread_that_cannot_be_started_is_a_refused_change(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    worker = Worker()
    with monkeypatch.context() as without:
        without.setattr(threading.Thread, "start", refuse)
        with pytest.raises(KernelError, match="this machine has no thread left: can't start new thread"):
            await worker.run(int)
    assert await worker.run(int) == 0
    worker.close()
