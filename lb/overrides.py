"""The operator's overrides of backends and farms (up, drain, down, stop), as a value and as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from .farm import Backend, BackendState, Condition, Conditions, Farm, is_name

_VERSION = 1


class NewerError(RuntimeError):
    """Overrides in the format of a newer noidlb."""


@dataclass(frozen=True, slots=True)
class Overrides:
    """The operator's changes to the configuration; a state equal to the configured one is not kept.

    states are by farm and backend name. stopped names farms; all_stopped covers every farm, later ones too.
    """

    states: Mapping[tuple[str, str], BackendState] = field(default_factory=dict)
    stopped: frozenset[str] = frozenset()
    all_stopped: bool = False

    def conditions(self) -> Conditions:
        """Returns the conditions of the backends that have an override."""
        return {key: Condition(state) for key, state in self.states.items()}

    def state_of(self, farm: Farm, backend: Backend) -> BackendState:
        """Returns the state that the operator wants for a backend: the override, else the configured state."""
        return self.states.get((farm.name, backend.name), backend.state)

    def stopped_of(self, farms: tuple[Farm, ...]) -> frozenset[str]:
        """Returns the names of those farms that are stopped."""
        return frozenset(farm.name for farm in farms if self.all_stopped or farm.name in self.stopped)

    def saying(self, farm: str, backend: str, state: BackendState, configured: BackendState) -> Overrides:
        """Returns the overrides with this state for a backend, or without one if the configuration says the same."""
        states = {key: value for key, value in self.states.items() if key != (farm, backend)}
        if state is not configured:
            states[farm, backend] = state
        return replace(self, states=states)

    def stopping(self, farm: str | None) -> Overrides:
        """Returns the overrides with this farm stopped, or with all farms stopped."""
        return replace(self, all_stopped=True) if farm is None else replace(self, stopped=self.stopped | {farm})

    def starting(self, farm: str | None, farms: tuple[Farm, ...]) -> Overrides:
        """Returns the overrides with this farm started, or with all farms started."""
        stopped = frozenset[str]() if farm is None else self.stopped_of(farms) - {farm}
        return replace(self, stopped=stopped, all_stopped=False)

    def about(self, farms: tuple[Farm, ...]) -> Overrides:
        """Returns the overrides of these farms only, without those that agree with the configuration."""
        named = {farm for farm, _ in self.states}
        configured = {(farm.name, one.name): one.state for farm in farms if farm.name in named for one in farm.backends}
        states = {
            key: state for key, state in self.states.items() if key in configured and configured[key] is not state
        }
        return replace(self, states=states, stopped=self.stopped & {farm.name for farm in farms})


def to_json(overrides: Overrides) -> bytes:
    """Writes overrides as JSON."""
    backends: dict[str, dict[str, str]] = {}
    for (farm, backend), state in sorted(overrides.states.items()):
        backends.setdefault(farm, {})[backend] = state.value
    document = {
        "version": _VERSION,
        "backends": backends,
        "stopped": sorted(overrides.stopped),
        "all-stopped": overrides.all_stopped,
    }
    return json.dumps(document, indent=1).encode() + b"\n"


def from_json(data: bytes) -> Overrides:
    """Reads overrides; ValueError when they are broken, NewerError when a newer noidlb has written them."""
    try:
        document = json.loads(data)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if not isinstance(document, dict) or not isinstance(document.get("version"), int):
        raise ValueError("it has no version")
    if document["version"] > _VERSION:
        raise NewerError(f"written by a newer noidlb: version {document['version']}, and {_VERSION} is known here")
    backends, stopped, all_stopped = (document.get(key) for key in ("backends", "stopped", "all-stopped"))
    if not isinstance(backends, dict) or not isinstance(stopped, list) or not isinstance(all_stopped, bool):
        raise ValueError("it lacks backends, stopped or all-stopped")
    states = {}
    for farm, said in backends.items():
        if not isinstance(said, dict):
            raise ValueError("the overrides of a farm are not a table")
        for backend, state in said.items():
            states[_name(farm), _name(backend)] = BackendState(state)
    return Overrides(states, frozenset(_name(farm) for farm in stopped), all_stopped)


def _name(value: object) -> str:
    if not isinstance(value, str) or not is_name(value):
        raise ValueError("a name is none")
    return value
