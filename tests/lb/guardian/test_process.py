from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from noidlb.guardian import executable, process as foreign
from noidlb.guardian.executable import find
from noidlb.guardian.process import ProcessPool

from noidchecks.errors import LocalError
from noidchecks.status.result import Result
from noidchecks.status.state import State
from tests.support.waiting import until_async as until

PYTHON = [sys.executable, "-SEc"]
STARTED: list[ProcessPool] = []


async def run(*words: str, limit: float = 20.0, runner: ProcessPool | None = None) -> Result:
    """Runs one plugin to its result."""
    done: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
    if runner is None:
        runner = ProcessPool(10)
        STARTED.append(runner)
    runner.start(words, limit, done.set_result)
    return await done


@pytest.fixture(autouse=True)
async def nothing_left() -> AsyncIterator[None]:
    """Fails when a test has left a descriptor open; made within the running loop, whose own ones do not count."""
    before = set(os.listdir("/proc/self/fd"))
    yield
    for runner in STARTED:
        await runner.close()
    STARTED.clear()
    assert set(os.listdir("/proc/self/fd")) <= before


async def timed_out(*words: str, note: Path, processes: int = 1) -> list[int]:
    """Runs a plugin whose processes write down who they are and hang, with a deadline that lets them come so far."""
    for limit in (1.0, 5.0, 20.0):
        result = await run(*words, limit=limit)
        pids = taken(note)
        if len(pids) == processes:
            break
    assert result.state == State.CRITICAL
    assert result.text == f"{words[0]} CRITICAL - timeout after {limit:g} seconds"
    assert result.timings.total >= limit
    assert len(pids) == processes
    return pids


def taken(note: Path) -> list[int]:
    """Returns the numbers in a file, and takes it away."""
    text = note.read_text() if note.exists() else ""
    note.unlink(missing_ok=True)
    return [int(line) for line in text.split()]


def gone(pid: int) -> bool:
    """Whether a process is no more, not even as a zombie that is ours."""
    try:
        return "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True


def begun(folder: Path) -> int:
    return len(list(folder.glob("began-*")))


@pytest.mark.parametrize(
    ("script", "state", "text"),
    [
        ("print('FTP OK - fine | time=1s')", State.OK, "FTP OK - fine"),
        ("print('slow'); raise SystemExit(1)", State.WARNING, "slow"),
        ("print('dead\\nmore'); raise SystemExit(2)", State.CRITICAL, "dead"),
        ("import sys; print('tftp: not found', file=sys.stderr); sys.exit(3)", State.UNKNOWN, "tftp: not found"),
        ("print('\\x1b[31mred')", State.OK, "\\x1b[31mred"),
        ("raise SystemExit(1)", State.UNKNOWN, "{} UNKNOWN - it printed nothing"),
        ("import sys; print('broken', file=sys.stderr); sys.exit(1)", State.UNKNOWN, "broken"),
        ("raise SystemExit(2)", State.CRITICAL, "{} CRITICAL - it printed nothing"),
        ("print('x'); raise SystemExit(7)", State.UNKNOWN, "{} UNKNOWN - exit code 7: x"),
        ("import os; os.kill(os.getpid(), 11)", State.UNKNOWN, "{} UNKNOWN - ended by SIGSEGV"),
        ("import os; os.kill(os.getpid(), 9)", State.UNKNOWN, "{} UNKNOWN - ended by SIGKILL"),
    ],
)
async def test_exit_code_and_first_line_are_the_result(script: str, state: State, text: str) -> None:
    result = await run(*PYTHON, script)
    assert result.state == state
    assert result.text == text.format(sys.executable)
    assert 0 < result.timings.total < 20


async def test_words_stay_words_and_no_shell_reads_them() -> None:
    result = await run(*PYTHON, "import sys; print(sys.argv[1:])", "a b", "$HOME; exit 1", "`id`")
    assert result.text == "['a b', '$HOME; exit 1', '`id`']"


async def test_there_is_nothing_on_standard_input_and_no_descriptor_of_ours() -> None:
    script = "import os, sys; print(repr(sys.stdin.read()), sorted(map(int, os.listdir('/proc/self/fd'))))"
    # The last one is that of the listing.
    assert (await run(*PYTHON, script)).text == "'' [0, 1, 2, 3]"


@pytest.mark.parametrize("name", ["no-such-plugin", "relative/plugin", "/no/such/plugin", "/etc/passwd", "/"])
async def test_a_plugin_that_is_not_there_is_unknown(name: str) -> None:
    result = await run(name)
    assert result.state == State.UNKNOWN
    assert name in result.text
    assert isinstance(result.failure, LocalError)


@pytest.mark.parametrize(
    ("script", "is_ours"),
    [
        ("raise SystemExit(126)", True),
        ("raise SystemExit(127)", True),
        ("import os; os.kill(os.getpid(), 11)", True),
        ("import os; os.kill(os.getpid(), 9)", True),
        # As a service manager ends all processes of a service.
        ("import os; os.kill(os.getpid(), 15)", True),
        ("import os; os.kill(os.getpid(), 2)", True),
        ("import os; os.kill(os.getpid(), 1)", True),
        # A timeout of the plugin's own, and what timeout(1) says of one.
        ("import os; os.kill(os.getpid(), 14)", False),
        ("raise SystemExit(124)", False),
        ("raise SystemExit(1)", False),
        ("raise SystemExit(2)", False),
        ("print('UNKNOWN'); raise SystemExit(3)", False),
        ("raise SystemExit(255)", False),
    ],
)
async def test_a_program_that_did_not_run_or_crashed_has_looked_at_no_peer(script: str, is_ours: bool) -> None:
    result = await run(*PYTHON, script)
    assert isinstance(result.failure, LocalError) is is_ours


