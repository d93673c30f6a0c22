from __future__ import annotations

import json
import os
import stat
import threading
from pathlib import Path

import pytest
from hypothesis import given, strategies as st
from noidlb.farm import BackendState, Condition
from noidlb.overrides import NewerError, Overrides, from_json, to_json
from noidlb.service.state import StateError, StateFolder

from tests.support.lb.farms import farm

DRAIN, DOWN, UP = BackendState.DRAIN, BackendState.DOWN, BackendState.UP
SAID = Overrides({("f", "b1"): DRAIN, ("g", "b2"): DOWN}, frozenset({"g"}))


@pytest.fixture
def folder(tmp_path: Path) -> StateFolder:
    return StateFolder(tmp_path / "state")


def test_words_outlive_the_command(folder: StateFolder, tmp_path: Path) -> None:
    assert folder.overrides() == Overrides()
    with folder.locked():
        folder.save_overrides(SAID)
        folder.save_applied("text \u00e9\n")
    again = StateFolder(tmp_path / "state")
    assert again.overrides() == SAID
    assert again.applied() == "text \u00e9\n"
    assert sorted(os.listdir(tmp_path / "state")) == ["farms.toml", "lock", "words.json"]


def test_a_word_that_agrees_with_the_configuration_is_not_kept() -> None:
    overrides = Overrides().saying("f", "b1", DOWN, configured=UP)
    assert overrides.conditions() == {("f", "b1"): Condition(DOWN)}
    assert overrides.saying("f", "b1", UP, configured=UP) == Overrides()
    assert Overrides().saying("f", "b1", UP, configured=DOWN).states == {("f", "b1"): UP}


def test_stopping_and_starting() -> None:
    farms = (farm("f"), farm("g"))
    assert Overrides().stopping("f").stopped_of(farms) == {"f"}
    assert Overrides().stopping(None).stopped_of(farms) == {"f", "g"}
    assert Overrides().stopping(None).starting("f", farms).stopped_of(farms) == {"g"}
    assert Overrides().stopping("f").stopping(None).starting(None, farms) == Overrides()


def test_words_about_what_is_gone_are_dropped() -> None:
    assert SAID.about((farm("f"),)) == Overrides({("f", "b1"): DRAIN})


names = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True)


@given(
    st.builds(
        Overrides,
        st.dictionaries(st.tuples(names, names), st.sampled_from(list(BackendState))),
        st.frozensets(names),
        st.booleans(),
    )
)
def test_they_survive_being_written(overrides: Overrides) -> None:
    assert from_json(to_json(overrides)) == overrides


BROKEN = [
    b"",
    b"{",
    b"null",
    b"[" * 100_000,
    b"\xff\xfe",
    b"{}",
    b'{"version": "1"}',
    b'{"version": 1}',
    b'{"version": 1, "backends": [], "stopped": [], "all-stopped": false}',
    b'{"version": 1, "backends": {"f": []}, "stopped": [], "all-stopped": false}',
    b'{"version": 1, "backends": {"f": {"b": "dead"}}, "stopped": [], "all-stopped": false}',
    b'{"version": 1, "backends": {"f": {"b": ["up"]}}, "stopped": [], "all-stopped": false}',
    b'{"version": 1, "backends": {"f; x": {"b": "up"}}, "stopped": [], "all-stopped": false}',
    b'{"version": 1, "backends": {}, "stopped": [{}], "all-stopped": false}',
    b'{"version": 1, "backends": {}, "stopped": [], "all-stopped": 1}',
]


