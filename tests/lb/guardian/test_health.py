from __future__ import annotations

import errno
from errno import ECONNREFUSED, ECONNRESET, EHOSTUNREACH, ENETUNREACH, ETIMEDOUT
from typing import Any

import pytest
from noidlb.guard import Guard, OnUnknown, OnWarning, fill_in
from noidlb.guardian.health import BackendHealth, Change, RiseFall, has_answered, pace_of, reason_of

from noidchecks.errors import DeadlineExceeded, LocalError, NotConnected, NotResolved, PeerError, ProbeError
from noidchecks.status.result import Result
from noidchecks.status.state import State
from noidchecks.timings import Timings

OK = Result(State.OK, "FTP OK - fine")
WARNING = Result(State.WARNING, "FTP WARNING - slow")
CRITICAL = Result(State.CRITICAL, "FTP CRITICAL - refused", timings=Timings(0.5))
UNKNOWN = Result(State.UNKNOWN, "FTP UNKNOWN - who knows")
OURS = Result(State.UNKNOWN, "FTP UNKNOWN - no descriptors", failure=LocalError("no descriptors"))


def watch(**settings: Any) -> BackendHealth:
    return BackendHealth("f", "b1", 4, "check_ftp -H HOST", Guard(**settings))


def play(one: BackendHealth, *results: Result) -> list[str]:
    """Returns the kind of change that each result brings, "" for none; a second lies between two of them."""
    changes = [one.take(result, float(second)) for second, result in enumerate(results)]
    return [change.kind if change else "" for change in changes]


@pytest.mark.parametrize(("first", "state"), [(OK, "up"), (WARNING, "up"), (CRITICAL, "down"), (UNKNOWN, "down")])
def test_the_first_result_decides(first: Result, state: str) -> None:
    one = watch()
    assert one.state == "unknown"
    assert play(one, first) == [state]
    assert (one.state, one.flaps) == (state, 0)


def test_it_takes_so_many_failures_in_a_row() -> None:
    one = watch(fall=3, rise=2)
    assert play(one, OK, CRITICAL, CRITICAL, OK, CRITICAL, CRITICAL, CRITICAL) == ["up", *[""] * 5, "down"]
    assert play(one, OK, CRITICAL, OK, OK) == ["", "", "", "up"]
    assert (one.flaps, one.probes) == (2, 11)


def test_an_excuse_makes_a_failure_no_verdict_and_a_success_counts() -> None:
    one = watch(fall=1, rise=1, on_warning=OnWarning.DOWN)
    assert one.take(OK, 0.0, "paused") is not None
    change = one.take(CRITICAL, 1.0, "paused")
    assert change is not None
    assert (change.kind, change.reason) == ("keep", "no verdict: paused; meanwhile: refused")
    assert (one.state, one.kept) == ("up", "paused; meanwhile: refused")
    # A WARNING may be of the time that it took.
    assert one.take(WARNING, 2.0, "paused") is None
    assert one.state == "up"
    again = one.take(OK, 3.0)
    assert again is not None
    assert (again.kind, one.kept) == ("note", "")
    assert play(one, CRITICAL) == ["down"]
    assert one.take(OK, 4.0, "paused") is not None
    assert one.state == "up"


def test_a_change_tells_since_when_why_and_how_long_it_can_wait() -> None:
    one = watch(fall=2, timeout=3)
    one.take(OK, 0.0)
    one.take(CRITICAL, 10.0)
    change = one.take(CRITICAL, 11.0)
    assert change == Change(kind="down", reason="refused", since=10.0, result=CRITICAL, hold=2.5)
    hung = watch(timeout=3).take(Result(State.CRITICAL, "timeout", timings=Timings(3.001)), 0.0)
    assert hung is not None
    assert hung.hold == 0


def test_a_warning_is_a_note_of_one_that_is_up() -> None:
    one = watch(on_warning=OnWarning.UP)
    assert play(one, OK, WARNING, WARNING, OK) == ["up", "note", "", "note"]
    assert one.note == ""
    assert play(one, WARNING) == ["note"]
    assert one.note == "slow"


def test_a_warning_can_be_a_failure() -> None:
    assert play(watch(on_warning=OnWarning.DOWN, fall=2), OK, WARNING, CRITICAL) == ["up", "", "down"]


