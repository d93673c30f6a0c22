from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given, settings, strategies as st

from noidchecks import NotConnected, PeerError, SshProbe
from noidchecks.dialogue.operations import Connect, Phase, Receive, Resolve, Send
from noidchecks.errors import DeadlineExceeded
from noidchecks.ssh.dialogue import HEAD_START, OUR_IDENTIFICATION, READ_GAP, converse

if TYPE_CHECKING:
    from noidchecks.ssh.findings import SshFindings

LOST = NotConnected("Connection reset by peer", 104)
SILENCE = None


class Run:
    """A dialogue fed with answers to its reads: bytes, b"" for the end, None for silence, or an error."""

    def __init__(self, *answers: bytes | Exception | None, deaf: bool = False) -> None:
        self.sent: list[bytes] = []
        self.phases: list[str] = []
        self.patience: list[float | None] = []
        self.unread = list(answers)
        self.findings = self._run(deaf)

    def _run(self, deaf: bool) -> SshFindings:
        dialogue = converse(SshProbe("192.0.2.1"))
        operation = next(dialogue)
        try:
            while True:
                answer: Any = None
                if isinstance(operation, Phase):
                    self.phases.append(operation.name)
                elif isinstance(operation, Resolve):
                    answer = ("an address",)
                elif isinstance(operation, Connect):
                    answer = SimpleNamespace(address=operation.address)
                elif isinstance(operation, Send):
                    self.sent.append(operation.data)
                    answer = LOST if deaf else None
                else:
                    assert isinstance(operation, Receive)
                    self.patience.append(operation.patience)
                    answer = self.unread.pop(0) if self.unread else DeadlineExceeded(10)
                operation = dialogue.throw(answer) if isinstance(answer, Exception) else dialogue.send(answer)
        except StopIteration as stop:
            findings: SshFindings = stop.value
            return findings

    @property
    def failure(self) -> str:
        return "" if self.findings.failure is None else str(self.findings.failure)

    @property
    def software(self) -> bytes:
        return b"" if self.findings.identification is None else self.findings.identification.software

    @property
    def outcome(self) -> tuple[object, ...]:
        found, failure = self.findings, self.findings.failure
        received = failure.received if isinstance(failure, PeerError) else b""
        return found.identification, found.lines, found.refusal, type(failure), self.failure, received


def test_answers_the_identification_string_and_goes() -> None:
    run = Run(b"SSH-2.0-x\r\n")
    assert run.software == b"x"
    assert run.failure == ""
    assert run.sent == [OUR_IDENTIFICATION]
    assert run.phases == ["resolve", "connect", "greeting"]


def test_identification_is_of_the_form_of_the_rfc() -> None:
    assert OUR_IDENTIFICATION.startswith(b"SSH-2.0-check_ssh_")
    assert OUR_IDENTIFICATION.endswith(b"\r\n")
    assert b" " not in OUR_IDENTIFICATION
    assert OUR_IDENTIFICATION.count(b"-") == 2


def test_pauses() -> None:
    assert (HEAD_START, READ_GAP) == (0.5, 2.0)


def test_goes_first_when_the_server_waits_and_only_once() -> None:
    run = Run(SILENCE, b"Welcome\n", b"SSH-2.0-x\n")
    assert run.software == b"x"
    assert run.sent == [OUR_IDENTIFICATION]
    assert run.patience == [HEAD_START, None, None]


def test_peer_that_is_gone_when_we_answer_is_not_sick() -> None:
    run = Run(b"SSH-2.0-x\n", deaf=True)
    assert run.failure == ""
    assert run.software == b"x"


def test_peer_that_is_gone_when_we_go_first_is_lost() -> None:
    assert isinstance(Run(SILENCE, deaf=True).findings.failure, NotConnected)


@pytest.mark.parametrize(
    "chunks", [(b"SSH-2.0-x", b"yz\r\n"), (b"S", b"SH-2.", b"0-xyz\r", b"\n"), (b"SSH-2.0-xyz", b"")]
)
def test_split_segments_and_missing_line_end(chunks: tuple[bytes, ...]) -> None:
    assert Run(*chunks).software == b"xyz"


def test_slow_lines_before_it_are_waited_for() -> None:
    run = Run(b"Welcome\r\n", SILENCE, b"Legal notice\r\n", b"SSH-2.0-x\r\n")
    assert run.software == b"x"
    assert run.findings.lines == [b"Welcome", b"Legal notice"]


