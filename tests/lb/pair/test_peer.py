from __future__ import annotations

from dataclasses import replace

import pytest
from noidlb.pair.peer import Names, PairView, PeerError, Side, compare, read_page
from noidlb.role import Role
from noidlb.service.metrics import write

from tests.lb.service.test_metrics import INFO, health, view

OWN = Side(role=Role.MASTER, version="1.0", farms="0" * 64, backends={("ftp", "b1"): "up", ("ftp", "b2"): "down"})
PEER = replace(OWN, role=Role.BACKUP)
NAMES = Names(own="lb1", peer="lb2")


def test_reads_what_a_guardian_writes() -> None:
    seen = (health("b1", "up", 'one "farm="x""'), health("b1", "up", "two"), health("b3", "unknown"))
    page = write(view(*seen, health("b2", "down", "one"), health("b2", "up", "two")))
    assert read_page(page) == OWN


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("role", "emperor"),
        ("farms", "0" * 63),
        ("farms", "\x1b[2J"),
        ("version", ""),
        ("version", "1\x1b"),
    ],
)
def test_what_it_does_not_say_rightly_is_no_answer(name: str, value: str) -> None:
    page = write(replace(view(), info={**INFO, name: value}))
    with pytest.raises(PeerError, match="does not say version, farms and role"):
        read_page(page)


@pytest.mark.parametrize("page", ["", "hello\n", 'noidlb_info{role="' * 1000, "noidlb_backend_up{ 1\n" * 9])
def test_garbage_is_no_answer(page: str) -> None:
    with pytest.raises(PeerError):
        read_page(page)


def test_two_who_agree() -> None:
    assert compare(OWN, PEER, NAMES) == []
    # What one of them does not watch, or has no result of yet, is no disagreement.
    assert compare(replace(OWN, backends={}), PEER, NAMES) == compare(OWN, replace(PEER, backends={}), NAMES) == []


@pytest.mark.parametrize(
    ("own", "peer", "said"),
    [
        ({}, {"role": Role.MASTER}, "both are master: lb1 and lb2 do not hear each other's VRRP"),
        ({"role": Role.FAULT}, {}, "none is master: lb1 is fault, lb2 is backup"),
        ({}, {"farms": "1" * 64}, "the farms files differ: 000000000000 on lb1, 111111111111 on lb2"),
        ({}, {"version": "2.0"}, "the versions of noidlb differ: 1.0 on lb1, 2.0 on lb2"),
        ({}, {"backends": {("ftp", "b2"): "up", ("x", "y"): "down"}}, "ftp/b2 is down for lb1, up for lb2"),
    ],
)
def test_two_who_disagree(own: dict[str, object], peer: dict[str, object], said: str) -> None:
    assert compare(replace(OWN, **own), replace(PEER, **peer), NAMES) == [said]  # type: ignore[arg-type]


def test_what_people_are_told() -> None:
    assert PairView(names=NAMES, own=OWN, peer=PEER).lines() == ["lb1, this node: master", "lb2: backup"]
    unknown = PairView(names=NAMES, own=OWN, trouble="it is silent")
    assert unknown.lines() == ["lb1, this node: master", "lb2: unknown: it is silent"]
    many = {("ftp", f"b{number}"): "up" for number in range(30)}
    lost = PairView(
        names=NAMES, own=replace(OWN, backends=many), peer=replace(PEER, backends=dict.fromkeys(many, "down"))
    )
    assert lost.lines()[2] == "disagreement: ftp/b0 is up for lb1, down for lb2"
    assert lost.lines()[-1] == "... and 10 more"
    assert len(lost.to_document()["disagreements"]) == 30


def test_what_programs_are_told() -> None:
    known = PairView(names=NAMES, own=OWN, peer=PEER).to_document()
    assert known == {
        "node": "lb1",
        "name": "lb2",
        "role": "backup",
        "version": "1.0",
        "farms": "0" * 64,
        "trouble": None,
        "disagreements": [],
    }
    unknown = PairView(names=NAMES, own=OWN, trouble="it is silent").to_document()
    assert (unknown["role"], unknown["farms"], unknown["trouble"]) == (None, None, "it is silent")
