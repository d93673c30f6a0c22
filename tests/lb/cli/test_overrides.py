"""What an operator says of backends and farms: drain, up, down, stop, start; flows that are cut."""

from __future__ import annotations

import json
import os

import pytest
from noidlb.config.mark_layout import Layout
from noidlb.nft.table import MAPS

from tests.support.lb.balancer import BOTH, ONE, Balancer

WITHOUT_B2 = BOTH.replace('[[farms.public-ftp.backends]]\nname = "b2"\naddress = "10.0.1.12"\n', "", 1)
WITHOUT_FTP = BOTH.replace(ONE, "")
OTHER_PORT = BOTH.replace("port = 2121", "port = 2122")
UDP = "udp . 192.0.2.10 . 69"


def test_words_hold_over_another_apply_and_a_reboot(applied: Balancer) -> None:
    assert applied.run("drain", "public-ftp", "b1") == (
        0,
        "backend public-ftp/b1: new clients 50 % -> none\nbackend public-ftp/b2: new clients 50 % -> 100 %\n",
    )
    held = applied.holds
    applied.holds = None
    applied.run("apply", applied.write(BOTH))
    assert applied.holds == held
    applied.run("up", "public-ftp", "b1")
    assert applied.run("apply", applied.write(BOTH)) == (0, "nothing to change\n")


def test_words_need_no_file(applied: Balancer) -> None:
    os.unlink(applied.folder / "farms.toml")
    assert applied.run("down", "boot", "b1")[0] == 0
    assert applied.run("status")[0] == 0


def test_words_without_a_table_wait_for_the_next_apply(applied: Balancer) -> None:
    applied.holds = None
    code, output = applied.run("drain", "boot", "b1")
    assert (code, output) == (
        0,
        "there is no table in the kernel: this will hold from the next noidlb apply or start on\n",
    )
    assert applied.holds is None
    applied.run("apply", applied.write(BOTH))
    assert "drain" in applied.run("status")[1]


def test_a_tftp_backend_that_goes_down_loses_its_flows_at_once(applied: Balancer) -> None:
    applied.run("down", "public-ftp", "b1")
    assert applied.cuts() == []
    applied.run("down", "boot", "b1")
    ((*words, mark),) = applied.cuts()
    assert words == ["-D", "-f", "ipv4", "-p", "udp", "-m"]
    assert mark.endswith(f"/{Layout().flow:#x}")


def test_cutting_ends_all_flows_of_a_backend(applied: Balancer) -> None:
    applied.conntrack.answer("-D", "ipv4", err="conntrack v1.4.7: 1 flow entries have been deleted.\n")
    assert applied.run("drain", "public-ftp", "b1", "--cut")[1].endswith("ended 1 flow\n")
    ((*words, _),) = applied.cuts()
    assert words == ["-D", "-f", "ipv4", "-m"]
    # Even when nothing has to change.
    assert applied.run("drain", "public-ftp", "b1", "--cut") == (0, "nothing to change\nended 1 flow\n")


def test_apply_cuts_what_is_gone_only_when_told(applied: Balancer) -> None:
    applied.run("apply", applied.write(OTHER_PORT))
    assert applied.cuts() == []
    applied.run("apply", applied.write(BOTH))
    applied.run("apply", applied.write(OTHER_PORT), "--cut")
    assert len(applied.cuts()) == 1


@pytest.mark.parametrize(
    ("word", "file", "mask"),
    [
        (["down", "public-ftp", "b2"], WITHOUT_B2, Layout().flow),
        (["stop", "public-ftp"], WITHOUT_B2, Layout().flow),
        (["stop", "public-ftp"], WITHOUT_FTP, Layout().farm),
        (["stop", "--cut"], WITHOUT_FTP, Layout().farm),
    ],
)
@pytest.mark.parametrize("damage", ["", "broken"])
def test_apply_cuts_what_the_table_lacked_before(
    applied: Balancer, word: list[str], file: str, mask: int, damage: str
) -> None:
    applied.run(*word)
    if damage:
        # Then only the table is known, which an apply puts right.
        (applied.folder / "state" / "farms.toml").write_text(damage)
    before = len(applied.cuts())
    code, said = applied.run("apply", applied.write(file), "--cut")
    assert (code, "ended 0 flows\n" in said) == (0, True)
    cuts = applied.cuts()[before:]
    assert [words[:-1] for words in cuts] == ([] if damage else [["-D", "-f", "ipv4", "-m"]])
    assert all(words[-1].endswith(f"/{mask:#x}") for words in cuts)


