"""What is kept, changed and told, in this order: whatever ends a command, what is kept is not older than the table."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest
from noidlb.cli.direct import carry_out
from noidlb.config.load import parse
from noidlb.guardian import lock
from noidlb.nft import nft as kernel
from noidlb.nft.plan import Plan, plan
from noidlb.nft.run import KernelError
from noidlb.overrides import Overrides
from noidlb.service.state import StateError, StateFolder
from noidlb.service.verbs import Operation

from tests.support.lb.balancer import BOTH, ONE, Balancer
from tests.support.lb.programs import Played

BEFORE, AFTER = ONE, BOTH


@pytest.fixture
def folder(tmp_path: Path) -> StateFolder:
    folder = StateFolder(tmp_path / "state")
    with folder.locked():
        folder.save_applied(BEFORE)
        folder.save_overrides(Overrides(all_stopped=True))
    return folder


@pytest.fixture
def change(monkeypatch: pytest.MonkeyPatch, conntrack: Played) -> Plan:
    monkeypatch.setattr(kernel, "read", lambda: None)
    return plan(parse(AFTER).farms, Overrides())


def carried_out(change: Plan, folder: StateFolder) -> None:
    configuration = parse(AFTER)
    carry_out(change, folder, configuration, Operation("apply", configuration.farms, Overrides()))


def runs(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    monkeypatch.setattr(kernel, "run", lambda text: act())


def test_it_is_kept_before_the_kernel_changes(
    change: Plan, folder: StateFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    runs(monkeypatch, lambda: seen.append((folder.applied(), folder.overrides())))
    carried_out(change, folder)
    assert seen == [(AFTER, Overrides())]


def test_what_the_kernel_refuses_is_not_kept(
    change: Plan, folder: StateFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        raise KernelError("no")

    runs(monkeypatch, refuse)
    with pytest.raises(KernelError):
        carried_out(change, folder)
    assert (folder.applied(), folder.overrides()) == (BEFORE, Overrides(all_stopped=True))


def test_an_interruption_leaves_what_was_wanted(
    change: Plan, folder: StateFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    runs(monkeypatch, interrupt)
    with pytest.raises(KeyboardInterrupt):
        carried_out(change, folder)
    assert folder.applied() == AFTER


def test_a_full_disk_keeps_no_farm_from_being_served(
    change: Plan, folder: StateFolder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_: object) -> None:
        raise StateError("the state folder cannot be used: No space left on device")

    ran: list[bool] = []
    runs(monkeypatch, lambda: ran.append(True))
    monkeypatch.setattr(folder, "save_applied", fail)
    with pytest.raises(StateError, match="No space left on device; the table is changed"):
        carried_out(change, folder)
    assert ran
    assert "the table is made" in capsys.readouterr().out


def test_a_read_only_disk_keeps_no_override_from_the_kernel(applied: Balancer, monkeypatch: pytest.MonkeyPatch) -> None:
    state, opened = applied.folder / "state", os.open

    def read_only(path: str, flags: int, *rest: int, **more: int) -> int:
        if Path(path).parent == state and flags & (os.O_RDWR | os.O_WRONLY | os.O_CREAT):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        return opened(path, flags, *rest, **more)

    monkeypatch.setattr(os, "open", read_only)
    code, said = applied.run("drain", "public-ftp", "b1")
    assert (code, applied.changes) == (2, 1)
    assert "Read-only file system; --state-dir names another; the table is changed" in said
    monkeypatch.setattr("noidlb.service.state._PATIENCE", 0.05)
    with StateFolder(state).locked():
        assert "another noidlb has held" in applied.run("drain", "public-ftp", "b2")[1]


def test_a_reader_that_has_left_ends_nothing(
    change: Plan, folder: StateFolder, conntrack: Played, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs(monkeypatch, lambda: None)
    gone: list[object] = []

    def break_off(text: str, err: bool = False) -> None:
        raise BrokenPipeError

    monkeypatch.setattr("click.echo", break_off)
    monkeypatch.setattr(os, "dup2", lambda *given: gone.append(given))
    carried_out(change, folder)
    assert folder.applied() == AFTER
    assert gone
    # Clients that asked before there was a table.
    assert [call.arguments[0] for call in conntrack.calls] == ["-L"]


@pytest.mark.parametrize("words", [("down", "boot", "b1"), ("stop",), ("apply", "farms.toml")])
def test_a_guardian_that_begins_beside_a_command_keeps_it_from_changing_anything(
    applied: Balancer, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    with ExitStack() as running:
        # It has read the overrides before the command writes its own, and would overwrite them.
        monkeypatch.setattr("noidlb.cli.speak.require_nobody", lambda _: running.enter_context(lock.take()))
        monkeypatch.chdir(applied.folder)
        code, said = applied.run(*words)
    begun = f"a guardian has just begun (process {os.getpid()}), and nothing is changed: repeat the command"
    assert (code, said) == (2, f"noidlb: {begun}\n")
    assert applied.changes == 0
    assert StateFolder(applied.folder / "state").overrides() == Overrides()