def test_unknown_can_be_no_result() -> None:
    one = watch(on_unknown=OnUnknown.KEEP, fall=2)
    assert play(one, UNKNOWN, UNKNOWN, OK, UNKNOWN, UNKNOWN) == ["keep", "", "up", "keep", ""]
    # It neither ends a streak nor lengthens it.
    assert play(one, CRITICAL, UNKNOWN, CRITICAL) == ["note", "keep", "down"]


def test_our_own_trouble_is_nobody_elses() -> None:
    one = watch(fall=1)
    assert play(one, OK, OURS, OURS) == ["up", "keep", ""]
    assert one.state == "up"


@pytest.mark.parametrize("code", [errno.EPERM, errno.EACCES, errno.ENOBUFS, errno.EADDRNOTAVAIL, errno.EADDRINUSE])
def test_a_connect_that_this_machine_forbids_is_no_verdict(code: int) -> None:
    # Its own firewall rejects, or it has no port left: no peer or router can cause these.
    failure = NotConnected("FTP CRITICAL - cannot connect", code)
    one = watch(fall=1)
    assert play(one, OK, Result(State.CRITICAL, "FTP CRITICAL - cannot connect", failure=failure)) == ["up", "keep"]
    assert one.state == "up"


@pytest.mark.parametrize("code", [ECONNREFUSED, EHOSTUNREACH, ENETUNREACH, ECONNRESET])
def test_a_connect_that_peer_or_network_ends_is_a_failure(code: int) -> None:
    failed = Result(State.CRITICAL, "FTP CRITICAL - cannot connect", failure=NotConnected("cannot connect", code))
    assert play(watch(fall=1), OK, failed) == ["up", "down"]


def test_the_note_of_one_that_is_up_is_of_its_last_result() -> None:
    one = watch(fall=3)
    play(one, OK, CRITICAL)
    assert one.note == "refused"
    play(one, OK)
    assert one.note == ""
    play(one, CRITICAL, CRITICAL, CRITICAL, CRITICAL)
    # The state says it all.
    assert (one.state, one.note) == ("down", "")


def test_a_recovery_with_a_warning_says_so_and_its_end_is_told() -> None:
    one = watch(rise=1, fall=1, on_warning=OnWarning.UP)
    assert play(one, CRITICAL, WARNING) == ["down", "up"]
    assert one.note == "slow"
    assert play(one, WARNING, OK) == ["", "note"]
    assert one.note == ""


def test_slow_start_counts_from_a_recovery_alone() -> None:
    one = watch(rise=1, fall=1)
    play(one, OK)
    assert one.recovered is None
    play(one, CRITICAL, OK)
    assert one.recovered == 1.0


def test_an_heir_knows_what_was_known_and_counts_anew() -> None:
    one = watch(fall=2)
    play(one, OK, CRITICAL)
    heir = watch(fall=2)
    heir.farm = "another"
    heir.adopt(one)
    assert (heir.state, heir.up.streak, heir.probes) == ("up", 0, 2)


def test_the_same_backend_after_a_reload_goes_on_counting() -> None:
    # Or a farm whose weights change every second would keep a dead backend.
    one = watch(fall=3)
    play(one, OK, CRITICAL, CRITICAL)
    again = watch(fall=3)
    again.adopt(one)
    assert again.up.streak_since == one.up.streak_since
    assert play(again, CRITICAL) == ["down"]


def test_a_reload_forgets_nothing_of_a_backend_that_stays() -> None:
    one = watch(rise=1, fall=1)
    play(one, CRITICAL, WARNING, OURS)
    again = watch(rise=1, fall=1)
    again.adopt(one)
    for name in ("last", "since", "recovered", "kept", "warned", "note", "flaps", "probes"):
        assert getattr(again, name) == getattr(one, name) != getattr(watch(), name), name


def test_doubt_is_fast() -> None:
    one = watch(interval=10, fast_interval=2, fall=3, timeout=5)
    assert pace_of([one]).fast == 2
    play(one, OK)
    pace = pace_of([one])
    assert (pace.interval, pace.fast, pace.eager, pace.most) == (10, None, 2, 3)
    play(one, CRITICAL)
    assert pace_of([one]).fast == 2
    play(one, CRITICAL, CRITICAL)
    pace = pace_of([one])
    assert (pace.interval, pace.fast, pace.eager, pace.most) == (10, None, None, 1)


def test_the_most_impatient_watch_sets_the_pace() -> None:
    slow, fast = watch(interval=60), watch(interval=2)
    play(slow, OK)
    play(fast, OK)
    pace = pace_of([slow, fast])
    assert (pace.interval, pace.eager) == (2, 1)


