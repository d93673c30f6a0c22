"""The part of a session that the functions which perform operations use; for type checkers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeAlias


class Running(Protocol):
    """The part of a session that the functions which perform its operations use.

    progress is what a partly performed operation keeps for its next attempt; operation_began is the time of the current
    operation's first attempt, by the session's clock; opened has what the session closes when it ends.
    """

    progress: Any
    opened: list[Any]
    operation_began: float
    clock: Callable[[], float]

    def is_over(self, patience: float | None) -> bool: ...
    def restart_clock(self) -> None: ...
    def reserve(self, seconds: float) -> None: ...
    def enter(self, phase: str) -> None: ...


Performers: TypeAlias = Mapping[type, Callable[[Any, Any], object]]
