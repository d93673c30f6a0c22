"""Every word of an FTP check that logs in: status line, performance data, parts and facts, from scripted bytes."""

from __future__ import annotations

from typing import Any

import pytest

from noidchecks import File, FtpProbe, Listing, Login, Range, State, Timings
from tests.support.files_output import (
    IN_TIME,
    LATE,
    LEFT,
    RIGHT,
    RIGHT_FILE,
    SHA,
    SLOW,
    TIME,
    WRONG,
    WRONG_FILE,
    output,
    same_each_time,
)
from tests.support.rehearse import rehearse

LOGGED_IN = (b"220 hi\r\n", b"331 password\r\n", b"230 in\r\n")
TYPE = (b"200 type\r\n",)
LISTED = (b"229 (|||5001|)\r\n", b"150 go\r\n", b"a\r\nb\r\n", b"", b"226 done\r\n")
LISTED_AGAIN = (b"227 (192,0,2,1,19,137)\r\n", *LISTED[1:])
GOT = (b"229 (|||5002|)\r\n", b"150 go\r\n", b"hello", b"", b"226 done\r\n")
STORED = (b"229 (|||5003|)\r\n", b"150 go\r\n", b"226 stored\r\n")
CANARY = b"noidchecks canary 000000000000000000000000\r\n" * 8
READ_BACK = (b"229 (|||5004|)\r\n", b"150 go\r\n", CANARY, b"", b"226 done\r\n")
MDTM = b"213 20330518033320\r\n"


@pytest.fixture(autouse=True)
def _same_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    same_each_time(monkeypatch)


def said(*incoming: Any, seconds: float = 0.25, **settings: Any) -> list[str]:
    """What a check says when these bytes have come."""
    probe = FtpProbe("192.0.2.1", **{"login": Login("bob", "x")} | settings)
    findings = rehearse(probe.dialogue(), *incoming, timeout=probe.timeout).value
    return output(probe.judge(findings, Timings(seconds, {"transfer": 0.125})))


FINE = "FTP OK - 0.250 second response time on 192.0.2.1 port 21 "
ENTERED = ["OK: Connection to 192.0.2.1 on port 21 was a SUCCESS", "OK: Login as bob succeeded"]
SEEN = '{"address": "192.0.2.1:21", "greeting": "220 hi", "reply_code": 220, "user": "bob"'


def test_a_login() -> None:
    assert said(*LOGGED_IN) == [f"{FINE}[login bob]|{TIME}", *ENTERED, IN_TIME, f"{SEEN}}}"]


def test_everything_at_once() -> None:
    canary = (*TYPE, *STORED, *READ_BACK, b"250 gone\r\n")
    assert said(
        *(*LOGGED_IN, *TYPE, *LISTED, *LISTED_AGAIN, *TYPE, MDTM, *GOT, *canary),
        data="passive",
        listing=Listing("pub", min_files=1, max_files=2),
        get=RIGHT_FILE,
        put="up",
    ) == [
        f"{FINE}[login bob, data EPSV PASV, list pub 2 files, get f 5 bytes, put]"
        f"|{TIME} epsv=4;;;0 pasv=1;;;0 files=2;;;0 size=5B;;5:5;0 throughput=5768B;;;0",
        *ENTERED,
        "OK: data channel: EPSV works",
        "OK: data channel: PASV works",
        "OK: list pub: 2 files, as expected",
        *RIGHT,
        "OK: put: a canary was stored, read back and deleted",
        IN_TIME,
        f'{SEEN}, "data": {{"EPSV": "ok", "PASV": "ok"}}, "entries": 2, "size": 5, "sha256": "{SHA}"}}',
    ]


