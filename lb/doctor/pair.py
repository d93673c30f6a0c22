"""Examines this node of a pair: its role, the synchronization of flows, and whether its files are current.

Of the other node it sees only conntrackd's messages; the operator compares what must be equal on both nodes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

from noidchecks import __version__

from ..address import IPAddress
from ..config.load import Configuration
from ..config.pair import Node, Pair
from ..farm import Farm
from ..nft import nft as kernel
from ..nft.run import KernelError, find, run
from ..pair.conntrackd import HASH_LIMIT, SOLICIT_AGAIN, neighbour_settings
from ..pair.files import NAMES, SIGN
from ..pair.rules import TABLE, control_ports
from ..role import Role, read_role
from .finding import FAULT, NOTE, OK, WARN, Finding
from .host import read_file
from .rules import parse_ruleset
from .takeover import look_at

_TIMEOUT = 10.0
_COUNTERS = {
    "sent": re.compile(r"(\d+) Pckts sent"),
    "received": re.compile(r"(\d+) Pckts recv"),
    "errors": re.compile(r"(\d+) Error send"),
    "lost": re.compile(r"(\d+) Lost msgs"),
}
_REFUSED = re.compile(r"cache internal:.*?connections created:\s+\d+\s+failed:\s+(\d+)", re.DOTALL)
_LIMIT = re.compile(r"^\s*HashLimit\s+(\d{1,18})\s*$", re.MULTILINE)
_ROOM = "noidlb pair writes a conntrackd.conf with room for all flows; then systemctl restart conntrackd"
_LOOSE = (
    "connections lost in a take-over hang instead of being reset; set it to 0 after the module nf_conntrack is loaded"
)
_SLOW = f"a take-over can leave IPv6 clients without service for that long; set it to {SOLICIT_AGAIN}"


def examine_pair(
    pair: Pair,
    configuration: Configuration,
    folder: Path,
    run_folder: Path,
    is_here: Callable[[IPAddress], bool],
    root: Path = Path("/"),
) -> Iterator[Finding]:
    """Yields findings on this node; folder has the files of noidlb pair, is_here says whether an address is local."""
    farms, digest = configuration.farms, configuration.digest[:12]
    yield from look_at(pair, farms)
    node = this_node(pair, is_here)
    if node is None:
        names = " nor ".join(one.name for one in pair.nodes)
        yield Finding(FAULT, "node", f"this machine is neither {names}: none of their addresses is here")
        return
    missing = [str(address) for address in node.addresses if not is_here(address)]
    if missing:
        yield Finding(FAULT, "node", f"{node.name}, but {', '.join(missing)} is not on this machine")
    role = read_role(run_folder)
    yield _role(node, {address for side in pair.moving(farms) for address in side}, role, is_here)
    same = f"must say the same on {pair.peer(node).name}"
    yield Finding(NOTE, "farms file", f"{digest}: noidlb pair --hash {same}")
    yield Finding(NOTE, "noidlb", f"{__version__}: noidlb --version {same}")
    yield from _files(folder, digest)
    yield from _copy(folder, root)
    yield from _room(folder, root)
    yield from _table(farms, folder)
    yield from _versions()
    yield _counters(folder)
    yield _setting(root, "net.netfilter.nf_conntrack_tcp_loose", 0, _LOOSE)
    for name in neighbour_settings(node):
        yield _setting(root, name, SOLICIT_AGAIN, _SLOW)
    yield _clock(root)


def this_node(pair: Pair, is_here: Callable[[IPAddress], bool]) -> Node | None:
    """Returns the node that has any of its addresses on this machine."""
    return next((one for one in pair.nodes if any(map(is_here, one.addresses))), None)


def _role(node: Node, moving: set[IPAddress], role: Role, is_here: Callable[[IPAddress], bool]) -> Finding:
    here = {one for one in moving if is_here(one)}
    if here and here != moving:
        away = ", ".join(sorted(str(one) for one in moving - here)[:3])
        return Finding(
            FAULT, "role", f"{node.name} has some of the moving addresses but not {away}: restart keepalived"
        )
    serves = here == moving
    said = f"{node.name} {'serves' if serves else 'stands by'}"
    if role is Role.ALONE:
        return Finding(WARN, "role", f"{said}, but the notify script has never run: is keepalived running?")
    if serves != (role is Role.MASTER):
        return Finding(FAULT, "role", f"{said}, but keepalived said {role.value} last: is it running?")
    if role is Role.FAULT:
        return Finding(FAULT, "role", f"{said}: keepalived has ended, or a link is down")
    return Finding(OK, "role", said)


def _files(folder: Path, digest: str) -> Iterator[Finding]:
    for name in NAMES:
        path = folder / name
        try:
            head = path.read_text(errors="replace")[:200]
        except OSError as error:
            yield Finding(WARN, name, f"{path}: {error.strerror}: noidlb pair writes it")
            continue
        if SIGN not in head:
            yield Finding(WARN, name, f"{path} was not written by noidlb pair, so it may not match the farms")
        elif digest not in head:
            yield Finding(WARN, name, f"{path} was written from another farms file: run noidlb pair again, and reload")
        else:
            yield Finding(OK, name, "is from this farms file")


def _copy(folder: Path, root: Path) -> Iterator[Finding]:
    """Yields a finding on the copy of conntrackd.conf that the distribution's unit reads."""
    original, copy = folder / "conntrackd.conf", root / "etc/conntrackd/conntrackd.conf"
    # Only the first line follows from the farms.
    (head, _, text), (wanted, _, rest) = ((read_file(path) or "").partition("\n") for path in (copy, original))
    # Without noidlb's sign it is another program's file, and the unit is taken to read the original.
    if SIGN in head and wanted and text != rest:
        text = f"{copy} differs from {original}, and conntrackd reads the copy"
        cure = f"cp {original} {copy}, and systemctl restart conntrackd"
        yield Finding(WARN, "conntrackd.conf", text, cure)


