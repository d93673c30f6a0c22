"""Runs conntrack, as the only file that does: counts and deletes the flows of backends and farms."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Set

from .flows import Ending, Match, Service, Target
from .run import Answer, KernelError, find, run

# A million flows are listed in 4 s.
_TIMEOUT = 60.0
# Always given: the default family differs between versions of conntrack.
_FAMILIES = {4: "ipv4", 6: "ipv6"}
_MARK = re.compile(rb" mark=([0-9]{1,10})")
# Flows that have ended and are kept for late packets; nft's `ct count` leaves them out too.
_OVER = (b" TIME_WAIT ", b" CLOSE ")
_DELETED = re.compile(r"(\d+) flow entries have been deleted")
# conntrack lists flows and deletes one after the other; it gives up at the first that has ended by itself meanwhile.
_VANISHED = "such conntrack doesn't exist"
# The destination of a flow's original direction: address and port that the client asked for.
_ASKED = re.compile(rb"src=\S+ dst=(\S+) sport=\d+ dport=(\d+)")
# The source of its reply direction: address and port of the server.
_ANSWERS = re.compile(rb" src=(\S+) dst=\S+ sport=(\d+)")
_SHOWN = 300


def count() -> Counter[int]:
    """Counts the current flows by mark, in one pass over each family.

    Data connections have the mark of their control connection and are counted with it.
    """
    counts: Counter[bytes] = Counter()

    def add(lines: list[bytes]) -> None:
        for line in lines:
            found = _MARK.search(line)
            if found and not any(over in line for over in _OVER):
                counts[found[1]] += 1

    for family in _FAMILIES.values():
        _list(add, family)
    return Counter({int(mark): number for mark, number in counts.items() if int(mark)})


def end(ending: Ending) -> int:
    """Deletes these flows and returns their number.

    Entries of ending are removed as they are done, so that a call after a KernelError continues where it failed.
    """
    ended = 0
    for matches, words in ((ending.marks, ()), (ending.udp, ("-p", "udp"))):
        while matches:
            version, match = next(iter(matches))
            ended += _cut(version, match, *words)
            matches.discard((version, match))
    while ending.services:
        service = next(iter(ending.services))
        ended += _delete(_family_of(service), *_asking(service))
        ending.services.discard(service)
    if ending.elsewhere:
        for service, (address, port) in _elsewhere(ending.elsewhere):
            number = _delete(_family_of(service), *_asking(service), "-r", address, "--reply-port-src", str(port))
            # Flows without translation belong to no farm, and are not counted.
            ended += number if address != service[0] else 0
        ending.elsewhere.clear()
    return ended


def cut(matches: Iterable[Match]) -> int:
    """Deletes the flows that match by mark, of single backends or of whole farms; returns their number.

    Data connections have the mark of their control connection, so they end too, and the kernel drops the expectations
    of both. The client's next packet is refused; the server gets no RST.
    """
    return sum(_cut(version, match) for match in sorted(set(matches)) if match[0] for version in _FAMILIES)


def _cut(version: int, match: Match, *words: str) -> int:
    mark, mask = match
    return _delete(_FAMILIES[version], *words, "-m", f"{mark:#x}/{mask:#x}")


def _delete(family: str, *words: str) -> int:
    ended = listed = 0

    def add(piece: bytes) -> None:
        nonlocal listed
        listed += piece.count(b"\n")

    limit = time.monotonic() + _TIMEOUT
    while True:
        answer = run([_conntrack(), "-D", "-f", family, *words], timeout=_TIMEOUT, each=add)
        found = _DELETED.search(answer.errors)
        # conntrack exits with 1 when no flow matched: not an error here.
        if found or not answer.code:
            return ended + (int(found[1]) if found else 0)
        if _VANISHED not in answer.errors or time.monotonic() > limit:
            raise KernelError(_explain(answer))
        # This run has deleted and printed the flows before the vanished one: the next run deletes those behind it.
        ended, listed = ended + listed, 0


def _elsewhere(served: Mapping[Service, Set[Target]]) -> list[tuple[Service, Target]]:
    """Returns the targets of these services' flows other than their backends; of an untranslated flow it is the VIP."""
    wanted = {(vip.encode(), str(port).encode()): (vip, port) for vip, port in served}
    found: set[tuple[Service, Target]] = set()

    def add(lines: list[bytes]) -> None:
        for line in lines:
            asked = _ASKED.search(line)
            service = wanted.get((asked[1], asked[2])) if asked else None
            if asked and service and (answers := _ANSWERS.search(line, asked.end())):
                target = answers[1].decode(), int(answers[2])
                if target not in served[service]:
                    found.add((service, target))

    for family in sorted({_family_of(service) for service in served}):
        _list(add, family, "-p", "udp")
    return sorted(found)


def _list(take: Callable[[list[bytes]], None], family: str, *words: str) -> None:
    """Lists flows, and hands the lines to take as they come, many at a time."""
    rest = b""

    def split(piece: bytes) -> None:
        nonlocal rest
        *lines, rest = (rest + piece).split(b"\n")
        take(lines)

    answer = run([_conntrack(), "-L", "-f", family, *words], timeout=_TIMEOUT, each=split)
    if answer.code:
        raise KernelError(_explain(answer))


def _asking(service: Service) -> tuple[str, ...]:
    vip, port = service
    return "-p", "udp", "-d", vip, "--dport", str(port)


def _family_of(service: Service) -> str:
    return _FAMILIES[6 if ":" in service[0] else 4]


def version() -> str:
    """Returns the version line of conntrack."""
    return run([_conntrack(), "--version"], timeout=_TIMEOUT).output.decode(errors="replace").strip()[:_SHOWN]


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
