from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner

from lb import kernel
from lb.apply import Plan
from lb.cli import _run, commands
from lb.listing import Snapshot
from lb.pair import digest_of
from lb.program import KernelError
from lb.role import Role
from lb.skeleton import VERSION
from noidchecks import __version__

from .programs import Played

ONE = """\
[farms.public-ftp]
protocol = "ftp"
vip = "192.0.2.10"
[[farms.public-ftp.backends]]
name = "b1"
address = ["10.0.1.11", "fd00:1::11"]
port = 2121
[[farms.public-ftp.backends]]
name = "b2"
address = "10.0.1.12"
"""
BOTH = f"""{ONE}
[farms.boot]
protocol = "tftp"
vip = "192.0.2.10"
[[farms.boot.backends]]
name = "b1"
address = "10.0.1.11"
[[farms.boot.backends]]
name = "b2"
address = "10.0.1.12"
"""


@dataclass
class Balancer:
    """noidlb with a kernel that is played, or rather what it keeps of a table."""

    folder: Path
    conntrack: Played
    holds: Snapshot | None = None
    changes: int = 0

    def write(self, text: str) -> str:
        path = self.folder / "farms.toml"
        path.write_text(text)
        return str(path)

    def run(self, *words: str) -> tuple[int, str]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("NOIDLB_STATE", str(self.folder / "state"))
            output: list[str] = []
            patch.setattr("click.echo", lambda text="", nl=True, err=False: output.append(f"{text}\n" if nl else text))
            code = _run(words)
        return code, "".join(output)

    def cuts(self) -> list[list[str]]:
        return [call.arguments for call in self.conntrack.calls if {"-D", "ipv4"} <= {*call.arguments}]


@pytest.fixture
def balancer(tmp_path: Path, conntrack: Played, monkeypatch: pytest.MonkeyPatch) -> Balancer:
    made = Balancer(tmp_path, conntrack)

    def change(plan: Plan) -> None:
        if plan.batches:
            made.holds = Snapshot(VERSION, plan.new)
            made.changes += 1

    def remove() -> None:
        made.holds = None

    monkeypatch.setattr(kernel, "read", lambda: made.holds)
    monkeypatch.setattr(kernel, "remove", remove)
    monkeypatch.setattr(Plan, "run", change)
    monkeypatch.setattr("lb.modules.is_there", lambda name: True)
    return made


@pytest.fixture
def applied(balancer: Balancer) -> Balancer:
    assert balancer.run("apply", balancer.write(BOTH)) == (0, "the table is made, with 2 farms\n")
    balancer.changes = 0
    return balancer


def test_check(balancer: Balancer) -> None:
    file = balancer.write(BOTH)
    assert balancer.run("check", file) == (0, f"{file}: 2 farms, 4 backends: valid\n")
    assert balancer.run("check", balancer.write(ONE))[1].endswith("1 farm, 2 backends: valid\n")
    code, output = balancer.run("check", balancer.write(ONE.replace("2121", "0")))
    assert code == 1
    assert output == "noidlb: farms.public-ftp.backends[0].port: must be 1 to 65535, not 0\n"


def test_show_prints_the_table_with_the_words_in_it(applied: Balancer) -> None:
    file = str(applied.folder / "farms.toml")
    code, before = applied.run("show", file)
    assert code == 0
    assert before.startswith("table inet noidlb {\n")
    assert "10.0.1.11 . 2121" in before
    applied.run("down", "public-ftp", "b1")
    assert "10.0.1.11 . 2121" not in applied.run("show", file)[1]


def test_diff_changes_nothing(applied: Balancer) -> None:
    file = applied.write(BOTH)
    assert applied.run("diff", file) == (0, "nothing to change\n")
    code, output = applied.run("diff", applied.write(ONE))
    assert code == 1
    assert output.startswith("# service udp 192.0.2.10 69 of farm boot: removed\n# transaction 1 of ")
    assert "\ndelete element inet noidlb service4 { udp . 192.0.2.10 . 69 }\n" in output
    assert applied.changes == 0


def test_apply_twice_changes_nothing_the_second_time(applied: Balancer) -> None:
    assert applied.run("apply", applied.write(BOTH)) == (0, "nothing to change\n")
    assert applied.run("drain", "boot", "b1")[0] == 0
    assert applied.run("drain", "boot", "b1") == (0, "nothing to change\n")


