"""The settings of a check of a TOY server, validated when they are made."""

from __future__ import annotations

from noidchecks.fields import require_types
from noidchecks.server import Server, require_server
from noidchecks.status.state import State
from noidchecks.status.threshold import Range


class ToySettings(Server):
    """What is checked of a TOY server: its greeting, and its name where one is expected."""

    host: str
    port: int
    timeout: float
    timeout_state: State
    family: int
    source: str
    name: str
    warning: Range | None
    critical: Range | None
    show_phases: bool

    def __init__(
        self,
        host: str,
        *,
        port: int = 7,
        timeout: float = 10,
        timeout_state: State = State.CRITICAL,
        family: int = 0,
        source: str = "",
        name: str = "",
        warning: Range | None = None,
        critical: Range | None = None,
        show_phases: bool = False,
    ) -> None:
        self._fill(locals())
        require_types(self)
        require_server(self)
