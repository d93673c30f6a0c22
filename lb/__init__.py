"""FTP, TFTP and SFTP farms on nftables.

The core: farm.py, address.py, guard.py      what a farm is
          overrides.py, events.py, errors.py   what the operator and the guardian say
          config/      a TOML file -> one Configuration: farms, settings, pair
          nft/         farms and the conditions of backends -> a table -> the smallest transaction
          guardian/    probes -> health (rise and fall) -> conditions -> the kernel, again and again
The rest, which the core never imports: service/ (`noidlb guard`), pair/ (two balancers), doctor/, farm_status.py,
          status.py, cli/.
A program imports the names below, each of which is loaded on its first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .config.load import Configuration as Configuration, load as load
    from .errors import FarmError as FarmError, GuardError as GuardError
    from .events import Event as Event, EventLog as EventLog
    from .guardian.applier import NftApplier as NftApplier
    from .guardian.guardian import Guardian as Guardian
    from .guardian.once import apply as apply
    from .nft.run import KernelError as KernelError
    from .overrides import Overrides as Overrides

_HOMES = {
    "Guardian": "noidlb.guardian.guardian",
    "load": "noidlb.config.load",
    "apply": "noidlb.guardian.once",
    "Configuration": "noidlb.config.load",
    "Overrides": "noidlb.overrides",
    "NftApplier": "noidlb.guardian.applier",
    "EventLog": "noidlb.events",
    "Event": "noidlb.events",
    "FarmError": "noidlb.errors",
    "GuardError": "noidlb.errors",
    "KernelError": "noidlb.nft.run",
}
__all__ = list(_HOMES)


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
