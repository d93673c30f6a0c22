"""What may happen to the network and the disks of a machine; what may happen to its servers is in servers.py."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from integration.lab.namespace import Namespace
from integration.lab.servers import Server

BLACKHOLE = "meta l4proto { tcp, udp } drop"
REFUSE = "meta l4proto tcp reject with tcp reset; meta l4proto udp reject"
FORBID = "meta l4proto { tcp, udp } reject with icmpx admin-prohibited"
NO_PASSIVE_DATA = "tcp dport 50000-50999 drop"
NO_ACTIVE_DATA = "tcp sport 20 drop"
"""For hook output; ProFTPD does not use this port."""
LOSSY = "numgen random mod 100 < 30 drop"


@contextmanager
def fault(namespace: Namespace, rules: str, hook: Literal["input", "output"] = "input") -> Iterator[None]:
    """Does to the packets of a machine what rules of nft(8) say, until the block ends."""
    namespace.nft(
        f"table inet fault {{ chain on_{hook} {{ type filter hook {hook} priority 0; policy accept; {rules}; }}; }}"
    )
    try:
        yield
    finally:
        namespace.nft("delete table inet fault")


@contextmanager
def slow(namespace: Namespace, rate: str = "1mbit") -> Iterator[None]:
    """Lets a machine send at no more than a rate of tc(8), until the block ends."""
    device = ("tc", "qdisc", "add", "dev", "eth0", "root")
    namespace.run((*device, "tbf", "rate", rate, "burst", "10kb", "latency", "400ms"))
    try:
        yield
    finally:
        namespace.run(("tc", "qdisc", "del", "dev", "eth0", "root"))


@contextmanager
def disk(server: Server, folder: Path, options: str) -> Iterator[None]:
    """Puts an empty disk with options of tmpfs(5) in the place of a folder, for one server alone, until the block ends.

    Everybody may write to it as far as the options let them.
    """
    server.run(("mount", "-t", "tmpfs", "-o", f"mode=0777,{options}", "tmpfs", folder))
    try:
        yield
    finally:
        # Lazy: a session may still have a file open there.
        server.run(("umount", "--lazy", folder))
