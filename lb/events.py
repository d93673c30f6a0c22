"""Events of farms and backends: the log of the last ones, and the last failures of each backend."""

from __future__ import annotations

import json
import sys
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime
from itertools import chain

from noidchecks.status.text import printable

# Keeps the last 2 failures of up to 20,000 backends, which bounds the memory when a large farm fails.
_BACKENDS = 20_000
_FAILURES = 2
_TRANSCRIPT = 4000
_REASON = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened, at a Unix time in seconds.

    kind is one of up, down, note, keep, floor (verdicts of the guardian); paused, conntrack-full,
    conntrack-free, overdue (what this machine lacked for a verdict); applied, apply-failed (the kernel);
    word, reload, reload-failed, save-failed, saved, hook-failed, metrics-failed, internal-error, start, stop (the
    service). since is the Unix time of the first of the results that decided, probe the command as configured but
    without passwords, transcript the dialogue of the last one.
    """

    time: float
    kind: str
    farm: str = ""
    backend: str = ""
    address: str = ""
    reason: str = ""
    probe: str = ""
    since: float | None = None
    transcript: tuple[str, ...] = ()


Sink = Callable[[Event], object]


class EventLog:
    """The last events, and the last failures of each backend, which are kept longer.

    Not thread-safe. Each new event is passed to every sink at once; a sink must not block. An exception that it raises
    goes to sys.excepthook, so that the checks continue.
    """

    def __init__(self, limit: int = 1000) -> None:
        self._events: deque[Event] = deque(maxlen=limit)
        self._failures: OrderedDict[tuple[str, str], deque[Event]] = OrderedDict()
        self._sinks: list[Sink] = []

    def add(self, event: Event) -> None:
        """Adds an event and passes it to the sinks."""
        if event.transcript:
            event = _bounded(event)
        self._events.append(event)
        if event.kind == "down" and event.backend:
            key = event.farm, event.backend
            self._failures.setdefault(key, deque(maxlen=_FAILURES)).append(event)
            self._failures.move_to_end(key)
            if len(self._failures) > _BACKENDS:
                self._failures.popitem(last=False)
        for sink in tuple(self._sinks):
            try:
                sink(event)
            except Exception as defect:
                sys.excepthook(type(defect), defect, defect.__traceback__)

    def report(
        self, kind: str, reason: str = "", *, farm: str = "", backend: str = "", transcript: tuple[str, ...] = ()
    ) -> None:
        """Adds an event with the current time."""
        self.add(Event(time=time.time(), kind=kind, farm=farm, backend=backend, reason=reason, transcript=transcript))

    def subscribe(self, sink: Sink) -> None:
        """Adds a sink, which gets every later event."""
        self._sinks.append(sink)

    def unsubscribe(self, sink: Sink) -> None:
        """Removes a sink."""
        self._sinks.remove(sink)

    def recent(self, farm: str | None = None, backend: str | None = None, limit: int = 100) -> list[Event]:
        """Returns the last events, oldest first, of all farms, one farm or one backend.

        With a backend, its kept failures are added to the limit.
        """
        chosen = [event for event in self._events if concerns(event, farm, backend)][-limit:]
        if backend is None:
            return chosen
        known = set(map(id, chosen))
        kept = [
            event
            for event in chain.from_iterable(self._failures.values())
            if id(event) not in known and concerns(event, farm, backend)
        ]
        return sorted((*kept, *chosen), key=lambda event: event.time)


def to_dict(event: Event) -> dict[str, object]:
    """Returns an event as a JSON object, without an empty transcript."""
    made = asdict(event)
    if not event.transcript:
        del made["transcript"]
    return made


def to_json(event: Event) -> str:
    """Writes an event as one line of JSON."""
    return json.dumps(to_dict(event), ensure_ascii=True)


def from_dict(found: Mapping[str, object]) -> Event:
    """Reads an event that another process wrote, perhaps another version of noidlb."""
    known = {field.name for field in fields(Event)}
    values = {key: value for key, value in found.items() if key in known}
    lines = values.get("transcript")
    values["transcript"] = tuple(map(str, lines)) if isinstance(lines, list) else ()
    return Event(**{"time": 0.0, "kind": "?", **values})  # type: ignore[arg-type]  # fields of an unknown version, as JSON has them


def to_text(event: Event) -> str:
    """Writes an event as one line of text."""
    where = "/".join(filter(None, (event.farm, event.backend)))
    text = f"{stamp(event.time)} {f'{where} ' if where else ''}{event.kind}"
    if event.reason:
        text += f": {event.reason}"
    details = [event.address, event.probe, f"since {stamp(event.since)}" if event.since is not None else ""]
    if any(details):
        text += f" ({', '.join(filter(None, details))})"
    return printable(text)


def stamp(seconds: float) -> str:
    """Writes a Unix time as RFC 3339 does, in UTC, to the millisecond."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def concerns(event: Event, farm: object, backend: object) -> bool:
    """Tells whether an event is of a farm and a backend; None stands for any."""
    return (farm is None or event.farm == farm) and (backend is None or event.backend == backend)


def _bounded(event: Event) -> Event:
    lines = []
    left = _TRANSCRIPT
    for line in event.transcript:
        shown = printable(line, 300)
        left -= len(shown)
        if left < 0:
            lines.append("...")
            break
        lines.append(shown)
    return replace(event, transcript=tuple(lines))
