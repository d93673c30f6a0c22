"""The address and ports for active mode (RFC 959 section 3.2)."""

from __future__ import annotations

from ..errors import UsageError
from ..fields import require_types
from ..status.text import printable
from ..value import Value


class Active(Value):
    """The endpoint that the server connects to in active mode: the address that PORT names, and a range of ports.

    An address of "" is that of the control connection; ports (0, 0) is any port.
    """

    address: str
    ports: tuple[int, int]

    def __init__(self, address: str = "", ports: tuple[int, int] = (0, 0)) -> None:
        from ..address import source_family

        self._fill({"address": address, "ports": ports})
        require_types(self)
        low, high = ports
        if ports != (0, 0) and not 1 <= low <= high <= 65535:
            raise UsageError(f"Active ports must be LOW-HIGH within 1 and 65535, not {low}-{high}")
        if address:
            try:
                source_family(address)
            except ValueError:
                raise UsageError(f"Active address must be an IPv4 or IPv6 address: {printable(address)}") from None
