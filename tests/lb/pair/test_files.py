from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import replace
from ipaddress import ip_address, ip_interface
from pathlib import Path

import pytest
from noidlb.config.load import Configuration
from noidlb.config.pair import Leg, with_sources
from noidlb.farm import Mode
from noidlb.pair.conntrackd import sysctl_conf
from noidlb.pair.files import NAMES, SIGN, ForeignFileError, PathError, files_of, write_files
from noidlb.pair.keepalived import keepalived_conf
from noidlb.pair.rules import LOST, pair_rules

from tests.support.lb.pairs import ftp, node, pair
from tests.support.waiting import until

RUN = Path("/run/noidlb-pair")
FOLDER = Path("/etc/noidlb/pair")


def written(number: int = 1, **settings: object) -> dict[str, str]:
    both = pair(**settings)
    made = files_of(both, both.nodes[number - 1], Configuration(with_sources((ftp(),), both)), FOLDER, RUN)
    return {name: text for name, (text, _) in made.items()}


def test_every_file_is_signed_and_the_same_each_time() -> None:
    assert written() == written()
    assert all(SIGN in text[:200] for text in written().values())
    assert tuple(written()) == NAMES


def test_the_nodes_see_each_other() -> None:
    first, second = written(1)["keepalived.conf"], written(2)["keepalived.conf"]
    assert re.findall(r"unicast_src_ip (\S+)", first) == ["10.10.0.2", "10.20.0.2"]
    assert re.findall(r"unicast_peer \{\s+(\S+)", first) == re.findall(r"unicast_src_ip (\S+)", second)
    assert "IPv4_address 172.31.0.1\n        IPv4_Destination_Address 172.31.0.2" in written(1)["conntrackd.conf"]
    assert "IPv4_address 172.31.0.2\n        IPv4_Destination_Address 172.31.0.1" in written(2)["conntrackd.conf"]


@pytest.mark.parametrize("name", ["conntrackd.conf", "noidlb.sysctl.conf"])
def test_files_that_are_copied_follow_from_the_pair_alone(name: str) -> None:
    """So a change of farms needs no new copy."""
    both = pair()
    texts = [
        files_of(both, node(1), Configuration(farms, text=str(farms)), FOLDER, RUN)[name][0].partition("\n")
        for farms in ((), with_sources((ftp(),), both))
    ]
    assert texts[0][0] != texts[1][0]
    assert texts[0][2] == texts[1][2]


def test_everything_that_moves_moves_together() -> None:
    text = written()["keepalived.conf"]
    front, back = text[text.index("vrrp_instance") :].split("vrrp_instance noidlb_backend")
    for address in ("10.10.0.100/32 dev front", "fd00:10::100/128 dev front"):
        assert address in front
    for address in ("10.20.0.100/32 dev back", "fd00:20::100/128 dev back"):
        assert address in back
    assert "noidlb_service\n        noidlb_backend" in text


def test_one_side_alone_where_nothing_moves_on_the_other() -> None:
    both = pair()
    bare = type(both)(nodes=both.nodes)
    assert "noidlb_backend" not in keepalived_conf(bare, node(1), (ftp(),), FOLDER)


def test_preemption_waits() -> None:
    assert "nopreempt" in written()["keepalived.conf"]
    text = written(preempt=True, preempt_delay=7.0)["keepalived.conf"]
    assert "preempt_delay 7" in text
    assert "nopreempt" not in text


def test_what_moves_is_synchronized() -> None:
    text = written()["conntrackd.conf"]
    ignored = text[text.index("Address Ignore") :]
    for moving in ("10.10.0.100", "10.20.0.100", "fd00:10::100", "fd00:20::100"):
        assert f"_address {moving}\n" not in ignored
    for fixed in ("10.10.0.2", "10.10.0.3", "172.31.0.2", "fd00:20::3"):
        assert f"_address {fixed}\n" in ignored
    assert re.search(r"Accept \{\s+TCP\s.*UDP", text, re.DOTALL)


