"""The same dialogues on the running asyncio loop."""

from __future__ import annotations

import asyncio

from .sockets import WAIT_READ

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .session import Session


async def run(session: Session) -> None:
    """Runs one session to its end; a cancelled task closes everything that it had opened."""
    loop = asyncio.get_running_loop()
    try:
        while session.advance():
            await _ready(loop, session)
    finally:
        session.close()


async def _ready(loop: asyncio.AbstractEventLoop, session: Session) -> None:
    woken: asyncio.Future[None] = loop.create_future()

    def wake() -> None:
        if not woken.done():
            woken.set_result(None)

    timer = None
    if session.until != float("inf"):
        # The loop's clock is time.monotonic(), the session's too.
        timer = loop.call_at(session.until, wake)
    fd, reading = session.fd, session.events == WAIT_READ
    if fd >= 0:
        (loop.add_reader if reading else loop.add_writer)(fd, wake)
    try:
        await woken
    finally:
        if fd >= 0:
            (loop.remove_reader if reading else loop.remove_writer)(fd)
        if timer is not None:
            timer.cancel()
