"""Waiting for what happens by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


async def until(holds: Callable[[], object], patience: float = 30.0) -> None:
    """Returns when it holds; TimeoutError."""
    async with asyncio.timeout(patience):
        while not holds():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)
