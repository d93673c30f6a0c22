"""The table of noidlb status on terminals of every width."""

from __future__ import annotations

import re

import pytest
from noidlb.cli.status_table import Terminal, _columns, terminal, to_table
from noidlb.farm import BackendState, Condition
from noidlb.farm_status import BackendView, FarmStatus
from noidlb.nft.compile import compile_table
from noidlb.nft.table import Snapshot
from noidlb.overrides import Overrides
from noidlb.status import statuses

from tests.support.lb.farms import farm

REASON = "FTP CRITICAL - get whoami.txt: data channel: EPSV 198.51.100.10 port 9: Connection refused, and so on"
FARMS = (farm("up", 2, vip=farm().vip[:1]), farm("both", 2))
LOST = Condition(BackendState.UP, lost=frozenset({6}))
TABLE = compile_table(FARMS, {("both", "b1"): LOST, ("both", "b2"): LOST, ("up", "b1"): Condition(BackendState.DOWN)})
SIGHTS = {
    ("up", "b1"): BackendView(state="down", reason=REASON, since=1.0, seconds=0.01, flaps=1),
    ("up", "b2"): BackendView(state="up", seconds=0.01),
}
STATUSES = statuses(FARMS, Overrides(), Snapshot(1, TABLE), {}, SIGHTS)


def plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


@pytest.mark.parametrize("width", [1, 2, 10, 20, 40, 60, 79, 80, 81, 100, 120, 160, 400])
def test_no_line_is_longer_than_the_terminal(width: int) -> None:
    written = to_table(STATUSES, Terminal(width))
    assert all(_columns(line) <= width for line in written.splitlines())
    # Colours take no room and change nothing.
    assert plain(to_table(STATUSES, Terminal(width, has_colors=True))) == written


def test_what_is_no_terminal_gets_whole_lines() -> None:
    assert REASON in to_table(STATUSES)
    assert "\x1b" not in to_table(STATUSES)


@pytest.mark.parametrize("width", [80, 160])
def test_what_matters_is_there(width: int) -> None:
    lines = to_table(STATUSES, Terminal(width)).splitlines()
    shown = "\n".join(lines)
    assert all(word in shown for word in ("b1", "b2", "partial", "down", "IPv6 refusing", "get whoami.txt"))
    # At 80 columns the reason has a line of its own.
    assert any(line.startswith("    since") for line in lines) == (width == 80)


def test_one_family_that_refuses_is_shown() -> None:
    both = STATUSES[1]
    assert (both.state, both.families) == ("partial", {"ipv4": "serving", "ipv6": "refusing"})
    assert [one.state for one in both.backends] == ["up", "up"]
    assert [one.lost for one in both.backends] == [("ipv6",), ("ipv6",)]
    (line,) = (line for line in to_table(STATUSES).splitlines() if line.startswith("both"))
    assert line.endswith("IPv4 serving, IPv6 refusing")
    assert "no clients over IPv6" in to_table(STATUSES)


def test_colours_are_those_of_the_states() -> None:
    written = to_table(STATUSES, Terminal(200, has_colors=True))
    assert "\x1b[31mdown\x1b[0m" in written
    assert "\x1b[33mpartial\x1b[0m" in written
    assert "\x1b[32mserving\x1b[0m" in written
    # A farm that is called like a state.
    assert written.splitlines()[1].startswith("up ")


def test_wide_letters_count_twice() -> None:
    sight = BackendView(state="down", reason="サーバーが応答しません" * 5)
    one = STATUSES[0].backends[0]._replace(guardian=sight)
    found: tuple[FarmStatus, ...] = (STATUSES[0]._replace(backends=(one,)),)
    assert all(_columns(line) <= 100 for line in to_table(found, Terminal(100)).splitlines())


class Screen:
    def __init__(self, is_terminal: bool) -> None:
        self.is_terminal = is_terminal

    def isatty(self) -> bool:
        return self.is_terminal


def test_only_a_terminal_has_a_width_and_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "97")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr("sys.stdout", Screen(False))
    assert terminal() == Terminal()
    monkeypatch.setattr("sys.stdout", None)
    assert terminal() == Terminal()
    monkeypatch.setattr("sys.stdout", Screen(True))
    assert terminal() == Terminal(97, has_colors=True)
    monkeypatch.setenv("NO_COLOR", "1")
    assert terminal() == Terminal(97, has_colors=False)
    monkeypatch.setenv("NO_COLOR", "")
    monkeypatch.setenv("TERM", "dumb")
    assert not terminal().has_colors
