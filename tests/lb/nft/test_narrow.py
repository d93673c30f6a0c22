"""What a word about one backend changes in a table that is known."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from noidlb.farm import BackendState, Farm
from noidlb.nft.compile import compile_table
from noidlb.nft.narrow import plan_backend, plan_farm
from noidlb.nft.plan import known
from noidlb.overrides import Overrides

from tests.support.lb.farms import backend, farm

STOPPED = frozenset({"f"})
UP, DOWN = (Overrides({("f", "b1"): state}, STOPPED) for state in (BackendState.UP, BackendState.DOWN))


@pytest.mark.parametrize(("before", "after"), [(UP, DOWN), (DOWN, UP)], ids=["down", "up"])
def test_in_a_stopped_farm_a_word_changes_the_passive_ports_of_its_backend(before: Overrides, after: Overrides) -> None:
    one = farm(backends=(backend(1, passive_ports=(50000, 50099)), backend(2, passive_ports=(50100, 50199))))
    change = plan_backend((one,), after, one, one.backends[0], before=before)
    assert change.new == compile_table((one,), after.conditions(), STOPPED)
    assert change.old is not None
    assert change.old.of("host4").keys() ^ change.new.of("host4").keys()


def test_in_a_stopped_farm_without_passive_ports_there_is_nothing_to_change() -> None:
    one = farm()
    assert plan_backend((one,), DOWN, one, one.backends[0], before=UP).batches == ()


def served(**states: BackendState) -> Overrides:
    return Overrides({("f", name): state for name, state in states.items()})


BACKUP = farm(backends=(backend(1), backend(2, backup=True), backend(3, backup=True)))
FTPS = farm(backends=(backend(1, passive_ports=(50000, 50099)), backend(2, passive_ports=(50100, 50199))))


@pytest.mark.parametrize("one", [farm(), BACKUP, FTPS], ids=["plain", "backup", "passive ports"])
@pytest.mark.parametrize("others", [{}, {"b2": BackendState.DOWN}, {"b2": BackendState.DRAIN}], ids=str)
@pytest.mark.parametrize("was", list(BackendState))
@pytest.mark.parametrize("becomes", list(BackendState))
def test_a_word_about_a_backend_of_a_farm_that_serves_makes_the_table_of_all_words(
    monkeypatch: pytest.MonkeyPatch,
    one: Farm,
    others: dict[str, BackendState],
    was: BackendState,
    becomes: BackendState,
) -> None:
    # The last of the first tier goes down and comes back: the backups must take over, and give way.
    before, after = served(**others, b1=was), served(**others, b1=becomes)
    change = plan_backend((one,), after, one, one.backends[0], before=before)
    assert change.new == compile_table((one,), after.conditions())
    assert change.is_whole
    assert bool(change.batches) is (compile_table((one,), before.conditions()) != change.new)
    # And when the table is read, with a farm beside it.
    farms = (one, farm("g", vip=(ip_address("10.10.0.101"),)))
    monkeypatch.setattr("noidlb.nft.nft.read", lambda: known(farms, before.conditions(), frozenset()))
    change = plan_backend(farms, after, one, one.backends[0])
    assert change.new == compile_table(farms, after.conditions())
    assert change.is_whole


@pytest.mark.parametrize("one", [farm(), BACKUP, FTPS], ids=["plain", "backup", "passive ports"])
@pytest.mark.parametrize("states", [{}, {"b1": BackendState.DOWN}, {"b2": BackendState.DRAIN}], ids=str)
def test_a_farm_that_is_stopped_and_started_has_the_table_of_all_words(
    one: Farm, states: dict[str, BackendState]
) -> None:
    farms = (one, farm("g", vip=(ip_address("10.10.0.101"),)))
    started = served(**states)
    stopped = Overrides(started.states, STOPPED)
    for before, after in ((started, stopped), (stopped, started)):
        change = plan_farm(farms, after, one, before=before)
        assert change.new == compile_table(farms, after.conditions(), after.stopped_of(farms))
        assert change.is_whole
        assert change.batches