@pytest.mark.parametrize("greeting", [b"220 ready\r\n", b"220-more\r\n", b"\xff\xfd\x18login: ", b"J\0\0\0\n8.0"])
def test_other_protocol_ends_with_the_read_gap(greeting: bytes) -> None:
    run = Run(greeting, SILENCE)
    assert run.failure == "No version control string received"
    assert run.patience[-1] == READ_GAP
    assert run.sent == []
    assert isinstance(run.findings.failure, PeerError)
    assert run.findings.failure.received == greeting
    assert run.findings.failure.phase == "greeting"


def test_line_like_another_protocols_before_it_is_legal() -> None:
    assert Run(b"220 odd notice\r\n", b"SSH-2.0-x\r\n").software == b"x"


@pytest.mark.parametrize("line", [b"Exceeded MaxStartups\r\n", b"Not allowed at this time\r\n"])
def test_refusal_is_known_at_its_line(line: bytes) -> None:
    run = Run(line, b"SSH-2.0-x\r\n")
    assert run.findings.refusal
    assert run.failure == ""
    assert run.sent == []
    assert run.unread == [b"SSH-2.0-x\r\n"]


@pytest.mark.parametrize("line", [b"SSH-", b"SSH-2.0"])
def test_broken_identification_string(line: bytes) -> None:
    assert Run(line + b"\r\n").failure == f"Invalid protocol version control string {line.decode()}"
    assert Run(line, b"").failure == f"Invalid protocol version control string {line.decode()}"


def test_endless_identification_string() -> None:
    run = Run(*[b"SSH-2.0-".ljust(200, b"x")] * 2)
    assert run.failure.startswith("Invalid protocol version control string SSH-2.0-xxx")
    assert run.failure.endswith("x... (longer than 255 bytes)")
    assert len(run.failure) < 200


def test_endless_lines() -> None:
    run = Run(*[b"w\n" * 500] * 3)
    assert run.failure == "No version control string received in 1024 lines"
    assert len(run.findings.lines) == 1024


def test_endless_line() -> None:
    run = Run(*[b"w" * 4000] * 20)
    assert run.failure == "No version control string received in 65536 bytes"
    assert run.unread


def test_reset_and_close() -> None:
    assert Run(b"").failure == "No version control string received"
    assert isinstance(Run(LOST).findings.failure, NotConnected)
    assert isinstance(Run(b"Welcome\n", LOST).findings.failure, NotConnected)


def test_a_reset_by_our_own_string_is_the_end_of_what_came() -> None:
    """It makes the kernel of a server that has closed reset the connection; before it, a reset is the server's own."""
    assert Run(b"SSH-2.0-x", SILENCE, LOST).software == b"x"
    assert Run(b"Exceeded MaxStartups", SILENCE, LOST).findings.refusal == "overloaded"
    assert Run(b"SSH-2.0", SILENCE, LOST).failure == "Invalid protocol version control string SSH-2.0"
    assert isinstance(Run(b"SSH-2.0-x", LOST).findings.failure, NotConnected)
    assert isinstance(Run(b"Welcome\n", SILENCE, LOST).findings.failure, NotConnected)


PIECES = st.sampled_from(
    [
        *(b"SSH-", b"2.0-", b"x", b" c", b"S", b"\r", b"\n", b"\n", b"\0", b"\xff", b"|", b"220 ", b"y" * 90),
        *(b"Exceeded MaxStartups", b"\x1b[2J", b"w\n" * 600, b"z" * 40000),
    ]
)


@settings(deadline=None)
@example(b"SSH-2.0-x\nSSH-2.0-y\n", [10])
@given(
    data=st.one_of(st.binary(max_size=600), st.lists(PIECES, max_size=12).map(b"".join)),
    sizes=st.lists(st.integers(1, 3000), min_size=1),
)
def test_chunks_make_no_difference(data: bytes, sizes: list[int]) -> None:
    whole = [data] if data else []
    chunks: list[bytes] = []
    place = 0
    while place < len(data):
        size = sizes[len(chunks) % len(sizes)]
        chunks.append(data[place : place + size])
        place += size
    for ending in (b"", LOST):
        assert Run(*chunks, ending).outcome == Run(*whole, ending).outcome


@settings(deadline=None)
@given(st.lists(st.one_of(st.binary(min_size=1, max_size=300), st.sampled_from([None, b"", LOST, b"SSH-2.0-"]))))
def test_any_answers_end_in_findings(answers: list[bytes | Exception | None]) -> None:
    found = Run(*answers).findings
    assert sum(1 for outcome in (found.failure, found.identification, found.refusal) if outcome) == 1
    assert sum(map(len, found.lines)) <= 65536
