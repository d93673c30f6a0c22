"""The service with everything around the guardian; the kernel alone is played."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from noidlb.errors import FarmError, GuardError
from noidlb.events import EventLog
from noidlb.farm import BackendState
from noidlb.guardian import lock
from noidlb.nft import nft as kernel
from noidlb.nft.run import KernelError
from noidlb.overrides import Overrides
from noidlb.role import Role
from noidlb.service import service
from noidlb.service.protocol import RequestError
from noidlb.service.service import Options, Service
from noidlb.service.state import StateError, StateFolder

from noidchecks.systemd import Notifier
from tests.support.lb.fake_nft import FakeKernel
from tests.support.lb.served import Served, running, text
from tests.support.waiting import until_async as until

DOWN, DRAIN = BackendState.DOWN, BackendState.DRAIN


async def test_a_life(served: Served) -> None:
    async with running(served) as task:
        await until(lambda: served.kinds().count("up") == 2)
        await until(lambda: "READY=1" in served.hear())
        await until(lambda: served.hear().count("WATCHDOG=1") > 1)
        await until(lambda: any("2 watched backends 2 up" in line for line in served.hear()))
        assert served.path.exists()
        # For what reads the state folder when no guardian runs.
        await until(lambda: served.folder.applied() == served.file.read_text())
    assert task.result() == 0
    assert served.kinds()[-1] == "stop"
    assert not served.path.exists()
    assert lock.holder() == ""


async def test_it_says_how_it_is(served: Served) -> None:
    async with running(served):
        await until(lambda: served.kinds().count("up") == 2)
        answer = await served.ask("summary")
        assert (answer["summary"], answer["troubles"]) == ("1 farm, 2 backends; of 2 watched backends 2 up", [])
        served.kernel.failures = 1_000_000
        with pytest.raises(RequestError):
            await served.ask("say", farm="f", backend="b1", state="drain")
        (trouble,) = (await served.ask("summary"))["troubles"]
        assert trouble.startswith("The kernel has not taken the last change: ")


async def test_words_hold_and_are_kept(served: Served) -> None:
    async with running(served):
        await until(lambda: served.kinds().count("up") == 2)
        answer = await served.ask("say", farm="f", backend="b1", state="drain")
        assert answer["lines"] == ["backend f/b1: drain"]
        assert served.kernel.state("b1") is DRAIN
        assert (await served.ask("say", farm="f", backend="b1", state="drain"))["lines"] == ["nothing to change"]
        await served.ask("stop", farm="f")
        assert [event.reason for event in served.events if event.kind == "word"] == ["drain", "stop"]
    overrides = served.folder.overrides()
    assert overrides.states == {("f", "b1"): DRAIN}


async def test_a_word_for_one_that_is_down_says_so(served: Served) -> None:
    served.file.write_text(text("/bin/sh -c 'echo gone; exit 2'"))
    async with running(served):
        await until(lambda: served.kinds().count("down") == 2)
        await served.ask("say", farm="f", backend="b1", state="down")
        lines = (await served.ask("say", farm="f", backend="b1", state="up"))["lines"]
        assert lines[-1] == "the guardian keeps it out, for it is down: gone"
        assert served.kernel.state("b1") is DOWN


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        ({"do": "dance"}, "do must be one of"),
        ({"do": ["say"]}, "do must be one of"),
        ({"do": "say", "farm": "f"}, "state must be"),
        ({"do": "say", "farm": "f", "state": "up"}, "must be given"),
        ({"do": "say", "farm": "g", "backend": "b1", "state": "up"}, "no farm 'g'"),
        ({"do": "say", "farm": "f", "backend": "b3", "state": "up"}, "no backend 'b3'"),
        ({"do": "say", "farm": "f", "backend": 3, "state": "up"}, "backend must be a name"),
        ({"do": "say", "farm": "x" * 64, "backend": "b1", "state": "up"}, "no farm 'xxx"),
        ({"do": "stop", "cut": "yes"}, "cut must be"),
        ({"do": "events", "limit": -1}, "limit must be"),
        ({"do": "events", "limit": True}, "limit must be"),
        ({"do": "events", "farm": "g"}, "no farm 'g'"),
    ],
)
async def test_what_makes_no_sense_is_refused(served: Served, request_: dict[str, Any], error: str) -> None:
    async with running(served):
        with pytest.raises(RequestError, match=error) as caught:
            await served.ask(**request_)
        assert caught.value.exit_code == 3
        assert "word" not in served.kinds()


async def test_a_refusing_kernel_is_the_answer(served: Served) -> None:
    async with running(served):
        # What the verdicts change would meet the refusal in place of the word.
        await served.is_still()
        served.kernel.failures = 1
        with pytest.raises(RequestError, match="nft refuses; the guardian will try again") as caught:
            await served.ask("say", farm="f", backend="b1", state="down")
        assert caught.value.exit_code == 2
        await until(lambda: served.kernel.state("b1") is DOWN)


async def test_ready_waits_for_the_kernel(served: Served) -> None:
    served.kernel.failures = 2
    async with running(served):
        await until(lambda: "apply-failed" in served.kinds())
        await until(lambda: "READY=1" in served.hear())
        # Not before the kernel had taken it.
        assert served.kernel.conditions


async def test_events_can_be_asked_for(served: Served) -> None:
    served.file.write_text(text("/bin/sh -c 'echo gone; exit 2'"))
    async with running(served):
        await until(lambda: served.kinds().count("down") == 2)
        found = (await served.ask("events", farm="f", backend="b2"))["events"]
        assert [(one["kind"], one["reason"], one["backend"]) for one in found] == [("down", "gone", "b2")]
        assert (await served.ask("events", limit=0))["events"] == []
        assert (await served.ask("events", limit=1))["events"][0]["kind"] == served.events[-1].kind


async def test_status_has_what_the_guardian_sees(served: Served) -> None:
    async with running(served):
        await until(lambda: served.kinds().count("up") == 2)
        (farm,) = (await served.ask("status"))["status"]["farms"]
        sight = farm["backends"][0]["guardian"]
        assert (sight["state"], sight["flaps"]) == ("up", 0)
        assert sight["seconds"] > 0


async def test_a_full_disk_is_told_and_stops_nothing(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise StateError("No space left on device")

    async with running(served):
        await until(lambda: served.kinds().count("up") == 2)
        with monkeypatch.context() as patched:
            patched.setattr(StateFolder, "save_overrides", full)
            lines = (await served.ask("say", farm="f", backend="b1", state="down"))["lines"]
            assert "No space left" in lines[1]
            assert served.kernel.state("b1") is DOWN
            await until(lambda: any("not written: No space" in line for line in served.hear()))
    # The end tries a last time.
    assert served.folder.overrides().states == {("f", "b1"): DOWN}


async def test_a_copy_of_the_farms_that_cannot_be_read_stops_nothing(served: Served) -> None:
    """As one that root has restored; the farms themselves are in the file."""
    copy = served.folder.applied_path
    os.makedirs(copy)
    async with running(served):
        await until(lambda: served.kinds().count("up") == 2)
        await until(lambda: "save-failed" in served.kinds())
        os.rmdir(copy)
    assert served.folder.applied() == served.file.read_text()


async def test_the_hook_and_the_metrics_of_the_file(served: Served, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    file = tmp_path / "told"
    hook = f'hook = ["/bin/sh", "-c", "/bin/cat >> {file}"]'
    served.file.write_text(text(service=f'[service]\n{hook}\nmetrics = "127.0.0.1:{port}"\n'))
    async with running(served):
        await until(lambda: served.kinds().count("up") == 2)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /metrics HTTP/1.1\r\n\r\n")
        page = (await reader.read()).decode()
        writer.close()
        assert 'noidlb_backend_up{farm="f",backend="b1"' in page
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        page = (await reader.read()).decode()
        writer.close()
        assert "Content-Security-Policy: default-src 'none';" in page
        assert "1 farm, 2 backends" in page
        await until(lambda: file.exists() and len(file.read_text().splitlines()) >= 3)
        # Without the settings, neither is there any more.
        served.file.write_text(text())
        await served.ask("reload")
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)
    assert {"start", "up"} <= {json.loads(line)["kind"] for line in file.read_text().splitlines()}


async def test_what_is_measured_has_the_weights_of_the_guardian(served: Served) -> None:
    served.file.write_text(text().replace('protocol = "tcp"', 'protocol = "tcp"\nscheduler = "least-connections"'))
    async with running(served):
        await served.is_still()
        assert served.service._running is not None
        guardian = served.service._running.guardian
        guardian.reconciler.shares["f"] = {"b1": 20, "b2": 300}
        guardian.reconciler.request({"f"}, 0.0)
        await guardian.settle()
        assert (await served.service._look()).weights == {"f": {"b1": 20, "b2": 300}}


async def test_metrics_that_cannot_be_served_are_an_event(served: Served) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        served.file.write_text(text(service=f'[service]\nmetrics = "127.0.0.1:{taken.getsockname()[1]}"\n'))
        async with running(served):
            await until(lambda: served.kinds().count("up") == 2)
    assert "metrics-failed" in served.kinds()


def test_the_role_is_that_of_its_own_run_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    roles: list[Callable[[], Role]] = []
    monkeypatch.setattr(service, "NftApplier", lambda role_of: roles.append(role_of))
    options = Options(file="x", folder=StateFolder(tmp_path), socket=tmp_path / "control", run_folder=tmp_path)
    Service(options, EventLog(), notifier=Notifier({}))
    (tmp_path / "role").write_text("backup\n")
    assert [role_of() for role_of in roles] == [Role.BACKUP]


async def test_it_can_be_seen_before_it_reads_the_overrides(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    # A command that writes an override looks for a guardian under the lock of the folder, and relies on this order.
    seen: list[str] = []
    read = StateFolder.overrides

    def overrides(folder: StateFolder, *, put_aside: bool = False) -> Overrides:
        seen.append(lock.holder())
        return read(folder, put_aside=put_aside)

    monkeypatch.setattr(StateFolder, "overrides", overrides)
    async with running(served):
        assert seen == [f"process {os.getpid()}"]


async def test_a_second_guardian_is_refused(served: Served) -> None:
    async with running(served):
        second = Service(served.options, EventLog(), notifier=Notifier({}), applier=FakeKernel())
        with pytest.raises(GuardError, match=f"another guardian watches this table already: process {os.getpid()}"):
            await second.run()
        await served.ask("status")


async def test_it_does_not_begin_with_a_bad_file(served: Served) -> None:
    served.file.write_text("nonsense")
    with pytest.raises(FarmError):
        await served.service.run()
    assert lock.holder() == ""


async def test_a_kernel_without_its_parts_is_said(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel, "missing_parts", lambda: ["nf_tables"])
    with pytest.raises(KernelError, match="lacks nf_tables"):
        await served.service.run()


async def test_a_kernel_that_hangs_is_not_called_alive(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, over = threading.Event(), threading.Event()
    async with running(served):
        await until(lambda: served.kinds().count("up") == 2)
        assert served.service._running is not None
        play, guardian = served.kernel.apply, served.service._running.guardian

        def hang(*given: Any) -> Any:
            begun.set()
            over.wait(60)
            return play(*given)

        monkeypatch.setattr(served.kernel, "apply", hang)
        saying = asyncio.create_task(served.ask("say", farm="f", backend="b1", state="down"))
        # What the verdicts brought may still be under way, and takes its time on a busy machine.
        await until(begun.is_set)
        # After the time of the watchdog, 0.3 s here, only STATUS comes.
        await until(lambda: guardian.reconciler.worker.stalled() > 0.4)
        alive = served.hear().count("WATCHDOG=1")
        lines = len(served.hear())
        await until(lambda: len(served.hear()) > lines + 3)
        assert served.hear().count("WATCHDOG=1") == alive
        over.set()
        await saying
        await until(lambda: served.hear().count("WATCHDOG=1") > alive)


async def test_a_file_that_was_applied_before_is_served_whatever_is_missing_since(
    served: Served, tmp_path: Path
) -> None:
    plugin = tmp_path / "check_own"
    plugin.write_text("#!/bin/sh\nexit 0\n")
    plugin.chmod(0o755)
    served.file.write_text(text(f"{plugin} HOST"))
    async with running(served):
        await served.is_still()
        await until(lambda: served.folder.applied() is not None)
    plugin.unlink()
    again = Served.__new__(Served)
    again.__dict__.update(served.__dict__)
    again.service = Service(served.options, served.log, applier=FakeKernel())
    async with running(again):
        await until(lambda: served.kinds().count("keep") == 2)
    notes = [event.reason for event in served.events if event.kind == "note"]
    assert any(str(plugin) in reason for reason in notes)
    # A file that was never applied is refused.
    served.file.write_text(text(f"{plugin} HOST", farm="other"))
    with pytest.raises(FarmError, match="check_own"):
        await Service(served.options, served.log, applier=FakeKernel()).run()


async def test_the_log_says_at_the_start_which_farms_are_stopped(served: Served) -> None:
    served.file.write_text(text())
    with served.folder.locked():
        served.folder.save_overrides(Overrides(stopped=frozenset({"f"})))
    async with running(served):
        await until(lambda: "note" in served.kinds())
    (note,) = [event.reason for event in served.events if event.kind == "note"]
    assert note == "all farms are stopped, and refuse their clients: noidlb start lets them serve"
