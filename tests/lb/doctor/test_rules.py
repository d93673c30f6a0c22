from __future__ import annotations

import pytest
from noidlb.doctor.rules import Chain, Effect, Match, Unknown, Verdict, VerdictMap, parse_ruleset

_MAPPED = ("numgen", "inc", "mod", "1", "map", "{", "0", ":", "1", "}")


def only(rules: str) -> Chain:
    lines = "\n".join(f"\t\t{line.strip()}" for line in rules.splitlines())
    (chain,) = parse_ruleset(f"table inet t {{\n\tchain c {{\n{lines}\n\t}}\n}}\n")
    return chain


def test_base_chains_have_a_hook() -> None:
    text = """\
table inet asleep {
	flags dormant
	chain c {
		type filter hook forward priority 0; policy drop;
	}
}
table netdev n {
	set s {
		type ipv4_addr
	}
	chain in {
		type filter hook ingress device "eth0" priority -500; policy accept;
		jump out
	}
	chain out {
		drop comment "a { b"
	}
}
"""
    base, other = parse_ruleset(text)
    assert (base.family, base.table, base.name, base.type, base.hook, base.priority, base.policy) == (
        "netdev", "n", "in", "filter", "ingress", -500, "accept",
    )  # fmt: skip
    assert str(base) == "table netdev n, chain in"
    assert base.devices == {"eth0"}
    (several,) = parse_ruleset(
        text.partition("table netdev")[0]
        .replace("\tflags dormant\n", "")
        .replace("forward", 'ingress devices = { eth0, "eth1.5" }')
    )
    assert (several.devices, several.priority, several.policy) == (frozenset({"eth0", "eth1.5"}), 0, "drop")
    assert other.hook == ""
    assert base.siblings["out"] is other
    assert other.rules[0].clauses == (Verdict("drop"),)


@pytest.mark.parametrize(
    ("rule", "clauses"),
    [
        ("tcp dport { 21, 22-30 } counter accept", [Match(("dport",), frozenset({"tcp"}), "==", ("21", "22-30"))]),
        ('iifname != "eth0" log prefix "a drop" level warn drop', [Match(("iif",), frozenset(), "!=", ('"eth0"',))]),
        ("ct status dnat / snat,dnat accept", [Match(("status",), frozenset(), "==", ("dnat",), "snat,dnat")]),
        ("ct mark & 0x0000ff00 == 0x1 return", [Match(("ct mark",), frozenset(), "==", ("0x1",), "0x0000ff00")]),
        (
            "ip daddr . tcp dport { 10.0.0.1 . 21, 10.0.0.2 . 22 } queue",
            [Match(("daddr", "dport"), frozenset({"ip", "tcp"}), "==", ("10.0.0.1 . 21", "10.0.0.2 . 22"))],
        ),
        ("ip saddr @blocked drop", [Unknown("ip saddr @blocked")]),
        ("limit rate 3/minute burst 10 packets counter accept", [Unknown("limit rate 3/minute burst 10 packets")]),
        (
            'meta l4proto tcp xt match "x" reject with tcp reset',
            [Match(("l4proto",), frozenset(), "==", ("tcp",)), Unknown('xt match "x"')],
        ),
        (
            "fib saddr . iif oif missing drop",
            [Unknown("fib saddr ."), Match(("iif",), frozenset(), "==", ("oif",)), Unknown("missing")],
        ),
    ],
)  # fmt: skip
def test_what_a_rule_asks_for(rule: str, clauses: list[object]) -> None:
    *found, verdict = only(rule).rules[0].clauses
    assert found == clauses
    assert isinstance(verdict, Verdict)


@pytest.mark.parametrize(
    ("rule", "effects"),
    [
        ("ct state new notrack", [Effect("notrack")]),
        ("ct zone set 3 accept", [Effect("ct zone set", ("3",))]),
        ("ct original zone set 3", [Effect("ct zone set", ("3",))]),
        ("ct mark set ct mark & 0xff | 0x100", [Effect("ct mark set", ("ct", "mark", "&", "0xff", "|", "0x100"))]),
        ("counter meta mark set ct mark", [Effect("meta mark set", ("ct", "mark"))]),
        ("tcp dport 21 counter xt target \"CT\"", [Effect("xt target CT")]),
        ("tcp dport 21 xt target CT", [Effect("xt target CT")]),
        ("ct mark set numgen inc mod 1 map { 0 : 1 } accept", [Effect("ct mark set", _MAPPED)]),
    ],
)  # fmt: skip
def test_what_a_rule_does(rule: str, effects: list[Effect]) -> None:
    assert [one for one in only(rule).rules[0].clauses if isinstance(one, Effect)] == effects


def test_verdict_maps() -> None:
    rules = only("ct state vmap { invalid : drop, established : jump x }\nip daddr vmap @services").rules
    assert rules[0].clauses == (
        VerdictMap(("state",), frozenset(), (("invalid", Verdict("drop")), ("established", Verdict("jump", "x")))),
    )
    assert rules[1].clauses == (VerdictMap(("daddr",), frozenset({"ip"}), ()),)
