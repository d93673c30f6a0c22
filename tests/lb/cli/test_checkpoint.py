"""When a command reads the kernel's table, and when it knows it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, strategies as st
from noidlb.cli import direct
from noidlb.cli.checkpoint import Checkpoint
from noidlb.config.load import Configuration, from_document, parse
from noidlb.farm import BackendState, Farm
from noidlb.nft import nft as kernel
from noidlb.nft.compile import compile_table
from noidlb.nft.generation import Generation
from noidlb.nft.narrow import plan_backend, plan_farm
from noidlb.nft.plan import plan
from noidlb.nft.skeleton import VERSION
from noidlb.nft.table import Snapshot, Table
from noidlb.overrides import Overrides

from tests.support.lb.balancer import BOTH, Balancer
from tests.support.lb.farms import farm_sets

GENERATION = Generation("boot/1", 7)


def without(table: Table, name: str) -> Table:
    """A table in which another program has emptied a map."""
    return replace(table, elements={key: value for key, value in table.elements.items() if key != name})


@pytest.mark.parametrize(
    "words",
    [
        ("drain", "public-ftp", "b1"),
        ("down", "boot", "b2"),
        ("up", "boot", "b2"),
        ("stop", "boot"),
        ("start",),
        ("stop",),
        ("drain", "boot", "b1", "--cut"),
    ],
)
def test_a_table_that_no_program_has_changed_is_not_read(applied: Balancer, words: tuple[str, ...]) -> None:
    applied.run("drain", "public-ftp", "b2")
    applied.reads = 0
    assert applied.run(*words)[0] == 0
    assert applied.reads == 0
    left = applied.table
    # It is what a command that reads would have made of it.
    applied.holds = Snapshot(VERSION, left)
    assert applied.run("apply", applied.write(BOTH))[1].startswith(("nothing to change\n", "nothing"))
    assert applied.reads == 1
    assert applied.table == left


def test_applying_the_same_file_again_reads_nothing(applied: Balancer) -> None:
    applied.reads = 0
    assert applied.run("apply", applied.write(BOTH)) == (0, "nothing to change\n")
    assert applied.reads == 0


@pytest.mark.parametrize("words", [("apply",), ("drain", "public-ftp", "b1"), ("stop", "public-ftp")])
def test_what_another_program_has_changed_is_found_and_put_right(applied: Balancer, words: tuple[str, ...]) -> None:
    whole = applied.table
    assert applied.holds is not None
    applied.holds = replace(applied.holds, table=without(whole, "slot4"))
    applied.reads = 0
    rest = (applied.write(BOTH),) if words == ("apply",) else words[1:]
    assert applied.run(words[0], *rest)[0] == 0
    assert applied.reads == 1
    applied.run("start", "public-ftp")
    applied.run("up", "public-ftp", "b1")
    assert applied.run("apply", applied.write(BOTH))[0] == 0
    assert applied.table == whole


def other_place(balancer: Balancer) -> None:
    balancer.generation = Generation("boot/2", balancer.generation.number)


def other_generation(balancer: Balancer) -> None:
    balancer.generation = balancer.generation.after(1)


def other_words(balancer: Balancer) -> None:
    path = balancer.folder / "state" / "words.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "backends": {"boot": {"b2": "drain"}}}))


def other_farms(balancer: Balancer) -> None:
    path = balancer.folder / "state" / "farms.toml"
    path.write_text(BOTH.replace("10.0.1.12", "10.0.1.13"))


def other_version(balancer: Balancer) -> None:
    path = balancer.folder / "state" / "kernel.json"
    *rest, _ = json.loads(path.read_text())
    path.write_text(json.dumps([*rest, "0.0/1"]))


def left(text: str) -> Callable[[Balancer], None]:
    def leave(balancer: Balancer) -> None:
        (balancer.folder / "state" / "kernel.json").write_text(text)

    return leave


def folder_in_the_way(balancer: Balancer) -> None:
    path = balancer.folder / "state" / "kernel.json"
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    "doubt",
    [
        other_place,
        other_generation,
        other_words,
        other_farms,
        other_version,
        folder_in_the_way,
        *map(
            left,
            (
                "",
                "{}",
                "[]",
                "[[1], 2, 3]",
                "null",
                "[" * 5000,
                '[["boot/1", 8], "x", "y"]',
                '[["boot/1", 8], "x", [], "y"]',
                "\x00",
            ),
        ),
    ],
)
def test_any_doubt_means_reading(applied: Balancer, doubt: Callable[[Balancer], None]) -> None:
    doubt(applied)
    applied.reads = 0
    assert applied.run("drain", "public-ftp", "b1")[0] == 0
    assert applied.reads == 1


def test_a_kernel_that_does_not_tell_its_generation_is_read(applied: Balancer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("noidlb.cli.direct.generation", lambda: None)
    applied.reads = 0
    applied.run("drain", "public-ftp", "b1")
    applied.run("up", "public-ftp", "b1")
    assert applied.reads == 2


def test_a_change_of_another_program_during_the_own_one_is_a_doubt(
    applied: Balancer, monkeypatch: pytest.MonkeyPatch
) -> None:
    change = applied.change

    def both(batches: tuple[str, ...]) -> None:
        change(batches)
        applied.generation = applied.generation.after(1)

    monkeypatch.setattr(applied, "change", both)
    applied.run("drain", "public-ftp", "b1")
    applied.reads = 0
    applied.run("up", "public-ftp", "b1")
    assert applied.reads == 1


def test_a_table_that_is_not_what_the_folder_says_is_read_each_time(applied: Balancer) -> None:
    # An override of a backend leaves other farms as they are, and a guardian that no longer runs may have changed them.
    assert applied.holds is not None
    applied.holds = replace(applied.holds, table=without(applied.table, "ftp4"))
    applied.reads = 0
    applied.run("drain", "boot", "b1")
    applied.run("up", "boot", "b1")
    assert applied.reads == 2
    applied.run("apply", applied.write(BOTH))
    applied.reads = 0
    applied.run("drain", "boot", "b1")
    assert applied.reads == 0


def test_the_farms_file_is_not_read_again_while_the_table_is_known(
    applied: Balancer, monkeypatch: pytest.MonkeyPatch
) -> None:
    parsed: list[str] = []

    def counted(text: str, where: str) -> Configuration:
        parsed.append(where)
        return parse(text, where)

    monkeypatch.setattr(direct, "parse", counted)
    applied.run("drain", "public-ftp", "b1")
    applied.run("stop", "boot")
    assert not parsed
    applied.generation = applied.generation.after(1)
    applied.run("up", "public-ftp", "b1")
    assert len(parsed) == 1
    # It has left what it read.
    applied.run("start", "boot")
    assert len(parsed) == 1


def test_it_is_written_and_read() -> None:
    configuration = parse(BOTH)
    found = Checkpoint.from_json(Checkpoint.of(GENERATION, configuration, Overrides()).to_json())
    assert found is not None
    assert from_document(found.document, BOTH) == configuration
    assert found.holds(GENERATION, BOTH, Overrides())
    assert not found.holds(GENERATION.after(1), BOTH, Overrides())
    assert not found.holds(GENERATION, f"{BOTH}\n", Overrides())
    assert not found.holds(GENERATION, BOTH, Overrides(all_stopped=True))
    assert not found._replace(made_by="another").holds(GENERATION, BOTH, Overrides())


@st.composite
def said(draw: st.DrawFn, farms: tuple[Farm, ...]) -> Overrides:
    """Some overrides of these farms."""
    backends = [(farm.name, one.name) for farm in farms for one in farm.backends]
    states = draw(st.dictionaries(st.sampled_from(backends), st.sampled_from(list(BackendState))))
    names = draw(st.frozensets(st.sampled_from([farm.name for farm in farms])))
    return Overrides(states, names, draw(st.booleans())).about(farms)


@given(st.data())
def test_what_is_known_and_what_is_read_lead_to_the_same_change(data: st.DataObject) -> None:
    farms = data.draw(farm_sets())
    before, after = data.draw(said(farms)), data.draw(said(farms))
    farm = data.draw(st.sampled_from(farms))
    backend = data.draw(st.sampled_from(farm.backends))
    state = data.draw(st.sampled_from(list(BackendState)))
    # An override of one backend changes what is said of that one only.
    one = before.saying(farm.name, backend.name, state, backend.state)
    held = Snapshot(VERSION, compile_table(farms, before.conditions(), before.stopped_of(farms)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernel, "read", lambda: held)
        assert plan(farms, after, before=before) == plan(farms, after)
        assert plan_farm(farms, after, farm, before=before) == plan_farm(farms, after, farm)
        known, read = plan_backend(farms, one, farm, backend, before=before), plan_backend(farms, one, farm, backend)
    assert known.batches == read.batches
    assert known.is_whole == read.is_whole
