"""What is said about the lock; that the kernel keeps it is tested in integration/lb_kernel."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from noidlb.errors import GuardError
from noidlb.guardian import lock

from tests.support.lb.netfilter import PlayedNetfilter

HEAD = "sk               Eth Pid        Groups   Rmem     Wmem     Dump  Locks    Drops    Inode\n"
ROW = "000000004c6ce139 12  {}          00000000 0        0        0     2        0        6097775\n"


def test_only_one_holds_it() -> None:
    assert lock.holder() == ""
    with lock.take():
        assert lock.holder() == f"process {os.getpid()}"
        with pytest.raises(GuardError, match=rf"another guardian watches this table already: process {os.getpid()}$"):
            lock.take()
    assert lock.holder() == ""
    lock.take().close()


def test_a_number_that_somebody_has_keeps_nobody_from_it(netfilter: PlayedNetfilter) -> None:
    netfilter.taken.add(0x7EC00000 | os.getpid())
    with lock.take():
        assert lock.holder() == "a process that hides its id"
        with pytest.raises(GuardError, match=r"already: a process that hides its id$"):
            lock.take()


@pytest.mark.parametrize(
    ("refusal", "said"),
    [
        (errno.EPERM, r"another guardian watches this table already: it has just ended$"),
        (errno.EOPNOTSUPP, r"it needs the nf_tables of Linux 5\.12 or a later one$"),
        (errno.EINVAL, r"it needs the nf_tables of Linux 5\.12 or a later one$"),
        (errno.ENOMEM, r"the lock of the table cannot be taken: Cannot allocate memory$"),
    ],
)
def test_a_refusal_is_said(netfilter: PlayedNetfilter, refusal: int, said: str) -> None:
    netfilter.refusal = refusal
    with pytest.raises(GuardError, match=said):
        lock.take()
    assert lock.holder() == ""


def test_who_may_not_look_is_told_by_the_sockets(
    netfilter: PlayedNetfilter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sockets = tmp_path / "netlink"
    monkeypatch.setattr(lock, "_SOCKETS", sockets)
    netfilter.may_look = False
    netfilter.refusal = errno.EPERM
    assert lock.holder() == ""
    sockets.write_text(HEAD + ROW.format(0) + ROW.format(4711) + ROW.format(-4711))
    assert lock.holder() == ""
    sockets.write_text(HEAD + ROW.format(4711) + ROW.format(0x7EC00000 + 4711))
    assert lock.holder() == "process 4711"
    with pytest.raises(GuardError, match=r"run it as root, or with the capability CAP_NET_ADMIN$"):
        lock.take()