def test_flows_in_udp_end_with_their_farm(applied: Balancer) -> None:
    assert applied.run("apply", applied.write(ONE)) == (0, "service udp 192.0.2.10 69 of farm boot: removed\n")
    ((*words, mark),) = applied.cuts()
    assert words == ["-D", "-f", "ipv4", "-p", "udp", "-m"]
    assert mark.endswith(f"/{Layout().farm:#x}")


def test_a_word_changes_its_backend_alone(applied: Balancer) -> None:
    before = applied.table
    # What the kernel has is of another file than the one that was kept, as after an apply that was interrupted.
    other = BOTH.replace("192.0.2.10", "192.0.2.20").replace("10.0.1.", "10.0.9.")
    applied.folder.joinpath("state/farms.toml").write_text(other)
    assert applied.run("drain", "public-ftp", "b1") == (
        0,
        "backend public-ftp/b1: new clients 50 % -> none\nbackend public-ftp/b2: new clients 50 % -> 100 %\n",
    )
    changed = {name for name in MAPS if applied.table.of(name) != before.of(name)}
    assert changed == {"slot4"}
    # A guardian that has ended had taken the other one out, which stays so.
    applied.run("down", "boot", "b2")
    applied.folder.joinpath("state/words.json").unlink()
    out = dict(applied.table.of("backend4"))
    applied.run("drain", "boot", "b1")
    assert applied.table.of("backend4") == out
    assert not [key for key in applied.table.of("slot4") if key.startswith(applied.table.of("farm4")[UDP])]


def test_a_word_about_a_farm_changes_it_alone(applied: Balancer) -> None:
    applied.run("down", "public-ftp", "b1")
    before = applied.table
    applied.folder.joinpath("state/words.json").unlink()
    applied.run("stop", "boot")
    assert applied.table.of("service4")[UDP] == "goto refuse"
    assert applied.table.of("backend4").items() <= before.of("backend4").items()
    applied.run("start", "boot")
    assert applied.table == before


def test_stop_and_start_one_farm(applied: Balancer) -> None:
    assert applied.run("stop", "boot") == (0, "service udp 192.0.2.10 69 of farm boot: refuses its clients\n")
    assert applied.run("stop", "boot") == (0, "nothing to change\n")
    assert applied.run("apply", applied.write(BOTH))[1] == (
        "nothing to change\nstopped: boot: noidlb start FARM lets one serve\n"
    )
    assert applied.run("start", "boot")[1] == "service udp 192.0.2.10 69 of farm boot: serves its clients again\n"
    assert applied.cuts() == []


OTHER_B2 = ONE.replace('address = "10.0.1.12"', 'address = "10.0.1.22"')


@pytest.mark.parametrize(
    "words",
    [("drain", "public-ftp", "b1"), ("down", "public-ftp", "b1"), ("stop", "public-ftp"), ("start", "public-ftp")],
)
def test_another_file_changes_its_farm_and_is_not_the_one_applied_last(
    applied: Balancer, words: tuple[str, ...]
) -> None:
    applied.run("stop", "boot")
    assert applied.run(*words, "--file", applied.write(OTHER_B2))[0] == 0
    state = applied.folder / "state"
    assert (state / "farms.toml").read_text() == BOTH
    assert "boot" in json.loads((state / "words.json").read_text())["stopped"]
    # The farm that the other file lacks is still there for the operator.
    assert applied.run("start", "boot")[1].startswith("service udp 192.0.2.10 69 of farm boot: serves")


def test_a_word_with_another_file_holds_over_an_apply_of_the_first(applied: Balancer) -> None:
    # The other file says the same, so that it would need no word.
    other = OTHER_B2.replace('name = "b2"', 'name = "b2"\nstate = "drain"')
    applied.run("drain", "public-ftp", "b2", "--file", applied.write(other))
    applied.run("apply", applied.write(BOTH))
    kept = json.loads((applied.folder / "state/words.json").read_text())
    assert kept["backends"] == {"public-ftp": {"b2": "drain"}}
    # What agrees with the first file goes with its next apply.
    applied.run("up", "public-ftp", "b2", "--file", applied.write(other))
    applied.run("apply", applied.write(BOTH))
    assert json.loads((applied.folder / "state/words.json").read_text())["backends"] == {}


