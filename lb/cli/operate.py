"""What `noidlb up`, `drain`, `down`, `stop`, `start` and `reload` do."""

from __future__ import annotations

from ..errors import GuardError
from ..service.protocol import Request
from .codes import DONE
from .speak import speak_lines


def operate(request: Request, folder: str, socket: str | None, file: str | None) -> int:
    """Lets a running guardian carry out a request, or carries it out here when none runs."""
    if not speak_lines(folder, socket, request, file=file):
        # Only without a guardian is there anything to read and to run.
        from ..service import direct
        from ..service.state import StateFolder

        direct.operate(request, StateFolder(folder), file)
    return DONE


def reload(folder: str, socket: str | None, *, cut: bool) -> int:
    """Lets a running guardian read its file again; GuardError when none runs."""
    if not speak_lines(folder, socket, {"do": "reload", "cut": cut}):
        raise GuardError("no guardian runs: noidlb apply FILE applies a file without one")
    return DONE