@pytest.mark.parametrize(
    ("state", "role"), [("MASTER", "master"), ("BACKUP", "backup"), ("FAULT", "fault"), ("STOP", "fault")]
)
def test_the_script_tells_the_role_and_moves_the_flows(tmp_path: Path, state: str, role: str) -> None:
    calls = tmp_path / "calls"
    for name in ("conntrackd", "conntrack"):
        program = tmp_path / name
        program.write_text(f'#!/bin/sh\necho {name} "$@" >>{calls}\n')
        program.chmod(0o755)
    both = pair()
    made = files_of(both, both.nodes[0], Configuration(with_sources((ftp(),), both)), tmp_path, tmp_path / "run")
    write_files(made, tmp_path)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    subprocess.run([tmp_path / "notify", "GROUP", "noidlb", state, "130"], env=environment, check=True)
    assert (tmp_path / "run" / "role").read_text() == f"{role}\n"
    said = calls.read_text().split("\n") if calls.exists() else []
    flows = [line.rpartition(" ")[2] for line in said if line.startswith("conntrackd")]
    assert flows == {"master": ["-R", "-B"], "backup": ["-n"], "fault": []}[role]
    cut = [line for line in said if line.startswith("conntrack ")]
    assert len(cut) == (4 if role == "master" else 0)
    assert all("--orig-port-dst 21 -m " in line for line in cut)
    assert {line.rpartition("-m ")[2] for line in cut} <= {f"{lost:#x}/{lost:#x}" for lost in LOST}


def test_an_older_run_of_the_script_leaves_the_role_and_the_flows_to_a_newer_one(tmp_path: Path) -> None:
    """keepalived does not wait: a node becomes MASTER and BACKUP within the time that conntrack takes."""
    calls, go_on = tmp_path / "calls", tmp_path / "go-on"
    for name, body in (("conntrackd", ""), ("conntrack", f"until [ -e {go_on} ]; do sleep 0.01; done\n")):
        program = tmp_path / name
        program.write_text(f'#!/bin/sh\necho {name} "$@" >>{calls}\n{body}')
        program.chmod(0o755)
    both = pair()
    made = files_of(both, both.nodes[0], Configuration(with_sources((ftp(),), both)), tmp_path, tmp_path / "run")
    write_files(made, tmp_path)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    words = (tmp_path / "notify", "GROUP", "noidlb")
    with subprocess.Popen((*words, "MASTER", "130"), env=environment) as older:
        until(calls.exists)
        newer = subprocess.run((*words, "BACKUP", "130"), env=environment, check=False)
        go_on.touch()
    assert (older.returncode, newer.returncode) == (0, 0)
    assert (tmp_path / "run" / "role").read_text() == "backup\n"
    said = [line.rpartition(" ")[2] for line in calls.read_text().splitlines()]
    # The flow table that was being looked through, and the request of the newer run.
    assert len(said) == 2
    assert said[1] == "-n"


def test_a_run_of_the_script_that_is_overtaken_writes_nothing(tmp_path: Path) -> None:
    """It may be slower than the one that keepalived starts some milliseconds later."""
    calls, begun, go_on = (tmp_path / name for name in ("calls", "begun", "go-on"))
    for name, body in (("conntrackd", f"echo >>{calls}"), ("conntrack", f"echo >>{calls}")):
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\n{body}\n")
        program.chmod(0o755)
    slow = tmp_path / "slow"
    slow.mkdir()
    (slow / "mkdir").write_text(f"#!/bin/sh\ntouch {begun}\nuntil [ -e {go_on} ]; do sleep 0.01; done\n")
    (slow / "mkdir").chmod(0o755)
    both = pair()
    made = files_of(both, both.nodes[0], Configuration(with_sources((ftp(),), both)), tmp_path, tmp_path / "run")
    write_files(made, tmp_path)
    path = f"{tmp_path}:{os.environ['PATH']}"
    words = (tmp_path / "notify", "GROUP", "noidlb")
    with subprocess.Popen((*words, "MASTER", "130"), env={"PATH": f"{slow}:{path}"}) as older:
        until(begun.exists)
        newer = subprocess.run((*words, "BACKUP", "130"), env={"PATH": path}, check=False)
        go_on.touch()
    assert (older.returncode, newer.returncode) == (0, 0)
    assert (tmp_path / "run" / "role").read_text() == "backup\n"
    assert calls.read_text() == "\n"


