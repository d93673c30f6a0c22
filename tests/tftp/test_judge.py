from __future__ import annotations

import errno
import hashlib
from typing import Any

import pytest

from noidchecks import NotConnected, NotResolved, Range, Result, State, TftpProbe
from noidchecks.address import AF_INET, Address
from noidchecks.dialogue.operations import Datagram, Resolve
from noidchecks.status.render import render
from noidchecks.timings import Timings
from tests.support.rehearse import rehearse
from tests.support.tftp import data, error, oack

ANSWER = Address(AF_INET, ("192.0.2.1", 40000))
STRANGER = Address(AF_INET, ("192.0.2.2", 40000))
CONTENT = b"OK\r\n"
SHA256 = hashlib.sha256(CONTENT).hexdigest()
SHA1 = hashlib.sha1(CONTENT, usedforsecurity=False).hexdigest()


def judged(
    *incoming: Any, filename: str = "boot.img", seconds: float = 0.04, on: Any = None, **settings: Any
) -> Result:
    """The result of a conversation that took so many seconds."""
    probe = TftpProbe("tftp.example", filename, **settings)
    played = [Datagram(item, ANSWER) if isinstance(item, bytes) else item for item in incoming]
    findings = rehearse(probe.dialogue(), *played, on=on, timeout=probe.timeout).value
    return probe.judge(findings, Timings(seconds, {"resolve": 0.01, "greeting": 0.02, "transfer": 0.01}))


def test_received() -> None:
    result = judged(data(1, CONTENT))
    assert result.state == State.OK
    assert str(result) == (
        "TFTP OK - Received 4 bytes in 0.0 seconds from tftp.example port 69 [boot.img]"
        "|time=0.040000s;;;0.000000;10.000000 size=4B;;;0 retransmissions=0;;;0"
    )
    assert result.facts == {
        "file": "boot.img",
        "mode": "octet",
        "size": 4,
        "complete": True,
        "answer": "192.0.2.1:40000",
        "rtt": 0.02,
        "options_asked": {},
        "options": {},
        "blocks": 1,
        "retransmissions": 0,
        "duplicates": 0,
        "stray_packets": 0,
        "foreign_packets": 0,
    }


def test_alive() -> None:
    result = judged(error(1, b"File not found"), filename="")
    assert str(result) == (
        "TFTP OK - 0.040 second response time on tftp.example port 69 [File not found]"
        "|time=0.040000s;;;0.000000;10.000000 retransmissions=0;;;0"
    )
    assert result.facts["error"] == {"code": 1, "message": "File not found"}


def test_alive_with_the_absent_file_there() -> None:
    assert judged(data(1), filename="").text.endswith("[the file exists]")


@pytest.mark.parametrize(
    ("seconds", "state"), [(0.1, State.OK), (0.3, State.WARNING), (0.5, State.WARNING), (0.6, State.CRITICAL)]
)
def test_time_is_judged(seconds: float, state: State) -> None:
    limits: dict[str, Any] = {"warning": Range(0, 0.2), "critical": Range(0, 0.5)}
    for result in (
        judged(data(1, CONTENT), seconds=seconds, **limits),
        judged(error(1), filename="", seconds=seconds, **limits),
    ):
        assert result.state == state
        assert result.text.startswith(f"TFTP {state} - ")
        assert f"time={seconds:f}s;0.200000;0.500000;0.000000;10.000000" in str(result)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"size": Range(5, 5)}, "size: expected 5 bytes, received 4 bytes"),
        ({"size": Range(5)}, "size: expected 5: bytes, received 4 bytes"),
        ({"size": Range(4, 4, inside=True)}, "size: expected @4:4 bytes, received 4 bytes"),
        ({"sha256": "ab" * 32}, f"SHA256: expected {'ab' * 32}, received {SHA256}"),
        ({"sha1": "AB" * 20}, f"SHA1: expected {'ab' * 20}, received {SHA1}"),
        (
            {"size": Range(5, 5), "sha1": "ab" * 20},
            f"size: expected 5 bytes, received 4 bytes, SHA1: expected {'ab' * 20}, received {SHA1}",
        ),
    ],
)
def test_wrong_content(settings: dict[str, Any], text: str) -> None:
    result = judged(data(1, CONTENT), **settings)
    assert result.state == State.CRITICAL
    assert result.text == f"TFTP CRITICAL - boot.img: {text}"
    # What scripts grep for when the server is up.
    assert "Received" not in str(result)


