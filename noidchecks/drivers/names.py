"""Look-ups of names in the background."""

from __future__ import annotations

from ..errors import LocalError
from ..resolve import addresses_of
from .resolver import LOOK_UPS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..address import Address
    from .resolver import LookUp


def look_up(host: str, port: int, family: int, kind: int) -> LookUp:
    """Starts the look-up of a name; its result() is the addresses, or NotResolved. LocalError."""

    def work() -> tuple[Address, ...]:
        return addresses_of(host, port, family, kind)

    try:
        return LOOK_UPS.ask((host, port, family, kind), host.lower(), work)
    except (OSError, RuntimeError) as error:
        # No descriptor or no thread left.
        raise LocalError(f"cannot look up {host}: {error}") from error
