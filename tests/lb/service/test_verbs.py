"""What the operator's verbs come to; the same for a running guardian and for a command without one."""

from __future__ import annotations

import pytest
from noidlb.farm import BackendState
from noidlb.overrides import Overrides
from noidlb.service.protocol import RequestError
from noidlb.service.verbs import resolve, size_of

from tests.support.lb.farms import farm

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


def test_how_many() -> None:
    assert size_of(FARMS) == "2 farms, 4 backends"
    assert size_of(FARMS[1:]) == "1 farm, 1 backend"
