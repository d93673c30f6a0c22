from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Iterator

import pytest
from noidlb.service.paced import paced

from tests.support.waiting import until_async


def slow() -> Iterator[int]:
    """Makes items that each keep the loop for longer than a slice."""
    for number in range(20):
        time.sleep(0.002)
        yield number


async def test_others_go_on_between_the_slices() -> None:
    turns = 0

    async def turn() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    other = asyncio.create_task(turn())
    await asyncio.sleep(0)
    before = turns
    assert await paced(slow()) == list(range(20))
    # As often as there were slices, however fast the machine is.
    assert turns - before >= 20
    other.cancel()


async def test_the_collector_rests_meanwhile_and_works_again_afterwards() -> None:
    seen: list[bool] = []

    def look() -> Iterator[None]:
        seen.append(gc.isenabled())
        yield None
        raise ValueError("broken")

    assert gc.isenabled()
    with pytest.raises(ValueError, match="broken"):
        await asyncio.gather(paced(slow()), paced(look()))
    assert seen == [False]
    # The slower one is still at it.
    await until_async(gc.isenabled)


async def test_a_collector_that_was_off_stays_off() -> None:
    gc.disable()
    try:
        await paced(slow())
        assert not gc.isenabled()
    finally:
        gc.enable()
