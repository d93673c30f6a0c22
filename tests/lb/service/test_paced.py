from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Iterator
from weakref import WeakSet, ref

import pytest
from noidlb.service.paced import exempt, paced, used_up

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


async def test_no_full_collection_meanwhile_and_as_before_afterwards() -> None:
    before = gc.get_threshold()
    seen: list[tuple[int, int, int]] = []

    def look() -> Iterator[None]:
        seen.append(gc.get_threshold())
        yield None
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        await asyncio.gather(paced(slow()), paced(look()))
    ((young, middle, full),) = seen
    assert young == before[0]
    assert middle < before[1]
    assert full > 1_000_000
    # The slower one is still at it.
    await until_async(lambda: gc.get_threshold() == before)


def test_each_item_is_let_go_of_before_the_next() -> None:
    items = [Item() for _ in range(5)]
    alive = WeakSet(items)
    for number, one in enumerate(used_up(items)):
        assert one in alive
        del one
        assert len(alive) >= 4 - number
    assert not items
    assert not alive


class Item:
    """An object that can be watched, and can hold another one."""

    other: object = None


def test_garbage_is_not_exempt_from_the_collector() -> None:
    item = Item()
    # A cycle, which only the collector lets go of.
    item.other = item
    gone = ref(item)
    # It is old when it becomes garbage, as what a long reload leaves behind is.
    gc.collect(0)
    gc.collect(1)
    del item
    before = gc.get_freeze_count()
    exempt()
    assert gone() is None
    assert gc.get_freeze_count() > before
