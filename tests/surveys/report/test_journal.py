"""A journal holds results and nothing else, and is believed only when it is our own."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from fcntl import LOCK_EX, flock
from pathlib import Path

import pytest

from noidchecks import Metric, State, UsageError
from noidchecks.surveys.destination import Report
from noidchecks.surveys.report import journal as module
from noidchecks.surveys.report.journal import Journal, require_spool_folder
from noidchecks.surveys.report.nagios_command import NagiosCommand
from noidchecks.surveys.report.nagios_spool import NagiosSpool
from noidchecks.surveys.report.prometheus import PrometheusFile
from noidchecks.surveys.report.record import Record
from noidchecks.surveys.report.standard_output import JsonLines, Lines
from tests.support.records import BANNERS, record

FINE = record(b"220 kept", state=State.WARNING, more="\nsecond line")


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def journal(tmp_path: Path, said: list[str]) -> Journal:
    return Journal(str(tmp_path), "nagios-command=/run/x", said.append)


@pytest.fixture
def file(tmp_path: Path, journal: Journal) -> Path:
    """The file of a journal with one result."""
    journal.store([FINE])
    (path,) = tmp_path.iterdir()
    return path


@pytest.mark.parametrize("banner", BANNERS, ids=range(len(BANNERS)))
def test_a_result_is_handed_in_as_if_it_had_not_been_kept(banner: bytes, journal: Journal, said: list[str]) -> None:
    metrics = (Metric("time", 0.25, "s", minimum=0.0), Metric("a b", None), Metric("ü", float("inf"), "B"))
    kept = record(banner, state=State.CRITICAL, more="\nmore", metrics=metrics)
    journal.store([kept, FINE])
    found, _ = journal.load()
    reports: list[Report] = [NagiosCommand(""), NagiosSpool(""), Lines(), JsonLines(), PrometheusFile("")]
    for report in reports:
        assert report.pack(found) == report.pack(kept)  # type: ignore[attr-defined]  # each of these has it
    assert found.name == kept.name
    assert said == []


def changed(**fields: object) -> str:
    name, found = json.loads(FINE.to_json())
    return json.dumps([name, found | fields])


BAD = {
    "no JSON": "nonsense",
    "a number": "3",
    "nothing": "",
    "no text": b"\xff\xfe".decode(errors="surrogateescape"),
    "the old form": '["x", "[0] SHUTDOWN_PROGRAM\\n"]',
    "a name of two lines": changed(host="h\n[0] SHUTDOWN_PROGRAM"),
    "a name with a semicolon": changed(service="s;0;x"),
    "an empty name": changed(host=""),
    "no name": changed(host=None),
    "no state": changed(state=7),
    "a word for a state": changed(state="OK"),
    "no number": changed(finished="x"),
    "no time": changed(finished=float("nan")),
    "a list for a text": changed(text=["x"]),
    "a number for performance data": changed(perfdata=[1]),
    "performance data of two lines": changed(perfdata=["a=1\nb=2"]),
    "another separator": changed(separator="\n[0] SHUTDOWN_PROGRAM\n"),
    "no details": changed(details=None),
    "no metrics": changed(details={}),
    "metrics of another kind": changed(details={"metrics": [{"label": 1, "value": "x", "unit": []}]}),
    "a metric beyond all floats": changed(details={"metrics": [{"label": "a", "value": 10**400, "unit": ""}]}),
    "a field missing": json.dumps({"host": "h"}),
    "deep": "[" * 100_000,
    "long": "x" * 3_000_000,
}


@pytest.mark.parametrize("bad", BAD)
def test_a_bad_line_loses_only_itself(bad: str, journal: Journal, file: Path, said: list[str]) -> None:
    line = file.read_bytes()
    file.write_bytes(line + f"{BAD[bad]}\n".encode(errors="surrogateescape") * 3 + line)
    assert [one.text for one in journal.load()] == [FINE.text] * 2
    assert len(said) == 1
    assert "3 lines are no results" in said[0]


def test_a_file_cut_in_the_middle_loses_its_last_line(journal: Journal, file: Path) -> None:
    line = file.read_bytes()
    file.write_bytes(line + line[:-20])
    assert len(journal.load()) == 1


def a_link(file: Path) -> None:
    file.rename(file.with_name("other"))
    file.symlink_to("other")


def two_names(file: Path) -> None:
    os.link(file, file.with_name("other"))


def a_pipe(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


@pytest.mark.parametrize("change", [a_link, two_names, a_pipe])
def test_what_is_not_our_own_file_is_not_read(
    change: Callable[[Path], None], journal: Journal, file: Path, said: list[str]
) -> None:
    change(file)
    assert journal.load() == []
    assert len(said) == 1
    assert "is not read" in said[0]


@pytest.mark.parametrize("mode", [0o622, 0o660, 0o606])
def test_what_others_may_write_to_is_not_read(mode: int, journal: Journal, file: Path, said: list[str]) -> None:
    file.chmod(mode)
    assert journal.load() == []
    assert "others may write to it" in said[0]


def test_the_file_of_another_user_is_not_read(
    journal: Journal, file: Path, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    assert journal.load() == []
    assert "belongs to user" in said[0]


def test_the_journal_of_an_older_version_is_not_believed(journal: Journal, file: Path, said: list[str]) -> None:
    file.write_text('["x", "[0] SHUTDOWN_PROGRAM\\n"]\n' * 5)
    assert journal.load() == []
    assert len(said) == 1
    assert "5 lines are no results" in said[0]


def test_the_lines_of_another_version_stay_for_it(journal: Journal, file: Path) -> None:
    ours = file.read_bytes()
    theirs = b'["x", "one\\n"]\n'
    file.write_bytes(theirs + b"broken\n" + ours + theirs)
    kept = journal.load()
    journal.store(kept)
    assert file.read_bytes() == theirs * 2 + ours
    journal.clear()
    assert file.read_bytes() == theirs * 2


def test_the_lines_of_another_version_fill_no_disk(journal: Journal, file: Path) -> None:
    file.write_bytes(b'["x", "%b"]\n' % (b"y" * 60_000) * 40)
    journal.load()
    journal.clear()
    assert 900_000 < file.stat().st_size <= 1 << 20


def at(finished: float, service: str) -> Record:
    found = record(service=service)
    found.finished = finished
    return found


def test_surveys_with_the_same_journal_lose_nothing_of_one_another(tmp_path: Path, said: list[str]) -> None:
    """A timer's beside one that was started by hand."""
    Journal(str(tmp_path), "x", said.append).store([at(1, "old")])
    one, other = (Journal(str(tmp_path), "x", said.append) for _ in range(2))
    assert [record.service for record in one.load()] == ["old"]
    assert [record.service for record in other.load()] == ["old"]
    # The first could deliver nothing, the second what both had found in the journal.
    one.store([at(1, "old"), at(2, "a"), at(4, "b")])
    other.clear()
    assert [record.service for record in Journal(str(tmp_path), "x", said.append).load()] == ["a", "b"]
    other.store([at(3, "c")])
    assert [record.service for record in Journal(str(tmp_path), "x", said.append).load()] == ["a", "c", "b"]
    one.store([])
    last = Journal(str(tmp_path), "x", said.append)
    assert len(last.load()) == 3
    last.clear()
    assert list(tmp_path.iterdir()) == []
    assert said == []


