"""The spool folder of Nagios: files that are whole, and as many as there is room for."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from noidchecks.atomic import create
from noidchecks.regular import read_regular
from noidchecks.surveys.report import nagios_spool
from noidchecks.surveys.report.nagios_spool import NagiosSpool
from noidchecks.surveys.report.record import Record
from tests.support.nagios_reader import spool_results
from tests.support.records import BANNERS, record, some


def test_a_file_is_released_when_it_is_whole(tmp_path: Path) -> None:
    report = NagiosSpool(str(tmp_path))
    found = [record(banner, service=f"s{number}") for number, banner in enumerate(BANNERS)]
    assert not report.deliver(found).left
    data, ok = sorted(tmp_path.iterdir())
    assert (len(data.name), data.name[0], ok.name) == (7, "c", f"{data.name}.ok")
    assert ok.read_bytes() == b""
    assert [result["service_description"] for result in spool_results(data.read_bytes())] == [
        f"s{number}" for number in range(len(BANNERS))
    ]


@pytest.mark.parametrize("now", [1_700_000_000.0, 1_700_000_000.999])
def test_a_file_is_never_from_the_future(now: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nagios reads the time as an unsigned number of whole seconds, from a clock that may lag, and throws all away."""
    monkeypatch.setattr(time, "time", lambda: now)
    NagiosSpool(str(tmp_path)).deliver(some(1))
    (path,) = tmp_path.glob("c??????")
    assert b"file_time=1699999999\n\n" in path.read_bytes()