def test_a_role_that_cannot_be_written_keeps_no_flows_from_the_other_node(tmp_path: Path) -> None:
    calls = tmp_path / "calls"
    for name in ("conntrackd", "conntrack", "mv"):
        program = tmp_path / name
        program.write_text(f'#!/bin/sh\necho {name} "$@" >>{calls}\nexit 1\n')
        program.chmod(0o755)
    both = pair()
    made = files_of(both, both.nodes[0], Configuration(with_sources((ftp(),), both)), tmp_path, tmp_path / "run")
    write_files(made, tmp_path)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    subprocess.run((tmp_path / "notify", "GROUP", "noidlb", "MASTER", "130"), env=environment, check=False)
    said = [line.rpartition(" ")[2] for line in calls.read_text().splitlines() if line.startswith("conntrackd")]
    assert said == ["-R", "-B"]


@pytest.mark.parametrize(
    ("role", "moved"), [("master", ["-R", "-B"]), ("backup", ["-n"]), ("fault", ["-n"]), ("", ["-n"])]
)
def test_after_the_start_of_conntrackd_only_a_node_that_does_not_serve_requests_flows(
    tmp_path: Path, role: str, moved: list[str]
) -> None:
    calls = tmp_path / "calls"
    program = tmp_path / "conntrackd"
    program.write_text(f'#!/bin/sh\necho "$@" >>{calls}\n')
    program.chmod(0o755)
    both = pair()
    made = files_of(both, both.nodes[0], Configuration(with_sources((ftp(),), both)), tmp_path, tmp_path / "run")
    write_files(made, tmp_path)
    if role:
        (tmp_path / "run").mkdir()
        (tmp_path / "run" / "role").write_text(f"{role}\n")
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    subprocess.run([tmp_path / "notify", "UNIT", "conntrackd", "STARTED"], env=environment, check=True)
    assert [line.rpartition(" ")[2] for line in calls.read_text().splitlines()] == moved
    assert "StartupResync no\n" in made["conntrackd.conf"][0]


def test_an_ipv6_neighbour_that_was_not_heard_is_asked_again_at_once() -> None:
    settings = written()["noidlb.sysctl.conf"]
    for interface in ("front", "back"):
        assert f"\nnet/ipv6/neigh/{interface}/retrans_time_ms = 100\n" in settings
    assert "sync" not in settings
    old = Leg(interface="eth0.7", address=(ip_interface("10.10.0.2/24"),))
    assert "neigh" not in sysctl_conf(replace(node(1), service=old, backend=old))


def test_files_of_others_stay(tmp_path: Path) -> None:
    made = files_of(pair(), node(1), Configuration((ftp(),)), tmp_path, RUN)
    (tmp_path / "keepalived.conf").write_text("vrrp_instance mine {}\n")
    with pytest.raises(ForeignFileError, match=r"keepalived\.conf was not written by noidlb"):
        write_files(made, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["keepalived.conf"]
    write_files(made, tmp_path, force=True)
    assert {path.name for path in tmp_path.iterdir()} == set(made)
    assert os.access(tmp_path / "notify", os.X_OK)
    # Our own may be written again.
    write_files(made, tmp_path)


def test_a_write_that_fails_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = files_of(pair(), node(1), Configuration((ftp(),)), tmp_path, RUN)
    write_files(made, tmp_path)
    before = {path.name: path.read_text() for path in tmp_path.iterdir()}
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError("full")))
    with pytest.raises(OSError, match="full"):
        write_files(files_of(pair(), node(2), Configuration((ftp(),)), tmp_path, RUN), tmp_path)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == before


def test_only_sessions_that_cannot_be_handed_over_are_marked() -> None:
    both = pair()
    same = pair_rules(with_sources((ftp(),), both), 0)
    # VIP and backend have the same length: no 227 is marked.
    assert "ct direction reply" not in same
    other = with_sources((ftp(vip=(ip_address("10.10.0.9"),)),), both)
    assert "ct original ip daddr 10.10.0.9 ip saddr { 10.20.0.111 } @ih,0,32 0x32323720 ct mark set" in pair_rules(
        other, 0
    )
    # In mode dnat nobody rewrites a PORT.
    direct = pair_rules((ftp(vip=(ip_address("10.10.0.9"),), mode=Mode.DNAT),), 0)
    assert "ct direction original" not in direct
    assert pair_rules((), 0).count("ct original") == 0


