"""The four states of the plugin interface."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import ClassVar

_NAMES = ("OK", "WARNING", "CRITICAL", "UNKNOWN")
# The order of the C plugins: WARNING and CRITICAL outrank UNKNOWN.
_SEVERITY = (0, 2, 3, 1)


class State(int):
    """A plugin state; its integer is the exit code.

    An int subclass and not an IntEnum, because importing enum costs a third of a bare interpreter start. Only four
    instances exist, copies and unpickled ones included, so that states can be compared with `is`.
    """

    __slots__ = ()

    OK: ClassVar[State]
    WARNING: ClassVar[State]
    CRITICAL: ClassVar[State]
    UNKNOWN: ClassVar[State]

    def __new__(cls, code: int) -> State:
        if not 0 <= code <= 3:
            raise ValueError(f"state must be 0..3, not {code!r}")
        return _STATES[int(code)]

    def __reduce__(self) -> tuple[type[State], tuple[int]]:
        return State, (int(self),)

    @property
    def name(self) -> str:
        """The name that plugins print: OK, WARNING, CRITICAL or UNKNOWN."""
        return _NAMES[self]

    def __str__(self) -> str:
        return _NAMES[self]

    def __repr__(self) -> str:
        return f"State.{_NAMES[self]}"

    @classmethod
    def parse(cls, word: str) -> State:
        """Reads a state's name or a prefix of it, in any case, or its digit; ValueError for anything else."""
        upper = word.upper()
        for code, name in enumerate(_NAMES):
            if upper and name.startswith(upper):
                return cls(code)
        if word in ("0", "1", "2", "3"):
            return cls(int(word))
        raise ValueError(f"state must be one of ok, warning, critical, unknown, not {word!r}")


_STATES = tuple(int.__new__(State, code) for code in range(4))
State.OK, State.WARNING, State.CRITICAL, State.UNKNOWN = _STATES


def worst(states: Iterable[State]) -> State:
    """Returns the most severe state, in the order CRITICAL, WARNING, UNKNOWN, OK; OK when there are no states."""
    return max(states, key=_SEVERITY.__getitem__, default=State.OK)
