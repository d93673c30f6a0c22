"""Runs the soak and prints its tables.

integration/run .venv/bin/python -P -m integration.bench.soak [--minutes N] [--kills N] [--seed N]

The first part lasts so many minutes and disturbs both; memory, descriptors and threads are those of its one process
each. In the second part the guardian is killed so often, at random times. After each disturbance the words that the
guardian has confirmed must hold, in its status, on the disk and in the kernel, and the table must be what it wants.
Clients visit all the time. After Ctrl-C the tables hold what has been until then.
Exit codes: 0 nothing was lost, 1 something was, or a table was wrong.
"""

from __future__ import annotations

import argparse
import random
import sys
import threading
import time
from collections import deque
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass

from integration.bench.soak.backends import backends
from integration.bench.soak.disturbances import Clock, Disturbances, filled
from integration.bench.soak.guardian import PATIENCE, Gone, Operated
from integration.bench.soak.judge import Judge
from integration.bench.soak.lab import PROBING, STEADY, SoakLab, entrances, flapping, laboratory, places
from integration.bench.soak.ledger import Troubles
from integration.bench.soak.report import figures, table
from integration.bench.soak.samples import sampling
from integration.bench.soak.survey import Survey
from integration.bench.soak.traffic import Visit, traffic
from integration.repeating import repeating

# Mean seconds for which a backend works, and for which it fails: a hundredth of an hour, and of half an hour.
UP, DOWN = 36.0, 18.0
_PAUSE = (0.5, 4.0)
_KILLED_AFTER = (0.0, 4.0)
# One in so many is killed again while it starts.
_TWICE = 4
_STARTING = 1.5
# One in so many starts again with a full disk.
_FULL = 5
# The survey is killed with one in so many of the guardian's kills.
_SURVEY_TOO = 10


@dataclass(slots=True)
class Row:
    """A kind of disturbance: how often, how much was wrong, and the longest time until the table was right."""

    times: int = 0
    wrong: int = 0
    worst: float = 0.0


