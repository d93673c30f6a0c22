"""Conversations with a TFTP server, from scripted packets."""

from __future__ import annotations

import errno
from typing import Any

from noidchecks import NotConnected, TftpProbe
from noidchecks.address import AF_INET, Address
from noidchecks.dialogue.operations import Datagram
from noidchecks.tftp.findings import Findings
from tests.support.rehearse import Rehearsal, rehearse

SERVER = Address(AF_INET, ("192.0.2.1", 69))
ANSWER = Address(AF_INET, ("192.0.2.1", 40000))
OTHER_PORT = Address(AF_INET, ("192.0.2.1", 40001))
OTHER_HOST = Address(AF_INET, ("192.0.2.2", 40000))
REQUEST = b"\0\1f\0octet\0"
WRITE_REQUEST = b"\0\2c\0octet\0"
UNKNOWN_ID = b"\0\5\0\5Unknown transfer ID\0"
BYE = b"\0\5\0\0check ended\0"
ILLEGAL = b"\0\5\0\4Illegal TFTP operation\0"
SILENCE = None


def play(*incoming: bytes | Datagram | Exception | None, on: Any = None, **settings: Any) -> Rehearsal:
    """Reads the file f; bytes come from the transfer port of the server."""
    settings.setdefault("filename", "f")
    probe = TftpProbe("192.0.2.1", **settings)
    played: Any = [Datagram(item, ANSWER) if isinstance(item, bytes) else item for item in incoming]
    rehearsal = rehearse(probe.dialogue(), *played, on=on, timeout=probe.timeout)
    assert rehearsal.failure is None
    return rehearsal


def findings_of(rehearsal: Rehearsal) -> Findings:
    *_, findings = rehearsal.value
    assert isinstance(findings, Findings)
    return findings


def failure_of(rehearsal: Rehearsal) -> str:
    failure = findings_of(rehearsal).failure
    return "" if failure is None else failure.message


def sent(rehearsal: Rehearsal) -> list[bytes]:
    return [packet for packet, _ in rehearsal.datagrams]


def refusal(address: Address | None, code: int = errno.ECONNREFUSED) -> NotConnected:
    return NotConnected("Connection refused", code, address)
