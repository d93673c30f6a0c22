"""The duration of a dialogue, in total and by phase."""

from __future__ import annotations


class Timings:
    """The seconds of a dialogue: total, and by phase in the order in which the phases were entered."""

    __slots__ = ("total", "phases")

    def __init__(self, total: float = 0.0, phases: dict[str, float] | None = None) -> None:
        self.total = total
        self.phases = {} if phases is None else phases

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self.total == other.total and self.phases == other.phases

    # Not hashable, because timings change while a dialogue runs.
    __hash__ = None  # type: ignore[assignment]  # how Python spells "cannot be hashed"

    def __reduce__(self) -> tuple[type[Timings], tuple[float, dict[str, float]]]:
        return type(self), (self.total, self.phases)

    def __repr__(self) -> str:
        return f"Timings({self.total!r}, {self.phases!r})"
