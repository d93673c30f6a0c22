"""What is known of backends through any reloads, beside a model that knows each of them by its name."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from noidlb.farm import Backend, Farm
from noidlb.guard import Guard, fill_in
from noidlb.guardian.health import RiseFall, WatchKey
from noidlb.guardian.targets import Targets

from noidchecks.status.result import Result
from noidchecks.status.state import State
from tests.support.lb.farms import backend, farm

OK = Result(State.OK, "x OK - fine")
BAD = Result(State.CRITICAL, "x CRITICAL - dead")
# The last one is one check for all backends.
COMMANDS = ("check_ftp -H HOST", "check_ftp -H HOST -v", "check_ftp -H 192.0.2.1")


@dataclass
class Known:
    """What the model knows of a backend by one command: the command line, and the results."""

    words: tuple[str, ...]
    guard: Guard
    up: RiseFall


@st.composite
def farm_lists(draw: st.DrawFn) -> tuple[Farm, ...]:
    """Farms of a few names, which share backends and differ in what a reload may change."""
    made = []
    for name in draw(st.lists(st.sampled_from("abc"), unique=True, max_size=3)):
        guard = Guard(
            commands=tuple(draw(st.lists(st.sampled_from(COMMANDS), unique=True, min_size=1, max_size=2))),
            timeout=draw(st.sampled_from((1.0, 5.0))),
            interval=draw(st.sampled_from((5.0, 60.0))),
            fall=draw(st.integers(1, 3)),
            shared_check=True,
        )
        numbers = draw(st.lists(st.integers(1, 3), unique=True, min_size=1))
        backends: tuple[Backend, ...] = tuple(backend(number) for number in numbers)
        made.append(farm(name, ports=(3000 + ord(name),), backends=backends, guardian=guard))
    return tuple(made)


class Reloads(RuleBasedStateMachine):
    """Targets that are reloaded and get results, and what the model says of each watch."""

    @initialize(farms=farm_lists())
    def begin(self, farms: tuple[Farm, ...]) -> None:
        self.targets, self.model, self.now = Targets(), dict[WatchKey, Known](), 0.0
        self.farms: tuple[Farm, ...] = ()
        self.reload(farms)

    @rule(farms=farm_lists())
    def reload(self, farms: tuple[Farm, ...]) -> None:
        before, self.farms, self.model = self.model, farms, {}
        old = {id(target) for target in self.targets}
        changed = self.targets.configure(self.targets.recognize(farms), self.now)
        found = {watch.key: watch for target in self.targets for watch in target.watches}
        for key, words, guard in wanted(farms):
            same = [one for one in before.values() if one.words == words]
            own = before.get(key)
            if own is not None and own.words == words:
                up = RiseFall(own.up.value, own.up.streak, own.up.streak_since)
            else:
                # Of several that know the check, any will do.
                assert found[key].up.value in ({one.up.value for one in same} or {None})
                up = RiseFall(found[key].up.value)
            self.model[key] = Known(words, guard, up)
        assert found.keys() == self.model.keys()
        # What is scheduled anew: at least all that is new.
        assert {id(target) for target in self.targets} - old <= {id(target) for target in changed}

    @rule()
    def reload_the_same(self) -> None:
        again = self.targets.recognize(tuple(replace(one) for one in self.farms))
        assert self.targets.configure(again, self.now) == []

    @rule(number=st.integers(0, 20), good=st.booleans())
    def result(self, number: int, good: bool) -> None:
        self.now += 1
        found = [*self.targets]
        if not found:
            return
        target = found[number % len(found)]
        target.take(OK if good else BAD, self.now)
        for watch in target.watches:
            known = self.model[watch.key]
            known.up.take(good, rise=known.guard.rise, fall=known.guard.fall, now=self.now)

    @invariant()
    def every_watch_is_as_the_model_says(self) -> None:
        if not hasattr(self, "model"):
            return
        count = 0
        for target in self.targets:
            for watch in target.watches:
                known = self.model[watch.key]
                assert (target.check.words, target.check.timeout) == (known.words, known.guard.timeout)
                assert watch.guard == known.guard
                assert (watch.up.value, watch.up.streak) == (known.up.value, known.up.streak)
                assert watch in self.targets.places[watch.place]
                count += 1
        assert count == len(self.model) == sum(map(len, self.targets.places.values()))


def wanted(farms: tuple[Farm, ...]) -> list[tuple[WatchKey, tuple[str, ...], Guard]]:
    """Returns each watch that the farms ask for, with its command line."""
    found: list[tuple[WatchKey, tuple[str, ...], Guard]] = []
    for one in farms:
        assert one.guardian is not None
        for member in one.backends:
            for address in member.address:
                for command in one.commands:
                    key = one.name, member.name, address.version, command
                    found.append((key, fill_in(command, str(address), one.ports[0]), one.guardian))
    return found


TestReloads = Reloads.TestCase
TestReloads.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
