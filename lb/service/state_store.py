"""Saves overrides and the applied configuration for the next start; retries while the disk is full."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import partial

from ..events import EventLog
from ..guardian.worker import in_thread
from ..nft.run import KernelError
from ..overrides import Overrides
from .state import StateError, StateFolder

_RETRY = 10.0


class StateStore:
    """Writes overrides and configuration to the state folder, and retries every 10 s until they are written.

    The first failure and the first success after it are events.
    """

    def __init__(self, folder: StateFolder, events: EventLog, *, retry: float = _RETRY) -> None:
        self._folder = folder
        self._events = events
        self._retry = retry
        self._wanted: tuple[str, Overrides] | None = None
        self._written: tuple[str, Overrides] | None = None
        self._one_at_a_time = asyncio.Lock()
        self._again: asyncio.Task[None] | None = None
        # Why the last attempt failed, or "".
        self.trouble = ""

    async def keep(self, text: str, overrides: Overrides) -> str:
        """Writes both, and returns "" or the reason why they are not yet written."""
        self._wanted = text, overrides
        await self._attempt()
        if self.trouble and self._again is None:
            self._again = asyncio.create_task(self._retry_until_written())
        return self.trouble

    async def close(self) -> None:
        """Tries a last time if something is unwritten."""
        if self._again is not None:
            self._again.cancel()
            with suppress(asyncio.CancelledError):
                await self._again
            await self._attempt()

    async def _attempt(self) -> None:
        async with self._one_at_a_time:
            wanted = self._wanted
            if wanted is None or wanted == self._written:
                return
            try:
                # In a thread, because another noidlb may hold the lock and the disk may be slow.
                await in_thread(partial(self._write, *wanted))
            except (StateError, KernelError) as error:
                if not self.trouble:
                    self._events.report(
                        "save-failed", f"{error}; what was said holds, and is written as soon as it can be"
                    )
                self.trouble = str(error)
                # One of the two may have been written.
                self._written = None
                return
            self._written = wanted
            if self.trouble:
                self.trouble = ""
                self._events.report("saved", "the overrides and the configuration are written")

    async def _retry_until_written(self) -> None:
        while self.trouble:
            await asyncio.sleep(self._retry)
            await self._attempt()
        self._again = None

    def _write(self, text: str, overrides: Overrides) -> None:
        with self._folder.locked():
            # Overrides first, because the configuration can be read again from the farms file.
            self._folder.save_overrides(overrides)
            self._folder.save_applied(text)
