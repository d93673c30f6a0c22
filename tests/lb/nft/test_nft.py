from __future__ import annotations

import os
import resource
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from noidlb.config.mark_layout import Layout
from noidlb.nft import nft as kernel, run as program
from noidlb.nft.nft import NftSession
from noidlb.nft.run import KernelError
from noidlb.nft.skeleton import VERSION, skeleton

from tests.support.lb.programs import Played
from tests.support.waiting import until

FORBIDDEN = "Error: Could not process rule: Operation not permitted\nadd table x\n^^^^^^^^^^^\n"
ABSENT = "/dev/stdin:1:1-20: Error: Could not process rule: No such file or directory\nadd x\n"
SKELETON = skeleton(Layout())


@pytest.fixture
def session(nft: Played) -> Iterator[NftSession]:
    with closing(NftSession(idle=60)) as opened:
        yield opened


def test_a_transaction_is_one_run_with_the_text_on_its_input(nft: Played) -> None:
    kernel.run("add table inet x\nadd chain inet x y\n")
    (call,) = nft.calls
    assert call.arguments == ["-f", "-"]
    assert call.given == "add table inet x\nadd chain inet x y\n"
    assert (call.language, call.home) == ("C", "/dev/null")


def test_the_complaint_of_nft_is_passed_on_as_one_line(nft: Played) -> None:
    nft.answer(err="/dev/stdin:1:1-3: Error: syntax error, unexpected \x1b[31mfoo\nfoo bar\n^^^\n", code=1)
    with pytest.raises(
        KernelError, match=r"^nft refuses: /dev/stdin:1:1-3: Error: syntax error, unexpected \?\[31mfoo$"
    ):
        kernel.run("foo bar")


@pytest.mark.parametrize("act", [lambda: kernel.run("x"), kernel.read, kernel.missing_parts, kernel.remove])
def test_missing_privilege_is_said_in_one_sentence(nft: Played, act: Callable[[], object]) -> None:
    nft.answer(err=FORBIDDEN, code=1)
    with pytest.raises(KernelError, match="run it as root, or with the capability CAP_NET_ADMIN"):
        act()


@pytest.mark.parametrize("act", [lambda: kernel.run("x"), kernel.read, kernel.missing_parts, kernel.version])
@pytest.mark.usefixtures("path")
def test_a_missing_nft_names_its_package(act: Callable[[], object]) -> None:
    with pytest.raises(KernelError, match="install the package nftables"):
        act()


def test_a_missing_part_of_the_kernel_is_named_by_its_module(nft: Played) -> None:
    nft.answer("-f", err=ABSENT, code=1, times=2)
    # Of the parts by themselves, the first one loads, and everything from the second on does not.
    nft.answer("-c", times=1)
    nft.answer("-c", err=ABSENT, code=1, times=1)
    with pytest.raises(KernelError, match="this kernel lacks nft_chain_nat: load the module"):
        kernel.run(SKELETON)


def test_a_complaint_that_has_another_reason_is_not_blamed_on_the_kernel(nft: Played) -> None:
    nft.answer(err=ABSENT, code=1, times=1)
    with pytest.raises(KernelError, match="No such file or directory"):
        kernel.run("delete table inet x")


def test_an_nft_that_cannot_be_run_is_said_so(path: Path) -> None:
    (path / "nft").write_text("not a program")
    (path / "nft").chmod(0o755)
    with pytest.raises(KernelError, match="cannot be run: Exec format error"):
        kernel.run("x")


def test_an_nft_that_hangs_is_ended(nft: Played, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel, "_IDLE", 0.2)
    nft.answer(sleep=30)
    with pytest.raises(KernelError, match=r"nft did not answer within 0\.2 seconds, and does nothing"):
        kernel.run("x")


def test_without_a_table_nothing_is_read(nft: Played) -> None:
    nft.answer("list", out="table inet other {\n\tchain noidlb {\n\t}\n}\n")
    assert kernel.read() is None
    assert nft.calls[0].arguments == ["-s", "-t", "list", "ruleset", "inet"]


