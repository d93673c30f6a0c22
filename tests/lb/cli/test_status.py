"""What noidlb status tells."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace

import pytest
from noidlb.config.load import digest_of
from noidlb.errors import GuardError
from noidlb.nft.skeleton import VERSION
from noidlb.nft.table import Snapshot
from noidlb.role import Role

from tests.support.lb.balancer import BOTH, Balancer
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


def test_a_service_with_another_programs_verdict_does_not_serve(applied: Balancer) -> None:
    elements = {name: dict(values) for name, values in applied.table.elements.items()}
    elements["service4"]["tcp . 192.0.2.10 . 21"] = "accept"
    applied.holds = Snapshot(VERSION, replace(applied.table, elements=elements))
    states = {one["name"]: one["state"] for one in json.loads(applied.run("status", "--json")[1])["farms"]}
    assert states == {"public-ftp": "absent", "boot": "serving"}
    code, output = applied.run("apply", applied.write(BOTH))
    assert (code, output) == (0, "service tcp 192.0.2.10 21 of farm public-ftp: accept becomes goto plain4\n")
    assert json.loads(applied.run("status", "--json")[1])["farms"][0]["state"] == "serving"


def test_status_tells_the_role_in_a_pair(applied: Balancer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("noidlb.cli.status.read_role", lambda _: Role.BACKUP)
    _, output = applied.run("status")
    text = applied.folder.joinpath("state", "farms.toml").read_text()
    role, file = output.splitlines()[-2:]
    assert role == "this balancer's role in its pair: backup"
    assert file == f"farms file: {digest_of(text)[:12]}, as noidlb pair --hash must say on the other node"
    found = json.loads(applied.run("status", "--json")[1])
    assert (found["role"], found["digest"]) == ("backup", digest_of(text))


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


def test_watching_goes_on_while_the_guardian_is_started_again(
    applied: Balancer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def speak(*_: object, **__: object) -> None:
        if (trouble := troubles.pop(0)) is not None:
            raise trouble

    monkeypatch.setattr("noidlb.cli.status.speak", speak)
    monkeypatch.setattr("time.sleep", lambda _: None)
    troubles: list[BaseException | None] = [None, GuardError("it has ended"), None, KeyboardInterrupt()]
    code, output = applied.run("status", "--watch")
    assert (code, output.count("FARM  "), output.count("\nnoidlb: it has ended\n")) == (0, 2, 1)
    troubles = [GuardError("it has ended")]
    assert applied.run("status", "--watch") == (2, "noidlb: it has ended\n")


def test_status_of_one_farm(applied: Balancer) -> None:
    code, output = applied.run("status", "boot")
    assert code == 0
    assert [line.split()[0] for line in output.splitlines()] == ["FARM", "boot", "b1", "b2"]
    assert [farm["name"] for farm in json.loads(applied.run("status", "boot", "--json")[1])["farms"]] == ["boot"]
    code, output = applied.run("status", "boat")
    assert (code, "there is no farm 'boat': did you mean 'boot'?" in output) == (3, True)