def test_words_hold_over_another_apply_and_a_reboot(applied: Balancer) -> None:
    assert applied.run("drain", "public-ftp", "b1") == (
        0,
        "backend public-ftp/b1: new clients 50 % -> none\nbackend public-ftp/b2: new clients 50 % -> 100 %\n",
    )
    held = applied.holds
    applied.holds = None
    applied.run("apply", applied.write(BOTH))
    assert applied.holds == held
    applied.run("up", "public-ftp", "b1")
    assert applied.run("apply", applied.write(BOTH)) == (0, "nothing to change\n")


def test_words_need_no_file(applied: Balancer) -> None:
    os.unlink(applied.folder / "farms.toml")
    assert applied.run("down", "boot", "b1")[0] == 0
    assert applied.run("status")[0] == 0


def test_words_without_a_table_wait_for_the_next_apply(applied: Balancer) -> None:
    applied.holds = None
    code, output = applied.run("drain", "boot", "b1")
    assert (code, output) == (
        0,
        "there is no table in the kernel: this will hold from the next noidlb apply or start on\n",
    )
    assert applied.holds is None
    applied.run("apply", applied.write(BOTH))
    assert "drain" in applied.run("status")[1]


def test_a_tftp_backend_that_goes_down_loses_its_flows_at_once(applied: Balancer) -> None:
    applied.run("down", "public-ftp", "b1")
    assert applied.cuts() == []
    applied.run("down", "boot", "b1")
    ((*words, mark),) = applied.cuts()
    assert words == ["-D", "-f", "ipv4", "-p", "udp", "-m"]
    assert mark.endswith("/0xfffffff")


def test_cutting_ends_all_flows_of_a_backend(applied: Balancer) -> None:
    applied.conntrack.answer("-D", "ipv4", err="conntrack v1.4.7: 1 flow entries have been deleted.\n")
    assert applied.run("drain", "public-ftp", "b1", "--cut")[1].endswith("ended 1 flow\n")
    ((*words, _),) = applied.cuts()
    assert words == ["-D", "-f", "ipv4", "-m"]
    # Even when nothing has to change.
    assert applied.run("drain", "public-ftp", "b1", "--cut") == (0, "nothing to change\nended 1 flow\n")


def test_apply_cuts_what_is_gone_only_when_told(applied: Balancer) -> None:
    applied.run("apply", applied.write(ONE))
    assert applied.cuts() == []
    applied.run("apply", applied.write(BOTH))
    applied.run("apply", applied.write(ONE), "--cut")
    assert len(applied.cuts()) == 2


def test_stop_and_start_one_farm(applied: Balancer) -> None:
    assert applied.run("stop", "boot") == (0, "service udp 192.0.2.10 69 of farm boot: refuses its clients\n")
    assert applied.run("stop", "boot") == (0, "nothing to change\n")
    assert applied.run("apply", applied.write(BOTH))[1] == (
        "nothing to change\nstopped: boot: noidlb start FARM lets one serve\n"
    )
    assert applied.run("start", "boot")[1] == "service udp 192.0.2.10 69 of farm boot: serves its clients again\n"
    assert applied.cuts() == []


def test_stop_without_a_farm_keeps_the_table(applied: Balancer) -> None:
    assert applied.run("stop")[1].count("refuses its clients") == 2
    assert applied.holds is not None
    assert applied.run("apply", applied.write(BOTH))[1].endswith(
        "all farms are stopped: noidlb start lets them serve\n"
    )
    assert applied.run("start")[1].count("serves its clients again") == 2


def test_stop_with_cut_removes_the_table(applied: Balancer) -> None:
    applied.conntrack.answer(
        "-L", out="tcp 6 9 ESTABLISHED src=1.2.3.4 mark=2147483905\nudp 17 9 src=1.2.3.4 mark=1073741824\n"
    )
    assert applied.run("stop", "--cut")[1].endswith("ended 0 flows\nthe table is removed\n")
    assert applied.holds is None
    # Farms without flows cost no run of conntrack.
    assert applied.cuts() == []
    assert applied.run("stop", "--cut")[0] == 0
    assert applied.run("start") == (0, "the table is made, with 2 farms\n")


