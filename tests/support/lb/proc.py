"""What the kernel counts of connections."""

from __future__ import annotations

from pathlib import Path


class Proc:
    """What the kernel tells: flows, their limit, and packets that were dropped, on two processors."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.sysctl = root / "sys/net/netfilter"
        self.statistics = root / "net/stat/nf_conntrack"
        self.sysctl.mkdir(parents=True)
        self.statistics.parent.mkdir(parents=True)
        self.tell(10)

    def tell(self, used: int, *, most: int = 100, dropped: int = 0) -> None:
        (self.sysctl / "nf_conntrack_count").write_text(f"{used}\n")
        (self.sysctl / "nf_conntrack_max").write_text(f"{most}\n")
        lines = [f"{used:08x}  00000000 {count:08x} 00000000" for count in (dropped, 3)]
        self.statistics.write_text("\n".join(("entries  found drop early_drop", *lines, "")))
