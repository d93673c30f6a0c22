"""What the guardian has promised, and whether what is found agrees with it: words, and times of trouble; pure.

Times are seconds of one clock that all processes of the bench share.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

# Farm and backend; a farm alone, which can be stopped, has no backend.
Place = tuple[str, str]
# What is not overridden.
AS_CONFIGURED = "up"
# A client that met a disturbance at its very end hears of it so much later.
_AFTERMATH = 1.0
# Outcomes of clients arrive in batches, so many seconds late at most.
_REMEMBERED = 120.0


class Words:
    """The words that the guardian has confirmed, and those that it was asked for when it died.

    A word is out (drain, down) from its confirmation until it is taken back: no new client may reach its backend then.
    """

    def __init__(self) -> None:
        self.confirmed: dict[Place, str] = {}
        self._doubtful: dict[Place, str] = {}
        self._out: dict[Place, list[tuple[float, float]]] = {}

    def ask(self, place: Place, word: str, now: float) -> None:
        """Records a request that is about to be sent."""
        self._doubtful[place] = word
        spans = self._out.get(place)
        if spans and spans[-1][1] == float("inf"):
            # From now on either is right, until it is confirmed.
            spans[-1] = (spans[-1][0], now)

    def confirm(self, place: Place, now: float) -> None:
        """Records that the guardian has answered the last request about a place."""
        self._hold(place, self._doubtful.pop(place), now)

    def compare(self, found: Mapping[Place, str], now: float) -> list[str]:
        """Says what the guardian has forgotten or invented; what was in doubt is from now on as it was found."""
        wrong = []
        for place in sorted(self.confirmed.keys() | found.keys() | self._doubtful.keys()):
            holds, seen = self.confirmed.get(place, AS_CONFIGURED), found.get(place, AS_CONFIGURED)
            asked = self._doubtful.get(place)
            if seen not in (holds, asked):
                wrong.append(f"{'/'.join(filter(None, place))} is {seen}, and {holds} was confirmed")
            if asked is not None or seen != holds:
                self._hold(place, seen, now)
        self._doubtful.clear()
        return wrong

    def was_out(self, place: Place, since: float) -> bool:
        """Returns whether a client that began then had to be kept from a backend, all the time until now."""
        return any(begin <= since and end == float("inf") for begin, end in self._out.get(place, ()))

    def forget_before(self, now: float) -> None:
        """Drops what is too old to be asked for."""
        for place, spans in [*self._out.items()]:
            self._out[place] = [span for span in spans if span[1] > now - _REMEMBERED]
            if not self._out[place]:
                del self._out[place]

    def _hold(self, place: Place, word: str, now: float) -> None:
        if word == AS_CONFIGURED:
            self.confirmed.pop(place, None)
        else:
            self.confirmed[place] = word
            self._out.setdefault(place, []).append((now, float("inf")))


@dataclass(slots=True)
class Trouble:
    """A time in which clients may fail, of all farms or of those alone whose backends fail by turns."""

    name: str
    begin: float
    end: float = float("inf")
    is_everywhere: bool = True


class Troubles:
    """The times of trouble that the bench has made."""

    def __init__(self) -> None:
        self._all: list[Trouble] = []

    def begin(self, name: str, now: float, *, is_everywhere: bool = True) -> Trouble:
        """Opens one; the caller sets its end."""
        self._all.append(Trouble(name, now, is_everywhere=is_everywhere))
        return self._all[-1]

    def end_all(self, now: float) -> None:
        """Ends those that are still open."""
        for one in self._all:
            one.end = min(one.end, now)

    def explain(self, begin: float, end: float, *, is_steady: bool) -> Trouble | None:
        """Returns the trouble that a client met which began and ended then, None when there was none.

        is_steady: its farm's backends never fail by themselves.
        """
        for one in reversed(self._all):
            if one.begin <= end and begin <= one.end + _AFTERMATH and (one.is_everywhere or not is_steady):
                return one
        return None

    def around(self, begin: float, end: float) -> str:
        """Says which trouble ended last before a client began, and which was the first after it."""
        before = max((one for one in self._all if one.end < begin), key=lambda one: one.end, default=None)
        after = min((one for one in self._all if one.begin > end), key=lambda one: one.begin, default=None)
        told = [f"{begin - before.end:.2f} s after {before.name}"] if before else []
        told += [f"{after.begin - end:.2f} s before {after.name}"] if after else []
        return " and ".join(told) or "far from any trouble"
