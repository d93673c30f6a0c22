"""Request handlers of the control socket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Iterator
from functools import partial
from typing import Protocol

from ..errors import FarmError, GuardError
from ..events import EventLog, to_dict
from ..farm_status import VERSION, FarmStatus, backend_document, farm_document
from ..nft.fullness import sticky
from ..nft.run import KernelError
from .lookup import find
from .operations import Operations
from .paced import paced, sparing, used_up
from .protocol import Answer, Request, RequestError, Written
from .shared import in_own_thread
from .verbs import VERBS, flag_in, name_in

_MOST_EVENTS = 1000


class Reload(Protocol):
    """Reads the configuration again."""

    async def __call__(self, *, cut: bool) -> list[str]: ...


class RequestHandler:
    """Validates requests and calls the operation of each; reload reads the configuration file again."""

    def __init__(self, running: Operations, events: EventLog, reload: Reload) -> None:
        self._running = running
        self._events = events
        self._reload = reload
        self._verbs: dict[str, Callable[[Request], Awaitable[Answer | Written]]] = {
            "status": self._status,
            "summary": self._summary,
            "diff": self._diff,
            **dict.fromkeys(VERBS, self._operate),
            "events": self._recent,
            "reload": self._reread,
        }

    async def answer(self, request: Request) -> Answer | Written:
        """Returns the answer to a request; RequestError."""
        verb = request.get("do")
        known = self._verbs.get(verb) if isinstance(verb, str) else None
        if known is None:
            raise RequestError(f"do must be one of {', '.join(self._verbs)}")
        try:
            return await known(request)
        except FarmError as error:
            raise RequestError(str(error)) from None
        except (GuardError, KernelError) as error:
            raise RequestError(str(error), 2) from None

    async def _status(self, request: Request) -> Written:
        with sparing():
            look = in_own_thread(partial(sticky, self._running.farms))
            statuses, remembered = await asyncio.gather(self._running.status(), look)
            told = {
                "digest": self._running.configuration.digest,
                "sticky": {version: [one.count, one.limit] for version, one in remembered.items()},
            }
            return Written(await paced(_status_lines(used_up(statuses), told)))

    async def _summary(self, request: Request) -> Answer:
        """Answers without reading the kernel, for commands that ask whether the guardian works."""
        return {"summary": await self._running.summary(), "troubles": self._running.troubles}

    async def _diff(self, request: Request) -> Answer:
        text = request.get("text")
        if not isinstance(text, str):
            raise RequestError("text must be a configuration")
        found, lines = await self._running.diff(text)
        return {"found": found, "lines": lines}

    async def _operate(self, request: Request) -> Answer:
        return {"lines": await self._running.operate(request)}

    async def _recent(self, request: Request) -> Written:
        farm, backend, limit = name_in(request, "farm"), name_in(request, "backend"), request.get("limit", 100)
        if not isinstance(limit, int) or isinstance(limit, bool) or not 0 <= limit <= _MOST_EVENTS:
            raise RequestError(f"limit must be 0 to {_MOST_EVENTS}")
        found = self._events.recent(farm, backend, limit) if limit else []
        if not found and farm is not None:
            # A removed farm still has events; an unknown name is an error.
            find(self._running.farms, farm)
        return Written(await paced(_listed(b'{"ok": true, "events": [', map(to_dict, found), b"]}\n")))

    async def _reread(self, request: Request) -> Answer:
        return {"lines": await self._reload(cut=flag_in(request, "cut"))}


def _status_lines(statuses: Iterable[FarmStatus], told: Answer) -> Iterator[bytes]:
    yield f'{json.dumps({"ok": True, **told})[:-1]}, "status": {{"version": {VERSION}, "farms": ['.encode()
    comma = b""
    for status in statuses:
        head = json.dumps({**farm_document(status._replace(backends=())), "backends": None})
        # A farm may have 255 backends, so each is a piece. The placeholder is unique: JSON escapes quotes in values.
        before, _, after = head.encode().partition(b'"backends": null')
        yield from _listed(comma + before + b'"backends": [', map(backend_document, status.backends), b"]" + after)
        comma = b", "
    yield b"]}}\n"


def _listed(head: bytes, items: Iterable[object], tail: bytes) -> Iterator[bytes]:
    """Yields a JSON list item by item, between head and tail."""
    yield head
    comma = b""
    for item in items:
        yield comma + json.dumps(item).encode()
        comma = b", "
    yield tail