def test_a_switch_knows_what_speaks_against_it() -> None:
    switch = RiseFall()
    assert switch.take(True, rise=9, fall=2, now=1.0)
    assert not switch.take(False, rise=9, fall=2, now=2.0)
    assert (switch.streak, switch.streak_since) == (1, 2.0)
    assert switch.take(False, rise=9, fall=2, now=3.0)
    assert (switch.value, switch.streak, switch.streak_since) == (False, 0, 2.0)


GREETED = Timings(0.2, {"connect": 0.1, "greeting": 0.1})


@pytest.mark.parametrize(
    ("failure", "timings", "answered"),
    [
        (NotConnected("Connection refused", ECONNREFUSED), Timings(0.1, {"connect": 0.1}), True),
        (NotConnected("Connection refused", ECONNREFUSED), Timings(0.1, {"data": 0.1}), True),
        (NotConnected("Connection timed out", ETIMEDOUT), Timings(0.1, {"connect": 0.1}), False),
        (NotConnected("No route to host", EHOSTUNREACH), Timings(0.1, {"connect": 0.1}), False),
        (NotConnected("Connection reset by peer", ECONNRESET), GREETED, True),
        (NotConnected("No data received from host", 0), GREETED, True),
        (NotConnected("Connection reset by peer", ECONNRESET), Timings(0.1, {"data": 0.1}), False),
        (DeadlineExceeded(5.0), GREETED, False),
        (NotResolved("no answer of a name server"), Timings(0.1, {"resolve": 0.1}), False),
        (PeerError("refused", expected="331", received="530"), GREETED, True),
        # The server may not have reached this machine.
        (PeerError("refused", expected="226", received="425"), Timings(0.1, {"login": 0.1, "data": 0.1}), False),
        # A greeting of another service; and one that may have come late because a packet was lost.
        (None, GREETED, True),
        (None, Timings(1.2, {"connect": 1.1, "greeting": 0.1}), False),
    ],
)
def test_what_proves_that_the_peer_has_answered(failure: ProbeError | None, timings: Timings, answered: bool) -> None:
    assert has_answered(Result(State.CRITICAL, "FTP CRITICAL - so", timings=timings, failure=failure)) is answered


@pytest.mark.parametrize(
    ("text", "answered"),
    [
        ("connect to address 10.0.0.1 and port 21: Connection refused", True),
        ("CRITICAL - Socket timeout after 10 seconds", False),
        ("/usr/lib/x CRITICAL - timeout after 5 seconds", False),
    ],
)
def test_the_words_of_a_process_prove_a_refusal(text: str, answered: bool) -> None:
    assert has_answered(Result(State.CRITICAL, text, timings=Timings(0.1))) is answered


def test_a_reason_is_the_words_and_fit_to_print() -> None:
    assert reason_of(Result(State.CRITICAL, "FTP CRITICAL - 227 announces 10.9.9.9 - so\nmore")) == (
        "227 announces 10.9.9.9 - so"
    )
    assert reason_of(Result(State.CRITICAL, "bad\x1b[31m|x=1")) == "bad\\x1b[31m x=1"
    failure = NotConnected("refused", 111)
    assert len(reason_of(Result(State.CRITICAL, "x" * 1000, failure=failure))) == 300


@pytest.mark.parametrize(
    ("command", "host", "words"),
    [
        ("check_ftp -H HOST -p PORT", "10.0.0.1", ("check_ftp", "-H", "10.0.0.1", "-p", "2121")),
        ("check_ftp -H HOST -p PORT", "fd00::1", ("check_ftp", "-H", "fd00::1", "-p", "2121")),
        ("x ftp://HOST:PORT/", "fd00::1", ("x", "ftp://[fd00::1]:2121/")),
        ("x ftp://HOST:PORT/", "10.0.0.1", ("x", "ftp://10.0.0.1:2121/")),
        ("x LOCALHOST HOSTNAME HOST_1 PORTAL '; HOST'", "h", ("x", "LOCALHOST", "HOSTNAME", "HOST_1", "PORTAL", "; h")),
        ("x", "10.0.0.1", ("x",)),
    ],
)
def test_host_and_port_are_filled_in_as_words_of_their_own(command: str, host: str, words: tuple[str, ...]) -> None:
    assert fill_in(command, host, 2121) == words
