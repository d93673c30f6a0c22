"""What is written for Nagios arrives as it was, whatever a server has sent, and carries nothing else with it."""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from noidchecks import Metric, State
from noidchecks.surveys.report.nagios_command import NagiosCommand
from noidchecks.surveys.report.nagios_spool import NagiosSpool
from noidchecks.surveys.report.record import Record
from tests.support.nagios_reader import command, shown, spool_results
from tests.support.records import BANNERS, TIME, record, some

PERFDATA = "time=0.250000s;;;0.000000 'a b'=7"


def text_of(found: Record) -> str:
    # Parted, because Nagios would take the two for a line end.
    return found.text.replace("\\n", "\\ n")


@pytest.mark.parametrize("banner", BANNERS, ids=range(len(BANNERS)))
def test_spool_and_command_hold_one_result_whatever_the_banner(banner: bytes, tmp_path: Path) -> None:
    found = record(banner, state=State.WARNING)
    (result,) = spool_results(NagiosSpool(str(tmp_path)).pack(found))
    assert {name: result[name] for name in ("host_name", "service_description", "return_code", "check_type")} == {
        "host_name": "web1",
        "service_description": "ftp",
        "return_code": "1",
        "check_type": "1",
    }
    assert (float(result["start_time"]), float(result["finish_time"])) == (TIME - 0.25, TIME)
    first, more, perfdata = shown(result["output"])
    assert (more, perfdata) == ("", PERFDATA)
    assert first == text_of(found) or (first.endswith("...") and text_of(found).startswith(first[:-3]))
    data = NagiosCommand("/nowhere").pack(found)
    assert len(data) <= select.PIPE_BUF
    stamp, words = command(data)
    assert (stamp, words[:4]) == (1_700_000_000, ["PROCESS_SERVICE_CHECK_RESULT", "web1", "ftp", "1"])
    first, more, perfdata = shown(words[4])
    assert (more, perfdata) == ("", PERFDATA)
    assert first == text_of(found) or (first.endswith("...") and text_of(found).startswith(first[:-3]))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_any_banner_is_one_result(banner: bytes) -> None:
    found = record(banner)
    (result,) = spool_results(NagiosSpool("").pack(found))
    assert shown(result["output"]) == (text_of(found).rstrip(), "", PERFDATA)
    _, words = command(NagiosCommand("").pack(found))
    assert shown(words[4]) == (text_of(found).rstrip(), "", PERFDATA)


def test_a_second_line_stays_one() -> None:
    found = record(more="\nOK - certificate is valid")
    _, words = command(NagiosCommand("").pack(found))
    assert shown(words[4]) == ("FTP OK - [220 ready]", "OK - certificate is valid", PERFDATA)


def test_performance_data_that_does_not_fit_is_left_out_whole() -> None:
    found = record(b"220 " + b"A" * 4000, metrics=tuple(Metric(f"m{number}", number) for number in range(800)))
    _, words = command(NagiosCommand("").pack(found))
    first, more, perfdata = shown(words[4])
    assert (more, perfdata) == ("", "")
    assert first.startswith("FTP OK - [220 AAA")
    assert first.endswith("...")


def commands(records: Sequence[Record]) -> bytes:
    return b"".join(map(NagiosCommand("").pack, records))


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    path = tmp_path / "nagios.cmd"
    os.mkfifo(path)
    return path


def opened(path: Path) -> int:
    return os.open(path, os.O_RDONLY | os.O_NONBLOCK)


def test_commands_arrive_in_order(pipe: Path, nothing_left: object) -> None:
    reader = opened(pipe)
    report = NagiosCommand(str(pipe))
    assert not report.deliver(some(100)).left
    assert os.read(reader, 65536) == commands(some(100))
    report.close()
    os.close(reader)


def test_no_write_is_longer_than_what_arrives_in_one_piece(pipe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = opened(pipe)
    lengths: list[int] = []
    real = os.write

    def write(descriptor: int, data: bytes) -> int:
        lengths.append(len(data))
        return real(descriptor, data)

    monkeypatch.setattr(os, "write", write)
    report = NagiosCommand(str(pipe))
    assert not report.deliver([*some(30, 900), *some(3, 4090), *some(3, 0)]).left
    report.close()
    os.close(reader)
    assert max(lengths) <= select.PIPE_BUF
    assert len(lengths) < 20


def test_without_a_reader_everything_is_left(pipe: Path) -> None:
    report = NagiosCommand(str(pipe))
    delivery = report.deliver(some(3))
    assert (len(delivery.left), delivery.trouble) == (3, f"{pipe}: no process reads it")
    reader = opened(pipe)
    assert not report.deliver(delivery.left).left
    # The reader goes, with it what it has not read; a new one on the same pipe gets what comes from then on.
    os.close(reader)
    delivery = report.deliver(some(3))
    assert (len(delivery.left), delivery.trouble) == (3, f"{pipe}: no process reads it")
    reader = opened(pipe)
    assert not report.deliver(some(1)).left
    report.close()
    os.close(reader)


def test_a_new_pipe_is_found(pipe: Path) -> None:
    old = opened(pipe)
    report = NagiosCommand(str(pipe))
    assert not report.deliver(some(1)).left
    pipe.unlink()
    os.mkfifo(pipe)
    new = opened(pipe)
    assert not report.deliver(some(2)).left
    assert os.read(new, 65536).count(b"\n") == 2
    report.close()
    os.close(old)
    os.close(new)


def test_a_full_pipe_keeps_the_rest(pipe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("noidchecks.surveys.report.nagios_command._PATIENCE", 0.01)
    reader = opened(pipe)
    report = NagiosCommand(str(pipe))
    many = some(1000)
    delivery = report.deliver(many)
    assert 0 < len(delivery.left) < 1000
    assert delivery.trouble.endswith("is full: Nagios does not read it")
    received = b""

    def read() -> None:
        nonlocal received
        while not received.endswith(commands(many[-1:])):
            select.select([reader], [], [], 10)
            received += os.read(reader, 65536)

    thread = threading.Thread(target=read)
    thread.start()
    while delivery.left:
        delivery = report.deliver(delivery.left)
    thread.join(10)
    report.close()
    os.close(reader)
    assert received == commands(many)


def test_what_is_no_pipe_is_not_written_to(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("kept")
    report = NagiosCommand(str(path))
    assert report.deliver(some(1)).trouble == f"{path}: is not a pipe"
    assert report.deliver(some(1)).left
    assert path.read_text() == "kept"
    assert "No such file" in NagiosCommand(str(tmp_path / "none")).deliver(some(1)).trouble
    assert not (tmp_path / "none").exists()