def test_everything_wrong_at_once() -> None:
    listed = "list pub: 2 files, expected at least 3"
    assert said(
        *(*LOGGED_IN, *TYPE, *LISTED, *TYPE, MDTM, *GOT),
        listing=Listing("pub", min_files=3),
        get=WRONG_FILE,
        warning=Range(0, 0.1),
    ) == [
        f"FTP CRITICAL - {'; '.join([listed, *WRONG, LATE])}"
        f"|{SLOW} epsv=2;;;0 files=2;;;0 size=5B;;4.000000;0 throughput=88B;;;0",
        *ENTERED,
        "OK: data channel: EPSV works",
        f"CRITICAL: {listed}",
        RIGHT[0],
        *(f"CRITICAL: {text}" for text in WRONG),
        f"WARNING: {LATE}",
        f'{SEEN}, "data": {{"EPSV": "ok"}}, "entries": 2, "size": 5, "sha256": "{SHA}"}}',
    ]


@pytest.mark.parametrize(
    ("listing", "words"), [(Listing("pub"), "list pub"), (Listing(" pub "), "list  pub "), (Listing(), "list")]
)
def test_a_listing_that_nobody_counts(listing: Listing, words: str) -> None:
    assert said(*LOGGED_IN, *TYPE, *LISTED, listing=listing) == [
        f"{FINE}[login bob, {words}]|{TIME} epsv=1;;;0 throughput=48B;;;0",
        *ENTERED,
        "OK: data channel: EPSV works",
        IN_TIME,
        f'{SEEN}, "data": {{"EPSV": "ok"}}, "entries": 2}}',
    ]


def test_data_without_a_listing() -> None:
    assert said(*LOGGED_IN, *TYPE, *LISTED, b"502 no\r\n", data="passive") == [
        f"{FINE}[login bob, data EPSV]|{TIME} epsv=1;;;0 pasv=0;;;0 throughput=48B;;;0",
        *ENTERED,
        "OK: data channel: EPSV works",
        "OK: data channel: PASV: refused: 502 no",
        IN_TIME,
        f'{SEEN}, "data": {{"EPSV": "ok", "PASV": "data channel: PASV: refused: 502 no"}}, "entries": 2}}',
    ]


def test_slow_and_otherwise_well() -> None:
    assert said(*LOGGED_IN, *TYPE, *LISTED, listing=Listing(max_files=2), warning=Range(0, 0.1)) == [
        f"{FINE.replace('OK', 'WARNING')}[login bob, list 2 files]|{SLOW} epsv=1;;;0 files=2;;;0 throughput=48B;;;0",
        *ENTERED,
        "OK: data channel: EPSV works",
        "OK: list: 2 files, as expected",
        f"WARNING: {LATE}",
        f'{SEEN}, "data": {{"EPSV": "ok"}}, "entries": 2}}',
    ]


def test_a_canary_that_is_left() -> None:
    assert said(*LOGGED_IN, *TYPE, *STORED, *READ_BACK, b"550 no\r\n", put="") == [
        f"FTP CRITICAL - put: DELE refused: 550 no; put: {LEFT} may be left on the server"
        f"|{TIME} epsv=2;;;0 throughput=5632B;;;0",
        *ENTERED,
        "CRITICAL: put: DELE refused: 550 no",
        "OK: data channel: EPSV works",
        f"WARNING: put: {LEFT} may be left on the server",
        IN_TIME,
        f'{SEEN}, "data": {{"EPSV": "ok"}}, "leftover": "{LEFT}"}}',
    ]


@pytest.mark.parametrize("state", [State.CRITICAL, State.OK])
def test_half_a_file_at_the_deadline(state: State) -> None:
    why = "Socket timeout after 10 seconds (get f: data channel: EPSV 192.0.2.1 port 5002)"
    words = f"{state} - {why}"
    assert said(*LOGGED_IN, *TYPE, *GOT[:3], get=File("f", sha256=SHA), timeout_state=state) == [
        f"{words}|{TIME} epsv=1;;;0 throughput=40B;;;0",
        *ENTERED,
        f"{state}: {why}",
        IN_TIME,
        f"{SEEN}}}",
    ]
