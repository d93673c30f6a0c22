"""The operator's verbs: how up, drain, down, stop and start change the overrides, and which flows --cut ends.

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
    """A verb for a backend, a farm (backend is None) or all farms (farm is None), and the overrides after it.

    verb is up, drain, down, stop or start, or apply, which leaves the overrides as they are. cut ends flows too.
    names are those of all configured farms in their order, () if farms holds all of them.
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
        """The names of its farm and backend, "" for each that is None."""
        return self.farm.name if self.farm else "", self.backend.name if self.backend else ""

    def __str__(self) -> str:
        farm, backend = self.place
        what = f"backend {farm}/{backend}" if backend else f"farm {farm}" if farm else "all farms"
        return f"{what}: {_PAST.get(self.verb, self.verb)}"

    def cut_flows(self) -> int:
        """Ends all flows of its backend or farms, and returns how many; KernelError. Blocking."""
        # Imported here because most commands end no flows.
        from ..nft import conntrack

        marks = Marks(self.farms, self.names)
        if self.farm is not None and self.backend is not None:
            return conntrack.cut([marks.layout.match(marks.backend(self.farm, self.backend.name))])
        # busy() leaves out farms without flows, each of which would cost a run of conntrack.
        return conntrack.cut(marks.busy(self.farms if self.farm is None else (self.farm,), conntrack.count()))


def gone(before: tuple[Farm, ...], after: tuple[Farm, ...], overrides: Overrides) -> Ending:
    """Returns the flows of backends that the file removes, moves to another address or newly declares down.

    It compares configurations instead of the kernel's tables, because these lack backends that are down and those of
    stopped farms, whose flows may continue. overrides are those after the change: up and drain win over the file.
    """
    # Imported here because most commands end no flows.
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
    # The flows of clients of services that begin to serve are ended when the table is applied.
    ending.elsewhere.clear()
    return ending


def resolve(request: Request, farms: tuple[Farm, ...], overrides: Overrides) -> Operation:
    """Resolves a request with one of the VERBS against these farms and overrides; RequestError."""
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
    """Returns the name of a farm or backend in a request, None if it is absent; RequestError."""
    value = request.get(key)
    if value is not None and not isinstance(value, str):
        raise RequestError(f"{key} must be a name")
    return value


def flag_in(request: Request, key: str) -> bool:
    """Returns a flag in a request, False if it is absent; RequestError."""
    value = request.get(key, False)
    if not isinstance(value, bool):
        raise RequestError(f"{key} must be true or false")
    return value


def load_modules(farms: tuple[Farm, ...]) -> list[str]:
    """Loads the NAT helper modules of the farms, and returns a complaint about each that the kernel lacks."""
    # Imported here because most commands add no farm.
    from ..nft import host

    missing = host.load(host.nat_helpers(farms))
    return [f"the kernel lacks {name}, so data connections will fail: modprobe {name}" for name in missing]


def number(count: int, what: str) -> str:
    """Returns a count of something in words, such as 1 farm or 2 farms."""
    return f"{count} {what}{'s' * (count != 1)}"


def size_of(farms: tuple[Farm, ...]) -> str:
    """Returns the number of farms and backends in words."""
    return f"{number(len(farms), 'farm')}, {number(sum(len(farm.backends) for farm in farms), 'backend')}"
