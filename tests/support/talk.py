"""Probes made of a bare dialogue, to try the drivers with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from noidchecks import Metric, Result, State, Timings
from noidchecks.address import AF_INET, AF_INET6, AF_UNSPEC, Address
from noidchecks.dialogue.operations import Dialogue, Phase
from noidchecks.dialogue.stream import Stream, open_stream
from tests.support.waiting import LONG

# What a name resolves to, for the fixture names.
Names = dict[bytes, Callable[[], tuple[Address, ...]]]


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


def greeting_of(host: str, port: int) -> Callable[[], Dialogue[bytes | None]]:
    """Returns a dialogue that connects and reads what the peer says first."""

    def dialogue() -> Dialogue[bytes | None]:
        stream = yield from open_to(host, port)
        yield Phase("greeting")
        return (yield from stream.receive())

    return dialogue


def found(result: Result) -> Any:
    """Returns what the dialogue of a probe returned."""
    assert result.state == State.OK, result
    return result.facts["found"]


def address_of(host: str, port: int) -> Address:
    """Returns the address of a port at a literal host, of whichever family it is."""
    return Address(AF_INET6, (host, port, 0, 0)) if ":" in host else Address(AF_INET, (host, port))
