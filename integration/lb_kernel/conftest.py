"""A kernel without our table, and with somebody else's, before and after each test."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest
from noidlb.nft import nft as kernel

FOREIGN = """\
table inet firewall {
	set ftp4 { type ipv4_addr . inet_service; elements = { 192.0.2.1 . 21 } }
	chain forwarded {
		type filter hook forward priority 10; policy drop;
		ct status dnat accept
	}
}
table ip nat {
	chain prerouting { type nat hook prerouting priority -90; policy accept; }
}
"""


def nft(*words: str, text: str = "") -> str:
    """Runs nft, not through the code under test."""
    return subprocess.run(["nft", *words], input=text, capture_output=True, text=True, check=True, timeout=600).stdout


@pytest.fixture(autouse=True)
def _kernel() -> Iterator[None]:
    nft("-f", "-", text=f"flush ruleset\n{FOREIGN}")
    before = nft("-a", "list", "ruleset")
    yield
    kernel.remove()
    assert nft("-a", "list", "ruleset") == before, "something outside of our table has changed"
    nft("flush", "ruleset")
