"""The days that a certificate and its chain have left."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from noidchecks.dialogue.certificate import Certificate, judge_days

NOW = 1_800_000_000.0


def certificate(left: timedelta, name: str = "a|b.example") -> Certificate:
    return Certificate(name, datetime.fromtimestamp(NOW, UTC) + left, b"")


@pytest.mark.parametrize(
    ("left", "days", "state", "text"),
    [
        (timedelta(days=400), (30, 0), 0, "will expire on Sat Feb 19 08:00:00 2028 +0000."),
        (timedelta(days=5, hours=3), (4, 0), 0, "will expire on Wed Jan 20 11:00:00 2027 +0000."),
        (timedelta(days=5, hours=3), (5, 0), 1, "expires in 5 day(s) (Wed Jan 20 11:00:00 2027 +0000)."),
        (timedelta(days=5), (5, 5), 2, "expires in 5 day(s) (Wed Jan 20 08:00:00 2027 +0000)."),
        (timedelta(days=5), (0, 7), 2, "expires in 5 day(s) (Wed Jan 20 08:00:00 2027 +0000)."),
        (timedelta(hours=5), (30, 14), 2, "expires in 5 hours (Fri Jan 15 13:00:00 2027 +0000)"),
        (timedelta(hours=5), (0, 0), 2, "expires in 5 hours (Fri Jan 15 13:00:00 2027 +0000)"),
        (timedelta(minutes=5), (30, 14), 2, "expires in 5 minutes (Fri Jan 15 08:05:00 2027 +0000)"),
        (timedelta(days=-3), (30, 14), 2, "expired on Tue Jan 12 08:00:00 2027 +0000."),
    ],
)  # fmt: skip
def test_certificate_days(left: timedelta, days: tuple[int, int], state: int, text: str) -> None:
    part = judge_days((certificate(left),), *days, now=NOW)
    assert (part.state, part.text) == (state, f"Certificate 'a b.example' {text}")


@pytest.mark.parametrize(
    ("left", "state", "text"),
    [
        ((40, 20, 90), 1, "Certificate 'b' in the chain of 'a' expires in 20 day(s) ("),
        ((40, 90, 5), 2, "Certificate 'c' in the chain of 'a' expires in 5 day(s) ("),
        ((40, 90, -1), 2, "Certificate 'c' in the chain of 'a' expired on "),
        ((20, 40, 90), 1, "Certificate 'a' expires in 20 day(s) ("),
        ((20, 20, 20), 1, "Certificate 'a' expires in 20 day(s) ("),
        ((40, 35, 90), 0, "Certificate 'b' in the chain of 'a' will expire on "),
    ],
)
def test_of_a_chain_the_certificate_that_ends_first_decides(left: tuple[int, ...], state: int, text: str) -> None:
    chain = tuple(certificate(timedelta(days=days), name) for days, name in zip(left, "abc", strict=True))
    part = judge_days(chain, 30, 14, now=NOW)
    assert part.state == state
    assert part.text.startswith(text)
