from __future__ import annotations

import os
import subprocess
import sys

import pytest

from lb import lock
from lb.lock import GuardError

HOLD = "import sys; from lb import lock; lock._ADDRESS = sys.argv[1]; held = lock.take(); print(flush=True); input()"


def test_only_one_holds_it() -> None:
    assert lock.holder() == ""
    with lock.take():
        assert lock.holder() == f"process {os.getpid()}"
        with pytest.raises(GuardError, match=rf"another guardian watches this table already: process {os.getpid()}$"):
            lock.take()
    assert lock.holder() == ""
    lock.take().close()


def test_it_dies_with_its_process() -> None:
    # An abstract address cannot be passed with its first byte, which argv cannot hold.
    script = HOLD.replace("sys.argv[1]", f"'\\0{lock._ADDRESS[1:]}'")
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert lock.holder() == f"process {process.pid}"
        process.kill()
        process.wait()
        assert lock.holder() == ""


def test_those_who_ask_do_not_fill_it() -> None:
    with lock.take() as held:
        for _ in range(50):
            assert lock.holder()
            lock.let_go(held)
        assert lock.holder() == f"process {os.getpid()}"


def test_a_holder_that_does_not_answer_holds_it_all_the_same() -> None:
    with lock.take():
        said = {lock.holder() for _ in range(50)}
    assert "a process that does not answer" in said
