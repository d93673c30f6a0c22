from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
from noidlb.events import Event, EventLog
from noidlb.service import hook as module
from noidlb.service.hook import Hook

from tests.support.waiting import until_async as until

DOWN = Event(time=0.5, kind="down", farm="ftp", backend="b1", address="192.0.2.1:21", reason="$(id); `id`", since=0.0)
# Writes down what it is given, all at once.
TELL = """\
import json, os, sys
with open(sys.argv[1], "a") as file:
    told = {key: value for key, value in os.environ.items() if key.startswith("NOIDLB_")}
    file.write(json.dumps([sys.argv[2:], told, sys.stdin.read()]) + "\\n")
"""

Hooked = Callable[..., AbstractAsyncContextManager[tuple[Hook, EventLog, list[Event]]]]


@pytest.fixture
def hooked() -> Hooked:
    @asynccontextmanager
    async def begin(*argv: str, seconds: float = 20.0) -> AsyncIterator[tuple[Hook, EventLog, list[Event]]]:
        log, events = EventLog(), list[Event]()
        log.subscribe(events.append)
        hook = Hook(log)
        hook.configure(argv, seconds)
        hook.start()
        try:
            yield hook, log, events
        finally:
            await hook.close()

    return begin


def told(file: Path) -> list[tuple[list[str], dict[str, str], str]]:
    return [tuple(json.loads(line)) for line in file.read_text().splitlines()] if file.exists() else []


async def test_is_told_by_argument_environment_and_input(hooked: Hooked, tmp_path: Path) -> None:
    file = tmp_path / "told"
    async with hooked(sys.executable, "-c", TELL, str(file), "two words", "$HOME") as (hook, log, _):
        log.add(DOWN)
        await until(lambda: told(file))
        assert (hook.runs, hook.failures) == (1, 0)
    ((arguments, environment, given),) = told(file)
    # Nothing is for a shell to read.
    assert arguments == ["two words", "$HOME"]
    assert environment == {
        "NOIDLB_TIME": "1970-01-01T00:00:00.500Z",
        "NOIDLB_KIND": "down",
        "NOIDLB_FARM": "ftp",
        "NOIDLB_BACKEND": "b1",
        "NOIDLB_ADDRESS": "192.0.2.1:21",
        "NOIDLB_REASON": "$(id); `id`",
        "NOIDLB_PROBE": "",
        "NOIDLB_SINCE": "1970-01-01T00:00:00.000Z",
    }
    assert json.loads(given)["reason"] == "$(id); `id`"


async def test_events_of_one_backend_come_in_their_order(hooked: Hooked, tmp_path: Path) -> None:
    file = tmp_path / "told"
    async with hooked(sys.executable, "-c", TELL, str(file)) as (_, log, _events):
        for number in range(5):
            log.add(Event(time=number, kind="up", farm="f", backend="b", reason=str(number)))
    # The end waits for those that are under way.
    assert [environment["NOIDLB_REASON"] for _, environment, _ in told(file)] == list("01234")


async def test_a_failure_is_an_event_and_not_told_to_itself(hooked: Hooked) -> None:
    async with hooked("/bin/sh", "-c", "echo no way; exit 2") as (hook, log, events):
        log.add(DOWN)
        await until(lambda: len(events) == 2)
        assert (events[1].kind, events[1].reason) == ("hook-failed", "no way")
        # Those of the next minute are only counted.
        log.add(DOWN)
        await until(lambda: hook.failures == 2)
        assert [event.kind for event in events] == ["down", "hook-failed", "down"]


@pytest.mark.parametrize(
    ("program", "reason"), [("/nowhere/at/all", "there is no"), ("/etc/passwd", "is not executable")]
)
async def test_what_cannot_be_run_is_an_event(hooked: Hooked, program: str, reason: str) -> None:
    async with hooked(program) as (_, log, events):
        log.add(DOWN)
        await until(lambda: len(events) == 2)
        assert reason in events[1].reason


async def test_one_that_hangs_ends_with_all_that_it_has_started(hooked: Hooked, tmp_path: Path) -> None:
    file = tmp_path / "pids"
    script = f"sleep 1000 & echo $! $$ > {file}.new; mv {file}.new {file}; wait"
    async with hooked("/bin/sh", "-c", script, seconds=5.0) as (_, log, events):
        log.add(DOWN)
        await until(lambda: len(events) == 2)
        assert "timeout" in events[1].reason
    child, parent = map(int, file.read_text().split())
    await until(lambda: not _alive(child) and not _alive(parent))


async def test_too_many_waiting_events_are_counted_and_dropped(hooked: Hooked, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_WAITING", 2)
    async with hooked("/bin/sleep", "1000", seconds=0.5) as (hook, log, events):
        for _ in range(10):
            log.add(DOWN)
        assert hook.failures == 8
        assert [event.reason for event in events if event.kind == "hook-failed"] == [
            "too many events wait for /bin/sleep"
        ]


async def test_what_waits_when_the_command_is_taken_away_is_not_told(hooked: Hooked, tmp_path: Path) -> None:
    file = tmp_path / "told"
    async with hooked("/bin/sh", "-c", f"echo >> {file}") as (hook, log, events):
        for _ in range(2):
            log.add(DOWN)
        hook.configure((), 20.0)
        await until(lambda: all(queue.empty() for queue in hook._queues))
        # It has not harmed what comes later.
        hook.configure(("/bin/sh", "-c", f"echo again >> {file}"), 20.0)
        log.add(DOWN)
        await until(lambda: file.exists() and file.read_text() == "again\n")
        assert [event.kind for event in events] == ["down"] * 3
        assert (hook.runs, hook.failures) == (1, 0)


async def test_without_a_command_nothing_runs(hooked: Hooked) -> None:
    async with hooked() as (hook, log, _):
        log.add(DOWN)
        hook.configure(("/bin/true",), 5.0)
        log.add(DOWN)
        await until(lambda: hook.runs == 1)


def _alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            # An orphan that nobody has waited for yet is dead too.
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
