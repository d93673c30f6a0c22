"""What `noidlb events` does."""

from __future__ import annotations

import click

from ..errors import GuardError
from ..events import Event, from_dict, to_json, to_text
from ..service.client import NoGuardian, ask, follow, require_nobody
from ..service.places import socket_path
from ..service.protocol import Answer, Request
from .codes import DONE


def print_events(
    farm: str | None, backend: str | None, folder: str, socket: str | None, *, follows: bool, as_json: bool, limit: int
) -> int:
    """Prints the guardian's last events and, if follows is set, each new one; GuardError when no guardian runs."""
    path = socket_path(folder, socket)
    request = {"do": "events", "farm": farm, "backend": backend, "limit": limit}

    def show(found: object) -> None:
        event = from_dict(found if isinstance(found, dict) else {})
        click.echo(to_json(event) if as_json else "\n".join(_lines(event, whole=backend is not None)))

    try:
        answers = follow(path, request) if follows else iter((_answer(path, request),))
        for answer in answers:
            for found in [answer["event"]] if "event" in answer else answer.get("events", ()):
                show(found)
    except NoGuardian:
        require_nobody(path)
        raise GuardError("no guardian runs, and only a guardian has events: noidlb guard FILE begins one") from None
    except KeyboardInterrupt:
        if not follows:
            raise
    return DONE


def _answer(path: str, request: Request) -> Answer:
    answer = ask(path, request)
    if answer is None:
        raise NoGuardian("no guardian runs")
    return answer


def _lines(event: Event, *, whole: bool) -> list[str]:
    return [to_text(event), *(f"    {line}" for line in event.transcript if whole)]
