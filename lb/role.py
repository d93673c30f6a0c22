"""The role of this balancer in its pair, as the notify script writes it."""

from __future__ import annotations

from enum import Enum
from pathlib import Path

DEFAULT_RUN = "/run/noidlb-pair"
"""Root's own: keepalived and conntrackd write there as root, and it stays when the guardian's service ends."""


class Role(Enum):
    """Alone: no pair, or nobody has said anything yet. Fault: keepalived has seen a broken link, or has ended."""

    ALONE = "alone"
    MASTER = "master"
    BACKUP = "backup"
    FAULT = "fault"


def read_role(run: str | Path = DEFAULT_RUN) -> Role:
    """Reads the role; alone when there is no file, fault when nobody can say what is in it."""
    try:
        with open(Path(run) / "role", encoding="ascii", errors="replace") as file:
            return Role(file.read(64).strip())
    except FileNotFoundError:
        return Role.ALONE
    except (OSError, ValueError):
        return Role.FAULT


def cuts_flows(role: Role) -> bool:
    """Tells whether a guardian in this role ends flows: those of a node that stands by are copies of the other's."""
    return role in (Role.ALONE, Role.MASTER)
