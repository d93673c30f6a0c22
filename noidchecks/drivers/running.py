"""What those that perform operations know of a running session; for type checkers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeAlias


class Running(Protocol):
    """What a session keeps for those that perform its operations.

    progress is what a half-performed operation needs when it is tried again, operation_began when the present one was
    first tried, by the session's clock; what is in opened is closed in the end.
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
