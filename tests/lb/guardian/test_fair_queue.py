from __future__ import annotations

from functools import partial

import pytest
from noidlb.guardian.fair_queue import FairQueue


class Work:
    """A queue, and what it has begun, by farm."""

    def __init__(self, most: int) -> None:
        self.queue = FairQueue(most)
        self.begun: list[str] = []

    def put(self, farm: str, count: int = 1) -> None:
        for _ in range(count):
            self.queue.put(farm, partial(self.begun.append, farm))


@pytest.mark.parametrize(("most", "taken"), [(1, 1), (2, 2), (3, 3), (4, 4), (8, 7), (16, 13), (128, 97)])
def test_one_farm_leaves_a_quarter(most: int, taken: int) -> None:
    work = Work(most)
    work.put("hangs", 2 * most)
    assert len(work.begun) == taken


def test_others_begin_at_once_beside_a_farm_that_hangs() -> None:
    work = Work(128)
    work.put("hangs", 500)
    for _ in range(200):
        before = len(work.begun)
        work.put("other")
        assert work.begun[before:] == ["other"]
        work.queue.end("other")
    # What is freed by others goes to none that has its share.
    assert work.begun.count("hangs") == 97


def test_what_waits_begins_in_its_order_when_there_is_a_place() -> None:
    queue, begun = FairQueue(1), list[int]()
    for number in range(4):
        queue.put("f", partial(begun.append, number))
    for number in range(4):
        assert begun == [*range(number + 1)]
        queue.end("f")
    queue.put("f", partial(begun.append, 9))
    assert begun == [0, 1, 2, 3, 9]


def test_farms_that_wait_take_turns() -> None:
    work = Work(2)
    work.put("a", 8)
    work.put("b", 2)
    work.put("c", 2)
    assert work.begun == ["a", "a"]
    for farm in ("a", "a", "a", "b", "c", "a"):
        work.queue.end(farm)
    assert work.begun == ["a", "a", "a", "b", "c", "a", "b", "c"]


def test_work_that_ends_as_it_begins_frees_its_place() -> None:
    queue, begun = FairQueue(1), list[int]()

    def begin(number: int) -> None:
        begun.append(number)
        if number:
            queue.end("f")

    for number in range(5):
        queue.put("f", partial(begin, number))
    queue.end("f")
    assert begun == [0, 1, 2, 3, 4]


def test_what_was_forgotten_does_not_begin() -> None:
    work = Work(1)
    work.put("f", 3)
    work.queue.clear()
    work.queue.end("f")
    work.put("f")
    assert work.begun == ["f", "f"]
