"""The course of the demonstration: what happens to the backends, what the guardian must see, and what clients get."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from noidlb.demo.cast import Cast
from noidlb.demo.scene import Host
from noidlb.status import FarmStatus
from noidlb.status_table import Terminal, terminal, to_table

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
    """What happens, and which backends of which farms must be down then; because stands in the guardian's reason."""

    title: str
    happens: Callable[[], None]
    down: frozenset[tuple[str, str]]
    because: str = ""


def acts(theatre: Theatre) -> tuple[Act, ...]:
    """Returns the course."""
    first, second, *_ = theatre.hosts
    cast = theatre.cast
    everything = frozenset((protocol, first.name) for protocol in PROTOCOLS)
    return (
        Act("three backends, three farms, one guardian", lambda: None, frozenset()),
        Act(f"{first.name} is killed", lambda: cast.kill(first), everything),
        Act(f"{first.name} is started again", lambda: cast.begin((first,)), frozenset()),
        Act(
            f"{second.name} is left half dead: its FTP server answers, its data ports are closed",
            lambda: cast.cripple(second),
            frozenset({("ftp", second.name)}),
            because="data",
        ),
        Act(f"{second.name} is healed", lambda: cast.heal(second), frozenset()),
    )


def perform(theatre: Theatre, say: Callable[[str], object]) -> bool:
    """Plays it, saying everything line by line, and tells whether all of it was as it must be."""
    began = time.monotonic()
    where = terminal()
    theatre.cast.begin(theatre.hosts)
    wrong = fetched = 0
    for act in acts(theatre):
        say(f"# {act.title}")
        act.happens()
        done = time.monotonic()
        seen = _wait(theatre, act, where)
        if where.width is not None:
            print("\x1b[J", end="", flush=True)
        say(to_table(theatre.status(), where))
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


def _wait(theatre: Theatre, act: Act, where: Terminal) -> bool:
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until:
        statuses = theatre.status()
        # What the guardian has seen, and what the kernel does about it.
        found = {
            (farm.name, one.name): {one.guardian.state if one.guardian else "unknown", one.state}
            for farm in statuses
            for one in farm.backends
        }
        reasons = [
            one.guardian.reason
            for farm in statuses
            for one in farm.backends
            if one.guardian and (farm.name, one.name) in act.down
        ]
        is_right = all(states == {"down" if key in act.down else "up"} for key, states in found.items())
        if found and is_right and all(act.because in reason for reason in reasons):
            return True
        if where.width is not None:
            _redraw(to_table(statuses, where).splitlines())
        time.sleep(0.05)
    return False


def _redraw(lines: list[str]) -> None:
    """Writes a table that the next one takes the place of; not where it would scroll."""
    if len(lines) < shutil.get_terminal_size().lines:
        # Erased to the end, because the one before may have been longer.
        print("\x1b[J" + "\n".join(lines) + f"\x1b[{len(lines) - 1}F", end="", flush=True)


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
        # In 80 columns, when all is well.
        say(f"fetched: {', '.join(words)}")
    return wrong
