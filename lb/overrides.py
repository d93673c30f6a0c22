"""The operator's words about backends and farms, as a value and as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from .farm import BackendState, Condition, Conditions, Farm, is_name

_VERSION = 1


class NewerError(RuntimeError):
    """Overrides in the format of a newer noidlb."""


@dataclass(frozen=True, slots=True)
class Overrides:
    """What the operator has said since the configuration was written; a word that agrees with it is not kept.

    states are by farm and backend name. stopped holds farms; all_stopped is for every farm, those to come included.
    """

    states: Mapping[tuple[str, str], BackendState] = field(default_factory=dict)
    stopped: frozenset[str] = frozenset()
    all_stopped: bool = False

    def conditions(self) -> Conditions:
        """Returns the conditions of the backends that there is a word about."""
        return {key: Condition(state) for key, state in self.states.items()}

    def stopped_of(self, farms: tuple[Farm, ...]) -> frozenset[str]:
        """Returns the names of those farms that are stopped."""
        return frozenset(farm.name for farm in farms if self.all_stopped or farm.name in self.stopped)

    def saying(self, farm: str, backend: str, state: BackendState, configured: BackendState) -> Overrides:
        """Returns the words with another one about a backend."""
        states = {key: value for key, value in self.states.items() if key != (farm, backend)}
        if state is not configured:
            states[farm, backend] = state
        return replace(self, states=states)

    def stopping(self, farm: str | None) -> Overrides:
        """Returns the words with this farm stopped, or with all of them."""
        return replace(self, all_stopped=True) if farm is None else replace(self, stopped=self.stopped | {farm})

    def starting(self, farm: str | None, farms: tuple[Farm, ...]) -> Overrides:
        """Returns the words with this one of the farms started, or with all of them."""
        stopped = frozenset[str]() if farm is None else self.stopped_of(farms) - {farm}
        return replace(self, stopped=stopped, all_stopped=False)

    def about(self, farms: tuple[Farm, ...]) -> Overrides:
        """Returns the words without those about farms and backends that there are no more, or that need no word."""
        configured = {(farm.name, one.name): one.state for farm in farms for one in farm.backends}
        states = {
            key: state for key, state in self.states.items() if key in configured and configured[key] is not state
        }
        return replace(self, states=states, stopped=self.stopped & {farm.name for farm in farms})


def to_json(words: Overrides) -> bytes:
    """Writes the words."""
    backends: dict[str, dict[str, str]] = {}
    for (farm, backend), state in sorted(words.states.items()):
        backends.setdefault(farm, {})[backend] = state.value
    document = {
        "version": _VERSION,
        "backends": backends,
        "stopped": sorted(words.stopped),
        "all-stopped": words.all_stopped,
    }
    return json.dumps(document, indent=1).encode() + b"\n"


def from_json(data: bytes) -> Overrides:
    """Reads the words; ValueError when they are broken, NewerError when they are not broken but not for us."""
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
    for farm, words in backends.items():
        if not isinstance(words, dict):
            raise ValueError("the words about a farm are not a table")
        for backend, state in words.items():
            states[_name(farm), _name(backend)] = BackendState(state)
    return Overrides(states, frozenset(_name(farm) for farm in stopped), all_stopped)


def _name(value: object) -> str:
    if not isinstance(value, str) or not is_name(value):
        raise ValueError("a name is none")
    return value