def test_stores_at_the_same_time_wait_for_each_other(tmp_path: Path, said: list[str]) -> None:
    def store(number: int) -> None:
        Journal(str(tmp_path), "x", said.append).store([at(number, f"s{number}")])

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(store, range(64)))
    kept = Journal(str(tmp_path), "x", said.append).load()
    assert [record.service for record in kept] == [f"s{number}" for number in range(64)]


def test_a_lock_that_is_never_released_holds_no_survey(
    journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_LOCK_PATIENCE", 0.02)
    descriptor = os.open(tmp_path, os.O_RDONLY)
    flock(descriptor, LOCK_EX)
    journal.store([FINE])
    os.close(descriptor)
    assert len(journal.load()) == 1


def test_a_link_where_the_journal_is_to_be_is_replaced(journal: Journal, file: Path) -> None:
    other = file.with_name("other")
    other.write_text("kept")
    file.unlink()
    file.symlink_to(other)
    journal.store([FINE])
    assert other.read_text() == "kept"
    assert len(journal.load()) == 1
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(("mode", "is_fine"), [(0o700, True), (0o2775, True), (0o1777, True), (0o777, False)])
def test_the_folder_is_one_in_which_others_replace_nothing(mode: int, is_fine: bool, tmp_path: Path) -> None:
    tmp_path.chmod(mode)
    if is_fine:
        require_spool_folder(str(tmp_path))
    else:
        with pytest.raises(UsageError, match="can be written by everybody"):
            require_spool_folder(str(tmp_path))


@pytest.mark.parametrize("path", ["/nonexistent", "/dev/null", "a\0b"])
def test_what_is_no_folder_is_told(path: str) -> None:
    with pytest.raises(UsageError, match="must be a folder that can be written"):
        require_spool_folder(path)


def test_a_record_of_anything_else_is_a_value_error() -> None:
    for text in (b"null", b"{}", b"[]", b"\xff"):
        with pytest.raises(ValueError):  # noqa: PT011 - whichever
            Record.from_json(text)
