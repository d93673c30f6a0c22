"""A shell completes the names of the farms file; what is broken completes nothing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from click.testing import CliRunner
from noidlb.cli.commands import commands

FARMS = """\
[farms.public-ftp]
backends = [{ name = "b1" }, { name = "b2" }, { name = "spare" }]
[farms.public-tftp]
backends = [{ name = "t1" }]
[farms.inner]
[pair.nodes.lb1]
[pair.nodes.lb2]
"""


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A state folder with farms that were applied."""
    (tmp_path / "farms.toml").write_text(FARMS)
    return tmp_path


def complete(words: str, state: Path, file: Path | None = None) -> list[str]:
    """What bash is offered for the last of the words, as noidlb prints it."""
    environment = {
        "NOIDLB_STATE": str(state),
        "NOIDLB_FILE": str(file or state / "none"),
        "_NOIDLB_COMPLETE": "bash_complete",
    }
    environment |= {"COMP_WORDS": words, "COMP_CWORD": str(len(words.split(" ")) - 1)}
    found = CliRunner().invoke(commands, prog_name="noidlb", env={**os.environ, **environment})
    assert found.exception is None or isinstance(found.exception, SystemExit)
    return [line.partition(",")[2] for line in found.output.splitlines() if line]


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ("noidlb drain ", ["public-ftp", "public-tftp", "inner"]),
        ("noidlb status publ", ["public-ftp", "public-tftp"]),
        ("noidlb stop in", ["inner"]),
        ("noidlb start x", []),
        ("noidlb down public-ftp b", ["b1", "b2"]),
        ("noidlb up --cut public-ftp s", ["spare"]),
        ("noidlb events public-tftp ", ["t1"]),
        ("noidlb drain inner ", []),
        ("noidlb drain no-such-farm ", []),
    ],
)
def test_names_come_from_the_farms_that_were_applied(words: str, names: list[str], state: Path) -> None:
    assert complete(words, state) == names


def test_before_the_first_apply_they_come_from_the_file(tmp_path: Path) -> None:
    file = tmp_path / "other.toml"
    file.write_text(FARMS)
    assert complete("noidlb drain in", tmp_path / "state", file) == ["inner"]


def test_where_the_copy_may_not_be_read_they_come_from_the_file(tmp_path: Path) -> None:
    file = tmp_path / "other.toml"
    file.write_text(FARMS)
    # Root may read everything, but no folder.
    (tmp_path / "state/farms.toml").mkdir(parents=True)
    assert complete("noidlb drain in", tmp_path / "state", file) == ["inner"]


def test_a_file_that_is_named_wins(state: Path, tmp_path: Path) -> None:
    file = tmp_path / "named.toml"
    file.write_text("[farms.named]\n")
    assert complete(f"noidlb drain --file {file} ", state) == ["named"]


def test_nodes_of_a_pair_are_completed(state: Path) -> None:
    assert complete("noidlb pair --node lb", state, state / "farms.toml") == ["lb1", "lb2"]


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[farms",
        b"\xff\xfe",
        b"farms = 3",
        b"farms = [1, 2]",
        b'[farms."b;rm -rf"]',
        b"[farms.public-ftp]\nbackends = 7",
        b'[farms.public-ftp]\nbackends = [7, { }, { name = 3 }, { name = "a b" }]',
        b"pair = 7",
        b"[" * 100_000,
    ],
)
@pytest.mark.parametrize("words", ["noidlb drain b", "noidlb drain public-ftp ", "noidlb pair --node "])
def test_a_broken_file_completes_nothing(text: bytes, words: str, tmp_path: Path) -> None:
    file = tmp_path / "broken.toml"
    file.write_bytes(text)
    assert complete(words, tmp_path / "state", file) == []


def test_a_pipe_in_place_of_the_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert complete("noidlb drain ", tmp_path / "state", tmp_path / "pipe") == []


def test_a_file_that_may_not_be_read_completes_nothing(tmp_path: Path) -> None:
    assert complete("noidlb drain ", tmp_path / "state", tmp_path) == []
