"""Whatever an SSH server says before the keys: what is printed is bounded and printable, and has no secret of ours."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import example, given, settings, strategies as st

from noidchecks import Identity, Login, Result, SshProbe
from noidchecks.dialogue.operations import Receive, Redact, Send
from noidchecks.drivers.transcript import Transcript
from noidchecks.ssh.kexinit import Kexinit
from noidchecks.status.render import render
from tests.support.hostile_words import HOSTILE, PHRASE, SECRET, check_output
from tests.support.rehearse import rehearse
from tests.support.ssh import MODERN, kexinit, packet

NAME = HOSTILE.map(lambda text: re.sub(r"[^!-+\--~]", "", text) or "x")
FIELDS = ("software", "comment", "before", "disconnect", "debug", *MODERN)


def steps(field: str, text: str) -> list[bytes]:
    """Returns what a server sends that has the text in one field."""
    raw = text.encode()
    one_line = text.replace("\n", " ").replace("\r", " ").encode()
    name = re.sub(r"[^!-+\--~]", "", text)[:30000] or "x"
    hello = b"SSH-2.0-OpenSSH_9.2p1\r\n"
    long = len(raw).to_bytes(4) + raw
    match field:
        case "software":
            return [b"SSH-2.0-" + one_line.replace(b" ", b"_")[:240] + b"\r\n", kexinit()]
        case "comment":
            return [b"SSH-2.0-x " + one_line[:240] + b"\r\n", kexinit()]
        case "before":
            return [raw + b"\r\n" + hello, kexinit()]
        case "disconnect":
            return [hello, packet(b"\1\0\0\0\x02" + long[:30000] + bytes(4))]
        case "debug":
            return [hello, packet(b"\4\1" + long[:30000] + bytes(4)), kexinit()]
    return [hello, kexinit(**{field: f"a,{name},{SECRET},b"})]


def outputs(probe: UpToTheKeys, sent: list[bytes]) -> list[str]:
    """Returns all that may be printed of a check: plain, with -v, and the three formats."""
    seen = rehearse(probe.dialogue(), *sent, b"")
    result: Result = probe.judge(seen.value, seen.timings)
    transcript = Transcript()
    answers = iter([*sent, b""])
    for operation in seen.operations:
        if isinstance(operation, Receive):
            transcript.add(0.0, operation, next(answers, b""))
        elif isinstance(operation, Redact | Send):
            transcript.add(0.0, operation, None)
    full = result.replace(transcript=(*transcript.lines(), *result.transcript))
    assert SECRET not in repr(result.facts) + repr(result.parts) + repr(result.failure)
    plain = result.replace(transcript=())
    return [str(plain), str(full), *(render(one, name)[1] for one in (plain, full) for name in ("multi-line", "json"))]


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"algorithms": True},
        {"policy": "modern"},
        {"policy": "compatible", "forbid": ("*",)},
        {"require": ("kex:none-of-them",), "remote_version": "x"},
    ],
    ids=["plain", "algorithms", "policy", "forbid", "require"],
)
@given(st.sampled_from(FIELDS), HOSTILE)
@settings(max_examples=60)
@example("kex_algorithms", "|" + "<script>" * 3000)
@example("disconnect", "a" * 190 + SECRET)
@example("before", "\n".join([SECRET, "|x=1"] * 500))
def test_every_field_before_the_keys(asked: dict[str, Any], field: str, text: str) -> None:
    probe = SshProbe("192.0.2.1", login=Login("bob", SECRET), identities=(Identity("k", PHRASE),), **asked)
    for output in outputs(UpToTheKeys(probe), steps(field, text)):
        check_output(output)


class UpToTheKeys:
    """A probe that has a login, and stops before the keys are exchanged."""

    def __init__(self, probe: SshProbe) -> None:
        self._probe = probe

    def __getattr__(self, name: str) -> Any:
        return False if name == "exchanges_keys" else getattr(self._probe, name)

    def dialogue(self) -> Any:
        from noidchecks.ssh.dialogue import converse

        return converse(self)  # type: ignore[arg-type]  # it has all that a probe has

    def judge(self, findings: Any, timings: Any) -> Result:
        from noidchecks.ssh.judge import judge

        return judge(self, findings, timings)  # type: ignore[arg-type]  # as above


@given(st.lists(NAME, min_size=1, max_size=40))
def test_lists_in_words_are_bounded(names: list[str]) -> None:
    (line,) = Kexinit(kex_algorithms=tuple(names)).lines()
    assert len(line) < 1000
    assert "|" not in line
    assert not re.search(r"<[\w/!]", line)
