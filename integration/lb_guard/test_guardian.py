"""What can happen to the guardian itself: killed, reloaded, its table changed, nft failing; traffic goes on."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable
from contextlib import suppress

import pytest
from noidlb.nft import nft as kernel

from integration.lab import Lab, vip
from integration.lab.faults import REFUSE, fault
from integration.lb.farms import farm
from integration.lb_guard.farms import guarded
from integration.lb_guard.guarding import Guarding
from integration.lb_guard.traffic import reached, traffic
from tests.support.waiting import until

pytestmark = pytest.mark.root

Start = Callable[[str], Guarding]
BACKENDS = ("b1", "b2", "b3")
COMMAND = "check_ftp -H HOST -p 21"


def test_a_killed_guardian_disturbs_nobody_and_its_successor_trusts_the_table(
    lab: Lab, guard: Start, names: int
) -> None:
    guarding = guard(guarded(lab, "tcp", ports=[names], command=COMMAND))
    guarding.wait_all("up", *BACKENDS)
    with fault(lab.backends[1], "tcp dport 21 reject with tcp reset"):
        guarding.wait("down", "b2")
        until(lambda: reached(lab, names) == {"b1", "b3"})
        with traffic(lab, names) as answers:
            guarding.kill()
            time.sleep(0.3)
            seen = len(guarding.events)
            guarding.start()
            guarding.wait_all("up", "b1", "b3", after=seen)
            guarding.wait("down", "b2", after=seen)
            time.sleep(0.3)
        # Neither was anybody refused, nor did the dead one get a single connection.
        assert set(answers) == {"b1", "b3"}
        assert sum(answers.values()) > 20


def test_a_reload_under_load_disturbs_nobody(lab: Lab, guard: Start, names: int) -> None:
    # None is down because the machine is slow.
    text = guarded(lab, "tcp", ports=[names], command=COMMAND, settings={"timeout": "20s"})
    guarding = guard(text)
    guarding.wait_all("up", *BACKENDS)
    until(lambda: reached(lab, names) == set(BACKENDS))
    with traffic(lab, names) as answers:
        for number in range(5):
            more = guarded(lab, "tftp", name=f"more{number}", command="check_tftp -H HOST -p PORT")
            guarding.reload(text + more)
            time.sleep(0.3)
        guarding.reload(text)
        time.sleep(0.3)
    assert set(answers) == set(BACKENDS)
    assert not [event for event in guarding.events if event.kind in ("down", "apply-failed")]


def test_a_table_that_somebody_has_removed_is_made_anew(lab: Lab, guard: Start, names: int) -> None:
    guarding = guard(guarded(lab, "tcp", ports=[names], command=COMMAND))
    guarding.wait_all("up", *BACKENDS)
    until(lambda: reached(lab, names) == set(BACKENDS))
    seen = len(guarding.events)
    lab.balancer.nft("delete table inet noidlb")
    guarding.wait("applied", after=seen)
    until(lambda: reached(lab, names) == set(BACKENDS))


def test_a_change_behind_its_back_is_noticed_and_repaired(lab: Lab, guard: Start, names: int) -> None:
    guarding = guard(guarded(lab, "tcp", ports=[names], command=COMMAND))
    guarding.wait_all("up", *BACKENDS)
    until(lambda: reached(lab, names) == set(BACKENDS))
    lab.balancer.nft("flush map inet noidlb slot4")
    # At the latest with its next change; here it fails first, is reported, and done again from what is there.
    with fault(lab.backends[1], REFUSE):
        guarding.wait("down", "b2")
        until(lambda: reached(lab, names) <= {"b1", "b3", "refused"})
        until(lambda: reached(lab, names) == {"b1", "b3"})


def test_an_nft_that_fails_is_reported_and_everything_done_when_it_works_again(lab: Lab, names: int) -> None:
    folder = lab.folder / "failing"
    folder.mkdir()
    broken = folder / "broken"
    (folder / "nft").write_text(
        f'#!/bin/sh\n[ -e {broken} ] && echo "Error: out of order" >&2 && exit 1\nexec nft.real "$@"\n'
    )
    (folder / "nft").chmod(0o755)
    (folder / "nft.real").symlink_to("/usr/sbin/nft")
    with Guarding(lab, guarded(lab, "tcp", ports=[names], command=COMMAND), str(folder)) as guarding:
        guarding.wait_all("up", *BACKENDS)
        until(lambda: reached(lab, names) == set(BACKENDS))
        before = lab.balancer.run(("nft", "-s", "list", "table", "inet", "noidlb")).stdout
        broken.touch()
        for pid in guarding.children():
            # It may have ended by itself.
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        with fault(lab.backends[1], REFUSE):
            guarding.wait("down", "b2")
            failure = guarding.wait("apply-failed")
            assert "out of order" in failure.reason or "nft" in failure.reason
            time.sleep(0.3)
            assert lab.balancer.run(("nft", "-s", "list", "table", "inet", "noidlb")).stdout == before
            seen = len(guarding.events)
            broken.unlink()
            guarding.wait("applied", after=seen)
            until(lambda: reached(lab, names) == {"b1", "b3"})


def test_a_farm_without_a_guardian_is_served_beside_guarded_ones(lab: Lab, guard: Start, names: int) -> None:
    unguarded = farm(lab, "tcp", vips=[vip(4)], ports=[names])
    guarding = guard(unguarded + guarded(lab, "ftp", name="ftp"))
    guarding.wait_all("up", *BACKENDS)
    until(lambda: reached(lab, names) == set(BACKENDS))


def test_a_mass_failure_refuses_at_once_and_comes_back(lab: Lab, guard: Start, names: int) -> None:
    guarding = guard(guarded(lab, "tcp", ports=[names], command=COMMAND, settings={"rise": 1}))
    guarding.wait_all("up", *BACKENDS)
    for backend in lab.backends:
        backend.server["vsftpd"].hang()
    try:
        guarding.wait_all("down", *BACKENDS)
        until(lambda: reached(lab, names) == {"refused"})
        seen = len(guarding.events)
    finally:
        for backend in lab.backends:
            backend.server["vsftpd"].wake()
    guarding.wait_all("up", *BACKENDS, after=seen)
    until(lambda: reached(lab, names) == set(BACKENDS))


def test_the_floor_serves_though_all_fail(lab: Lab, guard: Start, names: int) -> None:
    guarding = guard(guarded(lab, "tcp", ports=[names], command="/bin/false HOST", settings={"min-backends": 2}))
    guarding.wait_all("down", *BACKENDS)
    until(lambda: len(reached(lab, names)) == 2 and "refused" not in reached(lab, names))
    assert guarding.wait("floor").reason == "stays in service though it fails: min-backends is 2"


def totals(lab: Lab) -> dict[str, int]:
    """How many connections each backend has got, by the kernel's counters."""
    with lab.balancer.entered():
        found = kernel.read()
    if found is None:
        return {}
    names = {int(mark, 16): name.partition("/")[2] for mark, name in found.table.names.items()}
    return {names[mark]: count for mark, count in found.totals.items() if mark in names}


