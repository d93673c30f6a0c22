"""What a word about one backend changes in a table that is known."""

from __future__ import annotations

import pytest
from noidlb.farm import BackendState
from noidlb.nft.compile import compile_table
from noidlb.nft.narrow import plan_backend
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
