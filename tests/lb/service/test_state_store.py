from __future__ import annotations

import errno
import fcntl
import os
import threading
from pathlib import Path
from unittest.mock import Mock

import pytest
from noidlb.events import Event, EventLog
from noidlb.farm import BackendState
from noidlb.overrides import Overrides
from noidlb.service.state import StateError, StateFolder
from noidlb.service.state_store import StateStore

from noidchecks.atomic import draft_beside
from tests.support.waiting import until_async as until

OVERRIDES = Overrides({("ftp", "b1"): BackendState.DOWN})


class FullFolder(StateFolder):
    """A folder on a disk that may be full."""

    full = True
    attempts = 0

    def save_overrides(self, overrides: Overrides) -> None:
        self.attempts += 1
        if self.full:
            raise StateError("the state folder cannot be used: No space left on device")
        super().save_overrides(overrides)


@pytest.fixture
def folder(tmp_path: Path) -> FullFolder:
    return FullFolder(tmp_path / "state")


@pytest.fixture
def log() -> tuple[EventLog, list[Event]]:
    events = EventLog()
    got: list[Event] = []
    events.subscribe(got.append)
    return events, got


async def test_writes_words_and_configuration(folder: FullFolder, log: tuple[EventLog, list[Event]]) -> None:
    folder.full = False
    keeper = StateStore(folder, log[0])
    assert await keeper.keep("text", OVERRIDES) == ""
    await keeper.close()
    assert folder.overrides() == OVERRIDES
    assert folder.applied() == "text"
    assert folder.attempts == 1
    assert log[1] == []


async def test_what_cannot_be_written_is_written_later(folder: FullFolder, log: tuple[EventLog, list[Event]]) -> None:
    keeper = StateStore(folder, log[0], retry=0.01)
    assert "No space left" in await keeper.keep("text", Overrides())
    assert "No space left" in await keeper.keep("text", OVERRIDES)
    await until(lambda: folder.attempts >= 5)
    folder.full = False
    await until(lambda: not keeper.trouble)
    assert folder.overrides() == OVERRIDES
    # However often it was tried.
    assert [event.kind for event in log[1]] == ["save-failed", "saved"]
    await keeper.close()


async def test_the_end_tries_a_last_time(folder: FullFolder, log: tuple[EventLog, list[Event]]) -> None:
    keeper = StateStore(folder, log[0], retry=1000)
    await keeper.keep("text", OVERRIDES)
    folder.full = False
    await keeper.close()
    assert folder.overrides() == OVERRIDES


async def test_after_a_success_it_can_fail_again(folder: FullFolder, log: tuple[EventLog, list[Event]]) -> None:
    keeper = StateStore(folder, log[0], retry=0.01)
    for _ in range(2):
        folder.full = True
        await keeper.keep("text", OVERRIDES)
        await keeper.keep("other", Overrides())
        folder.full = False
        await until(lambda: not keeper.trouble)
        assert folder.overrides() == Overrides()
    assert [event.kind for event in log[1]] == ["save-failed", "saved"] * 2
    await keeper.close()


def test_what_a_killed_noidlb_had_half_written_goes_with_the_next_word(tmp_path: Path) -> None:
    folder = StateFolder(tmp_path)
    for name in ("words.json", "farms.toml"):
        Path(draft_beside(tmp_path / name)).write_text("half")
    with folder.locked():
        folder.save_overrides(OVERRIDES)
        folder.save_applied("text")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["farms.toml", "lock", "words.json"]


def test_only_root_and_the_guardian_can_read_the_copies_of_the_farms_file(tmp_path: Path) -> None:
    folder = StateFolder(tmp_path)
    # Those of an older noidlb were for all.
    (tmp_path / "farms.toml").write_text("text")
    (tmp_path / "farms.toml").chmod(0o644)
    with folder.locked():
        folder.save_applied("text")
        folder.save_checkpoint(b"{}")
        folder.save_overrides(OVERRIDES)
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.glob("*.*")}
    # noidlb show reads the overrides, and needs no root.
    assert modes == {"farms.toml": 0o600, "kernel.json": 0o600, "words.json": 0o644}


async def test_a_folder_that_cannot_be_locked_is_told_and_tried_again(
    tmp_path: Path, log: tuple[EventLog, list[Event]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on NFS whose lock service does not run."""
    folder = StateFolder(tmp_path / "state")
    keeper = StateStore(folder, log[0], retry=0.01)
    with monkeypatch.context() as patched:
        patched.setattr(fcntl, "flock", Mock(side_effect=OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))))
        assert "No locks available" in await keeper.keep("text", OVERRIDES)
    await until(lambda: not keeper.trouble)
    assert folder.overrides() == OVERRIDES
    assert [event.kind for event in log[1]] == ["save-failed", "saved"]
    await keeper.close()


async def test_a_machine_without_a_thread_left_writes_later(
    tmp_path: Path, log: tuple[EventLog, list[Event]], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = StateFolder(tmp_path / "state")
    keeper = StateStore(folder, log[0], retry=0.01)
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", Mock(side_effect=RuntimeError("can't start new thread")))
        assert "no thread left" in await keeper.keep("text", OVERRIDES)
    await until(lambda: not keeper.trouble)
    assert folder.overrides() == OVERRIDES
    assert [event.kind for event in log[1]] == ["save-failed", "saved"]
    await keeper.close()
