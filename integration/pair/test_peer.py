"""Two guardians ask each other over the wire between them: what each sees, and what they disagree about."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from integration.lab.faults import fault
from integration.lb.balance import NOIDLB
from integration.lb_guard.farms import QUICK
from integration.pair.farms import farm, pair_table
from integration.pair.lab import Node, PairLab, wait_for
from integration.pair.topology import backend, own

pytestmark = pytest.mark.root

SERVICE = '[service]\nmetrics = "sync:9190"\n'
GUARDIAN = "\n".join(
    (
        '[farms.ftp.guardian]\ncommand = "check_ftp -H HOST -p 21"',
        *(f'{key} = "{value}"' if isinstance(value, str) else f"{key} = {value}" for key, value in QUICK.items()),
        "",
    )
)
FARMS = "\n".join((SERVICE, pair_table(), farm("ftp"), GUARDIAN))
# The family that is left does not help: the worst counts.
REFUSED = f"ip daddr {backend(2, 4)} tcp dport 21 reject with tcp reset"


@contextmanager
def guarding(node: Node, farms: Path) -> Iterator[None]:
    """Lets a guardian run on a node."""
    words = (NOIDLB, "guard", "--run-dir", node.run_folder, farms)
    with (node.folder / "guard").open("w") as output:
        process = node.popen(words, stdout=output, stderr=subprocess.STDOUT, env=node.environment)
    try:
        # It takes its lock before it listens.
        wait_for((node.folder / "state" / "control").exists, f"the guardian of {node.name} to listen")
        yield
    finally:
        process.terminate()
        process.wait(30)


def seen(node: Node) -> dict[str, Any]:
    """Returns what noidlb status says of the other node."""
    found: dict[str, Any] = json.loads(node.noidlb("status", "--json", "--run-dir", node.run_folder))
    return found


def disagreements(node: Node) -> list[str]:
    """Returns what a node sees the two disagree about."""
    peer = seen(node)["peer"]
    assert peer["trouble"] is None, peer
    found: list[str] = peer["disagreements"]
    return found


def knows_all(node: Node) -> bool:
    """Whether its guardian sees every backend up."""
    (one,) = seen(node)["farms"]
    return all(found["guardian"] and found["guardian"]["state"] == "up" for found in one["backends"])


def test_the_nodes_see_each_other(pair_lab: PairLab) -> None:
    pair_lab.boot(FARMS)
    first, second = pair_lab.nodes
    same = pair_lab.folder / "farms.toml"
    with guarding(second, same):
        with guarding(first, same):
            for node in (first, second):
                wait_for(partial(knows_all, node), f"{node.name} to know all backends")
            assert disagreements(first) == disagreements(second) == []
            status = first.noidlb("status", "--run-dir", first.run_folder)
            assert status.endswith("\nlb1, this node: master\nlb2: backup\n")
            doctor = examined(second)
            assert "ok     farms file:" in doctor
            assert "ok     peer: lb2 is backup, lb1 is master" in doctor
            with fault(second, REFUSED, "output"):
                wait_for(lambda: disagreements(first) == ["ftp/b2 is up for lb1, down for lb2"], "what lb2 sees")
                assert disagreements(second) == ["ftp/b2 is down for lb2, up for lb1"]
                assert "disagreement: ftp/b2 is up for lb1" in first.noidlb("status", "--run-dir", first.run_folder)
            wait_for(lambda: disagreements(first) == [], "agreement")
            with fault(first, "tcp dport 9190 drop"):
                silent = f"{own('sync', 1, 4)} port 9190: no answer within 1 s"
                assert seen(second)["peer"]["trouble"] == silent
        # Nobody is there any more.
        port = f"{own('sync', 1, 4)} port 9190: Connection refused"
        assert seen(second)["peer"]["trouble"] == port
        assert f"warn   peer: lb1 cannot be asked: {port}" in examined(second)
        other = pair_lab.folder / "other.toml"
        other.write_text(FARMS.replace("rise = 2", "rise = 1"))
        with guarding(first, other):
            wait_for(lambda: knows_all(first), "lb1 to know all backends")
            (said,) = disagreements(second)
            assert said.startswith("the farms files differ: ")
            assert "fault  farms file: the farms files differ:" in examined(first)


def examined(node: Node) -> str:
    """Runs noidlb doctor on a node."""
    return node.noidlb("doctor", "--pair-dir", node.out, "--run-dir", node.run_folder, check=False)
