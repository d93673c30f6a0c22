from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from unittest.mock import Mock

import pytest
from noidlb.nft.run import KernelError
from noidlb.service import shared as shared_module
from noidlb.service.shared import Recent, Shared, in_own_thread

from tests.support.waiting import until_async


class Work:
    """Counts how often it is done, and is finished when it is told so."""

    def __init__(self) -> None:
        self.begun = self.at_once = self.most = 0
        self.gate = asyncio.Event()

    async def __call__(self) -> int:
        self.begun += 1
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        number = self.begun
        await self.gate.wait()
        self.at_once -= 1
        return number


async def test_those_who_ask_meanwhile_share_the_next_one() -> None:
    work = Work()
    shared = Shared(work)
    first = asyncio.create_task(shared.fresh())
    await until_async(lambda: work.begun)
    others = [asyncio.create_task(shared.fresh()) for _ in range(50)]
    await asyncio.sleep(0.01)
    # One who hangs up ends it for nobody else.
    others.pop().cancel()
    work.gate.set()
    assert await first == 1
    assert set(await asyncio.gather(*others)) == {2}
    assert (work.begun, work.most) == (2, 1)
    assert await shared.fresh() == 3


async def test_an_error_reaches_all_and_the_next_one_is_done_again() -> None:
    results: Iterator[ValueError | int] = iter([ValueError("no"), 7])

    async def work() -> int:
        result = next(results)
        if isinstance(result, ValueError):
            raise result
        return result

    shared = Shared(work)
    assert [str(one) for one in await asyncio.gather(shared.fresh(), shared.fresh(), return_exceptions=True)] == [
        "no",
        "no",
    ]
    assert await shared.fresh() == 7


async def test_what_is_under_way_is_given_up_at_the_end() -> None:
    shared = Shared(Work())
    task = asyncio.create_task(shared.fresh())
    await asyncio.sleep(0.01)
    await shared.close()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_thread_of_its_own() -> None:
    assert await in_own_thread(threading.current_thread) is not threading.current_thread()

    def broken() -> None:
        raise OSError("no")

    with pytest.raises(OSError, match="no"):
        await in_own_thread(broken)


async def test_the_threads_of_the_loop_stay_free() -> None:
    gate = threading.Event()
    waiting = [asyncio.create_task(in_own_thread(gate.wait)) for _ in range(40)]
    async with asyncio.timeout(20):
        assert await asyncio.to_thread(lambda: 5) == 5
    gate.set()
    assert all(await asyncio.gather(*waiting))


async def test_all_who_ask_within_a_second_share_what_was_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_module, "_FRESH", 1000.0)
    work = Work()
    recent = Recent(work)
    asked = [asyncio.create_task(recent.get()) for _ in range(12)]
    await until_async(lambda: work.begun)
    # One who hangs up ends it for nobody else.
    asked.pop().cancel()
    work.gate.set()
    assert set(await asyncio.gather(*asked)) == {1}
    assert await recent.get() == 1
    monkeypatch.setattr(shared_module, "_FRESH", 0.0)
    assert await recent.get() == 2
    await recent.close()


async def test_what_could_not_be_made_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_module, "_FRESH", 0.0)
    answers = iter((ValueError("a defect"), None))

    async def make() -> int:
        if (error := next(answers)) is not None:
            raise error
        return 5

    recent = Recent(make)
    with pytest.raises(ValueError, match="a defect"):
        await recent.get()
    assert await recent.get() == 5
    await recent.close()


async def test_a_machine_without_a_thread_left_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threading.Thread, "start", Mock(side_effect=RuntimeError("can't start new thread")))
    with pytest.raises(KernelError, match="this machine has no thread left"):
        await in_own_thread(int)
