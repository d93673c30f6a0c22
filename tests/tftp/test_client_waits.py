"""What is sent again, and when: packets that are lost."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, strategies as st

from noidchecks import DeadlineExceeded
from noidchecks.tftp.client import LONGEST_WAIT, waits
from tests.support.tftp import ack, data
from tests.support.tftp_script import REQUEST, SILENCE, failure_of, findings_of, play, sent


def test_lost_request_is_sent_again() -> None:
    played = play(SILENCE, SILENCE, data(1, b"x"))
    assert sent(played) == [REQUEST, REQUEST, REQUEST, ack(1)]
    assert findings_of(played).retransmissions == 2
    assert played.seconds == 3.0


def test_lost_acknowledgement_is_sent_again() -> None:
    played = play(data(1, b"x" * 512), SILENCE, data(2))
    assert sent(played) == [REQUEST, ack(1), ack(1), ack(2)]
    assert findings_of(played).retransmissions == 1


def test_duplicates_do_not_put_off_the_acknowledgement() -> None:
    """Of a server that sends again more often than we are patient: each would begin the wait once more."""
    first = data(1, b"x" * 512)
    played = play(*[first] * 20, SILENCE, data(2))
    assert sent(played) == [REQUEST, *[ack(1)] * 5, ack(1), ack(2)]
    assert played.seconds == 0.25
    assert findings_of(played).retransmissions == 1


def test_waiting_starts_anew_with_each_block() -> None:
    played = play(*[SILENCE, SILENCE, data(1, b"x" * 512)], *[SILENCE, SILENCE, data(2)])
    assert findings_of(played).complete
    assert played.seconds == 6.0


def test_silence_to_the_end() -> None:
    played = play(SILENCE, SILENCE, SILENCE)
    findings = findings_of(played)
    assert isinstance(findings.failure, DeadlineExceeded)
    assert findings.failure.phase == "greeting"
    assert sent(played) == [REQUEST] * 4
    assert played.seconds == 10


def test_silence_without_a_deadline_ends_as_well() -> None:
    played = play(*[SILENCE] * 4, timeout=0)
    assert failure_of(played) == "answer: expected DATA, OACK or ERROR, received nothing after 4 transmissions"
    assert played.seconds == 15.0


def test_no_retries() -> None:
    assert sent(play(retries=0)) == [REQUEST]
    assert waits(10, 0) == (None,)
    assert waits(0, 0) == (1.0,)


def test_waits() -> None:
    assert waits(10, 3) == (1.0, 2.0, 2.5, None)
    assert waits(60, 3) == (1.0, 2.0, 4.0, None)
    assert waits(2, 3) == (0.5, 0.5, 0.5, None)
    assert waits(0, 8)[-2:] == (LONGEST_WAIT, LONGEST_WAIT)


@given(st.floats(0.001, 1e6), st.integers(0, 100))
def test_all_retries_fit_in_the_timeout(timeout: float, retries: int) -> None:
    *before, last = waits(timeout, retries)
    assert last is None
    assert len(before) == retries
    assert sum(wait or 0.0 for wait in before) < timeout
    assert all((earlier or 0) <= (later or 0) for earlier, later in pairwise(before))
