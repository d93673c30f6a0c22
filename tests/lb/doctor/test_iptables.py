from __future__ import annotations

from pathlib import Path

from noidlb.doctor.iptables import completed, saved
from noidlb.doctor.rules import parse_ruleset

from tests.support.lb.programs import Played


def test_the_target_ct_of_iptables_is_asked_for() -> None:
    rules = (
        "tcp dport 21 counter xt target CT",
        "tcp dport 22 counter notrack",
        'tcp dport 69 xt target "CT"',
        "xt target CT",
    )
    body = "".join(f"\t\t{rule}\n" for rule in rules)
    text = f"table ip raw {{\n\tchain PREROUTING {{\n{body}\t}}\n}}\n"
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
    rules = (
        "ct status dnat counter accept",
        'iifname "x" counter jump D',
        "ct status snat counter drop",
        "ct status dnat accept",
    )
    body = "".join(f"\t\t{rule}\n" for rule in rules)
    head = "\t\ttype filter hook forward priority 0; policy drop;\n"
    text = f"table ip filter {{\n\tchain FORWARD {{\n{head}{body}\t}}\n}}\n"
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
