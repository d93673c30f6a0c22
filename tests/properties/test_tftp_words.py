"""Whatever a TFTP server says in errors and options, what is printed is bounded, printable and ours."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given, settings, strategies as st

from noidchecks import TftpProbe
from noidchecks.dialogue.operations import Datagram, ReceiveFrom, SendTo
from noidchecks.drivers.transcript import Transcript
from noidchecks.status.render import render
from tests.support.hostile_words import HOSTILE, check_output
from tests.support.rehearse import rehearse
from tests.support.tftp_script import ANSWER

FIELDS = ("error", "name", "value", "many", "junk", "opcode")
ASKED: dict[str, dict[str, Any]] = {
    "absent": {},
    "file": {"filename": "f"},
    "options": {"filename": "f", "blksize": 1024, "tsize": True, "windowsize": 4},
    "expect": {"filename": "f", "expect_error": 1},
    "put": {"put": "c"},
}


def packet(field: str, raw: bytes, code: int) -> bytes:
    """Returns a server's packet that has the bytes in one field."""
    option = raw.replace(b"\0", b"")
    match field:
        case "error":
            return b"\0\5" + code.to_bytes(2) + raw + b"\0"
        case "name":
            return b"\0\6" + option + b"\0" + b"8\0"
        case "value":
            return b"\0\6blksize\0" + option + b"\0"
        case "many":
            return b"\0\6" + (option[:20] + b"\0x\0") * 1000
        case "junk":
            return raw
    return code.to_bytes(2) + raw


@pytest.mark.parametrize("asked", ASKED)
@given(st.sampled_from(FIELDS), HOSTILE, st.integers(0, 65535))
@settings(max_examples=60)
@example("error", "|x=1" + "<script>" * 4000, 0)
@example("name", "z" * 35000 + "|", 0)
def test_every_field(asked: str, field: str, text: str, code: int) -> None:
    # The words are nobody's secret here: TFTP has none.
    text = text.replace("hunter2", "").replace("phr4se", "")
    said = packet(field, text.encode(), code)
    probe = TftpProbe("192.0.2.1", **ASKED[asked])
    seen = rehearse(probe.dialogue(), Datagram(said, ANSWER), timeout=probe.timeout)
    result = probe.judge(seen.value, seen.timings)
    transcript = Transcript()
    for operation in seen.operations:
        if isinstance(operation, ReceiveFrom):
            transcript.add(0.0, operation, Datagram(said, ANSWER))
        elif isinstance(operation, SendTo):
            transcript.add(0.0, operation, None)
    full = result.replace(transcript=transcript.lines())
    for one in (result, full):
        for printed in (str(one), render(one, "multi-line")[1], render(one, "json")[1]):
            check_output(printed)
