"""Defects of this program that must not end the guardian: each is an event, once, with its traceback."""

from __future__ import annotations

import traceback

from ..events import EventLog

# Different defects that are told apart; more of them are not reported.
_MOST = 100


class Defects:
    """Reports the exceptions that nothing in this program expects, each kind once for each place where it is raised."""

    def __init__(self, events: EventLog) -> None:
        self._events = events
        self._known: set[tuple[str, type[Exception], str]] = set()

    def report(self, doing: str, defect: Exception) -> None:
        """Reports an exception, doing says in which work; the event has the traceback as its transcript."""
        frames = traceback.extract_tb(defect.__traceback__)
        place = f"{frames[-1].filename} line {frames[-1].lineno}" if frames else "an unknown place"
        key = doing, type(defect), place
        if key in self._known or len(self._known) >= _MOST:
            return
        self._known.add(key)
        lines = "".join(traceback.format_exception(defect)).splitlines()
        reason = f"{doing}: {type(defect).__name__}: {defect}, in {place}; this is reported once"
        self._events.report("internal-error", reason, transcript=tuple(lines))
