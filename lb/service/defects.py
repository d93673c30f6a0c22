"""Reports defects of this program as events with a traceback, each one once, instead of ending the guardian."""

from __future__ import annotations

import traceback

from ..events import EventLog

# The most different defects that are reported.
_MOST = 100


class Defects:
    """Reports unexpected exceptions, each type once for each work (doing) and place in the code."""

    def __init__(self, events: EventLog) -> None:
        self._events = events
        self._known: set[tuple[str, type[Exception], str]] = set()

    def report(self, doing: str, defect: Exception) -> None:
        """Reports an exception and the work (doing) during which it was raised; the transcript is the traceback."""
        frames = traceback.extract_tb(defect.__traceback__)
        place = f"{frames[-1].filename} line {frames[-1].lineno}" if frames else "an unknown place"
        key = doing, type(defect), place
        if key in self._known or len(self._known) >= _MOST:
            return
        self._known.add(key)
        lines = "".join(traceback.format_exception(defect)).splitlines()
        reason = f"{doing}: {type(defect).__name__}: {defect}, in {place}; this is reported once"
        self._events.report("internal-error", reason, transcript=tuple(lines))
