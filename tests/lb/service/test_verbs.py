"""What the operator's verbs come to; the same for a running guardian and for a command without one."""

from __future__ import annotations

import pytest
from noidlb.farm import BackendState, Farm, Protocol
from noidlb.nft.flows import Ending
from noidlb.nft.marks import Marks
from noidlb.overrides import Overrides
from noidlb.service.protocol import RequestError
from noidlb.service.verbs import gone, resolve, size_of

from tests.support.lb.farms import backend, farm

FARMS = (farm("ftp"), farm("boot", 1))
NOTHING = Overrides()


def test_a_verb_about_a_backend() -> None:
    said = resolve({"do": "say", "farm": "ftp", "backend": "b2", "state": "drain", "cut": True}, FARMS, NOTHING)
    assert said.overrides == Overrides({("ftp", "b2"): BackendState.DRAIN})
    assert (said.verb, said.place, said.cut, str(said)) == ("drain", ("ftp", "b2"), True, "backend ftp/b2: drain")
    # What agrees with the configuration is no override.
    again = resolve({"do": "say", "farm": "ftp", "backend": "b2", "state": "up"}, FARMS, said.overrides)
    assert again.overrides == NOTHING


def test_a_verb_about_farms() -> None:
    one = resolve({"do": "stop", "farm": "boot"}, FARMS, NOTHING)
    assert (one.overrides, one.place, str(one)) == (
        Overrides(stopped=frozenset({"boot"})),
        ("boot", ""),
        "farm boot: stopped",
    )
    every = resolve({"do": "stop", "farm": None}, FARMS, NOTHING)
    assert (every.overrides, every.place, str(every)) == (Overrides(all_stopped=True), ("", ""), "all farms: stopped")
    rest = resolve({"do": "start", "farm": "boot"}, FARMS, every.overrides)
    assert (rest.overrides, str(rest)) == (Overrides(stopped=frozenset({"ftp"})), "farm boot: started")


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"do": "stop", "farm": "boott"}, "there is no farm 'boott': did you mean 'boot'?"),
        ({"do": "start", "farm": "x"}, "there is no farm 'x'; known are ftp, boot"),
        ({"do": "stop", "farm": 7}, "farm must be a name"),
        ({"do": "stop", "farm": ""}, "there is no farm ''; known are ftp, boot"),
        ({"do": "stop", "cut": 1}, "cut must be true or false"),
        (
            {"do": "say", "farm": "boot", "backend": "b9", "state": "up"},
            "farm boot has no backend 'b9'; known are b1",
        ),
        ({"do": "say", "farm": "boot", "backend": "b1", "state": "off"}, "state must be one of up, drain, down"),
        ({"do": "say", "farm": "boot", "state": "up"}, "farm and backend must be given"),
    ],
)
def test_a_request_that_cannot_be_carried_out(request_: dict[str, object], message: str) -> None:
    with pytest.raises(RequestError) as caught:
        resolve(request_, FARMS, NOTHING)
    assert (str(caught.value), caught.value.exit_code) == (message, 3)


DOWN, DRAIN, UP = BackendState.DOWN, BackendState.DRAIN, BackendState.UP
WAS_DOWN = farm("ftp", backends=(backend(1, state=DOWN), backend(2), backend(3)))


@pytest.mark.parametrize(
    ("before", "after", "overrides", "named"),
    [
        (farm("ftp"), farm("ftp"), {}, []),
        (farm("ftp"), farm("ftp", 2), {}, ["b3"]),
        # Neither the file's state nor an override keeps the flows of a backend that is removed.
        (WAS_DOWN, farm("ftp", backends=(backend(2), backend(3))), {}, ["b1"]),
        (farm("ftp"), WAS_DOWN, {}, ["b1"]),
        (WAS_DOWN, WAS_DOWN, {}, []),
        (farm("ftp"), WAS_DOWN, {"b1": UP}, []),
        (farm("ftp"), WAS_DOWN, {"b1": DRAIN}, []),
        (farm("ftp"), farm("ftp"), {"b1": DOWN}, []),
        (farm("ftp"), farm("ftp", backends=(backend(1, state=DRAIN), backend(2), backend(3))), {}, []),
        (farm("ftp", 2), farm("ftp", backends=(backend(1, port=2121), backend(2))), {}, ["b1"]),
    ],
)
def test_what_apply_and_reload_cut(
    before: Farm, after: Farm, overrides: dict[str, BackendState], named: list[str]
) -> None:
    words = Overrides({("ftp", name): state for name, state in overrides.items()})
    marks = Marks((before, FARMS[1]))
    found = {marks.layout.match(marks.backend(before, name)) for name in named}
    expected = Ending(marks={(version, match) for version in (4, 6) for match in found})
    assert gone((before, FARMS[1]), (after, FARMS[1]), words) == expected


def test_a_farm_that_is_removed_is_cut_as_a_whole() -> None:
    farms = (farm("ftp"), farm("boot", 1, protocol=Protocol.TFTP))
    marks = Marks(farms)
    expected = {(version, marks.layout.match(marks.farm(farms[1]))) for version in (4, 6)}
    assert gone(farms, farms[:1], NOTHING) == Ending(marks=expected)
    # That clients of a new service may have asked before is known to the change of the table.
    assert gone(farms[:1], farms, NOTHING) == Ending()


def test_how_many() -> None:
    assert size_of(FARMS) == "2 farms, 4 backends"
    assert size_of(FARMS[1:]) == "1 farm, 1 backend"