class Soak:
    """Everything that runs, and the rows of the table."""

    def __init__(self, lab: SoakLab, stack: ExitStack, seed: int, *, is_told: bool) -> None:
        self.begin = time.monotonic()
        self.kills, self._is_told = 0, is_told
        self._told: dict[int, int] = {}
        self.chance = random.Random(seed)
        self.clock = Clock(lab.folder)
        self.backends = stack.enter_context(backends(lab.servers, flapping(), PROBING, UP, DOWN, seed))
        self.operated = Operated(lab, seed, self.clock.words)
        stack.callback(self.operated.stop)
        self.survey = Survey(lab, self.clock.words)
        stack.callback(self.survey.stop)
        self.troubles = Troubles()
        self.judge = Judge(places(), self.operated.words, self.troubles, self.operated.story)
        self.rows: dict[str, Row] = {}
        self.wrong: list[str] = []
        self.sampler = stack.enter_context(sampling(lambda: {**self.operated.pids(), **self.survey.pids()}))
        self._visits: deque[Visit] = deque()
        self.operated.await_answer()
        self.settle("start")
        steady = [one for one in entrances() if one[0] == STEADY]
        others = [one for one in entrances() if one[0] != STEADY]
        ended = stack.enter_context(traffic(lab.client, steady, others))
        stack.enter_context(repeating(lambda: self._visits.extend(ended()), 0.2))
        stack.enter_context(repeating(self.survey.take, 1.0))
        self.kinds = Disturbances(
            lab, self.clock, self.operated, self.survey, self.backends, self.troubles, self.chance
        ).kinds

    def settle(self, name: str, wrong: int = 0) -> None:
        """Waits until the table is right after a disturbance, and compares all that must hold."""
        row = self.rows.setdefault(name, Row())
        self.backends.freeze()
        settled = self.operated.settled_after()
        self.troubles.end_all(time.monotonic())
        if settled is None:
            self.wrong.append(f"{name}: after {PATIENCE:.0f} s, the table is not what the guardian wants")
        wrong += settled is None
        wrong += self.operated.compare_words(name) + self.operated.compare_disk(name)
        row.times, row.wrong, row.worst = row.times + 1, row.wrong + wrong, max(row.worst, settled or 0.0)
        self.backends.flap()
        self.pump()
        self.tell(f"{name}: {'never right' if settled is None else f'right after {settled:.1f} s'}")

    def disturb(self, seconds: float) -> None:
        """Disturbs both for so long, each kind as often as the others."""
        end, deck = time.monotonic() + seconds, list[str]()
        while time.monotonic() < end:
            if not deck:
                deck = self.chance.sample([*self.kinds], len(self.kinds))
                self.calm()
            name = deck.pop()
            self.rest(self.chance.uniform(*_PAUSE))
            self.operated.say_something()
            self.settle(name, self.kinds[name]())
            self.operated.scrape()

    def kill(self, times: int) -> None:
        """Kills the guardian, mostly while it is spoken to, and has it start again."""
        for number in range(times):
            is_starting = number % _TWICE == _TWICE - 1
            if is_starting:
                self.rest(self.chance.uniform(0.0, _STARTING))
            else:
                killing = threading.Timer(self.chance.uniform(*_KILLED_AFTER), self.operated.serving.process.kill)
                killing.start()
                self._speak_until_gone()
                killing.join()
            self.operated.serving.kill()
            self.kills += 1
            if number % _SURVEY_TOO == 0:
                self.survey.kill()
                self.survey.start()
            self.rest(self.chance.uniform(0.0, 1.0))
            is_full = number % _FULL == _FULL - 1
            with filled(self.operated.serving.state) if is_full else nullcontext():
                self.operated.serving.start()
                if number % _TWICE == _TWICE - 2:
                    # The next one comes while this one starts.
                    continue
                self.operated.await_answer()
                name = "kill -9, and again while it starts" if is_starting else "kill -9"
                self.settle(f"{name}{', disk full' if is_full else ''}")
        self.operated.await_answer()
        self.calm()

    def calm(self) -> None:
        """Lets no backend fail, and compares the kernel's table with the file and the confirmed words alone."""
        self.backends.calm()
        row = self.rows.setdefault("none fails: table compared with the file", Row())
        begin = time.monotonic()
        while (different := self.operated.compare_kernel()) and time.monotonic() < begin + PATIENCE:
            self.rest(0.3)
        if different:
            self.wrong.append("although no backend fails, the kernel's table is not that of the file and the words")
        row.times, row.wrong = row.times + 1, row.wrong + bool(different)
        row.worst = max(row.worst, time.monotonic() - begin)
        self.backends.flap()

    def tell(self, line: str) -> None:
        """Prints how far it is."""
        wrong = len(self.wrong) + len(self.operated.wrong) + len(self.survey.wrong) + len(self.judge.wrong)
        if self._is_told:
            for said in (self.wrong, self.operated.wrong, self.survey.wrong, self.judge.wrong):
                for complaint in said[self._told.get(id(said), 0) :]:
                    print(f"WRONG: {complaint}", file=sys.stderr)
                self._told[id(said)] = len(said)
            print(f"{(time.monotonic() - self.begin) / 60:6.1f} {wrong} wrong; {line}", file=sys.stderr, flush=True)

    def rest(self, seconds: float) -> None:
        """Waits, and takes what the clients report meanwhile."""
        time.sleep(seconds)
        self.pump()

    def pump(self) -> None:
        """Takes what clients, backends and guardian report."""
        visits = [self._visits.popleft() for _ in range(len(self._visits))]
        now = time.monotonic()
        # The judge tells what the guardian has said, up to now.
        self.operated.count_events()
        self.judge.take(visits, self.backends.report(), now)
        self.operated.words.forget_before(now)

    def _speak_until_gone(self) -> None:
        try:
            while True:
                if self.chance.random() < 0.15:
                    self.operated.reload(by_signal=self.chance.random() < 0.5)
                self.operated.say_something()
        except Gone:
            self.pump()


def main() -> int:
    """Runs it and prints the table; returns the exit code."""
    parser = argparse.ArgumentParser(prog="integration.bench.soak", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=40.0, help="how long both are disturbed before the kills")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=16)
    parser.add_argument("--verbose", action="store_true", help="print each disturbance on standard error")
    given = parser.parse_args()
    with laboratory() as lab, ExitStack() as stack:
        soak = Soak(lab, stack, given.seed, is_told=given.verbose)
        if soak.clock.trouble:
            print(soak.clock.trouble)
        try:
            soak.disturb(60 * given.minutes)
            soak.kill(given.kills)
        except KeyboardInterrupt:
            print("interrupted")
        except Gone as error:
            soak.wrong.append(f"the guardian does not answer: {error}")
        # The last failures wait for what the backends say of them.
        soak.rest(6.0)
        soak.pump()
        soak.survey.compare("the end")
        wrong = [*soak.wrong, *soak.operated.wrong, *soak.survey.wrong, *soak.judge.wrong]
        print(figures(soak.sampler), table(soak), sep="\n\n")
    for line in wrong:
        print(f"WRONG: {line}")
    print("nothing was lost" if not wrong else f"{len(wrong)} things are wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
