"""The documents at the metrics address: the metrics, and the status page with the last hour of every backend."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager
from functools import partial

from noidchecks.exposition import CONTENT_TYPE
from noidchecks.page import headers

from ..errors import GuardError
from ..events import EventLog
from ..guardian.health import Health
from .defects import Defects
from .history import History
from .http import Document, Route
from .metrics import MetricsSnapshot, write
from .paced import paced, sparing, used_up
from .page import EVENTS, REFRESH, PageView, render
from .page_query import PageQuery
from .shared import Recent

# Seconds between two samples of the response times, two per minute of the history; seconds until the first sample,
# which is early so that the page of a guardian that has just started shows something.
_SAMPLE, _FIRST = 30.0, 5.0
# Seconds between two attempts to discard a snapshot, whose TTL is one second.
_OLD = 1.1
# The most cached status pages, whose TTL is one second, and the most that may be in the making: clients that request
# ever new queries and disconnect must not make this machine render them all.
_KEPT, _UNFINISHED = 16, 64


class Pages:
    """Makes the documents, whose routes MetricsServer takes; reads the kernel at most once per second for all of them.

    look() returns a snapshot, health() the health of the backends, troubles() the problems of this guardian itself.
    """

    def __init__(
        self,
        look: Callable[[], Awaitable[MetricsSnapshot]],
        health: Callable[[], Iterable[Health]],
        troubles: Callable[[], Sequence[str]],
        events: EventLog,
        defects: Defects,
    ) -> None:
        self.routes: Mapping[str, Route] = {"/": self._page, "/metrics": lambda _query: self._metrics.get()}
        self._health = health
        self._defects = defects
        self._troubles = troubles
        self._events = events
        self._history = History()
        self._look = Recent(look)
        self._readers = 0
        self._spared = ExitStack()
        self._discarding: asyncio.Task[None] | None = None
        self._metrics = Recent(self._write_metrics)
        # The status pages by query, the one that was requested last at the end.
        self._people: dict[PageQuery, Recent[Document]] = {}
        self._one_at_a_time = asyncio.Lock()
        self._sampling: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Starts to record the history."""
        if self._sampling is None:
            self._events.subscribe(self._history.take)
            self._sampling = asyncio.create_task(self._sample())

    async def close(self) -> None:
        """Stops recording, and cancels the work that is under way."""
        if self._sampling is not None:
            self._events.unsubscribe(self._history.take)
            self._sampling.cancel()
            await asyncio.gather(self._sampling, return_exceptions=True)
            self._sampling = None
        for page in (*self._people.values(), self._metrics):
            await page.close()
        await self._look.close()
        if self._discarding is not None:
            self._discarding.cancel()
            await asyncio.gather(self._discarding, return_exceptions=True)
        self._spared.close()

    async def _sample(self) -> None:
        await asyncio.sleep(_FIRST)
        while True:
            try:
                await paced(self._history.sample(self._health()))
            except Exception as defect:
                # The next samples may succeed.
                self._defects.report("keeping the history of response times", defect)
            await asyncio.sleep(_SAMPLE)

    async def _write_metrics(self) -> Document:
        async with self._seen() as snapshot:
            return Document({"Content-Type": CONTENT_TYPE}, await paced(write(snapshot)))

    @asynccontextmanager
    async def _seen(self) -> AsyncIterator[MetricsSnapshot]:
        """Provides a snapshot, which is renewed after a second and discarded when no document needs it.

        It may have 100,000 objects: full garbage collections are suspended while they exist.
        """
        if not self._readers and self._discarding is None:
            self._spared.enter_context(sparing())
        self._readers += 1
        try:
            yield await self._look.get()
        finally:
            self._readers -= 1
            if not self._readers and self._discarding is None:
                self._discarding = asyncio.create_task(self._discard())

    async def _discard(self) -> None:
        """Discards the last snapshot in slices, once its TTL is over."""
        while self._readers or self._look.is_kept:
            await asyncio.sleep(_OLD)
            if not self._readers and (snapshot := self._look.take()) is not None:
                await paced(None for _ in used_up(snapshot.health))
                await paced(None for _ in used_up(snapshot.statuses))
        self._discarding = None
        self._spared.close()

    async def _page(self, query: str) -> Document:
        chosen = PageQuery.parse(query)
        page = self._people.pop(chosen, None) or self._new_page(chosen)
        self._people[chosen] = page
        return await page.get()

    def _new_page(self, chosen: PageQuery) -> Recent[Document]:
        finished = [query for query, page in self._people.items() if not page.is_busy]
        if len(self._people) - len(finished) >= _UNFINISHED:
            raise GuardError(f"{_UNFINISHED} other pages are being made: try again in a few seconds")
        for query in finished[: max(0, len(self._people) + 1 - _KEPT)]:
            del self._people[query]
        return Recent(partial(self._render, chosen))

    async def _render(self, chosen: PageQuery) -> Document:
        # One page at a time, then a pause as long as the work: rendering takes half a core at most.
        async with self._one_at_a_time:
            async with self._seen() as snapshot:
                view = PageView(
                    snapshot=snapshot,
                    history=self._history,
                    now=time.time(),
                    events=self._events.recent(limit=EVENTS),
                    troubles=self._troubles(),
                )
                began = time.thread_time()
                pieces = await paced(piece.encode() for piece in render(view, chosen))
            await asyncio.sleep(time.thread_time() - began)
        return Document(headers(REFRESH if chosen.refresh else 0), pieces)
