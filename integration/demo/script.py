"""The script of the demonstration: what happens to the backends, what the guardian must see, and what clients get."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from noidlb.cli.status_table import Terminal, terminal, to_table
from noidlb.farm_status import FarmStatus

from integration.demo.backends import PORTS, BackendProcess

_PATIENCE = 60.0
_ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Fetched:
    """What came of one transfer: the name of the backend that served it, or what went wrong."""

    backend: str = ""
    problem: str = ""


class Environment(Protocol):
    """Where it is shown: in the lab, or on loopback alone."""

    @property
    def backends(self) -> Sequence[BackendProcess]: ...
    def status(self) -> tuple[FarmStatus, ...]:
        """Returns what the guardian sees and the kernel does; nothing while the guardian starts."""

    def fetch(self) -> Mapping[str, Fetched]:
        """Lets the client fetch over each protocol; nothing where there is no VIP."""


@dataclass(frozen=True, slots=True)
class Step:
    """What happens, and which backends of which farms must be down then; `because` is in the guardian's reason."""

    title: str
    happens: Callable[[], None]
    down: frozenset[tuple[str, str]]
    because: str = ""


def steps(backends: Sequence[BackendProcess]) -> tuple[Step, ...]:
    """Returns the course."""
    first, second, *_ = backends
    return (
        Step("three backends, three farms, one guardian", lambda: None, frozenset()),
        Step(f"{first.name} is killed", first.kill, frozenset((protocol, first.name) for protocol in PORTS)),
        Step(f"{first.name} is started again", lambda: start((first,)), frozenset()),
        Step(
            f"{second.name} is left half dead: its FTP server answers, its data ports are closed",
            second.cripple,
            frozenset({("ftp", second.name)}),
            because="data",
        ),
        Step(f"{second.name} is healed", second.heal, frozenset()),
    )


def start(backends: Sequence[BackendProcess]) -> None:
    """Starts backends, and returns when all of them answer."""
    for one in backends:
        one.start()
    for one in backends:
        one.wait()


def perform(environment: Environment, say: Callable[[str], object]) -> bool:
    """Shows all steps, saying everything line by line, and returns whether all of it was as it must be."""
    try:
        return _perform(environment, say)
    finally:
        for one in environment.backends:
            one.kill()


def _perform(environment: Environment, say: Callable[[str], object]) -> bool:
    began = time.monotonic()
    where = terminal()
    start(environment.backends)
    wrong = fetched = 0
    course = steps(environment.backends)
    for step in course:
        say(f"# {step.title}")
        step.happens()
        done = time.monotonic()
        seen = _wait(environment, step, where)
        if where.width is not None:
            print("\x1b[J", end="", flush=True)
        say(to_table(environment.status(), where))
        if not seen:
            say(f"not seen within {_PATIENCE:g} seconds")
            wrong += 1
        else:
            say(f"seen, and the farms changed, {time.monotonic() - done:.1f} s later")
        for _ in range(_ROUNDS if seen else 0):
            answers = environment.fetch()
            fetched += len(answers)
            wrong += _report(answers, step.down, say)
        say("")
    say(
        f"{len(course)} scenes and {fetched} transfers in {time.monotonic() - began:.1f} seconds, "
        f"{f'{wrong} not' if wrong else 'all'} as expected."
    )
    return not wrong


def _wait(environment: Environment, step: Step, where: Terminal) -> bool:
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until:
        statuses = environment.status()
        found = [(farm.name, one) for farm in statuses for one in farm.backends]
        # What the guardian has seen, and what the kernel does about it.
        if found and all(
            {one.state, one.guardian.state if one.guardian else "unknown"}
            == {"down" if (farm, one.name) in step.down else "up"}
            and (one.state == "up" or (one.guardian is not None and step.because in one.guardian.reason))
            for farm, one in found
        ):
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


def _report(answers: Mapping[str, Fetched], down: frozenset[tuple[str, str]], say: Callable[[str], object]) -> int:
    wrong, words = 0, []
    for way, answer in answers.items():
        is_wrong = bool(answer.problem) or (way.partition(" ")[0].lower(), answer.backend) in down
        wrong += is_wrong
        words.append(f"{way}: {answer.problem or f'from {answer.backend}'}{' (wrong)' if is_wrong else ''}")
    if words:
        # In 80 columns, when all is well.
        say(f"fetched: {', '.join(words)}")
    return wrong
