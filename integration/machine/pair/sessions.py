"""FTP sessions through the VIP that stay open over take-overs, one for each kind of data connection."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Self

from integration.clients import Data
from integration.lab.sessions import FtpSession
from integration.machine.pair.lab import MachineLab

# A client's packet may wait for the take-over, and then for seconds until it is sent again.
_PATIENCE = 120.0
_KINDS = [(data, version) for version in (4, 6) for data in Data if version == 4 or data.is_extended]


class Sessions:
    """The sessions; each has fetched a file, so that its helper has rewritten what it rewrites."""

    def __init__(self, lab: MachineLab) -> None:
        self._exit = ExitStack()
        self._open: dict[str, FtpSession] = {}
        self._found: dict[str, str] = {}
        for data, version in _KINDS:
            source = lab.client_address[version]
            session = FtpSession(lab.client, lab.vip[version], data, source=source, patience=_PATIENCE)
            name = f"{data.name} over IPv{version}"
            self._open[name] = self._exit.enter_context(session)
            self._found[name] = session.fetch()

    def check(self, *, lost: bool = False) -> str:
        """Fetches again over each session, and returns the backends; RuntimeError when one got another one, or nothing.

        lost: the node that serves is another one since, so that EPRT over IPv6 is reset, as docs/pair.md says of an
        address that is shorter than 39 characters; it is opened no more.
        """
        expected = dict(self._found)
        if lost and (name := "EPRT over IPv6") in expected:
            expected[name] = "reset"
        found = {name: session.outcome() for name, session in self._open.items()}
        for name in [name for name, outcome in found.items() if outcome != self._found[name]]:
            # It has ended, whether it should or not.
            del self._open[name], self._found[name]
        if found != expected:
            raise RuntimeError(f"expected {expected}, found {found}")
        return ", ".join(f"{name} {outcome}" for name, outcome in found.items())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._exit.close()
