"""Traffic to a farm, and which backends answer it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from integration.lab import Lab, vip
from integration.lab.names import ask, ask_often
from integration.repeating import repeating


@contextmanager
def traffic(lab: Lab, port: int) -> Iterator[Counter[str]]:
    """Connects again and again until the block ends; counts who answers."""
    answers: Counter[str] = Counter()

    def work() -> None:
        answers[ask(lab.client, vip(4), port)] += 1

    with repeating(work):
        yield answers


def reached(lab: Lab, port: int) -> set[str]:
    return set(ask_often(lab.client, vip(4), port, 9))