def connect(lab: Lab) -> socket.socket:
    with lab.client.entered():
        made = socket.create_connection((vip(4), 21), timeout=10)
    assert made.recv(100)
    return made


def test_new_connections_go_where_the_fewest_are(lab: Lab, guard: Start) -> None:
    alone = {name: {"state": "down"} for name in ("b2", "b3")}
    guarding = guard(guarded(lab, "ftp", of=alone, scheduler="least-connections"))
    guarding.wait_all("up", *BACKENDS)
    until(lambda: set(totals(lab)) == {"b1"})
    held: list[socket.socket] = []
    try:
        held += [connect(lab) for _ in range(24)]
        assert totals(lab)["b1"] == 24
        guarding.reload(guarded(lab, "ftp", scheduler="least-connections"))
        until(lambda: set(totals(lab)) == set(BACKENDS))
        # Some steps, of a few seconds each.
        for _ in range(30):
            time.sleep(2)
            before = totals(lab)
            for _ in range(60):
                connect(lab).close()
            after = totals(lab)
            new = {name: after[name] - before.get(name, 0) for name in BACKENDS}
            if new["b1"] < 12:
                break
    finally:
        for one in held:
            one.close()
    # A third each would be 20; nobody starves.
    assert 0 < new["b1"] < 12, new
    assert min(new["b2"], new["b3"]) > 20, new
