"""The course of the demonstration: what happens to the backends, what the guardian must see, and what clients get."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from noidlb.demo.cast import Cast
from noidlb.demo.scene import HALF_DEAD, WELL, Host
from noidlb.status import FarmStatus, to_table

_PATIENCE = 20.0
_ROUNDS = 3
PROTOCOLS = ("ftp", "tftp", "sftp")


class Theatre(Protocol):
    """Where it is played: in namespaces, or on loopback alone."""

    @property
    def hosts(self) -> tuple[Host, ...]: ...
    @property
    def cast(self) -> Cast: ...
    def status(self) -> tuple[FarmStatus, ...]:
        """Returns what the guardian sees and the kernel does."""

    def fetch(self) -> Mapping[str, Mapping[str, object]]:
        """Lets the client fetch in each way; nothing where there is no VIP."""


@dataclass(frozen=True, slots=True)
class Act:
    """What happens, and which backends of which farms must be down then."""

    title: str
    happens: Callable[[], None]
    down: frozenset[tuple[str, str]]


def acts(theatre: Theatre) -> tuple[Act, ...]:
    """Returns the course."""
    first, second, *_ = theatre.hosts
    cast = theatre.cast

    def again(health: str) -> Callable[[], None]:
        def happens() -> None:
            cast.kill(second)
            cast.begin((second,), health)

        return happens

    everything = frozenset((protocol, first.name) for protocol in PROTOCOLS)
    return (
        Act("three backends, three farms, one guardian", lambda: None, frozenset()),
        Act(f"{first.name} is killed", lambda: cast.kill(first), everything),
        Act(f"{first.name} is started again", lambda: cast.begin((first,)), frozenset()),
        Act(
            f"{second.name} is left half dead: its FTP server answers, its data ports are closed",
            again(HALF_DEAD),
            frozenset({("ftp", second.name)}),
        ),
        Act(f"{second.name} is healed", again(WELL), frozenset()),
    )


def perform(theatre: Theatre, say: Callable[[str], object]) -> bool:
    """Plays it, saying everything line by line, and tells whether all of it was as it must be."""
    began = time.monotonic()
    theatre.cast.begin(theatre.hosts)
    wrong = fetched = 0
    for act in acts(theatre):
        say(f"# {act.title}")
        act.happens()
        done = time.monotonic()
        seen = _wait(theatre, act.down)
        say(to_table(theatre.status()))
        if not seen:
            say(f"not seen within {_PATIENCE:g} seconds")
            wrong += 1
        else:
            say(f"seen, and the farms changed, {time.monotonic() - done:.1f} s later")
        for _ in range(_ROUNDS if seen else 0):
            answers = theatre.fetch()
            fetched += len(answers)
            wrong += _told(answers, act.down, say)
        say("")
    say(
        f"{len(acts(theatre))} scenes and {fetched} transfers in {time.monotonic() - began:.1f} seconds, "
        f"{f'{wrong} not' if wrong else 'all'} as expected."
    )
    return not wrong


def _wait(theatre: Theatre, down: frozenset[tuple[str, str]]) -> bool:
    until = time.monotonic() + _PATIENCE
    is_live = sys.stdout.isatty()
    while time.monotonic() < until:
        statuses = theatre.status()
        # What the guardian has seen, and what the kernel does about it.
        found = {
            (farm.name, one.name): {one.guardian.state if one.guardian else "unknown", one.state}
            for farm in statuses
            for one in farm.backends
        }
        if found and all(states == {"down" if key in down else "up"} for key, states in found.items()):
            return True
        if is_live:
            # The table again and again in its place, as long as something changes.
            lines = to_table(statuses).splitlines()
            print("\n".join(f"\x1b[2K{line}" for line in lines) + f"\x1b[{len(lines)}F\n\x1b[1F", end="", flush=True)
        time.sleep(0.05)
    return False


def _told(
    answers: Mapping[str, Mapping[str, object]], down: frozenset[tuple[str, str]], say: Callable[[str], object]
) -> int:
    wrong, words = 0, []
    for way, answer in answers.items():
        served = str(answer["by"])
        is_wrong = bool(answer["problem"]) or (way.partition(" ")[0].lower(), served) in down
        wrong += is_wrong
        words.append(f"{way}: {answer['problem'] or f'from {served}'}{' (wrong)' if is_wrong else ''}")
    if words:
        say(f"a client fetches from the VIP: {', '.join(words)}")
    return wrong
