"""The badges of the status page: a word or two about a farm or backend, coloured by severity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..farm_status import BackendStatus, FarmStatus

if TYPE_CHECKING:
    from noidchecks.page import Tone


@dataclass(frozen=True, slots=True)
class Badge:
    """A word and its colour; ok and idle need no action."""

    word: str
    tone: Tone

    @property
    def is_trouble(self) -> bool:
        """Whether it needs an operator's attention."""
        return self.tone in ("warn", "bad")


_FARM: dict[str, Badge] = {
    "serving": Badge("serving", "ok"),
    "refusing": Badge("refusing its clients", "bad"),
    "stopped": Badge("stopped by the operator", "warn"),
    "absent": Badge("not in the kernel's table", "bad"),
}
_IDLE = {"standby": "standby", "stopped": "stopped with its farm"}


def farm_badge(farm: FarmStatus) -> Badge:
    """Returns the badge for what a farm does with new clients."""
    if farm.state in _FARM:
        return _FARM[farm.state]
    return Badge(farm.differences or farm.state, "bad")


def backend_badges(one: BackendStatus, kept: str, weight: int | None) -> list[Badge]:
    """Returns the badge of a backend's state, then those of what the operator and the guardian have done about it.

    kept is the reason why it cannot be checked, or "". weight is the percentage of its configured weight that slow
    start or least-connections gives it, None for 100.
    """
    badges = [_state(one)]
    if kept:
        badges.append(Badge("cannot be checked", "warn"))
    if one.state == "up" and one.word == "up":
        badges.append(Badge("up by the operator", "idle"))
    if one.state == "down" and one.word == "down" and one.guardian is not None and one.guardian.state == "down":
        badges.append(Badge("fails its check", "bad"))
    if one.loss:
        badges.append(Badge(one.loss, "warn"))
    if weight is not None and one.state == "up":
        badges.append(Badge(f"{weight} % of its weight", "idle"))
    return badges


def _state(one: BackendStatus) -> Badge:
    seen = one.guardian.state if one.guardian is not None else ""
    match one.state:
        # seen is the state of its worst address. An address that is lost gets no clients, and has its own badge.
        case "up" if seen == "down" and not one.lost:
            return Badge("serves though it fails", "warn")
        case "up" if seen == "unknown":
            return Badge("serves, not yet checked", "warn")
        case "up":
            return Badge("up", "ok")
        case "drain":
            return Badge("drained by the operator" if one.word == "drain" else "drain", "warn")
        case "down" if one.word == "down":
            return Badge("down by the operator", "warn")
        case "down" if seen == "unknown":
            return Badge("not yet checked", "warn")
        case "absent":
            return Badge("not in the kernel's table", "bad")
    return Badge(_IDLE.get(one.state, one.state), "idle" if one.state in _IDLE else "bad")
