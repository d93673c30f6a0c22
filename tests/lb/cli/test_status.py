"""What noidlb status tells."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from noidlb.config.pair import digest_of
from noidlb.role import Role

from noidchecks import __version__
from tests.support.lb.balancer import Balancer
from tests.support.lb.programs import Played


def test_status(applied: Balancer) -> None:
    applied.run("drain", "boot", "b1")
    code, output = applied.run("status")
    assert code == 0
    assert (
        output
        == """\
FARM        BACKEND  ADDRESS                          STATE    WEIGHT  SHARE  CURRENT  TOTAL
public-ftp  ftp      tcp 192.0.2.10 21                serving                       0      0
            b1       10.0.1.11, fd00:1::11 port 2121  up            1   50 %        0      0
            b2       10.0.1.12                        up            1   50 %        0      0
boot        tftp     udp 192.0.2.10 69                serving                       0      0
            b1       10.0.1.11                        drain         1    0 %        0      0  operator: drain
            b2       10.0.1.12                        up            1  100 %        0      0
"""
    )


def test_status_tells_the_role_in_a_pair(applied: Balancer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("noidlb.cli.status.read_role", lambda _: Role.BACKUP)
    _, output = applied.run("status")
    assert output.endswith("\nthis balancer's role in its pair: backup\n")
    _, output = applied.run("status", "--json")
    assert json.loads(output)["role"] == "backup"
    assert json.loads(output)["peer"] is None


def test_status_tells_what_the_other_node_says(
    balancer: Balancer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (Path(__file__).parents[1] / "valid" / "pair-metrics.toml").read_text()
    assert balancer.run("apply", balancer.write(text))[0] == 0
    monkeypatch.setattr("noidlb.pair.node.source_of", lambda one: "172.31.0.1")
    page = f'noidlb_info{{version="{__version__}",farms="{digest_of(text)}",role="master"}} 1\n'
    monkeypatch.setattr("noidlb.pair.node.fetch", lambda host, port: page)
    (tmp_path / "role").write_text("backup\n")
    _, output = balancer.run("status", "--run-dir", str(tmp_path))
    assert output.endswith("\nlb1, this node: backup\nlb2: master\n")
    (tmp_path / "role").write_text("master\n")
    _, output = balancer.run("status", "--run-dir", str(tmp_path))
    assert output.endswith("\nlb2: master\ndisagreement: both are master: lb1 and lb2 do not hear each other's VRRP\n")
    _, output = balancer.run("status", "--run-dir", str(tmp_path), "--json")
    found = json.loads(output)
    assert (found["role"], found["peer"]["role"], len(found["peer"]["disagreements"])) == ("master", "master", 1)
    # On another machine than these two it is no business of ours.
    monkeypatch.setattr("noidlb.pair.node.source_of", lambda one: "192.0.2.1")
    assert "lb2" not in balancer.run("status", "--run-dir", str(tmp_path))[1]


def test_status_without_conntrack_does_not_know_the_flows(applied: Balancer) -> None:
    applied.conntrack.answer("-L", err="Operation not permitted", code=1)
    code, output = applied.run("status")
    assert code == 0
    assert "warning: the kernel refuses conntrack" in output
    assert " ?" in output
    found = json.loads(applied.run("status", "--json")[1].partition("\n")[2])
    assert found["farms"][0]["backends"][0]["current"] is None


def test_watching_ends_with_control_c(applied: Balancer, nft: Played) -> None:
    argv = [sys.executable, "-c", "from noidlb.cli.main import main; main()", "status", "--watch", "0.2"]
    environment = {**os.environ, "NOIDLB_STATE": str(applied.folder / "state")}
    with subprocess.Popen(argv, stdout=subprocess.PIPE, env=environment, text=True) as process:
        assert process.stdout is not None
        seen = [process.stdout.readline() for _ in range(12)]
        process.send_signal(signal.SIGINT)
        process.stdout.read()
    assert sum(line.startswith("FARM") for line in seen) >= 1
    assert process.returncode == 0
