"""FTP, TFTP and SFTP farms on nftables.

A program of one's own uses what is named here; it is imported when it is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .config.load import load
    from .errors import FarmError
    from .events import Event, EventLog
    from .guardian.applier import NftApplier
    from .guardian.guardian import Guardian
    from .guardian.lock import GuardError
    from .overrides import Overrides

__all__ = ["Guardian", "load", "Overrides", "NftApplier", "EventLog", "Event", "FarmError", "GuardError"]

_HOMES = {
    "Guardian": "noidlb.guardian.guardian",
    "load": "noidlb.config.load",
    "Overrides": "noidlb.overrides",
    "NftApplier": "noidlb.guardian.applier",
    "EventLog": "noidlb.events",
    "Event": "noidlb.events",
    "FarmError": "noidlb.errors",
    "GuardError": "noidlb.guardian.lock",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
