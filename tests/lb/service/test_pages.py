from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from noidlb.errors import GuardError
from noidlb.events import Event, EventLog
from noidlb.guardian.health import Health
from noidlb.service import pages as pages_module, shared as shared_module
from noidlb.service.defects import Defects
from noidlb.service.metrics import MetricsSnapshot
from noidlb.service.pages import Pages

from tests.support.lb.seen import backend, farm, health, seen
from tests.support.waiting import until_async as until


class Guardian:
    """What pages are made from, and how often it was asked."""

    def __init__(self, count: int = 1) -> None:
        self.events = EventLog()
        self.looks = 0
        self.watched: list[Health] = [health(f"b{one}") for one in range(count)]
        self.farms = [farm(f"f{one}", *(backend(f"b{two}") for two in range(100))) for one in range(count // 100)]
        self.farms = self.farms or [farm("f", backend("b0"))]

    async def look(self) -> MetricsSnapshot:
        self.looks += 1
        return seen(*self.farms, watched=self.watched).snapshot


@asynccontextmanager
async def pages_of(guardian: Guardian) -> AsyncIterator[Pages]:
    pages = Pages(
        guardian.look, lambda: guardian.watched, lambda: ["the disk is full"], guardian.events, Defects(guardian.events)
    )
    pages.start()
    try:
        yield pages
    finally:
        await pages.close()


async def get(pages: Pages, path: str, query: str = "") -> str:
    document = await pages.routes[path](query)
    return b"".join(document.pieces).decode()


async def test_the_documents(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages_module, "_FIRST", 0.0)
    guardian = Guardian()
    async with pages_of(guardian) as pages:
        await until(lambda: any(pages._history.last_hour("f", "b0")))
        address = guardian.watched[0].address
        guardian.events.add(Event(time=1.0, kind="down", farm="f", backend="b0", address=address, reason="gone"))
        html = await get(pages, "/")
        assert "the disk is full" in html
        assert "Last hour: down in 1 of 60 minutes" in html
        assert "gone" in html
        assert 'noidlb_backend_up{farm="f",backend="b0"' in await get(pages, "/metrics", "anything")
        # One look at the kernel for all of it.
        assert guardian.looks == 1
        assert (await pages.routes["/"]("")).headers["Refresh"] == "15"
        assert "Refresh" not in (await pages.routes["/"]("refresh=off")).headers
    # What ended keeps nothing.
    assert guardian.events._sinks == []


async def test_response_times_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages_module, "_FIRST", 0.0)
    monkeypatch.setattr(pages_module, "_SAMPLE", 0.0)
    guardian = Guardian()
    async with pages_of(guardian) as pages:
        await until(lambda: any(pages._history.last_hour("f", "b0")))
        assert "answered in 10 ms to 10 ms" in await get(pages, "/")
        guardian.watched.clear()
        await until(lambda: not any(pages._history.last_hour("f", "b0")))


async def test_probes_start_while_a_page_of_ten_thousand_is_made() -> None:
    guardian = Guardian(10_000)
    async with pages_of(guardian) as pages:
        steps = 0
        making = asyncio.create_task(get(pages, "/"))
        while not making.done():
            steps += 1
            await asyncio.sleep(0)
        assert "100 farms, 10,000 backends" in making.result()
        # A slice takes a millisecond.
        assert steps > 20


async def test_many_readers_of_different_pages_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    # However long a busy machine takes for all of them, a look is recent.
    monkeypatch.setattr(shared_module, "_FRESH", 3600.0)
    guardian = Guardian(1000)
    async with pages_of(guardian) as pages:
        found = await asyncio.gather(*(get(pages, "/", f"q=b{one}") for one in range(10, 30)))
        assert len(set(found)) == 20
        assert guardian.looks == 1
        # What was asked for long ago is not kept.
        await get(pages, "/", "q=b31")
        assert len(pages._people) == 16


async def test_readers_that_go_away_do_not_have_ever_more_pages_made() -> None:
    guardian = Guardian(1000)
    async with pages_of(guardian) as pages:
        readers = [asyncio.create_task(get(pages, "/", f"q={one}")) for one in range(64)]
        await asyncio.sleep(0)
        for reader in readers:
            reader.cancel()
        with pytest.raises(GuardError, match="64 other pages are being made"):
            await get(pages, "/", "q=another")
        # One that is in the making is shared, and they end.
        await get(pages, "/", "q=1")
        await until(lambda: not any(page.is_busy for page in pages._people.values()))
        assert "Nothing is like that" in await get(pages, "/", "q=another")


async def test_what_was_looked_at_is_let_go_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages_module, "_OLD", 0.01)
    monkeypatch.setattr(shared_module, "_FRESH", 0.0)
    before, set_threshold, spared = gc.get_threshold(), gc.set_threshold, []

    def spare(*thresholds: int) -> None:
        spared.append(thresholds)
        set_threshold(*thresholds)

    monkeypatch.setattr(gc, "set_threshold", spare)
    guardian = Guardian(200)
    async with pages_of(guardian) as pages:
        for path in ("/metrics", "/"):
            assert "b199" in await get(pages, path, "q=b199")
            assert spared[0] != before
            await until(lambda: not pages._look.is_kept)
            await until(lambda: gc.get_threshold() == before)
            spared.clear()
        assert guardian.looks == 2
        # It is found again, and of the farms only what tells was kept.
        assert "b199" in await get(pages, "/", "q=b199")


async def test_the_history_goes_on_after_a_defect(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages_module, "_FIRST", 0.0)
    monkeypatch.setattr(pages_module, "_SAMPLE", 0.0)
    guardian = Guardian()
    good, guardian.watched = guardian.watched, [None]  # type: ignore[list-item]  # the defect
    async with pages_of(guardian) as pages:
        await until(lambda: len(guardian.events.recent()) > 0)
        guardian.watched = good
        await until(lambda: any(pages._history.last_hour("f", "b0")))
        (event,) = guardian.events.recent()
        assert event.kind == "internal-error"
        assert event.reason.startswith("keeping the history of response times: AttributeError: ")


async def test_those_who_want_the_same_share_it() -> None:
    guardian = Guardian()
    async with pages_of(guardian) as pages:
        one, other = await asyncio.gather(pages.routes["/"]("q=b0"), pages.routes["/"]("other=1&q=b0"))
        assert one is other
