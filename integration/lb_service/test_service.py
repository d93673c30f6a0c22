"""`noidlb guard` as a service: what its operator, its service manager and its successor meet."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from integration.lab import Lab, vip
from integration.lab.faults import REFUSE, fault
from integration.lab.names import ask_often
from integration.lb.balance import flows
from integration.lb.farms import Value
from integration.lb_guard.farms import guarded
from integration.lb_guard.traffic import reached, traffic
from integration.lb_service.serving import Serving
from tests.support.waiting import until

pytestmark = pytest.mark.root

Serve = Callable[..., Serving]
BACKENDS = ("b1", "b2", "b3")
OTHERS = {"b1", "b3"}
COMMAND = "check_ftp -H HOST -p 21"
# The backend is refused by its FTP server alone: who asks for its name would still be answered.
FTP_REFUSES = "tcp dport 21 reject with tcp reset"
NET_ADMIN = (
    *("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--no-new-privs"),
    *("--bounding-set=-all,+net_admin", "--inh-caps=-all,+net_admin", "--ambient-caps=-all,+net_admin"),
)


def text(lab: Lab, names: int, **settings: Value) -> str:
    """A farm whose backends are never down because the machine is slow."""
    return guarded(lab, "tcp", ports=[names], command=COMMAND, settings={"timeout": "20s", **settings})


@pytest.fixture
def serving(lab: Lab, names: int, serve: Serve) -> Serving:
    """A service that has seen all backends up and has them in the kernel."""
    one = serve(text(lab, names))
    one.wait_all("up", *BACKENDS)
    one.wait_told("READY=1")
    until(lambda: reached(lab, names) == set(BACKENDS))
    return one


def test_the_service_manager_is_told(serving: Serving) -> None:
    serving.wait_told("WATCHDOG=1", 3)
    assert any(line.startswith("STATUS=1 farm, 3 backends") for line in serving.told)
    assert serving.stop() == 0
    assert "STOPPING=1" in serving.told


def test_sigterm_leaves_the_table(lab: Lab, names: int, serving: Serving) -> None:
    with fault(lab.backends[1], FTP_REFUSES):
        serving.wait("down", "b2")
        until(lambda: reached(lab, names) == OTHERS)
        before = lab.balancer.run(("nft", "-s", "list", "table", "inet", "noidlb")).stdout
        assert serving.stop() == 0
        assert lab.balancer.run(("nft", "-s", "list", "table", "inet", "noidlb")).stdout == before
        assert reached(lab, names) == OTHERS


def test_killed_and_restarted(lab: Lab, names: int, serving: Serving) -> None:
    with fault(lab.backends[1], FTP_REFUSES):
        serving.wait("down", "b2")
        until(lambda: reached(lab, names) == OTHERS)
        with traffic(lab, names) as answers:
            serving.kill()
            time.sleep(0.3)
            seen = len(serving.events)
            # Its control socket is still there, and stands in nobody's way.
            assert (serving.state / "control").exists()
            serving.start()
            serving.wait_all("up", "b1", "b3", after=seen)
            serving.wait("down", "b2", after=seen)
            time.sleep(0.3)
        assert set(answers) == OTHERS


def test_a_second_one_is_refused(lab: Lab, serving: Serving, tmp_path: Path) -> None:
    said = serving.noidlb("guard", "--state-dir", str(tmp_path), str(serving.file), code=2)
    assert f"another guardian watches this table already: process {serving.process.pid}" in said
    # Nor may anybody else apply while one runs, wherever it listens.
    assert "a guardian" in serving.noidlb("apply", str(serving.file), code=2)
    assert "not at" in serving.noidlb("apply", "--state-dir", str(tmp_path), str(serving.file), code=2)


def test_the_operator_speaks_to_it(lab: Lab, names: int, serving: Serving) -> None:
    assert serving.noidlb("drain", "farm", "b1") == "backend farm/b1: drain\n"
    assert reached(lab, names) == {"b2", "b3"}
    status = json.loads(serving.noidlb("status", "--json"))["farms"][0]["backends"]
    assert [one["state"] for one in status] == ["drain", "up", "up"]
    assert [one["guardian"]["state"] for one in status] == ["up"] * 3
    serving.noidlb("down", "farm", "b2")
    assert reached(lab, names) == {"b3"}
    serving.noidlb("up", "farm", "b1")
    assert reached(lab, names) == OTHERS
    found = serving.noidlb("events", "farm")
    assert "farm/b1 word: drain" in found
    assert serving.noidlb("stop", "farm") == "farm farm: stopped\n"
    assert reached(lab, names) == {"refused"}
    serving.noidlb("start", "farm")
    assert reached(lab, names) == OTHERS
    assert "no backend 'b9'" in serving.noidlb("up", "farm", "b9", code=3)


def test_diff_knows_what_the_guardian_sees(lab: Lab, names: int, serving: Serving) -> None:
    with fault(lab.backends[1], FTP_REFUSES):
        serving.wait("down", "b2")
        until(lambda: reached(lab, names) == OTHERS)
        assert serving.noidlb("diff", str(serving.file)) == "nothing to change\n"
        # Another port of the VIP, and a probe that is known already.
        serving.file.write_text(guarded(lab, "tcp", ports=[names, names + 1], command=COMMAND))
        shown = serving.noidlb("diff", str(serving.file), code=1)
        assert f"service tcp {vip(4)} {names + 1} of farm farm: added" in shown
        assert "backend farm/b2" not in shown
        serving.noidlb("reload")
        assert serving.noidlb("diff", str(serving.file)) == "nothing to change\n"


def test_words_survive_a_restart(lab: Lab, names: int, serving: Serving) -> None:
    serving.noidlb("down", "farm", "b3")
    serving.kill()
    seen = len(serving.events)
    serving.start()
    serving.wait_all("up", *BACKENDS, after=seen)
    assert reached(lab, names) == {"b1", "b2"}
    serving.noidlb("up", "farm", "b3")
    assert reached(lab, names) == set(BACKENDS)


def test_the_last_failure_is_kept_with_its_dialogue(lab: Lab, serving: Serving) -> None:
    with fault(lab.backends[1], REFUSE):
        serving.wait("down", "b2")
        found = serving.noidlb("events", "farm", "b2")
    assert "farm/b2 down: " in found
    assert "Connection refused" in found


def test_a_bad_file_is_reported_and_the_old_one_stays(lab: Lab, names: int, serving: Serving) -> None:
    good = serving.file.read_text()
    serving.file.write_text(good + "[farms.broken]\n")
    serving.process.send_signal(signal.SIGHUP)
    event = serving.wait("reload-failed")
    assert event.reason.endswith("the farms stay as they were")
    assert "farms.broken" in serving.noidlb("reload", code=3)
    assert reached(lab, names) == set(BACKENDS)
    serving.file.write_text(good)
    assert serving.noidlb("reload") == "1 farm, 3 backends: applied\n"


def test_reload_under_load(lab: Lab, names: int, serving: Serving) -> None:
    good = serving.file.read_text()
    with traffic(lab, names) as answers:
        for number in range(3):
            serving.file.write_text(good + guarded(lab, "ftp", name=f"more{number}"))
            assert "2 farms" in serving.noidlb("reload")
        serving.file.write_text(good)
        serving.noidlb("reload")
    assert set(answers) == set(BACKENDS)
    assert not [event for event in serving.events if event.kind in ("down", "apply-failed")]


def test_a_full_state_folder(lab: Lab, names: int, serve: Serve) -> None:
    one = serve(text(lab, names))
    one.wait_all("up", *BACKENDS)
    one.stop()
    subprocess.run(("mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", one.state), check=True)
    try:
        one.start()
        one.wait_told("READY=1")
        filler = one.state / "filler"
        with filler.open("wb", buffering=0) as file, suppress(OSError):
            while True:
                file.write(b"x" * 4096)
        said = one.noidlb("down", "farm", "b1")
        assert "No space left" in said
        until(lambda: reached(lab, names) == {"b2", "b3"})
        one.wait("save-failed")
        filler.unlink()
        one.wait("saved")
        one.stop()
        assert '"b1"' in (one.state / "words.json").read_text()
    finally:
        one.stop()
        subprocess.run(("umount", one.state), check=True)


def test_the_hook_and_the_metrics(lab: Lab, names: int, serve: Serve, tmp_path: Path) -> None:
    told = tmp_path / "told"
    script = tmp_path / "hook"
    script.write_text(f'#!/bin/sh\ncat >> {told}\necho "$NOIDLB_KIND $1" >> {told}.env\n')
    script.chmod(0o755)
    one = serve(text(lab, names), "--hook", f"{script} 'two words'", "--metrics", f"{vip(4, 1)}:9190")
    one.wait_all("up", *BACKENDS)
    with fault(lab.backends[1], FTP_REFUSES):
        one.wait("down", "b2")
        until(lambda: told.exists() and any('"down"' in line for line in told.read_text().splitlines()))
    until(lambda: "down two words" in Path(f"{told}.env").read_text().splitlines())
    down = next(event for line in told.read_text().splitlines() if (event := json.loads(line))["kind"] == "down")
    assert (down["farm"], down["backend"]) == ("farm", "b2")
    with lab.balancer.entered():
        page = urllib.request.urlopen(f"http://{vip(4, 1)}:9190/metrics", timeout=20).read().decode()
    assert 'noidlb_backend_up{farm="farm",backend="b1"' in page
    assert 'noidlb_backend_flaps_total{farm="farm",backend="b2",address="10.20.2.2' in page


def test_one_capability_is_enough(lab: Lab, names: int, serve: Serve) -> None:
    """As the systemd unit has it: an ordinary user with CAP_NET_ADMIN."""
    rights = lab.balancer.run((*NET_ADMIN, "cat", "/proc/self/status")).stdout
    assert "CapEff:\t0000000000001000" in rights
    before = serve("", before=("true",))
    before.process.wait(20)
    os.chown(before.state, 65534, 65534)
    os.chown(before.folder, 65534, 65534)
    udp = guarded(lab, "udp", name="udp", ports=[names], command=COMMAND)
    one = serve(text(lab, names, **{"cut-connections": True}) + udp, before=NET_ADMIN)
    one.wait_all("up", *BACKENDS)
    until(lambda: reached(lab, names) == set(BACKENDS))
    ask_often(lab.client, vip(4), names, 9)
    with fault(lab.backends[1], FTP_REFUSES):
        one.wait("down", "b2")
        until(lambda: reached(lab, names) == OTHERS)
        until(lambda: not flows(lab.balancer, 4, "--orig-dst", vip(4), "--reply-src", "10.20.2.2"))
    one.noidlb("drain", "farm", "b1")
    until(lambda: "b1" not in reached(lab, names))
    one.stop()
    # What root says meanwhile is for the service to read, and to write again.
    assert "backend" in one.noidlb("down", "farm", "b3")
    seen = len(one.events)
    one.start()
    one.wait_all("up", *BACKENDS, after=seen)
    # The guardian says "up" before the kernel has it.
    until(lambda: reached(lab, names) == {"b2"})
    assert one.noidlb("up", "farm", "b3") == "backend farm/b3: up\n"
    assert not [event for event in one.events if event.kind in ("apply-failed", "save-failed", "note")]
