from __future__ import annotations

import asyncio
import gc
import weakref

import pytest

from lb import garbage


class Ring:
    """Refers to itself."""

    def __init__(self) -> None:
        self.own = self


async def until_gone(it: weakref.ref[Ring]) -> None:
    async with asyncio.timeout(30):
        while it() is not None:  # noqa: ASYNC110 - garbage tells nobody
            await asyncio.sleep(0.001)


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(garbage, "_EVERY", 0.001)


async def test_it_is_looked_for_in_place_of_python() -> None:
    before = gc.get_freeze_count()
    async with garbage.looked_for():
        assert not gc.isenabled()
        await until_gone(weakref.ref(Ring()))
        # What is in use is put out of the way.
        assert gc.get_freeze_count() > 1000
    assert gc.isenabled()
    assert gc.get_freeze_count() <= before


async def test_what_was_in_use_for_long_is_found_later(monkeypatch: pytest.MonkeyPatch) -> None:
    async with garbage.looked_for():
        ring = Ring()
        seen = weakref.ref(ring)
        garbage._look()
        del ring
        gc.collect()
        assert seen() is not None
    monkeypatch.setattr(garbage, "_WHOLE_EVERY", 0.0)
    async with garbage.looked_for():
        await until_gone(seen)


async def test_where_python_does_not_look_nobody_makes_it() -> None:
    gc.disable()
    try:
        async with garbage.looked_for():
            assert not gc.isenabled()
        assert not gc.isenabled()
    finally:
        gc.enable()
