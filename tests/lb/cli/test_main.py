"""The command noidlb: the farms file and the table, wrong usage, trouble."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from noidlb.cli.commands import commands
from noidlb.nft.plan import Plan
from noidlb.nft.run import KernelError

from tests.support.lb.balancer import BOTH, ONE, Balancer
from tests.support.lb.programs import Played


def test_check(balancer: Balancer) -> None:
    file = balancer.write(BOTH)
    assert balancer.run("check", file) == (0, f"{file}: 2 farms, 4 backends: valid\n")
    assert balancer.run("check", balancer.write(ONE))[1].endswith("1 farm, 2 backends: valid\n")
    code, output = balancer.run("check", balancer.write(ONE.replace("2121", "0")))
    assert code == 1
    assert output == "noidlb: farms.public-ftp.backends[0].port (backend b1): must be 1 to 65535, not 0\n"


@pytest.mark.parametrize(("command", "code"), [("check", 1), ("apply", 3)])
def test_a_character_that_the_terminal_lacks_is_a_question_mark(command: str, code: int) -> None:
    argv = [sys.executable, "-c", "from noidlb.cli.main import main; main()", command, "b\u2026.toml"]
    environment = {**os.environ, "PYTHONIOENCODING": "latin-1"}
    done = subprocess.run(argv, env=environment, capture_output=True, check=False)
    said = (done.returncode, done.stdout, done.stderr)
    assert said == (code, b"noidlb: b?.toml: cannot be read: No such file or directory\n", b"")


def test_check_prints_all_errors_at_once(balancer: Balancer) -> None:
    one = ONE.replace("2121", "0").replace('name = "b2"', 'name = "b2"\nweight = 500\nwieght = 2')
    text = f"""
{one}
[farms.other]
protocol = "ftpp"
vip = "fe80::1"
stickyy = 3
[farms.third]
protocol = "sftp"
vip = "192.0.2.30"
sticky = "90d"
connection-limit = 0
backends = [{{ name = "b1", address = "10.0.1.11" }}, {{ name = "b2", address = "10.0.1.11" }}, {{ name = "b3" }}]
guardian = {{ rise = 0, fall = "3", interval = "10s", fast-interval = "20s" }}
[service]
metrics = "nowhere"
"""
    code, output = balancer.run("check", balancer.write(text))
    assert code == 1
    assert [line.partition(": ")[2].partition(": ")[0] for line in output.splitlines()] == [
        "service.metrics",
        "farms.public-ftp.backends[0].port (backend b1)",
        "farms.public-ftp.backends[1] (backend b2)",
        "farms.public-ftp.backends[1].weight (backend b2)",
        "farms.other",
        "farms.other.backends",
        "farms.other.protocol",
        "farms.other.vip",
        "farms.third.backends[2].address (backend b3)",
        "farms.third.guardian.fall",
        "farms.third.guardian.fast-interval",
        "farms.third.guardian.rise",
        "farms.third.backends[1].address (backend b2)",
        "farms.third.sticky",
        "farms.third.connection-limit",
    ]


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
        (("status", "--watch=inf"), "Invalid value for '--watch'"),
        (("status", "--watch=nan"), "Invalid value for '--watch': 'nan' is not a number of seconds."),
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
    cause = "the kernel refuses conntrack: run it as root, or with the capability CAP_NET_ADMIN"
    cure = "the table is changed, but flows that should have ended go on"
    assert output == f"noidlb: {cause}; {cure}\n"
    assert "operator: down" in applied.run("status")[1]


def test_trouble_with_the_state_folder_is_2(balancer: Balancer) -> None:
    (balancer.folder / "state").write_text("")
    code, output = balancer.run("apply", balancer.write(BOTH))
    assert code == 2
    assert "--state-dir" in output


@pytest.mark.parametrize("words", [["status"], ["up", "public-ftp", "b1"], ["stop"], ["start"]])
@pytest.mark.parametrize(
    ("text", "message"),
    [("broken\n", "is not TOML: "), (ONE.replace("2121", "0"), "farms.public-ftp.backends[0].port (backend b1): ")],
)
def test_a_damaged_copy_is_named_with_its_cure(applied: Balancer, words: list[str], text: str, message: str) -> None:
    copy = applied.folder / "state" / "farms.toml"
    copy.write_text(text)
    code, output = applied.run(*words)
    assert (code, applied.changes) == (2, 0)
    said = f"noidlb: {copy}, the copy of the file that was applied last, cannot be used: {message}"
    assert output.startswith(said)
    assert output.endswith("; noidlb apply FILE replaces it\n")
    assert applied.run("apply", applied.write(BOTH)) == (0, "nothing to change\n")
    assert applied.run(*words)[0] == 0


def test_broken_words_are_said_and_the_farms_serve(applied: Balancer) -> None:
    (applied.folder / "state" / "words.json").write_text("{")
    code, output = applied.run("apply", applied.write(BOTH))
    assert code == 0
    assert output.startswith("noidlb: warning: ")
    assert applied.run("apply", applied.write(BOTH)) == (0, "nothing to change\n")


def test_a_missing_nat_helper_is_said(balancer: Balancer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("noidlb.nft.host.is_there", lambda name: False)
    code, output = balancer.run("apply", balancer.write(ONE))
    assert code == 0
    assert "warning: the kernel lacks nf_nat_ftp" in output
    # So is that of the first farm that needs it, in a table that exists; and again until it is there.
    for _ in range(2):
        code, output = balancer.run("apply", balancer.write(BOTH))
        assert (code, output.count("warning: the kernel lacks nf_nat_tftp")) == (0, 1)


def test_the_program_is_the_same_from_outside(applied: Balancer, nft: Played) -> None:
    def noidlb(*words: str) -> subprocess.CompletedProcess[str]:
        argv = [sys.executable, "-c", "from noidlb.cli.main import main; main()", *words]
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


@pytest.mark.parametrize("errors", ["", "/dev/full"])
@pytest.mark.parametrize(
    "words",
    [
        ["check", "FILE"],
        ["check", "--json", "FILE"],
        ["check", "/nonexistent"],
        ["show", "/nonexistent"],
        ["--help"],
        [],
    ],
)
def test_output_to_a_full_disk_is_trouble(balancer: Balancer, words: list[str], errors: str) -> None:
    file = balancer.write(BOTH)
    argv = [sys.executable, "-c", "from noidlb.cli.main import main; main()"]
    argv += [file if word == "FILE" else word for word in words]
    said = Path(errors or balancer.folder / "errors")
    with open("/dev/full", "wb") as full, said.open("wb") as stderr:
        assert subprocess.run(argv, stdout=full, stderr=stderr, timeout=60, check=False).returncode == 2
    if not errors:
        assert said.read_text() == "noidlb: standard output cannot be written: No space left on device\n"


@pytest.mark.parametrize("name", sorted(commands.commands))
def test_every_command_has_help(name: str) -> None:
    found = CliRunner().invoke(commands, [name, "--help"])
    assert found.exit_code == 0
    assert len(found.output.splitlines()) > 4
