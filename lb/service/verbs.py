"""The operator's verbs: what up, drain, down, stop and start make of the overrides, and which flows --cut ends.

`noidlb` sends each of them as a request to a running guardian (operations.py); when none runs it carries the request
out itself (direct.py). Both resolve it here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..farm import Backend, BackendState, Condition, Farm
from ..nft.marks import Marks
from ..overrides import Overrides
from .lookup import find
from .protocol import Request, RequestError

if TYPE_CHECKING:
    from ..nft.flows import Ending

VERBS = ("say", "stop", "start")
_PAST = {"stop": "stopped", "start": "started"}


@dataclass(frozen=True, slots=True)
class Operation:
    """A verb about a backend, a farm (backend is None) or all farms (farm is None), and the overrides after it.

    verb is up, drain, down, stop or start, or apply, which leaves the overrides as they are. cut ends flows too.
    names are those of all farms in their order, where farms are only some of them.
    """

    verb: str
    farms: tuple[Farm, ...]
    overrides: Overrides
    farm: Farm | None = None
    backend: Backend | None = None
    cut: bool = False
    names: tuple[str, ...] = ()

    @property
    def place(self) -> tuple[str, str]:
        """The names of its farm and backend, empty where it has none."""
        return self.farm.name if self.farm else "", self.backend.name if self.backend else ""

    def __str__(self) -> str:
        farm, backend = self.place
        what = f"backend {farm}/{backend}" if backend else f"farm {farm}" if farm else "all farms"
        return f"{what}: {_PAST.get(self.verb, self.verb)}"

    def cut_flows(self) -> int:
        """Ends all flows of its backend or farms, and returns how many; KernelError. Blocking."""
        # Most commands cut nothing.
        from ..nft import conntrack

        marks = Marks(self.farms, self.names)
        if self.farm is not None and self.backend is not None:
            return conntrack.cut([marks.layout.match(marks.backend(self.farm, self.backend.name))])
        # Farms without flows cost no run of conntrack.
        return conntrack.cut(marks.busy(self.farms if self.farm is None else (self.farm,), conntrack.count()))


def gone(before: tuple[Farm, ...], after: tuple[Farm, ...], overrides: Overrides) -> Ending:
    """Returns the flows of backends that are no longer in the file, or that it says are down and did not before.

    It compares configurations and not the kernel's tables, which lack backends that are down and those of stopped
    farms, though their flows go on. overrides are those after the change: up and drain win over the file.
    """
    # Most commands cut nothing.
    from ..nft.compile import compile_table
    from ..nft.flows import ending_of

    def states(farms: tuple[Farm, ...]) -> dict[tuple[str, str], BackendState]:
        return {(farm.name, one.name): one.state for farm in farms for one in farm.backends}

    up, down, were = Condition(BackendState.UP), Condition(BackendState.DOWN), states(before)
    becomes = {
        key: down if state is down.state and were.get(key) is not state and key not in overrides.states else up
        for key, state in states(after).items()
    }
    old = compile_table(before, dict.fromkeys(were, up))
    ending = ending_of(old, compile_table(after, becomes), cuts=lambda _: True)
    # Clients of new services are a matter of the table.
    ending.elsewhere.clear()
    return ending


def resolve(request: Request, farms: tuple[Farm, ...], overrides: Overrides) -> Operation:
    """Returns what a request of one of the VERBS comes to for these farms and overrides; RequestError."""
    verb, name, cut = request.get("do"), name_in(request, "farm"), flag_in(request, "cut")
    if verb == "say":
        return _say(request, farms, overrides, cut=cut)
    farm = None if name is None else find(farms, name)
    if verb == "stop":
        return Operation("stop", farms, overrides.stopping(name), farm, cut=cut)
    return Operation("start", farms, overrides.starting(name, farms), farm)


def _say(request: Request, farms: tuple[Farm, ...], overrides: Overrides, *, cut: bool) -> Operation:
    name, backend = name_in(request, "farm"), name_in(request, "backend")
    try:
        state = BackendState(request.get("state"))
    except ValueError:
        raise RequestError(f"state must be one of {', '.join(one.value for one in BackendState)}") from None
    if name is None or backend is None:
        raise RequestError("farm and backend must be given")
    farm = find(farms, name)
    one = find(farm.backends, backend, f"farm {name} has no backend")
    return Operation(state.value, farms, overrides.saying(name, backend, state, one.state), farm, one, cut)


def name_in(request: Request, key: str) -> str | None:
    """Returns the name of a farm or backend in a request, None where it has none; RequestError."""
    value = request.get(key)
    if value is not None and not isinstance(value, str):
        raise RequestError(f"{key} must be a name")
    return value


def flag_in(request: Request, key: str) -> bool:
    """Returns a flag in a request, False where it has none; RequestError."""
    value = request.get(key, False)
    if not isinstance(value, bool):
        raise RequestError(f"{key} must be true or false")
    return value


def load_modules(farms: tuple[Farm, ...]) -> list[str]:
    """Loads the modules that nothing else loads, and returns a complaint about each that the kernel lacks."""
    # Most commands add no farm.
    from ..nft import host

    missing = host.load(host.nat_helpers(farms))
    return [f"the kernel lacks {name}, so data connections will fail: modprobe {name}" for name in missing]


def number(count: int, what: str) -> str:
    """Returns a count of something in words, such as 1 farm or 2 farms."""
    return f"{count} {what}{'s' * (count != 1)}"


def size_of(farms: tuple[Farm, ...]) -> str:
    """Returns the number of farms and backends in words."""
    return f"{number(len(farms), 'farm')}, {number(sum(len(farm.backends) for farm in farms), 'backend')}"
