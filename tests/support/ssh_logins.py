"""What the tests of SSH behind the login share: who logs in, with what, and what is there."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import paramiko

from noidchecks import Login, Result, SshProbe
from tests.support.sftp import HOST_KEY
from tests.support.waiting import LONG

Check = Callable[[SshProbe], Result]
BOB = Login("bob", "sesame")
NO_PASSWORD = Login("bob", "")
PINNED = (HOST_KEY.fingerprint,)
KEY = paramiko.ECDSAKey.generate()
HELLO = b"hello, world\n"
SHA = hashlib.sha256(HELLO).hexdigest()
FINE = "SFTP OK - lab_1 (protocol 2.0) "


def probe(port: int, host: str = "127.0.0.1", **settings: Any) -> SshProbe:
    """Returns a check as bob, of a server that has the key it must have."""
    return SshProbe(host, **{"port": port, "timeout": LONG, "login": BOB, "fingerprints": PINNED, **settings})


def late(told: str, run: Check, slow: SshProbe) -> Result:
    """Lets a probe come so far before its deadline that its result tells so; keys cost a busy machine seconds."""
    for timeout in (1, 5, 20):
        result = run(slow.replace(timeout=timeout))
        if told in result.text:
            break
    assert told in result.text, result.text
    return result