def test_each_node_resets_what_the_other_has_marked() -> None:
    """A client's word may come before the notify script has run, and its own sessions must go on."""
    both = pair()
    for number in (0, 1):
        text = pair_rules(with_sources((ftp(),), both), number)
        own, others = f"{LOST[number]:#x}", f"{LOST[1 - number]:#x}"
        dialogue = text[text.index("chain dialogue") :].splitlines()
        assert dialogue[2].strip() == f"ct mark and {others} == {others} reject with tcp reset"
        assert f"ct mark set ct mark or {own}" in text
        assert f"ct mark set ct mark or {others}" not in text
        made = files_of(both, both.nodes[number], Configuration(with_sources((ftp(),), both)), Path("/x"), RUN)
        assert text in made["noidlb_pair.nft"][0]


def test_every_client_of_the_right_length_is_let_pass() -> None:
    text = pair_rules(with_sources((ftp(),), pair()), 0)
    chain = text[text.index("chain length11") : text.index("chain longest6")]
    rules = [re.findall(r"@nh,\d+,8 (\d+)-(\d+)", line) for line in chain.splitlines() if "return" in line]
    for client in ("10.10.0.110", "1.2.133.244", "10.10.0.7", "10.100.100.100", "99.100.9.10"):
        octets = [int(one) for one in client.split(".")]
        passes = [
            all(int(low) <= octet <= int(high) for octet, (low, high) in zip(octets, rule, strict=True))
            for rule in rules
        ]
        assert any(passes) is (len(client) == 11)


@pytest.mark.skipif(shutil.which("nft") is None or os.geteuid() != 0, reason="needs nft and root")
def test_nft_takes_the_rules() -> None:
    for farms in ((), with_sources((ftp(),), pair())):
        done = subprocess.run(["nft", "-c", "-f", "-"], input=pair_rules(farms, 1), text=True, capture_output=True)
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "path",
    [
        "/run/x; touch y #", "/r un", "/run/$(id)", "/run/`id`", "/run/x\ny", "/run/{x}", "/run/a'b", '/run/a"b',
        "/run/!x", "/run/#x", "/run/~x", "/run/x&", "/run/*", "/run/é", "run", "/", "/run/../etc", "/run/\\x",
        f"/{'x' * 300}",
    ],
)  # fmt: skip
def test_paths_that_a_shell_or_a_configuration_reads_otherwise_are_refused(path: str) -> None:
    for folder, run in ((Path(path), RUN), (FOLDER, Path(path))):
        with pytest.raises(PathError, match="must be an absolute path of at most"):
            files_of(pair(), node(1), Configuration((ftp(),)), folder, run)


def test_the_socket_of_conntrackd_has_a_name_that_the_kernel_takes() -> None:
    with pytest.raises(PathError, match="at most 80 letters"):
        files_of(pair(), node(1), Configuration((ftp(),)), FOLDER, Path("/" + "x" * 90))


@pytest.mark.parametrize("link", ["role", "role.new", ".noidlb-role"])
def test_no_link_in_the_folder_of_the_role_is_followed(tmp_path: Path, link: str) -> None:
    victim, inside = tmp_path / "victim", tmp_path / "other"
    victim.write_text("precious\n")
    inside.mkdir()
    run = tmp_path / "run"
    run.mkdir()
    write_files(files_of(pair(), node(1), Configuration((ftp(),)), tmp_path / "out", run), tmp_path / "out")
    for target in (victim, inside, tmp_path / "missing"):
        (run / link).symlink_to(target)
        subprocess.run([tmp_path / "out" / "notify", "GROUP", "noidlb", "FAULT", "130"], check=True)
        assert victim.read_text() == "precious\n"
        assert not list(inside.iterdir())
        assert not (tmp_path / "missing").exists()
        assert (run / "role").read_text() == "fault\n"
        assert not (run / "role").is_symlink()
        assert (run / "role").stat().st_mode & 0o777 == 0o644
        (run / link).unlink()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other", "out", "run", "victim"]


def test_a_role_that_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    run = tmp_path / "run"
    (run / "role" / "full").mkdir(parents=True)
    write_files(files_of(pair(), node(1), Configuration((ftp(),)), tmp_path / "out", run), tmp_path / "out")
    subprocess.run([tmp_path / "out" / "notify", "GROUP", "noidlb", "FAULT", "130"], check=True, capture_output=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "run"]
