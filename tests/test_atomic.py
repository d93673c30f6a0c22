"""Tests of noidchecks.atomic."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from noidchecks.atomic import create, draft_beside, remove_drafts, write_atomic


@pytest.mark.parametrize("durable", [False, True])
def test_a_file_is_replaced_with_its_mode(durable: bool, tmp_path: Path) -> None:
    path = tmp_path / ("n" * 255)
    mask = os.umask(0o077)
    try:
        write_atomic(path, b"one", mode=0o644, durable=durable)
        write_atomic(str(path), b"two", mode=0o640, durable=durable, owner=(os.getuid(), os.getgid()))
    finally:
        os.umask(mask)
    assert path.read_bytes() == b"two"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_at_the_path_is_replaced_and_not_followed(tmp_path: Path) -> None:
    other, path = tmp_path / "other", tmp_path / "file"
    other.write_text("kept")
    path.symlink_to(other)
    write_atomic(path, b"new", mode=0o600)
    assert other.read_text() == "kept"
    assert not path.is_symlink()
    assert path.read_bytes() == b"new"


def test_a_draft_follows_no_link_that_waits_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = tmp_path / "other"
    other.write_text("kept")
    assert draft_beside(tmp_path / "file") != draft_beside(tmp_path / "file"), "its name cannot be guessed"
    monkeypatch.setattr(os, "urandom", bytes)
    (tmp_path / draft_beside("file")).symlink_to(other)
    with pytest.raises(FileExistsError):
        write_atomic(tmp_path / "file", b"new", mode=0o600)
    with pytest.raises(FileExistsError):
        create(tmp_path / draft_beside("file"), 0o600)
    assert other.read_text() == "kept"


def test_a_failure_leaves_the_old_file_and_no_draft(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    path.write_text("old")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space left"):
        write_atomic(path, b"new", mode=0o600, durable=True)
    monkeypatch.undo()
    (tmp_path / "folder").mkdir()
    with pytest.raises(IsADirectoryError):
        write_atomic(tmp_path / "folder", b"new", mode=0o600)
    assert path.read_text() == "old"
    assert sorted(tmp_path.iterdir()) == [path, tmp_path / "folder"]


def test_drafts_of_killed_processes_are_removed_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = [
        tmp_path / name for name in ("file", ".file", ".file.old", ".files.0123456789abcdef", "file.0123456789abcdef")
    ]
    for one in others:
        one.write_text("kept")
    for _ in range(3):
        Path(draft_beside(tmp_path / "file")).write_text("half")
    remove_drafts(tmp_path / "file")
    assert sorted(tmp_path.iterdir()) == sorted(others)
    monkeypatch.chdir(tmp_path)
    Path(draft_beside("file")).write_text("half")
    remove_drafts("file")
    assert sorted(tmp_path.iterdir()) == sorted(others)