@pytest.mark.parametrize("data", BROKEN)
def test_broken_words_are_kept_aside_and_said(folder: StateFolder, tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "state" / "words.json"
    path.parent.mkdir()
    path.write_bytes(data)
    assert folder.overrides() == Overrides()
    assert path.read_bytes() == data
    (warning,) = folder.warnings
    assert warning.startswith(f"{path} is broken: every backend is as configured (")
    folder.warnings.clear()
    with folder.locked():
        assert folder.overrides(put_aside=True) == Overrides()
        folder.save_overrides(SAID)
    (kept,) = path.parent.glob("words.json.broken-*")
    assert kept.read_bytes() == data
    assert f"is kept as {kept.name}" in folder.warnings[0]
    assert "\n" not in folder.warnings[0]
    assert folder.overrides() == SAID


def test_words_of_a_newer_version_are_left_alone(folder: StateFolder, tmp_path: Path) -> None:
    path = tmp_path / "state" / "words.json"
    path.parent.mkdir()
    path.write_text('{"version": 2}')
    with pytest.raises(NewerError, match="version 2, and 1 is known here"):
        from_json(path.read_bytes())
    with pytest.raises(StateError, match=r"words\.json was written by a newer noidlb"):
        folder.overrides(put_aside=True)
    assert path.read_text() == '{"version": 2}'


def test_a_file_that_is_not_ours_is_not_read(folder: StateFolder, tmp_path: Path) -> None:
    path = tmp_path / "state" / "words.json"
    path.parent.mkdir()
    with path.open("wb") as file:
        file.truncate(17 << 20)
    with pytest.raises(StateError, match="larger than 16 MiB"):
        folder.overrides()


def test_writing_ends_with_the_old_file_or_the_new_one(
    folder: StateFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with folder.locked():
        folder.save_overrides(SAID)

        def fail(_: int) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "fsync", fail)
        with pytest.raises(StateError, match="No space left on device; --state-dir names another"):
            folder.save_overrides(Overrides())
    assert folder.overrides() == SAID
    assert sorted(os.listdir(tmp_path / "state")) == ["lock", "words.json"]


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StateError, match="Not a directory"), StateFolder(tmp_path / "file" / "state").locked():
        pass


def test_only_one_at_a_time(folder: StateFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order = []

    def second() -> None:
        with StateFolder(tmp_path / "state").locked():
            order.append("second")

    with folder.locked():
        thread = threading.Thread(target=second)
        thread.start()
        thread.join(0.1)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]
    monkeypatch.setattr("noidlb.service.state._PATIENCE", 0.05)
    with (
        folder.locked(),
        pytest.raises(StateError, match=r"another noidlb has held .*/lock for 0\.05 seconds"),
        StateFolder(tmp_path / "state").locked(),
    ):
        pass


def test_the_files_are_plain(folder: StateFolder, tmp_path: Path) -> None:
    with folder.locked():
        folder.save_overrides(SAID)
    path = tmp_path / "state" / "words.json"
    assert json.loads(path.read_bytes())["version"] == 1
    assert stat.S_ISREG(path.stat().st_mode)


@pytest.mark.parametrize("lead", ["symlink", "second name"])
def test_nobody_is_led_astray(folder: StateFolder, tmp_path: Path, lead: str) -> None:
    """The folder may belong to a service; what root writes into it goes nowhere else."""
    with folder.locked():
        folder.save_overrides(Overrides())
    precious = tmp_path / "precious"
    precious.write_text("precious")
    for name in (".words.json.new", "lock"):
        Path(folder.path, name).unlink(missing_ok=True)
        if lead == "symlink":
            Path(folder.path, name).symlink_to(precious)
        else:
            Path(folder.path, name).hardlink_to(precious)
    os.chown(folder.path, *((65534, 65534) if os.geteuid() == 0 else (-1, -1)))
    folder.save_overrides(Overrides({("f", "b"): BackendState.DOWN}))
    assert folder.overrides().states
    with pytest.raises(StateError, match="cannot be used"), folder.locked():
        pass
    assert precious.read_text() == "precious"
    assert precious.stat().st_uid == os.geteuid()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_what_root_writes_belongs_to_whom_the_folder_belongs_to(folder: StateFolder) -> None:
    os.mkdir(folder.path)
    os.chown(folder.path, 65534, 65534)
    with folder.locked():
        folder.save_overrides(Overrides({("f", "b"): BackendState.DOWN}))
    assert {file.stat().st_uid for file in Path(folder.path).iterdir()} == {65534}
