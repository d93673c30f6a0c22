from __future__ import annotations

from pathlib import Path

from noidlb.doctor.iptables import completed, saved
from noidlb.doctor.rules import parse_ruleset

from tests.support.lb.programs import Played


def listed(table: str, chain: str, *rules: str) -> str:
    """Returns a chain as nft lists it."""
    body = "".join(f"\t\t{rule}\n" for rule in rules)
    return f"table ip {table} {{\n\tchain {chain} {{\n{body}\t}}\n}}\n"


def test_the_target_ct_of_iptables_is_asked_for() -> None:
    text = listed(
        *("raw", "PREROUTING", "tcp dport 21 counter xt target CT", "tcp dport 22 counter notrack"),
        *('tcp dport 69 xt target "CT"', "xt target CT"),
    )
    saved = """*raw
-A OUTPUT -j CT --zone 9
-A PREROUTING -p tcp --dport 21 -j CT --helper ftp
-A PREROUTING -p tcp --dport 22 -j CT --notrack
-A PREROUTING -p tcp --dport 69 -j CT --zone-orig 3
"""
    (chain,) = parse_ruleset(completed(text, {"ip": saved}))
    assert [rule.text for rule in chain.rules] == [
        "tcp dport 21 counter continue",
        "tcp dport 22 counter notrack",
        "tcp dport 69 ct zone set 3",
        "xt target CT",
    ]
    assert completed(text, {"ip6": saved}) == text.rstrip("\n")


def test_states_beside_dnat_are_asked_for() -> None:
    """nft 1.0.6 lists one of them alone."""
    text = listed(
        *("filter", "FORWARD", "type filter hook forward priority 0; policy drop;", "ct status dnat counter accept"),
        *('iifname "x" counter jump D', "ct status snat counter drop", "ct status dnat accept"),
    )
    saved = """*raw
-A FORWARD -j CT --notrack
COMMIT
*filter
-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED,DNAT -j ACCEPT
-A FORWARD -i x -j D
-A FORWARD -m conntrack --ctstate NEW,SNAT,DNAT -j DROP
-A FORWARD -m conntrack --ctstate DNAT -j ACCEPT
"""
    (chain,) = parse_ruleset(completed(text, {"ip": saved}))
    assert [rule.text for rule in chain.rules] == [
        "ct state related,established counter accept",
        "ct status dnat counter accept",
        'iifname "x" counter jump D',
        "ct state new counter drop",
        "ct status snat counter drop",
        "ct status dnat counter drop",
        "ct status dnat accept",
    ]


def test_iptables_that_is_not_installed_tells_nothing(path: Path) -> None:
    assert saved() == {}
    Played(path, "iptables-nft-save").answer(out="*raw\n")
    assert saved() == {"ip": "*raw\n"}