def test_right_content() -> None:
    result = judged(oack(tsize=4), data(1, CONTENT), size=Range(4, 4), sha256=SHA256.upper(), sha1=SHA1, tsize=True)
    assert result.state == State.OK
    assert " size=4B;;4:4;0 " in str(result)
    assert [part.text for part in result.parts] == [
        "Transfer of boot.img succeeded",
        "tsize is 4 bytes, as expected",
        "size is 4 bytes, as expected",
        f"SHA256 is {SHA256}, as expected",
        f"SHA1 is {SHA1}, as expected",
        "Connection time 0.040000s is within thresholds",
    ]
    assert result.facts["sha256"] == SHA256
    assert result.facts["options"] == {"tsize": 4}


def test_announced_size_that_lies() -> None:
    result = judged(oack(tsize=5), data(1, CONTENT), tsize=True)
    assert result.text == "TFTP CRITICAL - boot.img: tsize: expected 5, received 4 bytes"


@pytest.mark.parametrize("announced", [0, 3, 4])
def test_announced_size_in_netascii_is_encoded_or_not_or_unknown(announced: int) -> None:
    assert judged(oack(tsize=announced), data(1, CONTENT), tsize=True, mode="netascii").ok


def test_netascii_is_decoded() -> None:
    result = judged(data(1, CONTENT), mode="NetASCII", size=Range(3, 3), sha256=hashlib.sha256(b"OK\n").hexdigest())
    assert result.text.startswith("TFTP OK - Received 3 bytes in ")


@pytest.mark.parametrize(
    ("incoming", "settings", "text"),
    [
        ([error(1, b"File not found")], {}, "boot.img: File not found (error 1)"),
        ([error(2)], {}, "boot.img: Access violation (error 2)"),
        ([error(8)], {"blksize": 1428}, "boot.img: Option negotiation failed (error 8)"),
        ([error(0, b"too busy")], {"filename": ""}, "server answered: too busy (error 0)"),
        ([error(1, b"a|b=1;2\x1b[31m\r\nOK")], {}, "boot.img: a b=1;2\\x1b[31m OK (error 1)"),
        ([oack(blksize=9000)], {"blksize": 1428}, "blksize: expected 8 to 1428, received 9000"),
        ([], {}, "Socket timeout after 10 seconds (greeting)"),
        ([data(1, b"x" * 512)], {}, "Socket timeout after 10 seconds (transfer)"),
        (
            [Datagram(data(1), STRANGER)],
            {},
            "Socket timeout after 10 seconds (greeting), but 1 packet came from 192.0.2.2:40000",
        ),
        (
            [NotConnected("Connection refused", errno.ECONNREFUSED)],
            {},
            "connect to address tftp.example and port 69: Connection refused",
        ),
        (
            [data(1, b"x" * 512), NotConnected("Connection refused", errno.ECONNREFUSED)],
            {},
            "connection lost (transfer): Connection refused",
        ),
    ],
)
def test_failures(incoming: list[Any], settings: dict[str, Any], text: str) -> None:
    result = judged(*incoming, **settings)
    assert result.state == State.CRITICAL
    assert result.text == f"TFTP CRITICAL - {text}"
    assert "time=0.040000s;;;0.000000;10.000000" in str(result)
    assert "retransmissions=0;;;0" in str(result)
    assert result.failure is not None
    assert result.failure.phase in ("greeting", "transfer")
    assert "Received" not in str(result)


def test_name_that_is_not_found() -> None:
    result = judged(on={Resolve: [NotResolved("Name or service not known")]})
    assert result.text == "TFTP CRITICAL - Invalid hostname or address: tftp.example"


def test_state_of_the_deadline() -> None:
    assert judged(timeout_state=State.UNKNOWN).state == State.UNKNOWN
    assert judged(timeout_state=State.UNKNOWN).text.startswith("TFTP UNKNOWN - Socket timeout after 10 seconds")


def test_phases_are_shown() -> None:
    line = str(judged(data(1, CONTENT), show_phases=True))
    assert " dns=0.010000s;;;0.000000 greeting=0.020000s;;;0.000000 transfer=0.010000s;;;0.000000 size=4B" in line


def test_counts_are_shown() -> None:
    first = data(1, b"x" * 512)
    result = judged(None, first, first, Datagram(first, STRANGER), data(2))
    assert " retransmissions=1;;;0" in str(result)
    assert (result.facts["duplicates"], result.facts["stray_packets"]) == (1, 1)


@pytest.mark.parametrize("name", ["multi-line", "json"])
@pytest.mark.parametrize("incoming", [[data(1, CONTENT)], [error(1)], []])
def test_formats(name: str, incoming: list[bytes]) -> None:
    _, text = render(judged(*incoming), name)
    assert "time" in text