@pytest.mark.parametrize(
    ("outline", "version"),
    [
        ('table inet noidlb {\n\tcomment "noidlb 999"\n', 999),
        (SKELETON.replace(f"noidlb {VERSION}", "noidlb 999"), 999),
        (SKELETON.replace("chain refuse {", "chain other {"), None),
        (SKELETON.replace("\tcomment", "\tcement"), None),
        ("table inet noidlb {\n}\n", None),
    ],
)
def test_a_table_of_another_version_comes_without_contents(nft: Played, outline: str, version: int | None) -> None:
    nft.answer("list", out=outline)
    found = kernel.read()
    assert found is not None
    assert (found.version, found.table.elements, found.table.chains) == (version, {}, {})
    assert len(nft.calls) == 1


def test_a_table_that_lacks_a_map_is_none_of_ours(nft: Played) -> None:
    nft.answer("list", out=SKELETON)
    nft.answer("-j", out='{"nftables": [{"map": {"name": "slot4"}}]}\n', err=ABSENT)
    found = kernel.read()
    assert found is not None
    assert found.version is None


@pytest.mark.parametrize(
    "out", ["nonsense\n", "[]\n", "", '{"nftables": 3}\n', '{"nftables": [{"map": {"name": "full", "elem": [3]}}]}\n']
)
def test_a_listing_that_is_not_understood_is_an_error(nft: Played, out: str) -> None:
    nft.answer("list", out=SKELETON)
    nft.answer("-j", out=out)
    with pytest.raises(KernelError, match="nft lists the table in a way that is not understood"):
        kernel.read()


def test_a_session_gives_each_transaction_one_line(nft: Played, session: NftSession) -> None:
    session.run("table inet noidlb {\n\tchain x {\n\t\tct mark set 3\n\t}\n}\nadd element inet noidlb full { 1 }\n")
    session.run("delete table inet x\n")
    session.run("\n")
    first, second = nft.calls
    assert first.given == "table inet noidlb {; chain x {; ct mark set 3; }; }; add element inet noidlb full { 1 }\n"
    assert second.given == "delete table inet x\n"


def test_a_session_survives_what_nft_refuses(nft: Played, session: NftSession) -> None:
    nft.answer(err="Error: syntax error\nfoo\n^^^\n", times=1)
    with pytest.raises(KernelError, match="nft refuses: Error: syntax error"):
        session.run("foo")
    session.run("add table inet x")
    assert [call.given for call in nft.calls] == ["foo\n", "add table inet x\n"]


def test_a_session_whose_nft_dies_is_opened_again(nft: Played, session: NftSession) -> None:
    nft.answer(code=9, times=1)
    with pytest.raises(KernelError, match="nft has ended"):
        session.run("foo")
    session.run("bar")
    assert [call.given for call in nft.calls] == ["foo\n", "bar\n"]


def test_a_session_whose_nft_hangs_ends_it(nft: Played, nothing_left: Callable[[], None]) -> None:
    nft.answer(sleep=30, times=1)
    with closing(NftSession(idle=0.3)) as session:
        with pytest.raises(KernelError, match=r"nft did not answer within 0\.3 seconds"):
            session.run("foo")
        nothing_left()


def test_a_session_is_renewed_before_nft_remembers_too_much(
    nft: Played, session: NftSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernel, "_RENEWED_AFTER", 20)
    started = []
    for _ in range(3):
        session.run("add table inet x")
        assert session._process is not None
        started.append(session._process.pid)
    assert len(set(started)) == 3
    assert len(nft.calls) == 3


def test_a_session_takes_more_than_a_pipe_holds(nft: Played, session: NftSession) -> None:
    text = f"add element inet noidlb full {{ {', '.join(map(str, range(100_000)))} }}\n"
    session.run(text)
    assert nft.calls[0].given == text


