"""FTP, TFTP and SFTP farms on nftables.

A program of one's own uses what is named here; it is imported when it is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lb.actuator import Actuator
    from lb.config import load
    from lb.events import Event, EventLog
    from lb.farm_error import FarmError
    from lb.lock import GuardError
    from lb.watch import Guardian
    from lb.words import Words

__all__ = ["Guardian", "load", "Words", "Actuator", "EventLog", "Event", "FarmError", "GuardError"]

_HOMES = {
    "Guardian": "lb.watch",
    "load": "lb.config",
    "Words": "lb.words",
    "Actuator": "lb.actuator",
    "EventLog": "lb.events",
    "Event": "lb.events",
    "FarmError": "lb.farm_error",
    "GuardError": "lb.lock",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
