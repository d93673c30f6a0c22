"""The one file that runs conntrack: counting and cutting the flows of backends and farms."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from lb.marks import BACKEND_MASK, FARM_MASK, FLOW_MASK
from lb.program import Answer, KernelError, find, run

# A million flows are listed in 4 s.
_TIMEOUT = 60.0
# Named, because versions differ in what they take when none is, and the manual in what it says of it.
_FAMILIES = ("ipv4", "ipv6")
_MARK = re.compile(rb" mark=([0-9]{1,10})")
# What nft's `ct count` leaves out too: flows that are over, kept for late packets.
_OVER = (b" TIME_WAIT ", b" CLOSE ")
_DELETED = re.compile(r"(\d+) flow entries have been deleted")
_SHOWN = 300


def count() -> Counter[int]:
    """Counts the current flows of each backend by mark (FLOW_MASK), in one pass over each family.

    A flow's data connections have its mark, and count.
    """
    counts: Counter[bytes] = Counter()
    rest = b""

    def add(piece: bytes) -> None:
        nonlocal rest
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            found = _MARK.search(line)
            if found and not any(over in line for over in _OVER):
                counts[found[1]] += 1

    for family in _FAMILIES:
        answer = run([_conntrack(), "-L", "-f", family], timeout=_TIMEOUT, each=add)
        if answer.code:
            raise KernelError(_explain(answer))
    flows: Counter[int] = Counter()
    for mark, number in counts.items():
        if int(mark) & FLOW_MASK:
            flows[int(mark) & FLOW_MASK] += number
    return flows


def cut(marks: Iterable[int], *, only_udp: bool = False) -> int:
    """Ends the flows of backends, or of all backends of farms, by mark; returns how many.

    Data connections have the mark of their control connection and end too, and so do the expectations of both. The
    client's next packet is refused; the server is not told.
    """
    protocol = ["-p", "udp"] if only_udp else []
    ended = 0
    for mark in sorted({mark & FLOW_MASK for mark in marks} - {0}):
        mask = FLOW_MASK if mark & BACKEND_MASK else FARM_MASK
        for family in _FAMILIES:
            argv = [_conntrack(), "-D", "-f", family, *protocol, "-m", f"{mark:#x}/{mask:#x}"]
            answer = run(argv, timeout=_TIMEOUT, each=_forget)
            found = _DELETED.search(answer.errors)
            # It ends with 1 when there was nothing to delete, which is as good.
            if answer.code and not found:
                raise KernelError(_explain(answer))
            ended += int(found[1]) if found else 0
    return ended


def version() -> str:
    """Returns what conntrack says about its version."""
    return run([_conntrack(), "--version"], timeout=_TIMEOUT).output.decode(errors="replace").strip()[:_SHOWN]


def _forget(_: bytes) -> None:
    """Takes the list of what was deleted, which nobody reads."""


def _conntrack() -> str:
    return find("conntrack", "conntrack")


def _explain(answer: Answer) -> str:
    if "Operation not permitted" in answer.errors or "must be root" in answer.errors:
        return "the kernel refuses conntrack: run it as root, or with the capability CAP_NET_ADMIN"
    if "Protocol not supported" in answer.errors or "Connection refused" in answer.errors:
        return "this kernel cannot list flows: load the module nf_conntrack_netlink"
    lines = [line.strip() for line in answer.errors.splitlines() if line.strip()]
    complaint = lines[-1] if lines else f"exit code {answer.code}"
    return f"conntrack fails: {''.join(one if one.isprintable() else '?' for one in complaint)[:_SHOWN]}"
