"""All that a check of files says, to be held to the letter."""

from __future__ import annotations

import json
from hashlib import sha256

import pytest

from noidchecks import File, Range, Result

SHA = sha256(b"hello").hexdigest()
MODIFIED = 2_000_000_000
# An hour after the file was modified.
NOW = MODIFIED + 3600.0
TIME = "time=0.250000s;;;0.000000;10.000000"
SLOW = "time=0.250000s;0.100000;;0.000000;10.000000"
IN_TIME = "OK: Connection time 0.250000s is within thresholds"
LATE = "Connection time 0.250000s exceeded warning threshold (0.1)"
LEFT = "noidchecks-000000000000000000000000.tmp"
# A file of five bytes, "hello", as it must be, and everything that can be wrong with it.
RIGHT_FILE = File("f", size=Range(5, 5), sha256=SHA, contains=b"ell", max_age=7200)
RIGHT = [
    "OK: get f: 5 bytes received",
    "OK: get f: size is 5 bytes, as expected",
    f"OK: get f: SHA-256 is {SHA}, as expected",
    "OK: get f: contains 'ell'",
    "OK: get f: age is 3600s, as expected",
]
WRONG_FILE = File("f", size=Range(0, 4), sha256="0" * 64, contains=b"moon", max_age=60)
WRONG = [
    "get f: size: expected 4 bytes, received 5 bytes",
    f"get f: SHA-256: expected {'0' * 64}, received {SHA}",
    "get f: does not contain 'moon'",
    "get f: age: expected at most 60s, received 3600s",
]


def same_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Takes the name of the canary, LEFT, and the present, NOW, from here."""
    monkeypatch.setattr("noidchecks.files.canary.urandom", bytes)
    monkeypatch.setattr("noidchecks.files.judge.time", lambda: NOW)


def output(result: Result) -> list[str]:
    """Returns the output of the plugin, the parts and, as `--output-format json` has them, the facts."""
    parts = [f"{part.state}: {part.text}" for part in result.parts]
    return [*str(result).split("\n"), *parts, json.dumps(result.facts)]
