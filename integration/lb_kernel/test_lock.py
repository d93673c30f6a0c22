"""Who can hold a guardian's lock, for how long, and who sees it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from noidlb.errors import GuardError
from noidlb.guardian import lock
from noidlb.nft import nfnetlink

pytestmark = pytest.mark.root

NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--bounding-set=-all", "--inh-caps=-all")
HOLD = "from noidlb.guardian import lock; held = lock.take(); print('held', flush=True); input()"
TAKE = "from noidlb.guardian import lock; lock.take(); print('taken')"
ASK = "from noidlb.guardian import lock; print(lock.holder())"


def run(script: str, *before: str) -> str:
    words = (*before, sys.executable, "-P", "-c", script)
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)
    return done.stdout.strip().splitlines()[-1] if done.stdout.strip() else ""


@contextmanager
def held() -> Iterator[subprocess.Popen[str]]:
    words = (sys.executable, "-P", "-c", HOLD)
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


def test_only_one_holds_it() -> None:
    assert lock.holder() == ""
    with lock.take():
        assert lock.holder() == f"process {os.getpid()}"
        with pytest.raises(GuardError, match=rf"another guardian watches this table already: process {os.getpid()}$"):
            lock.take()
    assert lock.holder() == ""
    lock.take().close()


def test_it_dies_with_its_process() -> None:
    with held() as process:
        assert lock.holder() == f"process {process.pid}"
        with pytest.raises(GuardError, match=rf"already: process {process.pid}$"):
            lock.take()
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert lock.holder() == ""
    lock.take().close()


def test_an_ordinary_user_cannot_take_it() -> None:
    assert "run it as root, or with the capability CAP_NET_ADMIN" in run(TAKE, *NOBODY)
    # Nor be in its way: the name that it once had, and the number of its socket, which anybody can have.
    with socket.socket(socket.AF_UNIX) as name, nfnetlink.opened(lock._MARK | os.getpid()):
        name.bind("\0noidlb-guardian")
        with lock.take():
            assert lock.holder() == "a process that hides its id"
            with pytest.raises(GuardError, match=r"already: a process that hides its id$"):
                lock.take()


def test_an_ordinary_user_sees_it() -> None:
    assert run(ASK, *NOBODY) == ""
    with held() as process:
        assert run(ASK, *NOBODY) == f"process {process.pid}"
        assert "CAP_NET_ADMIN" in run(TAKE, *NOBODY)


def test_nobody_removes_it() -> None:
    # Where there is nothing else that the flush would remove.
    nft = "import subprocess; nft = lambda *words: subprocess.run(['nft', *words], stderr=-3).returncode"
    remove = "print(nft('flush', 'ruleset'), nft('delete', 'table', 'inet', lock.NAME), lock.holder() != '')"
    program = f"{nft}; from noidlb.guardian import lock; held = lock.take(); {remove}"
    assert run(program, "unshare", "--net") == "0 1 True"


def test_each_network_namespace_has_its_own() -> None:
    with lock.take():
        assert run(TAKE, "unshare", "--net") == "taken"
        # As the demonstration of an ordinary user has it; one without any rights cannot read every Python.
        assert run(TAKE, "unshare", "--user", "--map-root-user", "--net") == "taken"
