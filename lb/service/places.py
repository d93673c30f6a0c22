"""Where the state folder and the control socket are."""

from __future__ import annotations

import os

DEFAULT_FOLDER = "/var/lib/noidlb"
DEFAULT_SOCKET = "/run/noidlb/control"


def socket_path(folder: str | os.PathLike[str], given: str | None = None) -> str:
    """Returns the path of the control socket of the guardian with this state folder."""
    if given is not None:
        return given
    # Another state folder means one of several guardians, each in its own network namespace.
    return DEFAULT_SOCKET if os.path.normpath(folder) == DEFAULT_FOLDER else os.path.join(folder, "control")
