"""A guardian's service whose file is read again."""

from __future__ import annotations

import gc
import os
import signal
from weakref import ref

import pytest
from noidlb.farm import BackendState
from noidlb.nft import host as modules
from noidlb.service import service
from noidlb.service.protocol import RequestError

from tests.support.lb.programs import Played
from tests.support.lb.served import Served, running, text
from tests.support.waiting import until_async as until

DOWN, DRAIN = BackendState.DOWN, BackendState.DRAIN


async def test_the_file_is_read_again(served: Served) -> None:
    async with running(served):
        await served.ask("say", farm="f", backend="b1", state="down")
        served.file.write_text(text() + text(farm="g").replace("192.0.2.10", "192.0.2.11"))
        answer = await served.ask("reload")
        assert answer["lines"] == ["2 farms, 4 backends: applied"]
        assert served.kernel.state("b1") is DOWN
        served.file.write_text(text(farm="g"))
        os.kill(os.getpid(), signal.SIGHUP)
        await until(lambda: served.kinds().count("reload") == 2)
        with pytest.raises(RequestError, match="no farm 'f'"):
            await served.ask("say", farm="f", backend="b1", state="up")
    told = served.hear()
    assert [line for line in told if line.startswith("RELOADING=1")]
    # What was said about a farm that has gone is forgotten.
    assert served.folder.overrides().states == {}


async def test_a_reload_is_no_ready_before_the_kernel_has_the_farms(served: Served) -> None:
    served.kernel.failures = 1_000_000
    async with running(served):
        await until(lambda: "apply-failed" in served.kinds())
        with pytest.raises(RequestError, match="nft refuses"):
            await served.ask("reload")
        served.file.write_text("nonsense")
        with pytest.raises(RequestError, match=r"farms\.toml"):
            await served.ask("reload")
        assert not [line for line in served.hear() if line.startswith(("READY", "RELOADING"))]
        served.kernel.failures = 0
        await until(lambda: "READY=1" in served.hear())
        assert served.kernel.conditions


async def test_a_reload_loads_the_modules_of_new_farms(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    # The kernel lacks all of them.
    monkeypatch.setattr(modules, "load", list)
    async with running(served):
        assert "note" not in served.kinds()
        ftp = text(farm="g", vip="192.0.2.11").replace('"tcp"', '"ftp"')
        served.file.write_text(text() + ftp)
        await served.ask("reload")
        (note,) = [event.reason for event in served.events if event.kind == "note"]
        assert note.startswith("the kernel lacks nf_nat_ftp,")


async def test_a_reload_cuts_what_the_table_lacked_before(served: Served, conntrack: Played) -> None:
    done = "conntrack v1.4.8 (conntrack-tools): 3 flow entries have been deleted.\n"
    conntrack.answer("-D", err="Operation not permitted\n", code=1, times=1)
    conntrack.answer("-D", err=done)
    both = text() + text(farm="g", vip="192.0.2.11")
    served.file.write_text(both)
    async with running(served):
        # What the verdicts change would meet the refusal in place of the reload.
        await until(lambda: served.kinds().count("up") == 4)
        await served.ask("say", farm="f", backend="b1", state="down")
        assert (await served.ask("reload", cut=True))["lines"] == ["2 farms, 4 backends: applied", "ended 0 flows"]
        served.file.write_text(both.replace('[[farms.f.backends]]\nname = "b1"\naddress = "10.20.1.2"\n', ""))
        with pytest.raises(RequestError, match="the kernel refuses conntrack"):
            await served.ask("reload", cut=True)
        # The farms are applied; the next reload ends what this one could not.
        assert (await served.ask("reload", cut=True))["lines"] == ["2 farms, 3 backends: applied", "ended 3 flows"]
        served.kernel.failures = 1
        served.file.write_text(text())
        with pytest.raises(RequestError, match="the guardian will try again"):
            await served.ask("reload", cut=True)
        assert (await served.ask("reload", cut=True))["lines"] == ["1 farm, 2 backends: applied", "ended 6 flows"]
        assert (await served.ask("reload", cut=True))["lines"] == ["1 farm, 2 backends: applied", "ended 0 flows"]
    cuts = [call.arguments[2] for call in conntrack.calls if call.arguments[:2] == ["-D", "-f"]]
    # A farm that is removed is cut in both families.
    assert sorted(cuts) == ["ipv4", "ipv4", "ipv4", "ipv6"]


@pytest.mark.parametrize("bad", ["nonsense", "[farms.f]\nprotocol = 'tcp'\n", None], ids=["text", "farm", "gone"])
async def test_a_bad_file_is_reported_and_the_old_one_stays(served: Served, bad: str | None) -> None:
    async with running(served):
        await served.is_still()
        before = len(served.kernel.conditions)
        if bad is None:
            served.file.unlink()
        else:
            served.file.write_text(bad)
        os.kill(os.getpid(), signal.SIGHUP)
        await until(lambda: "reload-failed" in served.kinds())
        with pytest.raises(RequestError, match=r"farms\.toml|farms\.f"):
            await served.ask("reload")
        assert len(served.kernel.conditions) == before
        assert (await served.ask("say", farm="f", backend="b1", state="down"))["lines"]
        told = served.hear()
        # However bad the file is, the service manager does not wait for the end of a reload.
        assert told.index("READY=1", next(i for i, line in enumerate(told) if line.startswith("RELOADING")))
    reasons = [event.reason for event in served.events if event.kind == "reload-failed"]
    assert all(str(served.file) in reason and reason.endswith("stay as they were") for reason in reasons)


async def test_garbage_does_not_outlive_a_reload(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    # That of the start, which may come late, keeps what is garbage by then.
    monkeypatch.setattr(service, "exempt", lambda *_: None)
    async with running(served):
        await until(lambda: served.kinds().count("up") == 2)
        # A closed connection of asyncio's is such a cycle; this one is as old as garbage can be.
        cycle = Served.__new__(Served)
        cycle.__dict__["itself"] = cycle
        gone = ref(cycle)
        gc.collect()
        del cycle
        await served.ask("reload")
        assert gone() is None


async def test_a_reload_with_a_command_that_cannot_be_run_changes_nothing(served: Served) -> None:
    served.file.write_text(text())
    async with running(served):
        await served.is_still()
        served.file.write_text(text("/no/such/plugin HOST"))
        with pytest.raises(RequestError, match="/no/such/plugin"):
            await served.ask("reload")
        assert "reload-failed" in served.kinds()
        assert served.kinds().count("keep") == 0