def test_stopping_one_farm_cuts_its_flows_alone(applied: Balancer) -> None:
    statuses = json.loads(applied.run("status", "--json")[1])["farms"]
    assert [one["name"] for one in statuses] == ["public-ftp", "boot"]
    table = applied.holds.table if applied.holds else None
    assert table is not None
    (mark,) = {int(value, 16) for key, value in table.of("farm4").items() if key.startswith("udp")}
    applied.conntrack.answer("-L", out=f"udp 17 9 src=1.2.3.4 mark={mark | 1}\ntcp 6 9 ESTABLISHED mark=257\n")
    applied.run("stop", "boot", "--cut")
    assert applied.cuts() == [["-D", "-f", "ipv4", "-m", f"{mark & 0xFFFFF00:#x}/0xfffff00"]]
    assert applied.holds is not None


@pytest.mark.parametrize("words", [("drain", "boot", "b1"), ("stop",), ("start",), ("status",)])
def test_before_the_first_apply_there_is_nothing_to_talk_about(balancer: Balancer, words: tuple[str, ...]) -> None:
    code, output = balancer.run(*words)
    assert code == 3
    assert output == "noidlb: nothing has been applied yet: run noidlb apply FILE, or name the FILE with --file\n"


def test_a_file_can_be_named(balancer: Balancer) -> None:
    file = balancer.write(BOTH)
    assert "absent" in balancer.run("status", "--file", file)[1]
    assert balancer.run("down", "boot", "b1", "--file", file)[0] == 0
    assert balancer.run("status")[0] == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("drain", "publicftp", "b1"), "there is no farm 'publicftp': did you mean 'public-ftp'?"),
        (("up", "zzz", "b1"), "there is no farm 'zzz'; known are public-ftp, boot"),
        (("down", "boot", "b11"), "farm boot has no backend 'b11': did you mean 'b1'?"),
        (("stop", "bot"), "there is no farm 'bot': did you mean 'boot'?"),
        (("start", "x" * 100_000), "there is no farm 'xxx"),
        (("drain", "\x1b[31m", "b1"), "there is no farm '\\x1b[31m'; known are public-ftp, boot"),
        (("bogus",), "No such command 'bogus'."),
        (("apply", "/nonexistent/farms.toml"), "/nonexistent/farms.toml: cannot be read: No such file or directory"),
        (("drain", "boot"), "Missing argument 'BACKEND'."),
        (("status", "--watch", "x"), "Invalid value for '--watch'"),
        (("apply", "--cat", "x"), "No such option"),
    ],
)
def test_wrong_usage_is_one_line_and_3(applied: Balancer, words: tuple[str, ...], message: str) -> None:
    code, output = applied.run(*words)
    assert code == 3
    assert output.startswith(f"noidlb: {message}")
    assert output.count("\n") == 1
    assert output.rstrip("\n").isprintable()
    assert len(output) < 5000


@pytest.mark.parametrize("text", ["", "farms = 3", "[farms.f", ONE.replace("ftp", "ftpx"), "\x00"])
def test_a_bad_configuration_changes_nothing(applied: Balancer, text: str) -> None:
    held = applied.holds
    code, output = applied.run("apply", applied.write(text))
    assert code == 3
    assert output.count("\n") == 1
    assert applied.holds is held
    assert applied.run("apply", applied.write(BOTH)) == (0, "nothing to change\n")


def test_an_error_of_the_text_names_the_file(balancer: Balancer) -> None:
    file = balancer.write("[farms")
    assert balancer.run("apply", file)[1].startswith(f"noidlb: {file}: is not TOML")


def test_trouble_with_the_kernel_is_2(applied: Balancer, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: Plan) -> None:
        raise KernelError("the kernel refuses nft")

    monkeypatch.setattr(Plan, "run", fail)
    before = applied.run("status")
    assert applied.run("down", "boot", "b1") == (2, "noidlb: the kernel refuses nft\n")
    # What has not happened is not remembered either.
    assert applied.run("status") == before


def test_trouble_with_conntrack_comes_after_the_change(applied: Balancer) -> None:
    applied.conntrack.answer("-D", err="Operation not permitted\n", code=1)
    code, output = applied.run("down", "boot", "b1")
    assert code == 2
    assert output.endswith("CAP_NET_ADMIN\n")
    assert "operator: down" in applied.run("status")[1]


