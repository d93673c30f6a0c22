"""The played programs, a service and a balancer as fixtures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from noidlb.nft import host as modules, nfnetlink, nft as kernel, run as program
from noidlb.nft.plan import Plan

from tests.support.lb.balancer import BOTH, Balancer
from tests.support.lb.netfilter import PlayedNetfilter
from tests.support.lb.programs import Played
from tests.support.lb.served import Served, text


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder in which programs are found; it is empty."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr(program, "_SYSTEM_PATH", str(folder))
    return folder


@pytest.fixture
def nft(path: Path) -> Played:
    """An nft that accepts everything."""
    return Played(path, "nft")


@pytest.fixture
def conntrack(path: Path) -> Played:
    """A conntrack without flows."""
    return Played(path, "conntrack")


@pytest.fixture(autouse=True)
def netfilter(monkeypatch: pytest.MonkeyPatch) -> PlayedNetfilter:
    """Keeps guardians of tests from meeting each other, or one of this machine."""
    played = PlayedNetfilter()
    for name in ("opened", "ask", "create"):
        monkeypatch.setattr(nfnetlink, name, getattr(played, name))
    return played


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, conntrack: Played) -> Iterator[Served]:
    """A service that has not begun yet."""
    monkeypatch.setattr(kernel, "missing_parts", list)
    monkeypatch.setattr(kernel, "read", lambda: None)
    monkeypatch.setattr(modules, "load", lambda _: [])
    one = Served(tmp_path)
    one.file.write_text(text())
    with one.manager:
        yield one
    one.notifier.close()


@pytest.fixture
def balancer(tmp_path: Path, conntrack: Played, monkeypatch: pytest.MonkeyPatch) -> Balancer:
    """A balancer to which nothing has been applied yet."""
    made = Balancer(tmp_path, conntrack)

    def change(plan: Plan) -> None:
        made.change(plan.batches)

    def remove() -> None:
        made.holds = None

    monkeypatch.setattr(kernel, "read", made.read)
    monkeypatch.setattr("noidlb.cli.direct.generation", lambda: made.generation)
    monkeypatch.setattr(kernel, "remove", remove)
    monkeypatch.setattr(Plan, "run", change)
    monkeypatch.setattr("noidlb.nft.host.is_there", lambda name: True)
    monkeypatch.setattr("noidlb.cli.apply.obstacles", lambda farms, in_pair: [])
    return made


@pytest.fixture
def applied(balancer: Balancer) -> Balancer:
    """A balancer that serves both farms."""
    assert balancer.run("apply", balancer.write(BOTH)) == (0, "the table is made, with 2 farms\n")
    balancer.changes = 0
    return balancer
