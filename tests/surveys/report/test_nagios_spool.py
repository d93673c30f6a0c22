"""The spool folder of Nagios: files that are whole, and as many as there is room for."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from noidchecks.surveys.report import nagios_spool
from noidchecks.surveys.report.nagios_spool import NagiosSpool
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


def test_a_nagios_that_takes_nothing_does_not_fill_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nagios_spool, "_MOST_FILES", 3)
    report = NagiosSpool(str(tmp_path))
    for _ in range(4):
        assert not report.deliver(some(1)).left
    delivery = report.deliver(some(1))
    assert len(delivery.left) == 1
    assert "more than 3 files wait" in delivery.trouble
