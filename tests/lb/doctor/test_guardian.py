from __future__ import annotations

import socket
from pathlib import Path

from noidlb.doctor.finding import Finding
from noidlb.doctor.guardian import Heard, examine_guardian
from noidlb.farm import Farm
from noidlb.guard import Guard
from noidlb.overrides import Overrides

from tests.support.lb.farms import farm

WATCHED = farm("w", guardian=Guard())
PLAIN = farm("p")
WELL = Heard("1 farm")


def look(
    *farms: Farm,
    overrides: Overrides | None = None,
    path: Path = Path("/nowhere"),
    holder: str = "",
    heard: Heard = WELL,
) -> list[Finding]:
    return list(examine_guardian(farms, overrides or Overrides(), path, holder, heard))


def test_a_guardian_that_watches() -> None:
    (found,) = look(WATCHED, holder="process 7")
    assert str(found) == "ok     guardian: process 7 watches the farms: 1 farm"
    (found,) = look(WATCHED, holder="process 7", heard=Heard())
    assert str(found) == "ok     guardian: process 7 watches the farms; it does not listen at /nowhere"
    assert look(PLAIN) == []
    assert look() == []


def test_a_guardian_that_hangs_or_is_in_trouble() -> None:
    (found,) = look(WATCHED, holder="process 7", heard=Heard(silence="it does not answer"))
    assert found.level == "fault"
    assert found.text.startswith("process 7 has the lock, but it does not answer: dead backends get clients")
    well, trouble = look(WATCHED, holder="process 7", heard=Heard("1 farm", ["The disk is full"]))
    assert (well.level, str(trouble)) == ("ok", "warn   guardian: The disk is full")


def test_no_guardian_though_the_file_asks_for_one() -> None:
    (found,) = look(WATCHED, PLAIN)
    assert found.level == "fault"
    assert "none runs, though the file asks for one for w" in found.text
    assert "systemctl enable --now noidlb-guard" in found.cure


def test_a_guardian_that_was_killed_leaves_its_socket(tmp_path: Path) -> None:
    path = tmp_path / "control"
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(path))
    for farms in ((WATCHED,), (PLAIN,)):
        (found,) = look(*farms, path=path)
        assert found.level == "fault"
        assert f"was killed, and left its socket {path}" in found.text
    assert [one.level for one in look(WATCHED, path=path, holder="process 7")] == ["ok"]


def test_stopped_farms() -> None:
    (found,) = look(PLAIN, overrides=Overrides(all_stopped=True))
    assert str(found).startswith("fault  farms: all are stopped by the operator, and refuse every client: noidlb start")
    assert [one.level for one in look(PLAIN, overrides=Overrides(stopped=frozenset({"p"})))] == ["fault"]
    found = look(WATCHED, PLAIN, overrides=Overrides(stopped=frozenset({"p"})), holder="process 7")[0]
    assert found.level == "warn"
    assert "stopped by the operator: p" in found.text


def test_commands_that_cannot_be_run() -> None:
    found = look(farm("w", guardian=Guard(commands=("/no/such/plugin HOST",))), holder="process 7")[0]
    assert (found.level, found.subject) == ("fault", "farms.w.guardian.command")
    assert "backends cannot be checked" in found.text
    assert "/no/such/plugin" in found.text
