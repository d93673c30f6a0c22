"""The commands that speak to a running guardian, and what they say when there is none."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from pathlib import Path

import pytest
from noidlb.cli.main import _run
from noidlb.config.load import load
from noidlb.events import Event
from noidlb.guardian.lock import take
from noidlb.nft import nft as kernel
from noidlb.nft.compile import compile_table
from noidlb.nft.skeleton import VERSION
from noidlb.nft.table import Snapshot

from tests.support.lb.served import Served, running, text
from tests.support.waiting import until_async as until


class Operator:
    """Runs noidlb beside the service, in a thread: it blocks."""

    def __init__(self, served: Served, capfd: pytest.CaptureFixture[str]) -> None:
        self._served = served
        self._capfd = capfd

    async def __call__(self, *words: str) -> tuple[int, str]:
        self._capfd.readouterr()
        code = await asyncio.to_thread(_run, [*words[:1], "--state-dir", str(self._served.folder.path), *words[1:]])
        return code, self._capfd.readouterr().out


@pytest.fixture
def noidlb(served: Served, capfd: pytest.CaptureFixture[str]) -> Operator:
    return Operator(served, capfd)


async def test_words_go_through_the_guardian(served: Served, noidlb: Operator) -> None:
    async with running(served):
        await until(lambda: served.kinds().count("up") == 2)
        assert await noidlb("drain", "f", "b1") == (0, "backend f/b1: drain\n")
        assert await noidlb("up", "f", "b1") == (0, "backend f/b1: up\n")
        assert await noidlb("stop", "f") == (0, "farm f: stopped\n")
        assert await noidlb("start", "f") == (0, "farm f: started\n")
        assert await noidlb("stop") == (0, "all farms: stopped\n")
        assert await noidlb("start") == (0, "all farms: started\n")
        code, said = await noidlb("down", "f", "b9")
        assert code == 3
        assert "farm f has no backend 'b9'" in said


async def test_ending_flows_is_done_by_the_guardian_too(served: Served, noidlb: Operator) -> None:
    async with running(served):
        await until(lambda: served.kinds().count("up") == 2)
        assert await noidlb("down", "f", "b1", "--cut") == (0, "backend f/b1: down\nended 0 flows\n")
        code, said = await noidlb("stop", "--cut")
        assert (code, said.splitlines()[-1]) == (0, "the table stays, because the guardian does")


async def test_a_refusing_kernel_is_2(served: Served, noidlb: Operator) -> None:
    async with running(served):
        # What the verdicts change would meet the refusal in place of the word.
        await served.is_still()
        served.kernel.failures = 1
        assert await noidlb("down", "f", "b1") == (2, "noidlb: nft refuses; the guardian will try again\n")


async def test_reload(served: Served, noidlb: Operator) -> None:
    async with running(served):
        assert await noidlb("reload") == (0, "1 farm, 2 backends: applied\n")
        served.file.write_text("nonsense")
        code, said = await noidlb("reload")
        assert code == 3
        assert str(served.file) in said


async def test_status(served: Served, noidlb: Operator) -> None:
    async with running(served):
        await until(lambda: served.kinds().count("up") == 2)
        code, said = await noidlb("status")
        assert (code, said.split()[:2]) == (0, ["FARM", "BACKEND"])
        code, said = await noidlb("status", "--json")
        assert json.loads(said)["farms"][0]["backends"][1]["guardian"]["state"] == "up"


async def test_diff_shows_what_the_guardian_would_change(
    served: Served, noidlb: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    served.file.write_text(text("/bin/sh -c 'exit 2'"))
    async with running(served):
        await until(lambda: served.kinds().count("down") == 2)
        await served.ask("say", farm="f", backend="b1", state="up")
        table = compile_table(load(served.file).farms, served.kernel.conditions[-1])
        monkeypatch.setattr(kernel, "read", lambda: Snapshot(VERSION, table))
        # A program that knew nothing of the guardian would let both backends serve.
        assert await noidlb("diff", str(served.file)) == (0, "nothing to change\n")
        # Longer than any other request, and with what JSON must not escape beyond measure.
        served.file.write_text(served.file.read_text() + '# "\u00e9\t"\n' * 100_000)
        assert await noidlb("diff", str(served.file)) == (0, "nothing to change\n")
        served.file.write_text(text("/bin/sh -c 'exit 2'") + text("/bin/sh -c 'exit 0'", farm="g", vip="192.0.2.11"))
        code, said = await noidlb("diff", str(served.file))
        assert (code, said.splitlines()[:2]) == (
            1,
            [
                "# what the running guardian would change, had it read this file",
                "# service tcp 192.0.2.11 80 of farm g: added",
            ],
        )
        # Its backends are let in by their first answers.
        assert "10.20.1.2" not in said
        code, said = await noidlb("diff", str(served.file), "--socket", str(served.file))
        assert code == 2
        assert "but not at" in said


async def test_events(served: Served, noidlb: Operator) -> None:
    served.file.write_text(text("/bin/sh -c 'echo gone; echo behind; exit 2'"))
    async with running(served):
        await until(lambda: served.kinds().count("down") == 2)
        code, said = await noidlb("events", "f", "b1")
        assert code == 0
        first, *dialogue = said.splitlines()
        assert "f/b1 down: gone" in first
        assert dialogue == ["    behind"]
        assert "    behind" not in (await noidlb("events", "f"))[1]
        code, said = await noidlb("events", "--json", "-n", "1")
        assert json.loads(said)["kind"] == served.events[-1].kind


async def test_following_ends_with_the_guardian(served: Served, noidlb: Operator) -> None:
    async with running(served):
        await served.is_still()
        before = len(served.log._sinks)
        following = asyncio.create_task(noidlb("events", "--follow", "-n", "0"))
        await until(lambda: len(served.log._sinks) > before or following.done())
        served.log.add(Event(time=0, kind="note", reason="something new"))
    code, said = await following
    assert code == 0
    assert "something new" in said


async def test_while_one_runs_nobody_else_applies(served: Served, noidlb: Operator, tmp_path: Path) -> None:
    async with running(served):
        code, said = await noidlb("apply", str(served.file))
        assert code == 2
        assert "noidlb reload" in said
        code, said = await noidlb("down", "f", "b1", "--file", str(served.file))
        assert code == 3
        assert "--file is for when no guardian runs" in said
        code, said = await noidlb("guard", str(served.file), "--socket", str(tmp_path / "other"))
        assert code == 2
        assert f"process {os.getpid()}" in said
        # One that looks for the guardian in the wrong place does not go past it.
        code, said = await noidlb("apply", str(served.file), "--socket", str(tmp_path / "other"))
        assert code == 2
        assert "but not at" in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("reload",), "noidlb: no guardian runs: noidlb apply FILE applies a file without one\n"),
        (("events",), "noidlb: no guardian runs, and only a guardian has events: noidlb guard FILE begins one\n"),
        (
            ("events", "-f"),
            "noidlb: no guardian runs, and only a guardian has events: noidlb guard FILE begins one\n",
        ),
    ],
)
async def test_without_one(noidlb: Operator, words: tuple[str, ...], said: str) -> None:
    assert await noidlb(*words) == (2, said)
    with take():
        assert "--socket names its socket" in (await noidlb(*words))[1]


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (("--hook", "'open"), "No closing quotation"),
        (("--hook", "  "), "must begin with a program"),
        (("--metrics", "localhost:80"), "metrics"),
        (("--log", "xml"), "'xml' is not one of"),
    ],
)
async def test_wrong_options_are_3(served: Served, noidlb: Operator, options: tuple[str, str], error: str) -> None:
    code, said = await noidlb("guard", str(served.file), *options)
    assert code == 3
    assert error in said


async def test_a_sighup_waits_until_the_service_takes_it(
    served: Served, noidlb: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocked: set[int] = set()

    def run(*_: object, **__: object) -> int:
        blocked.update(signal.pthread_sigmask(signal.SIG_BLOCK, []))
        return 0

    monkeypatch.setattr("noidlb.cli.guard.run_guardian", run)
    assert (await noidlb("guard", str(served.file)))[0] == 0
    assert signal.SIGHUP in blocked


async def test_a_bad_file_is_3(served: Served, noidlb: Operator) -> None:
    served.file.write_text("nonsense")
    code, said = await noidlb("guard", str(served.file))
    assert (code, said.count("\n")) == (3, 1)
