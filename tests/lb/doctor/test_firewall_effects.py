"""Rules that keep packets from conntrack, or lead them elsewhere."""

from __future__ import annotations

import pytest

from tests.support.lb.doctor import chain, look


@pytest.mark.parametrize(
    ("rule", "subject"),
    [
        ("tcp dport 21 notrack", "notrack"),
        ("notrack", "notrack"),
        ("tcp sport 21 notrack", "notrack"),
        ("ct zone set 3", "conntrack zone"),
        ("ip daddr 10.10.0.100 ct zone set 3", "conntrack zone"),
        ("ct original zone set 3", "conntrack zone"),
    ],
)
def test_what_is_not_tracked_here_is_a_fault(rule: str, subject: str) -> None:
    (found,) = look(chain(rule, hook="prerouting", priority=-300))
    assert (found.level, found.subject) == ("fault", subject)
    assert "accept" in found.cure


@pytest.mark.parametrize(
    "rule",
    [
        "tcp dport 80 notrack",
        "udp dport 53 ct zone set 1",
        'iifname "lo" notrack',
        "ct zone set 0",
        "ip daddr 10.10.0.101 notrack",
    ],
)
def test_what_is_tracked_is_none(rule: str) -> None:
    assert look(chain(rule, hook="prerouting", priority=-300)) == []


def test_a_target_ct_of_iptables_may_be_anything() -> None:
    (found,) = look(chain("tcp dport 21 counter xt target CT", hook="prerouting", priority=-300, family="ip"))
    assert (found.level, found.subject) == ("warn", "target CT")
    assert "iptables-save" in found.cure


@pytest.mark.parametrize(
    ("rule", "priority", "levels"),
    [
        ("ip daddr 10.10.0.100 tcp dport 21 dnat to 10.9.0.1:80", -102, ["fault"]),
        ('fib daddr type local iifname != "eth1" tcp dport 21 counter dnat to 172.17.0.2:80', -110, ["warn"]),
        ("tcp dport 20-30 redirect to :2121", -110, ["fault"]),
        # As docker's: after the farms'.
        ("tcp dport 21 dnat to 172.17.0.2:80", -100, []),
        ("ip saddr 10.99.0.1 redirect", -150, ["warn"]),
        ("dnat to 10.9.0.1", -99, []),
        ("tcp dport 22 redirect to :2222", -110, []),
        ("ip daddr 10.10.0.0/16 accept\n\t\tdnat to 10.9.0.1", -110, []),
        ("masquerade", 100, []),
    ],
)
def test_what_leads_clients_elsewhere(rule: str, priority: int, levels: list[str]) -> None:
    hook = "postrouting" if rule == "masquerade" else "prerouting"
    found = look(chain(rule, hook=hook, priority=priority).replace("type filter", "type nat"))
    assert [one.level for one in found] == levels
    for one in found:
        assert "packets of farm ftp are led elsewhere before the farm gets them" in one.text
        assert "ip daddr 10.10.0.100 tcp dport 21 accept" in one.cure
