from __future__ import annotations

import json
from typing import Any

import pytest
from noidlb.config.mark_layout import MANY, Layout
from noidlb.nft.compile import compile_table
from noidlb.nft.listing import Outline, list_commands, read_elements, read_outline, to_snapshot
from noidlb.nft.skeleton import VERSION, skeleton
from noidlb.nft.table import MAPS, Table

from tests.support.lb.farms import farm

# What nft 1.0.6 prints of one element of each kind, under -n -j.
ELEMENTS: dict[str, list[Any]] = {
    "full": [{"elem": {"val": 0x82BCE511, "ct count": {"val": -2, "inv": True}}}],
    "source4": [[{"concat": [6, "192.0.2.10", 22]}, "192.0.2.77"]],
    "masq6": [{"concat": [17, "fd00::10", 69]}],
    "masqrange4": [{"concat": ["192.0.2.10", {"range": [50000, 50099]}]}],
    "remember": [[0x82BC0000, {"jump": {"target": "remember-300"}}]],
    "sourceactive6": [[{"concat": ["::1.2.3.4", 20]}, "2001:db8::1"]],
    "active6": [[{"concat": ["::1.2.3.4", 20]}, 0x82BCE511]],
    "activeport6": [[{"concat": ["::1.2.3.4", 20]}, {"goto": {"target": "active6"}}]],
    "host4": [[{"elem": {"val": 0x8B754611, "comment": "g/b2", "counter": {"packets": 4, "bytes": 0}}}, "10.0.1.12"]],
    "host6": [[{"elem": {"val": 0x8B754611, "comment": "g/b2", "counter": {"packets": 9, "bytes": 0}}}, "fd00:1::12"]],
    "hostrange4": [[0x82BCE511, "10.0.1.11"]],
    "backend4": [
        [
            {"elem": {"val": 0x82BCE511, "comment": "f/b1", "counter": {"packets": 5, "bytes": 300}}},
            {"concat": ["10.0.1.11", 2121]},
        ]
    ],
    "backend6": [
        [
            {"elem": {"val": 0x82BCE511, "comment": "f/b1", "counter": {"packets": 2, "bytes": 300}}},
            {"concat": ["fd00:1::11", 2121]},
        ]
    ],
    "slot4": [[{"concat": [0x82BC0000, 11]}, 0x82BCE511]],
    "pick4": [[0x82BC0000, {"jump": {"target": "rr4-12-19"}}]],
    "farm4": [[{"concat": [6, "192.0.2.10", 21]}, 0x82BC0000]],
    "ftp4": [{"concat": ["192.0.2.10", 21]}],
    "passive4": [[{"concat": ["192.0.2.10", {"range": [50000, 50099]}]}, 0x82BCE511]],
    "range4": [[{"concat": ["192.0.2.10", 50100]}, {"goto": {"target": "passive4"}}]],
    "service4": [[{"concat": [17, "192.0.2.10", 69]}, {"goto": {"target": "refuse"}}]],
}
WHOLE: dict[str, list[Any]] = {name: ELEMENTS.get(name, []) for name in MAPS}


def test_elements_become_the_text_that_they_were_written_as() -> None:
    found = to_snapshot(Outline(VERSION), WHOLE)
    assert found.table.elements == {
        "full": {"0x82bce511": "4294967294"},
        "source4": {"tcp . 192.0.2.10 . 22": "192.0.2.77"},
        "masq6": {"udp . fd00::10 . 69": ""},
        "masqrange4": {"192.0.2.10 . 50000-50099": ""},
        "remember": {"0x82bc0000": "jump remember-300"},
        "sourceactive6": {"::102:304 . 20": "2001:db8::1"},
        "active6": {"::102:304 . 20": "0x82bce511"},
        "activeport6": {"::102:304 . 20": "goto active6"},
        "host4": {"0x8b754611": "10.0.1.12"},
        "host6": {"0x8b754611": "fd00:1::12"},
        "hostrange4": {"0x82bce511": "10.0.1.11"},
        "backend4": {"0x82bce511": "10.0.1.11 . 2121"},
        "backend6": {"0x82bce511": "fd00:1::11 . 2121"},
        "slot4": {"0x82bc0000 . 11": "0x82bce511"},
        "pick4": {"0x82bc0000": "jump rr4-12-19"},
        "farm4": {"tcp . 192.0.2.10 . 21": "0x82bc0000"},
        "ftp4": {"192.0.2.10 . 21": ""},
        "passive4": {"192.0.2.10 . 50000-50099": "0x82bce511"},
        "range4": {"192.0.2.10 . 50100": "goto passive4"},
        "service4": {"udp . 192.0.2.10 . 69": "goto refuse"},
    }
    assert found.table.names == {"0x82bce511": "f/b1", "0x8b754611": "g/b2"}


