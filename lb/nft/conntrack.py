"""The one file that runs conntrack: counting and cutting the flows of backends and farms."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from .flows import Ending, Match, Service
from .run import Answer, KernelError, find, run

# A million flows are listed in 4 s.
_TIMEOUT = 60.0
# Named, because versions differ in what they take when none is, and the manual in what it says of it.
_FAMILIES = {4: "ipv4", 6: "ipv6"}
_MARK = re.compile(rb" mark=([0-9]{1,10})")
# What nft's `ct count` leaves out too: flows that are over, kept for late packets.
_OVER = (b" TIME_WAIT ", b" CLOSE ")
_DELETED = re.compile(r"(\d+) flow entries have been deleted")
# Of a flow: what was asked, and who answers.
_ASKED = re.compile(rb"src=\S+ dst=(\S+) sport=\d+ dport=(\d+)")
_SHOWN = 300


def count() -> Counter[int]:
    """Counts the current flows by mark, in one pass over each family.

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

    for family in _FAMILIES.values():
        answer = run([_conntrack(), "-L", "-f", family], timeout=_TIMEOUT, each=add)
        if answer.code:
            raise KernelError(_explain(answer))
    return Counter({int(mark): number for mark, number in counts.items() if int(mark)})


def end(ending: Ending) -> int:
    """Ends these flows and returns how many; what is done is taken out, so that after a KernelError it can go on."""
    ended = 0
    while ending.marks:
        version, match = next(iter(ending.marks))
        ended += _cut(version, match)
        ending.marks.discard((version, match))
    while ending.udp:
        version, match = next(iter(ending.udp))
        ended += _cut(version, match, "-p", "udp")
        ending.udp.discard((version, match))
    while ending.services:
        service = next(iter(ending.services))
        ended += _delete(_family_of(service), *_asking(service))
        ending.services.discard(service)
    if ending.untranslated:
        for service in _untranslated(ending.untranslated):
            # Not counted: they were of no farm.
            _delete(_family_of(service), *_asking(service), "-r", service[0])
        ending.untranslated.clear()
    return ended


def cut(matches: Iterable[Match]) -> int:
    """Ends the flows of backends, or of all backends of farms, by mark; returns how many.

    Data connections have the mark of their control connection and end too, and so do the expectations of both. The
    client's next packet is refused; the server is not told.
    """
    return sum(_cut(version, match) for match in sorted(set(matches)) if match[0] for version in _FAMILIES)


def _cut(version: int, match: Match, *words: str) -> int:
    mark, mask = match
    return _delete(_FAMILIES[version], *words, "-m", f"{mark:#x}/{mask:#x}")


def _delete(family: str, *words: str) -> int:
    answer = run([_conntrack(), "-D", "-f", family, *words], timeout=_TIMEOUT, each=_forget)
    found = _DELETED.search(answer.errors)
    # It ends with 1 when there was nothing to delete, which is as good.
    if answer.code and not found:
        raise KernelError(_explain(answer))
    return int(found[1]) if found else 0


def _untranslated(services: Iterable[Service]) -> list[Service]:
    """Returns those of the services that flows ask which were never sent to a backend."""
    wanted = {(vip.encode(), str(port).encode()): (vip, port) for vip, port in services}
    found: set[Service] = set()
    rest = b""

    def add(piece: bytes) -> None:
        nonlocal rest
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            asked = _ASKED.search(line)
            service = wanted.get((asked[1], asked[2])) if asked else None
            if asked and service and b" src=" + asked[1] + b" " in line[asked.end() :]:
                found.add(service)

    for family in sorted({_family_of(service) for service in services}):
        answer = run([_conntrack(), "-L", "-f", family, "-p", "udp"], timeout=_TIMEOUT, each=add)
        if answer.code:
            raise KernelError(_explain(answer))
    return sorted(found)


def _asking(service: Service) -> tuple[str, ...]:
    vip, port = service
    return "-p", "udp", "-d", vip, "--dport", str(port)


def _family_of(service: Service) -> str:
    return _FAMILIES[6 if ":" in service[0] else 4]


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
