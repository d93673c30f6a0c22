"""The role of this balancer in its pair, as the notify script writes it."""

from __future__ import annotations

import os
from enum import Enum

DEFAULT_RUN = "/run/noidlb-pair"
"""A folder of root: keepalived and conntrackd write there as root, and it stays when the guardian's service ends."""


class Role(Enum):
    """ALONE: no pair, or keepalived has not reported a role yet. FAULT: keepalived saw a broken link, or has ended."""

    ALONE = "alone"
    MASTER = "master"
    BACKUP = "backup"
    FAULT = "fault"


def read_role(run: str | os.PathLike[str] = DEFAULT_RUN) -> Role:
    """Reads the role; ALONE when the file does not exist, FAULT when it cannot be read."""
    try:
        with open(os.path.join(run, "role"), encoding="ascii", errors="replace") as file:
            return Role(file.read(64).strip())
    except FileNotFoundError:
        return Role.ALONE
    except (OSError, ValueError):
        return Role.FAULT


def cuts_flows(role: Role) -> bool:
    """Returns whether a guardian in this role ends flows; those of a standby are copies of the other node's."""
    return role in (Role.ALONE, Role.MASTER)