def test_trouble_with_the_state_folder_is_2(balancer: Balancer) -> None:
    (balancer.folder / "state").write_text("")
    code, output = balancer.run("apply", balancer.write(BOTH))
    assert code == 2
    assert "--state-dir" in output


def test_broken_words_are_said_and_the_farms_serve(applied: Balancer) -> None:
    (applied.folder / "state" / "words.json").write_text("{")
    code, output = applied.run("apply", applied.write(BOTH))
    assert code == 0
    assert output.startswith("noidlb: warning: ")
    assert applied.run("apply", applied.write(BOTH)) == (0, "nothing to change\n")


def test_a_missing_nat_helper_is_said(balancer: Balancer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lb.modules.is_there", lambda name: False)
    code, output = balancer.run("apply", balancer.write(ONE))
    assert code == 0
    assert "warning: the kernel lacks nf_nat_ftp" in output


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
    monkeypatch.setattr("lb.cli_status.read_role", lambda _: Role.BACKUP)
    _, output = applied.run("status")
    assert output.endswith("\nthis balancer's role in its pair: backup\n")
    _, output = applied.run("status", "--json")
    assert json.loads(output)["role"] == "backup"
    assert json.loads(output)["peer"] is None


def test_status_tells_what_the_other_node_says(
    balancer: Balancer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (Path(__file__).parent / "valid" / "pair-metrics.toml").read_text()
    assert balancer.run("apply", balancer.write(text))[0] == 0
    monkeypatch.setattr("lb.this_node.source_of", lambda one: "172.31.0.1")
    page = f'noidlb_info{{version="{__version__}",farms="{digest_of(text)}",role="master"}} 1\n'
    monkeypatch.setattr("lb.this_node.fetch", lambda host, port: page)
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
    monkeypatch.setattr("lb.this_node.source_of", lambda one: "192.0.2.1")
    assert "lb2" not in balancer.run("status", "--run-dir", str(tmp_path))[1]


def test_status_without_conntrack_does_not_know_the_flows(applied: Balancer) -> None:
    applied.conntrack.answer("-L", err="Operation not permitted", code=1)
    code, output = applied.run("status")
    assert code == 0
    assert "warning: the kernel refuses conntrack" in output
    assert " ?" in output
    found = json.loads(applied.run("status", "--json")[1].partition("\n")[2])
    assert found["farms"][0]["backends"][0]["current"] is None


def test_the_program_is_the_same_from_outside(applied: Balancer, nft: Played) -> None:
    def noidlb(*words: str) -> subprocess.CompletedProcess[str]:
        argv = [sys.executable, "-c", "from lb.cli import main; main()", *words]
        return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)

    file = str(applied.folder / "farms.toml")
    done = noidlb("check", file)
    assert (done.returncode, done.stdout) == (0, f"{file}: 2 farms, 4 backends: valid\n")
    assert noidlb("check", "/nonexistent").returncode == 1
    assert noidlb("bogus").returncode == 3
    assert noidlb().stdout.startswith("Usage: noidlb")
    assert noidlb("--version").stdout.startswith("noidlb ")
    nft.answer(err="Operation not permitted\n", code=1)
    done = noidlb("diff", file, "--state-dir", str(applied.folder / "other"))
    assert done.returncode == 2
    assert done.stdout == "noidlb: the kernel refuses nft: run it as root, or with the capability CAP_NET_ADMIN\n"
    assert done.stderr == ""
    # Looking makes no folders.
    assert not (applied.folder / "other").exists()


def test_watching_ends_with_control_c(applied: Balancer, nft: Played) -> None:
    argv = [sys.executable, "-c", "from lb.cli import main; main()", "status", "--watch", "0.2"]
    environment = {**os.environ, "NOIDLB_STATE": str(applied.folder / "state")}
    with subprocess.Popen(argv, stdout=subprocess.PIPE, env=environment, text=True) as process:
        assert process.stdout is not None
        seen = [process.stdout.readline() for _ in range(12)]
        process.send_signal(signal.SIGINT)
        process.stdout.read()
    assert sum(line.startswith("FARM") for line in seen) >= 1
    assert process.returncode == 0


@pytest.mark.parametrize("name", sorted(commands.commands))
def test_every_command_has_help(name: str) -> None:
    found = CliRunner().invoke(commands, [name, "--help"])
    assert found.exit_code == 0
    assert len(found.output.splitlines()) > 4
