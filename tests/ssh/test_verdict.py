"""Every word of an SSH check that logs in: status line, performance data, parts and facts, from scripted sessions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from noidchecks import File, Listing, Login, Range, SshProbe, State, Timings
from noidchecks.dialogue.operations import Dialogue
from noidchecks.errors import DeadlineExceeded, ProbeError
from noidchecks.ssh import filexfer, transfer
from noidchecks.ssh.findings import SshFindings
from noidchecks.ssh.host_key import HostKey
from noidchecks.ssh.sftp_session import Refused, SftpSession
from noidchecks.ssh.wire import Identification
from noidchecks.status.text import printable
from tests.support.files_output import (
    IN_TIME,
    LATE,
    LEFT,
    MODIFIED,
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


class Session(SftpSession):
    """An SFTP session with the file f and two entries in every folder; what was stored may read otherwise."""

    def __init__(self, *, removes: bool, stored: bytes | None) -> None:
        self.files = {b"f": b"hello"}
        self.removes = removes
        self.stored = stored

    def read_folder(self, folder: bytes) -> Dialogue[bytes]:
        yield from ()
        return folder

    def names(self, handle: bytes, limit: int) -> Dialogue[int]:
        yield from ()
        return 2

    def modified(self, name: bytes) -> Dialogue[int]:
        yield from ()
        return int(MODIFIED)

    def open(self, name: bytes, flags: int) -> Dialogue[bytes]:
        yield from ()
        if flags == filexfer.TO_READ and name != b"f" and self.stored is not None:
            self.files[name] = self.stored
        return name

    def contents(self, handle: bytes, take: Callable[[bytes], None]) -> Dialogue[None]:
        yield from ()
        take(self.files[handle])

    def write(self, handle: bytes, data: bytes) -> Dialogue[None]:
        yield from ()
        self.files[handle] = data

    def close(self, handle: bytes) -> Dialogue[None]:
        yield from ()

    drop = close

    def remove(self, name: bytes) -> Dialogue[None]:
        yield from ()
        if not self.removes:
            raise Refused(3, b"Permission denied", printable)
        del self.files[name]


@pytest.fixture(autouse=True)
def _same_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    same_each_time(monkeypatch)


def said(
    *, removes: bool = True, stored: bytes | None = None, failure: ProbeError | None = None, **settings: Any
) -> list[str]:
    """What a check says that found such a session behind its login, and failed in the end."""
    session = Session(removes=removes, stored=stored)
    probe = SshProbe("192.0.2.1", **{"login": Login("bob", "x")} | settings)
    findings = SshFindings()
    findings.identification = Identification.parse(b"SSH-2.0-lab_1")
    findings.host_key = HostKey("ssh-ed25519", "SHA256:x")
    deep = findings.deep = transfer.SftpFindings()
    deep.method = "password"
    try:
        list(transfer.fetch(probe, session, deep))
        if probe.put is not None:
            list(transfer.put(session, probe.put, deep))
    except ProbeError as error:
        findings.failure = error
    if failure is not None:
        findings.failure = failure
    return output(probe.judge(findings, Timings(0.25, {"transfer": 0.125})))


FINE = "SFTP OK - lab_1 (protocol 2.0) "
ENTERED = [
    "OK: SSH server version: lab_1 (protocol version: 2.0)",
    "OK: Valid protocol version control string SSH-2.0-lab_1",
    "OK: Server has the host key ssh-ed25519 SHA256:x, which is not verified",
    "OK: Login as bob with password succeeded",
]
SEEN = (
    '{"identification": "SSH-2.0-lab_1", "protocol": "2.0", "software": "lab_1", "comment": "", "pre_banner_lines": [],'
    ' "refusal": "", "host_key": {"type": "ssh-ed25519", "fingerprint": "SHA256:x"}, "user": "bob",'
    ' "method": "password", "host_key_checked": false'
)


def test_a_login() -> None:
    assert said() == [f"SSH OK - lab_1 (protocol 2.0) [login bob] | {TIME}", *ENTERED, IN_TIME, f"{SEEN}}}"]


def test_everything_at_once() -> None:
    assert said(
        listing=Listing("pub", min_files=1, max_files=2),
        get=RIGHT_FILE,
        timestamp="f",
        put="up",
    ) == [
        f"{FINE}[login bob, list pub 2 files, get f 5 bytes, f of 2033-05-18 03:33:20 UTC, put]"
        f" | {TIME} files=2;;;0 size=5B;;5:5;0 throughput=5672B;;;0",
        *ENTERED,
        "OK: list pub: 2 files, as expected",
        *RIGHT,
        "OK: Timestamp of f is: 2033-05-18 03:33:20 UTC",
        "OK: put: a canary was stored, read back and deleted",
        IN_TIME,
        f'{SEEN}, "entries": 2, "size": 5, "sha256": "{SHA}", "timestamp": 2000000000.0}}',
    ]


def test_everything_wrong_at_once() -> None:
    listed = "list pub: 2 files, expected at least 3"
    assert said(
        listing=Listing("pub", min_files=3),
        get=WRONG_FILE,
        warning=Range(0, 0.1),
    ) == [
        f"SFTP CRITICAL - {'; '.join([listed, *WRONG, LATE])}"
        f" | {SLOW} files=2;;;0 size=5B;;4.000000;0 throughput=40B;;;0",
        *ENTERED,
        f"CRITICAL: {listed}",
        RIGHT[0],
        *(f"CRITICAL: {text}" for text in WRONG),
        f"WARNING: {LATE}",
        f'{SEEN}, "entries": 2, "size": 5, "sha256": "{SHA}"}}',
    ]


@pytest.mark.parametrize(
    ("listing", "words"), [(Listing("pub"), "list pub"), (Listing(" pub "), "list  pub "), (Listing(), "list")]
)
def test_a_listing_without_limits_is_counted_too(listing: Listing, words: str) -> None:
    assert said(listing=listing) == [
        f"{FINE}[login bob, {words} 2 files] | {TIME} files=2;;;0",
        *ENTERED,
        IN_TIME,
        f'{SEEN}, "entries": 2}}',
    ]


def test_slow_and_otherwise_well() -> None:
    assert said(listing=Listing(max_files=2), warning=Range(0, 0.1)) == [
        f"{FINE.replace('OK', 'WARNING')}[login bob, list 2 files], 0.250 second response time | {SLOW} files=2;;;0",
        *ENTERED,
        "OK: list: 2 files, as expected",
        f"WARNING: {LATE}",
        f'{SEEN}, "entries": 2}}',
    ]


def test_a_canary_that_is_left() -> None:
    assert said(removes=False, put="") == [
        f"SFTP CRITICAL - put: Permission denied; put: {LEFT} may be left on the server | {TIME} throughput=5632B;;;0",
        *ENTERED,
        "CRITICAL: put: Permission denied",
        f"WARNING: put: {LEFT} may be left on the server",
        IN_TIME,
        f'{SEEN}, "leftover": "{LEFT}"}}',
    ]


def test_a_canary_that_comes_back_changed() -> None:
    why = "put up: what was read back is not what was stored: 7 of 352 bytes"
    assert said(put="up", stored=b"changed") == [
        f"SFTP CRITICAL - {why} | {TIME} throughput=2872B;;;0",
        *ENTERED,
        f"CRITICAL: {why}",
        IN_TIME,
        f"{SEEN}}}",
    ]


def test_half_a_file() -> None:
    assert said(get=File("f", sha256=SHA, limit=4)) == [
        f"SFTP CRITICAL - get f: more than 4 bytes | {TIME} throughput=40B;;;0",
        *ENTERED,
        "CRITICAL: get f: more than 4 bytes",
        IN_TIME,
        f"{SEEN}}}",
    ]


@pytest.mark.parametrize("state", [State.CRITICAL, State.OK])
def test_the_deadline_after_a_file(state: State) -> None:
    late = DeadlineExceeded(10)
    late.phase = "transfer"
    why = "Socket timeout after 10 seconds (transfer)"
    words = f"SFTP {state} - {why}"
    assert said(failure=late, get=File("f"), timeout_state=state) == [
        f"{words} | {TIME} size=5B;;;0 throughput=40B;;;0",
        *ENTERED,
        f"{state}: {why}",
        "OK: get f: 5 bytes received",
        IN_TIME,
        f'{SEEN}, "size": 5}}',
    ]
