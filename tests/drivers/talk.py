"""Probes made of a bare dialogue, to try the drivers with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from noidchecks import Metric, Result, State, Timings
from noidchecks.address import AF_UNSPEC
from noidchecks.dialogue import Dialogue, Stream, open_stream
from tests.patience import LONG


class TalkProbe:
    """A probe whose dialogue is the function given; its findings are the result's fact "found"."""

    def __init__(self, dialogue: Callable[[], Dialogue[Any]], timeout: float = LONG) -> None:
        self.dialogue = dialogue
        self.timeout = timeout

    def judge(self, findings: Any, timings: Timings) -> Result:
        """Judges everything that ends as OK."""
        time = Metric("time", timings.total, "s")
        return Result(State.OK, "TALK OK", metrics=(time,), facts={"found": findings}, timings=timings)


def open_to(host: str, port: int) -> Dialogue[Stream]:
    """Connects to the host, of whichever family it is."""
    return (yield from open_stream(host, port, AF_UNSPEC))