async def test_what_a_wrapper_cannot_run_is_no_verdict() -> None:
    for words in (("env", "no-such-plugin"), ("sh", "-c", "no-such-plugin HOST"), ("timeout", "3", "/etc/passwd")):
        result = await run(*words)
        assert isinstance(result.failure, LocalError), words


async def test_a_plugin_that_cannot_be_run_is_unknown(tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.write_text("#!/no/such/interpreter\n")
    broken.chmod(0o755)
    result = await run(str(broken))
    assert result.state == State.UNKNOWN
    assert result.text == f"{broken} needs the interpreter /no/such/interpreter, which is missing"
    assert isinstance(result.failure, LocalError)
    assert "cannot be run" in (await run("/bin/echo", "a\0b")).text


async def test_a_script_that_its_interpreter_may_not_read_is_no_verdict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With mode 0711; sh and python3 end with 2 then, perl with 13."""
    script = tmp_path / "secret"
    script.write_text(f"#!/bin/sh\necho '/bin/sh: 0: cannot open {script}: Permission denied' >&2\nexit 2\n")
    script.chmod(0o755)
    # To root, who may run the tests, every file is readable.
    assert (await run(str(script))).state == State.CRITICAL
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.R_OK)
    result = await run(str(script))
    assert result.state == State.UNKNOWN
    assert result.text == f"{script} is a script that its interpreter may not read"
    assert isinstance(result.failure, LocalError)
    # A binary speaks for itself.
    script.write_text("#!/bin/sh\necho 'CRITICAL - login: Permission denied'\nexit 2\n")
    assert (await run(str(script))).state == State.CRITICAL


def test_plugins_are_found_in_their_folders_and_on_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folders = [tmp_path / name for name in ("debian", "path")]
    for folder in folders:
        folder.mkdir()
        (folder / "check_x").write_text("")
        (folder / "check_x").chmod(0o755)
    monkeypatch.setattr(executable, "_FOLDERS", str(folders[0]))
    monkeypatch.setenv("PATH", str(folders[1]))
    assert find("check_x") == str(folders[0] / "check_x")
    (folders[0] / "check_x").chmod(0o644)
    assert find("check_x") == str(folders[1] / "check_x")
    assert find("sh") == "/usr/bin/sh"
    assert find("check_none") is None


async def test_a_hung_plugin_is_critical_at_its_deadline_and_ended(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    script = f"import os, time; open({str(note)!r}, 'w').write(f'{{os.getpid()}}\\n'); time.sleep(100)"
    (pid,) = await timed_out(*PYTHON, script, note=note)
    await until(lambda: gone(pid))


async def test_the_whole_group_is_ended_even_one_that_ignores_sigterm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(foreign, "_GRACE", 0.3)
    note = tmp_path / "pids"
    script = (
        "import os, signal, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "os.fork(); os.fork()\n"
        f"open({str(note)!r}, 'a').write(f'{{os.getpid()}}\\n')\n"
        "time.sleep(100)"
    )
    pids = await timed_out(*PYTHON, script, note=note, processes=4)
    await until(lambda: all(map(gone, pids)))


async def test_what_a_plugin_leaves_behind_holds_nobody_up_and_ends(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    script = (
        "import os, time\n"
        "if os.fork() == 0:\n"
        f"    open({str(note)!r}, 'w').write(str(os.getpid()))\n"
        "    time.sleep(100)\n"
        "print('fine', flush=True)\n"
        f"while not os.path.exists({str(note)!r}) or not open({str(note)!r}).read(): time.sleep(0.01)\n"
        "os._exit(0)"
    )
    result = await run(*PYTHON, script)
    assert (result.state, result.text) == (State.OK, "fine")
    await until(lambda: gone(int(note.read_text())))


async def test_endless_output_is_read_and_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(foreign, "_KEPT", 100)
    script = "import sys\nprint('fine')\nfor _ in range(200): sys.stdout.write('x' * 65536)"
    result = await run(*PYTHON, script)
    assert (result.state, result.text) == (State.OK, "fine")
    assert sum(map(len, result.transcript)) <= 100
    endless = await run(*PYTHON, "while True: print('x' * 65536)", limit=0.5)
    assert endless.state == State.CRITICAL


async def test_so_many_run_at_once_and_the_others_wait(tmp_path: Path) -> None:
    runner = ProcessPool(2)
    go = tmp_path / "go"
    script = (
        "import os, time\n"
        f"open({str(tmp_path)!r} + f'/began-{{os.getpid()}}', 'w')\n"
        f"while not os.path.exists({str(go)!r}): time.sleep(0.01)\n"
        "print('fine')"
    )
    tasks = [asyncio.create_task(run(*PYTHON, script, runner=runner)) for _ in range(5)]
    await until(lambda: begun(tmp_path) == 2)
    await asyncio.sleep(0.2)
    assert begun(tmp_path) == 2
    go.touch()
    results = await asyncio.gather(*tasks)
    assert [result.text for result in results] == ["fine"] * 5
    assert begun(tmp_path) == 5


async def test_closing_ends_what_runs_and_reports_nothing(tmp_path: Path) -> None:
    runner = ProcessPool(1)
    results: list[Result] = []
    note = tmp_path / "pid"
    script = f"import os, time; open({str(note)!r}, 'w').write(str(os.getpid())); time.sleep(100)"
    runner.start([*PYTHON, script], 50.0, results.append)
    runner.start([*PYTHON, script], 50.0, results.append)
    await until(lambda: note.exists() and bool(note.read_text()))
    await runner.close()
    assert gone(int(note.read_text()))
    assert results == []
