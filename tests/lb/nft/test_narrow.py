"""What a word about one backend or one farm changes in the table."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given, settings, strategies as st
from noidlb.farm import BackendState, Farm, Scheduler
from noidlb.nft import nft as kernel
from noidlb.nft.compile import compile_table
from noidlb.nft.narrow import plan_backend, plan_farm
from noidlb.nft.plan import Plan, known, plan
from noidlb.nft.table import render
from noidlb.overrides import Overrides

from tests.support.lb.fake_nft import FakeNft
from tests.support.lb.farms import backend, farm, farm_sets

STOPPED = frozenset({"f"})
UP, DOWN = (Overrides({("f", "b1"): state}, STOPPED) for state in (BackendState.UP, BackendState.DOWN))


@pytest.mark.parametrize(("before", "after"), [(UP, DOWN), (DOWN, UP)], ids=["down", "up"])
def test_in_a_stopped_farm_a_word_changes_the_passive_ports_of_its_backend(before: Overrides, after: Overrides) -> None:
    one = farm(backends=(backend(1, passive_ports=(50000, 50099)), backend(2, passive_ports=(50100, 50199))))
    change = plan_backend((one,), after, one, one.backends[0], before=before)
    assert change.new == compile_table((one,), after.conditions(), STOPPED)
    assert change.old is not None
    assert change.old.of("hostrange4").keys() ^ change.new.of("hostrange4").keys()


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


def say(
    data: st.DataObject, verb: str, farms: tuple[Farm, ...], overrides: Overrides, before: Overrides | None
) -> tuple[Overrides, Plan]:
    """Returns the overrides after a word about a farm or a backend that is drawn, and the change that it makes."""
    one = data.draw(st.sampled_from(farms))
    if verb in ("stop", "start"):
        after = overrides.stopping(one.name) if verb == "stop" else overrides.starting(one.name, farms)
        return after, plan_farm(farms, after, one, before=before)
    if verb in ("stop all", "start all"):
        after = overrides.stopping(None) if verb == "stop all" else overrides.starting(None, farms)
        return after, plan(farms, after, before=before)
    member = data.draw(st.sampled_from(one.backends))
    after = overrides.saying(one.name, member.name, BackendState(verb), member.state)
    return after, plan_backend(farms, after, one, member, before=before)


def wanted(farms: tuple[Farm, ...], overrides: Overrides) -> FakeNft:
    """Returns an nft with the table that farms and overrides want."""
    made = FakeNft()
    made.run(render(compile_table(farms, overrides.conditions(), overrides.stopped_of(farms))))
    return made


@settings(max_examples=200, deadline=None)
@given(farm_sets(), st.data())
def test_any_words_one_by_one_make_the_table_that_all_of_them_want(
    farms: tuple[Farm, ...], data: st.DataObject
) -> None:
    overrides = Overrides()
    nft = wanted(farms, overrides)
    verbs = st.sampled_from(("up", "drain", "down", "stop", "start", "stop all", "start all"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernel, "read", nft.read)
        for verb in data.draw(st.lists(verbs, min_size=1, max_size=6)):
            # The kernel's table is known, or it is read.
            overrides, change = say(data, verb, farms, overrides, data.draw(st.sampled_from((overrides, None))))
            for batch in change.batches:
                nft.run(batch)
            assert change.is_whole
            assert nft.table == wanted(farms, overrides).table


@pytest.mark.parametrize("sticky", [None, 300])
@pytest.mark.parametrize("first", ["g", None], ids=["the other farm", "all farms"])
def test_the_last_farm_that_is_stopped_leaves_no_chain(first: str | None, sticky: int | None) -> None:
    one, other = farms = (farm("f", sticky=sticky), farm("g", ports=(22,), sticky=sticky))
    before = Overrides().stopping(first)
    after = before.stopping("f")
    change = plan_farm(farms, after, one, before=before)
    assert change.new.chains == {}
    assert change.is_whole
    started = after.starting("g", farms)
    assert plan_farm(farms, started, other, before=after).is_whole


def test_a_chain_that_another_farm_has_too_stays_though_no_backend_of_it_serves() -> None:
    one, other = (farm(name, ports=(port,), scheduler=Scheduler.SOURCE_HASH) for name, port in (("f", 21), ("g", 22)))
    farms = (one, other)
    before = Overrides({("g", member.name): BackendState.DOWN for member in other.backends})
    after = before.stopping("f")
    assert plan_farm(farms, after, one, before=before).new == compile_table(farms, after.conditions(), STOPPED)
