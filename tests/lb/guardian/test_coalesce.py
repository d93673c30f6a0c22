from __future__ import annotations

from noidlb.guardian.coalesce import Batching

NEVER = float("inf")


def test_a_change_alone_does_not_wait() -> None:
    batching = Batching()
    for now in (0.0, 10.0, 20.0):
        assert batching.due(now, NEVER) == now
        batching.done(now)


def test_changes_without_end_wait_longer_and_longer() -> None:
    batching = Batching()
    made, now = [], 0.0
    while now < 5.0:
        now = batching.due(now, NEVER)
        batching.done(now)
        made.append(now)
        now += 0.01
    assert [round(one, 2) for one in made] == [0.0, 0.1, 1.1, 5.1]
    # And once there is quiet, nobody waits.
    assert batching.due(16.0, NEVER) == 16.0


def test_after_a_storm_rare_changes_do_not_wait() -> None:
    """As those of a backend that flaps, which must not keep another one's death waiting."""
    batching = Batching()
    now = 0.0
    for _ in range(5):
        now = batching.due(now + 0.01, NEVER)
        batching.done(now)
    for _ in range(5):
        now += 1.0
        assert batching.due(now, NEVER) == now
        batching.done(now)


def test_what_cannot_wait_takes_the_others_along() -> None:
    batching = Batching()
    for now in (0.0, 0.01, 0.1):
        batching.done(batching.due(now, NEVER))
    assert batching.due(0.2, NEVER) > 1
    assert batching.due(0.2, 0.3) == 0.3
    assert batching.due(0.2, 0.1) == 0.2


def test_a_slow_machine_does_not_end_a_storm() -> None:
    batching = Batching()
    batching.done(batching.due(0.0, NEVER))
    # The change came in time; making it took seconds.
    assert batching.due(0.01, NEVER) == 0.1
    batching.done(3.0)
    assert batching.due(3.01, NEVER) == 4.0
