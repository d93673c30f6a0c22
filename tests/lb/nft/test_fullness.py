"""How full the tables are that all clients share."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from noidlb.nft import fullness, nfnetlink
from noidlb.nft.fullness import Fullness, expectations, sticky

from tests.support.lb.farms import farm

HEAD = "entries  clashres found expect_new expect_create expect_delete search_restart\n"


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(fullness, "_STATISTICS", tmp_path / "statistics")
    monkeypatch.setattr(fullness, "_MOST_EXPECTED", tmp_path / "most")
    (tmp_path / "most").write_text("4096\n")
    return tmp_path / "statistics"


def test_expectations_are_those_made_and_not_ended_by_any_processor(told: Path) -> None:
    told.write_text(f"{HEAD}1 0 0 0 00000010 00000002 0\n1 0 0 0 00000001 00000005 0\n")
    assert expectations() == Fullness(10, 4096)


@pytest.mark.parametrize("text", ["", "nonsense\n", f"{HEAD}1 0\n", f"{HEAD}1 0 0 0 x y 0\n"])
def test_where_the_kernel_tells_nothing_there_is_nothing(told: Path, text: str) -> None:
    told.write_text(text)
    assert expectations() is None
    told.unlink()
    assert expectations() is None


@pytest.mark.parametrize(
    ("answer", "expected"),
    [({20: (7).to_bytes(4)}, {4: Fullness(7, 262144), 6: Fullness(7, 262144)}), ({}, {}), (PermissionError(), {})],
)
def test_remembered_clients(
    monkeypatch: pytest.MonkeyPatch, answer: dict[int, bytes] | OSError, expected: dict[int, Fullness]
) -> None:
    def ask(*_: object, **__: object) -> dict[int, bytes]:
        if isinstance(answer, OSError):
            raise answer
        return answer

    monkeypatch.setattr(nfnetlink, "opened", lambda: socket.socket(socket.AF_UNIX))
    monkeypatch.setattr(nfnetlink, "ask", ask)
    assert sticky([farm("ftp", sticky=60)]) == expected
    assert sticky([farm("ftp")]) == {}