def _room(folder: Path, root: Path) -> Iterator[Finding]:
    """Yields a finding on a conntrackd.conf with too little room, as an older noidlb has written it.

    conntrackd keeps flows that have ended for a while, so it needs twice the room of the kernel (conntrackd.conf(5)).
    """
    try:
        limit = _LIMIT.search((folder / "conntrackd.conf").read_text(errors="replace"))
        most = int((root / "proc/sys/net/netfilter/nf_conntrack_max").read_text())
    except (OSError, ValueError):
        return
    if limit and int(limit[1]) < min(2 * most, HASH_LIMIT):
        text = f"HashLimit {limit[1]} is less than twice nf_conntrack_max, {most}: flows beyond it are not copied"
        yield Finding(WARN, "conntrackd.conf", text, _ROOM)


def _table(farms: tuple[Farm, ...], folder: Path) -> Iterator[Finding]:
    """Yields a finding on the table that resets FTP sessions with shifted sequence numbers; a flush removes it."""
    if not control_ports(farms):
        return
    subject = f"table inet {TABLE}"
    try:
        chains = parse_ruleset(kernel.ruleset())
    except KernelError as error:
        yield Finding(WARN, subject, f"is not examined: the rules cannot be read: {error}")
        return
    if any(one.hook and (one.family, one.table) == ("inet", TABLE) for one in chains):
        yield Finding(OK, subject, "is in the kernel")
        return
    text = "is not in the kernel: FTP sessions with shifted sequence numbers hang after a take-over"
    cure = f"nft -f {folder}/{TABLE}.nft, after each flush of the ruleset too"
    yield Finding(FAULT, subject, text, cure)


def _versions() -> Iterator[Finding]:
    for name, word in (("keepalived", "--version"), ("conntrackd", "-v")):
        try:
            answer = run([find(name, name), word], timeout=_TIMEOUT)
        except KernelError as error:
            yield Finding(FAULT, name, str(error))
            continue
        said = (answer.output.decode(errors="replace") + answer.errors).strip().splitlines()
        yield Finding(OK, name, f"{said[0][:80] if said else 'says no version'}: both nodes should have the same")


def _counters(folder: Path) -> Finding:
    try:
        answer = run([find("conntrackd", "conntrackd"), "-C", str(folder / "conntrackd.conf"), "-s"], timeout=_TIMEOUT)
    except KernelError as error:
        return Finding(FAULT, "synchronization", str(error))
    return judge_counters(answer.code, answer.output.decode(errors="replace"))


def judge_counters(code: int, text: str) -> Finding:
    """Returns the finding on conntrackd's statistics, from exit code and output of `conntrackd -s`."""
    found = {name: int(match[1]) for name, pattern in _COUNTERS.items() if (match := pattern.search(text))}
    if code != 0 or len(found) < len(_COUNTERS):
        return Finding(FAULT, "synchronization", "conntrackd does not answer: no session survives a take-over")
    shown = ", ".join(f"{number} {name}" for name, number in found.items())
    if not found["received"]:
        return Finding(FAULT, "synchronization", f"{shown}: no message has arrived from the other node")
    if (refused := _REFUSED.search(text)) and int(refused[1]):
        lost = f"{shown}, and {refused[1]} flows not copied since conntrackd started: it had no room for them"
        return Finding(WARN, "synchronization", lost, _ROOM)
    if found["errors"] or found["lost"]:
        return Finding(WARN, "synchronization", f"{shown} since conntrackd started: is the link or a buffer too small?")
    return Finding(OK, "synchronization", shown)


def _setting(root: Path, name: str, most: int, trouble: str) -> Finding:
    """Returns the finding on a sysctl that must be at most `most`; its name has dots or slashes."""
    value = (read_file(root / "proc/sys" / (name if "/" in name else name.replace(".", "/"))) or "").strip()
    if value.isdecimal() and int(value) <= most:
        return Finding(OK, name, value)
    return Finding(WARN, name, f"is {value or 'not there'}: {trouble}")


def _clock(root: Path) -> Finding:
    if (root / "run/systemd/timesync/synchronized").exists():
        return Finding(OK, "clock", "is synchronized")
    text = "not synchronized by systemd-timesyncd: have another program do so, or the nodes' logs cannot be compared"
    return Finding(NOTE, "clock", text)
