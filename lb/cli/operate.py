"""What `noidlb up`, `drain`, `down`, `stop`, `start` and `reload` do."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

from ..errors import GuardError
from ..service.protocol import Request
from .codes import DONE
from .speak import speak_lines


def operate(request: Request, folder: str, socket: str | None, file: str | None) -> int:
    """Lets a running guardian carry out a request, or carries it out here when none runs."""
    if not speak_lines(folder, socket, request, file=file):
        with uncollected():
            # Imported here because it is needed only when no guardian runs.
            from ..service.state import StateFolder
            from . import direct

            direct.operate(request, StateFolder(folder), file)
    return DONE


@contextmanager
def uncollected() -> Iterator[None]:
    """Disables the garbage collector, which takes up to a fifth of the time to traverse objects that stay alive."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def reload(folder: str, socket: str | None, *, cut: bool) -> int:
    """Lets a running guardian read its file again; GuardError when none runs."""
    if not speak_lines(folder, socket, {"do": "reload", "cut": cut}):
        raise GuardError("no guardian runs: noidlb apply FILE applies a file without one")
    return DONE