@pytest.mark.parametrize("what", ["write", "release"])
def test_a_full_disk_leaves_nothing_behind(what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report = NagiosSpool(str(tmp_path))
    real = os.open

    def full(path: str, *arguments: int) -> int:
        if what == "release" and str(path).endswith(".ok"):
            raise OSError(28, "No space left on device")
        if what == "write" and not str(path).endswith(".ok"):
            # The file is there, its contents cannot be written.
            os.close(real(path, *arguments))
            return real("/dev/full", os.O_WRONLY)
        return real(path, *arguments)

    monkeypatch.setattr(os, "open", full)
    with pytest.raises(OSError, match="No space left on device"):
        report.deliver(some(2000))
    monkeypatch.undo()
    assert list(tmp_path.iterdir()) == []


def taken(folder: Path) -> list[str]:
    """Takes the one released file of the folder as Nagios does, and returns the services in it."""
    (released,) = folder.glob("c??????.ok")
    path = released.with_suffix("")
    data = path.read_bytes()
    path.unlink()
    released.unlink()
    return [result["service_description"] for result in spool_results(data)]


def numbered(*numbers: int) -> list[Record]:
    return [record(service=f"s{number}") for number in numbers]


def test_one_file_waits_at_a_time(tmp_path: Path) -> None:
    """Nagios would read two of them in any order."""
    report = NagiosSpool(str(tmp_path))
    assert not report.deliver(numbered(1)).left
    second = numbered(2)
    for _ in range(3):
        delivery = report.deliver(second)
        assert (delivery.left, delivery.trouble) == (second, "")
    assert taken(tmp_path) == ["s1"]
    assert not report.deliver(second).left
    assert taken(tmp_path) == ["s2"]
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_nagios_has_deleted_is_not_waited_for(tmp_path: Path) -> None:
    """It deletes the file, and then what releases it."""
    report = NagiosSpool(str(tmp_path))
    report.deliver(numbered(1))
    (path,) = tmp_path.glob("c??????")
    path.unlink()
    assert not report.deliver(numbered(2)).left


@pytest.mark.parametrize("why", ["old", "last", "future"])
def test_a_file_that_waits_too_long_is_replaced_by_one_with_all_results_in_order(why: str, tmp_path: Path) -> None:
    report = NagiosSpool(str(tmp_path))
    report.deliver(numbered(1, 2))
    for number in (3, 4):
        report.is_last = why == "last"
        (path,) = tmp_path.glob("c??????")
        if why != "last":
            age = 61 if why == "old" else -3600
            os.utime(path, (time.time() - age,) * 2)
        assert not report.deliver(numbered(number)).left
    assert len(list(tmp_path.iterdir())) == 2
    assert taken(tmp_path) == ["s1", "s2", "s3", "s4"]


def test_what_earlier_surveys_have_left_stays_before_the_new_results(tmp_path: Path) -> None:
    for number, age in ((2, 70), (1, 80)):
        NagiosSpool(str(tmp_path)).deliver(numbered(number))
        for path in tmp_path.glob("c??????"):
            if path.stat().st_mtime > time.time() - 60:
                os.utime(path, (time.time() - age,) * 2)
        if number == 2:
            # Two surveys at a time: neither knows the other's file.
            for path in tmp_path.iterdir():
                path.rename(path.with_name(path.name.replace("cnoid", "hidden")))
    for path in list(tmp_path.iterdir()):
        path.rename(path.with_name(path.name.replace("hidden", "cnoid")))
    (tmp_path / "cother1").write_text("of another program")
    (tmp_path / "cother1.ok").touch()
    assert not NagiosSpool(str(tmp_path)).deliver(numbered(3)).left
    assert (tmp_path / "cother1").read_text() == "of another program"
    (tmp_path / "cother1.ok").unlink()
    assert taken(tmp_path) == ["s1", "s2", "s3"]


@pytest.mark.parametrize("when", ["before it is read", "while it is read"])
def test_results_that_nagios_begins_to_take_are_not_handed_in_twice(
    when: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = NagiosSpool(str(tmp_path))
    report.deliver(numbered(1))
    report.is_last = True
    seen: list[str] = []

    def read(path: str, limit: int) -> bytes:
        monkeypatch.undo()
        data = read_regular(path, limit) if when == "while it is read" else b""
        seen.extend(taken(tmp_path))
        return data or read_regular(path, limit)

    monkeypatch.setattr(nagios_spool, "read_regular", read)
    assert not report.deliver(numbered(2)).left
    assert seen == ["s1"]
    assert taken(tmp_path) == ["s2"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("files", [1, 2])
def test_a_failing_disk_leaves_the_files_that_wait_as_they_were(
    files: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(files):
        # Of several surveys: none of them knows the others' files.
        (tmp_path / f"{number}").mkdir()
        NagiosSpool(str(tmp_path / f"{number}")).deliver(numbered(number))
    for path in list(tmp_path.glob("?/*")):
        path.rename(tmp_path / path.name)
    before = sorted(tmp_path.glob("c*"))
    report = NagiosSpool(str(tmp_path))
    report.is_last = True
    real = os.rename

    def failing(old: str, new: str) -> None:
        if new.endswith(".ok"):
            monkeypatch.undo()
            raise OSError(30, "Read-only file system")
        real(old, new)

    monkeypatch.setattr(os, "rename", failing)
    with pytest.raises(OSError, match="Read-only file system"):
        report.deliver(numbered(2))
    assert sorted(tmp_path.glob("c*")) == before


def test_a_file_that_waits_needs_no_room_to_be_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a new release has none, the results of the old one must not be left without any."""
    report = NagiosSpool(str(tmp_path))
    report.deliver(numbered(1))
    report.is_last = True

    def full(path: str, mode: int) -> int:
        if path.endswith(".ok"):
            raise OSError(28, "No space left on device")
        return create(path, mode)

    monkeypatch.setattr(nagios_spool, "create", full)
    assert not report.deliver(numbered(2)).left
    assert taken(tmp_path) == ["s1", "s2"]


def test_results_are_released_at_each_moment_of_a_replacement(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process may be killed at any of them."""
    report = NagiosSpool(str(tmp_path))
    report.deliver(numbered(1))
    report.is_last = True
    seen: list[list[str]] = []

    def watched(name: str) -> None:
        real = getattr(os, name)

        def call(*arguments: str) -> None:
            real(*arguments)
            released = [path.with_suffix("") for path in tmp_path.glob("c??????.ok")]
            results = [one for path in released if path.exists() for one in spool_results(path.read_bytes())]
            seen.append([result["service_description"] for result in results])

        monkeypatch.setattr(os, name, call)

    for name in ("rename", "unlink"):
        watched(name)
    assert not report.deliver(numbered(2)).left
    assert seen
    assert all("s1" in results for results in seen), seen


def test_a_nagios_that_takes_nothing_does_not_fill_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nagios_spool, "_MOST_BYTES", 1 << 20)
    report = NagiosSpool(str(tmp_path))
    report.is_last = True
    assert not report.deliver(some(1000, 2000)).left
    delivery = report.deliver(some(1))
    assert len(delivery.left) == 1
    assert "more than 1 MiB wait" in delivery.trouble