def test_connections_are_counted_over_both_families_without_ftps_data() -> None:
    assert to_snapshot(Outline(VERSION), WHOLE).totals == {0x82BCE511: 7, 0x8B754611: 13}


@pytest.mark.parametrize("name", MAPS)
@pytest.mark.parametrize("element", [None, 3.5, "x", {"concat": [None]}, [1], [{"prefix": {}}, 1], {"elem": {}}])
def test_what_is_not_understood_is_a_value_error(name: str, element: object) -> None:
    with pytest.raises(ValueError, match=r"."):
        to_snapshot(Outline(VERSION), WHOLE | {name: [element]})


# The same of elements that only another program writes.
FOREIGN: list[tuple[str, Any, dict[str, str]]] = [
    ("service4", [{"concat": [6, "192.0.2.10", 22]}, {"accept": None}], {"tcp . 192.0.2.10 . 22": "accept"}),
    (
        "service6",
        [{"concat": [132, "fd00::10", 22]}, {"goto": {"target": "refuse"}}],
        {"132 . fd00::10 . 22": "goto refuse"},
    ),
    ("masq4", {"concat": [200, "192.0.2.10", 22]}, {"200 . 192.0.2.10 . 22": ""}),
    ("pick4", [4, {"drop": None}], {"0x00000004": "drop"}),
    ("range4", [{"concat": ["192.0.2.10", {"range": [1, 9]}]}, {"return": None}], {"192.0.2.10 . 1-9": "return"}),
    (
        "range6",
        [{"concat": [{"prefix": {"addr": "fd00::", "len": 64}}, 21]}, {"continue": None}],
        {"fd00::/64 . 21": "continue"},
    ),
    (
        "range4",
        [{"concat": [{"range": ["192.0.2.3", "192.0.2.7"]}, 21]}, {"drop": None}],
        {"192.0.2.3-192.0.2.7 . 21": "drop"},
    ),
]


@pytest.mark.parametrize(("name", "element", "expected"), FOREIGN)
def test_elements_of_other_programs_become_text_by_which_they_can_be_deleted(
    name: str, element: object, expected: dict[str, str]
) -> None:
    found = to_snapshot(Outline(VERSION), WHOLE | {name: [element]})
    assert (found.version, found.damage) == (VERSION, "")
    assert found.table.of(name) == expected


@pytest.mark.parametrize(
    ("name", "element"),
    [
        ("service4", ["*", {"accept": None}]),
        ("slot6", ["*", 4]),
        ("host4", [{"elem": {"val": "*", "counter": {"packets": 0, "bytes": 0}}}, "10.0.0.1"]),
        ("tftp4", "*"),
        ("full", {"elem": {"val": "*", "ct count": {"val": 1, "inv": True}}}),
    ],
)
def test_a_catch_all_element_is_damage(name: str, element: object) -> None:
    found = to_snapshot(Outline(VERSION), WHOLE | {name: [element]})
    assert (found.version, found.damage) == (None, f"{name} has a catch-all element")


SKELETON = skeleton(Layout())


def listed(table: Table, skeleton: str = SKELETON) -> str:
    chains = "".join(f"\tchain {name} {{\n\t\t{rules}\n\t}}\n\n" for name, rules in table.chains.items())
    return skeleton.replace("\tchain refuse {", f"{chains}\tchain refuse {{")


@pytest.mark.parametrize("mask", [None, 0x0F00_FFFF, MANY])
def test_the_outline_tells_version_layout_and_the_chains_that_vary(mask: int | None) -> None:
    table = compile_table((farm(sticky=300, marks=mask),))
    assert set(table.chains) == {
        "rr4-12-32", "rr6-12-32", "sticky4-300", "sticky6-300", "remember", "remember-300", "postrouting"
    }  # fmt: skip
    text = listed(table, skeleton(table.layout))
    assert read_outline(f"table inet other {{\n\tchain x {{\n\t}}\n}}\n{text}") == Outline(
        VERSION, table.layout, table.chains
    )