@pytest.mark.usefixtures("path")
def test_a_session_without_nft_names_its_package(nothing_left: Callable[[], None]) -> None:
    with closing(NftSession()) as session, pytest.raises(KernelError, match="install the package nftables"):
        session.run("x")
    nothing_left()


@contextmanager
def descriptors_left(count: int) -> Iterator[None]:
    """Leaves this process so many free descriptors."""
    opened = [os.open("/dev/null", os.O_RDONLY) for _ in range(count + 50)]
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(opened) + 1, before[1]))
        for one in opened[:count]:
            os.close(one)
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
        for one in opened[count:]:
            os.close(one)


@pytest.mark.parametrize("count", range(6))
def test_without_descriptors_nft_is_refused_and_nothing_stays_open(
    nft: Played, count: int, nothing_left: Callable[[], None]
) -> None:
    with closing(NftSession(idle=60)) as session:
        for ask in (kernel.run, session.run):
            with descriptors_left(count), pytest.raises(KernelError, match="cannot be run: Too many open files"):
                ask("x")
        nothing_left()
        session.run("x")
        kernel.run("x")
    assert len(nft.calls) == 2


def script(folder: Path, text: str) -> None:
    """Puts another nft in the place of the one there is, as a package does."""
    new = folder / "nft.new"
    new.write_text(f"#!{sys.executable} -SE\n{text}")
    new.chmod(0o755)
    new.rename(folder / "nft")


def run_in_session(text: str) -> None:
    with closing(NftSession()) as session:
        session.run(text)


BUSY = "import time\nend = time.process_time() + 1.5\nwhile time.process_time() < end: pass\n"
SPINS = "while True: pass\n"
SLEEPS = "import time\ntime.sleep(1000)\n"


def test_an_nft_that_is_at_work_is_waited_for(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel, "_IDLE", 1.0)
    script(path, BUSY)
    kernel.run("x")


def test_the_work_of_a_wrapper_is_that_of_its_children(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel, "_IDLE", 1.0)
    script(path, f"import subprocess, sys\nsubprocess.run([sys.executable, '-SE', '-c', {BUSY!r}])\n")
    kernel.run("x")


@pytest.mark.parametrize("text", [SPINS, SLEEPS], ids=["busy", "idle"])
@pytest.mark.parametrize("ask", [kernel.run, run_in_session])
def test_an_nft_that_is_repaired_is_not_waited_for(path: Path, text: str, ask: Callable[[str], None]) -> None:
    script(path, text)
    repair = threading.Timer(1.0, script, (path, "pass\n"))
    repair.start()
    # A minute idle or at work, and it would be ended for that, in other words.
    try:
        with pytest.raises(KernelError, match="was replaced by another program meanwhile"):
            ask("x")
    finally:
        repair.join()
    kernel.run("x")


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_an_nft_that_prints_without_end_is_ended(path: Path, stream: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "_MOST_ERRORS", 1 << 20)
    script(path, f"import sys\nwhile True: sys.{stream}.write('x' * 9999 + chr(10))\n")
    with pytest.raises(KernelError, match=r"nft (printed more than 1 MiB|complains without end)"):
        kernel.run("x")
    with closing(NftSession()) as session, pytest.raises(KernelError, match="nft printed more than 1 MiB"):
        session.run("x")


def test_an_nft_that_was_ended_leaves_no_child(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel, "_IDLE", 0.5)
    note = tmp_path / "pid"
    child = f"import os, time; open({str(note)!r}, 'w').write(str(os.getpid())); time.sleep(1000)"
    script(path, f"import subprocess, sys\nsubprocess.run([sys.executable, '-SE', '-c', {child!r}])\n")
    for idle in (0.5, 5.0):
        monkeypatch.setattr(kernel, "_IDLE", idle)
        with pytest.raises(KernelError, match="does nothing"):
            kernel.run("x")
        if note.exists() and note.read_text():
            break
    pid = int(note.read_text())
    until(lambda: not Path(f"/proc/{pid}").exists() or "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text())