def test_a_start_with_another_file_leaves_the_farms_stopped_that_it_lacks(applied: Balancer) -> None:
    applied.run("stop")
    applied.run("start", "public-ftp", "--file", applied.write(OTHER_B2))
    applied.run("apply", applied.write(BOTH))
    farms = json.loads(applied.run("status", "--json")[1])["farms"]
    assert {farm["name"]: farm["state"] for farm in farms} == {"public-ftp": "serving", "boot": "stopped"}


@pytest.mark.parametrize("words", [("stop",), ("start",)])
def test_another_file_for_all_farms_is_applied(applied: Balancer, words: tuple[str, ...]) -> None:
    applied.run("stop", "boot")
    assert applied.run(*words, "--file", applied.write(ONE))[0] == 0
    assert (applied.folder / "state/farms.toml").read_text() == ONE
    assert json.loads((applied.folder / "state/words.json").read_text())["stopped"] == []


def test_another_file_is_not_applied_where_there_is_no_table(applied: Balancer) -> None:
    applied.run("stop", "boot")
    applied.holds = None
    assert applied.run("stop", "--file", applied.write(ONE))[0] == 0
    assert (applied.folder / "state/farms.toml").read_text() == BOTH
    assert json.loads((applied.folder / "state/words.json").read_text())["stopped"] == ["boot"]
    # A start makes the whole table.
    assert applied.run("start", "public-ftp", "--file", applied.write(ONE)) == (0, "the table is made, with 1 farm\n")
    assert (applied.folder / "state/farms.toml").read_text() == ONE


def test_apply_cuts_what_the_first_file_had_after_a_word_with_another(applied: Balancer) -> None:
    applied.run("down", "public-ftp", "b2")
    applied.run("drain", "public-ftp", "b1", "--file", applied.write(WITHOUT_B2))
    before = len(applied.cuts())
    assert applied.run("apply", applied.write(WITHOUT_B2), "--cut")[0] == 0
    assert [words[:-1] for words in applied.cuts()[before:]] == [["-D", "-f", "ipv4", "-m"]]


def test_stop_without_a_farm_keeps_the_table(applied: Balancer) -> None:
    assert applied.run("stop")[1].count("refuses its clients") == 2
    assert applied.holds is not None
    assert applied.run("apply", applied.write(BOTH))[1].endswith(
        "all farms are stopped: noidlb start lets them serve\n"
    )
    assert applied.run("start")[1].count("serves its clients again") == 2


def test_stop_with_cut_removes_the_table(applied: Balancer) -> None:
    applied.conntrack.answer(
        "-L", out="tcp 6 9 ESTABLISHED src=1.2.3.4 mark=2147483905\nudp 17 9 src=1.2.3.4 mark=1073741824\n"
    )
    assert applied.run("stop", "--cut")[1].endswith("ended 0 flows\nthe table is removed\n")
    assert applied.holds is None
    # Farms without flows cost no run of conntrack.
    assert applied.cuts() == []
    assert applied.run("stop", "--cut")[0] == 0
    assert applied.run("start") == (0, "the table is made, with 2 farms\n")


def test_a_table_that_does_not_exist_is_not_said_to_be_removed(applied: Balancer) -> None:
    applied.run("stop", "--cut")
    said = applied.run("stop", "--cut")[1]
    assert "there is no table in the kernel" in said
    assert "is removed" not in said


def test_stopping_one_farm_cuts_its_flows_alone(applied: Balancer) -> None:
    statuses = json.loads(applied.run("status", "--json")[1])["farms"]
    assert [one["name"] for one in statuses] == ["public-ftp", "boot"]
    table = applied.holds.table if applied.holds else None
    assert table is not None
    (mark,) = {int(value, 16) for key, value in table.of("farm4").items() if key.startswith("udp")}
    applied.conntrack.answer("-L", out=f"udp 17 9 src=1.2.3.4 mark={mark | 1}\ntcp 6 9 ESTABLISHED mark=257\n")
    applied.run("stop", "boot", "--cut")
    assert applied.cuts() == [["-D", "-f", "ipv4", "-m", f"{mark:#x}/{Layout().farm:#x}"]]
    assert applied.holds is not None
