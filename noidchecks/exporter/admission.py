"""Enforces the allow list on the dialogue of a probe, where the driver looks up names and connects.

A name is looked up only once, by the dialogue itself, and the dialogue gets the addresses that were checked: no second
look-up could have another answer (DNS rebinding).
"""

from __future__ import annotations

from ..dialogue.operations import Connect, Resolve, SendTo
from ..drivers.perform import PERFORM
from ..drivers.perform_more import MORE
from ..errors import LocalError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..address import Address
    from ..drivers.running import Performers, Running
    from ..drivers.sockets import Channel
    from .allowed import AllowList


class Admission:
    """The admission of one probe; refused says that its host is not on the allow list.

    address is the address that it connected to first, or would have, None before its name is resolved. When only some
    of a name's addresses are on the list, the probe gets only those.
    """

    __slots__ = ("refused", "address", "_allowed", "_by_name", "_resolved", "_has_gone")

    def __init__(self, allowed: AllowList, *, by_name: bool) -> None:
        self.refused = False
        self.address: Address | None = None
        self._allowed = allowed
        self._by_name = by_name
        self._resolved: frozenset[str] = frozenset()
        self._has_gone = False

    @property
    def performers(self) -> Performers:
        """The functions that perform the operations of the dialogue."""
        return {**PERFORM, **MORE, Resolve: self._resolve, Connect: self._connect, SendTo: self._send_to}

    def _resolve(self, session: Running, operation: Resolve) -> tuple[Address, ...]:
        found: tuple[Address, ...] = _RESOLVE(session, operation)  # type: ignore[assignment]  # what Resolve is answered
        if not self._by_name:
            found = tuple(address for address in found if self._allowed.has_address(address.host))
            if not found:
                self.refused = True
                raise LocalError(f"{operation.host} is not on the allow list")
        self._resolved |= {address.host for address in found}
        self.address = self.address or found[0]
        return found

    def _connect(self, session: Running, operation: Connect) -> Channel:
        self._require(operation.address)
        channel: Channel = _CONNECT(session, operation)  # type: ignore[assignment]  # what Connect is answered
        self._go(operation.address)
        return channel

    def _send_to(self, session: Running, operation: SendTo) -> Any:
        self._go(operation.address)
        return _SEND_TO(session, operation)

    def _go(self, address: Address) -> None:
        if not self._has_gone:
            self._has_gone = True
            self.address = address

    def _require(self, address: Address) -> None:
        # An address that is not the host's was announced by the server, for a data connection.
        if address.host not in self._resolved and not self._allowed.has_address(address.host):
            raise LocalError(f"{address.host} is not on the allow list")


_RESOLVE, _CONNECT, _SEND_TO = PERFORM[Resolve], PERFORM[Connect], PERFORM[SendTo]