def test_the_chains_of_other_tables_are_not_ours() -> None:
    other = "table inet zother {\n\tchain rr4-12-1 {\n\t}\n}\n"
    assert read_outline(SKELETON + other) == Outline(VERSION)
    assert read_outline(other) is None


def test_chains_that_nobody_here_has_made_are_there_without_rules() -> None:
    odd = SKELETON.replace("\tchain refuse {", "\tchain rr9-1 {\n\t}\n\tchain refuse {")
    found = read_outline(odd)
    assert found is not None
    assert (found.version, found.chains) == (VERSION, {"rr9-1": ""})


def test_a_table_of_another_version_or_of_somebody_else() -> None:
    old = read_outline('table inet noidlb {\n\tcomment "noidlb 1"\n}\n')
    assert old is not None
    assert (old.version, old.damage) == (1, "")
    other = read_outline("table inet noidlb {\n\tchain x {\n\t}\n}\n")
    assert other is not None
    assert (other.version, other.damage) == (None, "it is not noidlb's")


@pytest.mark.parametrize(
    ("before", "after", "damage"),
    [
        ("\t\tjump dispatch\n", "", "has other rules"),
        ("policy accept", "policy drop", "has other rules"),
        ("prerouting priority -101", "prerouting priority dstnat", "chain prerouting has other rules"),
        ("\t\tgoto refuse\n\t}", "\t}", "has other rules"),
        ("\tchain refuse {\n", "\tchain refuse {\n\t\tdrop\n", "chain refuse has other rules"),
        ('@ftp4 ct helper set "ftp"', '@ftp4 ct helper set "tftp"', "chain dispatch has other rules"),
        ("\tct helper ftp {", "\tct helper other {", "ct helper"),
        ("unreplied : 5", "unreplied : 30", "ct timeout request is another"),
        ("flags interval", "flags constant", "is another"),
        ("\tcomment", "\tflags dormant\n\tcomment", "it is dormant"),
        ("\tct helper ftp {", "\tflags dormant\n\n\tct helper ftp {", "it is dormant"),
        ("map @backend4", "map @host4", "has other rules"),
        ("chain remember-300 {\n", "chain remember-300 {\n\t\taccept\n", "chain remember-300 has other rules"),
        ("chain postrouting {", "chain elsewhere {", "chain"),
    ],
)
def test_what_somebody_has_changed_is_noticed(before: str, after: str, damage: str) -> None:
    text = listed(compile_table((farm(sticky=300),)))
    assert before in text
    found = read_outline(text.replace(before, after))
    assert found is not None
    assert found.version is None
    assert damage in found.damage


@pytest.mark.parametrize(
    ("names", "numbers"),
    [
        # nft on a machine without /etc/protocols.
        (("protocol tcp", "protocol udp"), ("protocol 6", "protocol 17")),
        # nft 1.1.
        (("unreplied : 5",), ("unreplied : 5s",)),
    ],
)
def test_what_nft_prints_in_other_words_is_no_change(names: tuple[str, ...], numbers: tuple[str, ...]) -> None:
    text = SKELETON
    for name, number in zip(names, numbers, strict=True):
        assert name in text
        text = text.replace(name, number)
    assert read_outline(text) == Outline(VERSION)


def test_every_map_is_asked_for() -> None:
    lines = list_commands().splitlines()
    assert lines[0] == "list set inet noidlb full"
    assert "list map inet noidlb slot6" in lines
    assert "list set inet noidlb tftp4" in lines
    assert len(lines) == len(MAPS)
    assert not [line for line in lines if "sticky" in line]


def test_answers_are_one_a_line() -> None:
    metainfo = {"metainfo": {"version": "1.0.6"}}
    answers = [
        {"nftables": [metainfo, {"set": {"name": "ftp4", "elem": [1]}}]},
        {"nftables": [metainfo, {"map": {"name": "slot4"}}]},
    ]
    output = "".join(f"{json.dumps(one)}\n" for one in answers).encode()
    assert read_elements(output) == {"ftp4": [1], "slot4": []}
