"""What the tests of SSH behind the login share: who logs in, with what, and what is there."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import paramiko

from noidchecks import Login, Result, SshProbe
from tests.fakes.sftp import HOST_KEY

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
    return SshProbe(host, **{"port": port, "timeout": 10, "login": BOB, "fingerprints": PINNED, **settings})
