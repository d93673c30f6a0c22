from __future__ import annotations

import pytest
from noidlb.config.mark_layout import FEW
from noidlb.doctor.finding import Finding
from noidlb.doctor.marks import bits_of, examine_marks
from noidlb.doctor.rules import Effect, parse_ruleset

from tests.support.lb.doctor import FTP, TFTP, ways


def table(rule: str, hook: str = "postrouting", priority: int = -150, *, iptables: bool = False) -> str:
    head, name = ("table ip mangle", hook.upper()) if iptables else ("table inet wan", "c")
    base = f"\t\ttype filter hook {hook} priority {priority}; policy accept;\n"
    return f"{head} {{\n\tchain {name} {{\n{base}\t\t{rule}\n\t}}\n}}\n"


def look(text: str, mask: int = FEW, rules: tuple[dict[str, object], ...] = ()) -> list[Finding]:
    return list(examine_marks(parse_ruleset(text), ways(FTP, TFTP), mask, rules))


@pytest.mark.parametrize(
    ("effect", "words", "iptables", "bits"),
    [
        ("ct mark set", "meta mark", False, 0xFFFFFFFF),
        ("ct mark set", "mark", True, 0xFFFFFFFF),
        ("ct mark set", "mark and 0xff00", True, 0xFF00),
        # nft clears the bits that are not in the mask.
        ("ct mark set", "meta mark and 0xff00", False, 0xFFFFFFFF),
        ("ct mark set", "0x1", True, 0xFFFFFFFF),
        ("ct mark set", "ct mark xor 0x100 and 0xffff00ff", True, 0xFF00),
        ("ct mark set", "ct mark & 0xffff00ff | 0x00000100", False, 0xFF00),
        ("ct mark set", "ct mark or 0x100", False, 0x100),
        ("ct mark set", "ct mark and 0xffff0000 or meta mark and 0x0000ffff", False, 0xFFFF),
        ("meta mark set", "ct mark", False, 0xFFFFFFFF),
        ("meta mark set", "ct mark & 0x000000ff", False, 0xFF),
        ("meta mark set", "0x7", False, 0),
        ("ct zone set", "3", False, 0),
    ],
)
def test_the_bits_that_are_written(effect: str, words: str, iptables: bool, bits: int) -> None:
    assert bits_of(Effect(effect, tuple(words.split())), of_iptables=iptables) == bits


@pytest.mark.parametrize(
    ("rule", "hook", "iptables"),
    [
        ("counter ct mark set mark", "postrouting", True),
        ("ct mark set meta mark", "postrouting", False),
        ("meta mark != 0x00000000 ct mark set meta mark", "forward", False),
        ("counter meta mark set ct mark", "prerouting", True),
        ("meta mark set ct mark", "prerouting", False),
        ("ct mark set 0x00000001", "postrouting", False),
        ("ct mark set ct mark | 0x00010000", "forward", False),
        ("ct mark set 0x00000001", "prerouting", False),
        ("meta l4proto udp ct mark set meta mark", "postrouting", False),
    ],
)
def test_rules_that_take_our_bits_are_faults(rule: str, hook: str, iptables: bool) -> None:
    (found,) = look(table(rule, hook, iptables=iptables))
    assert (found.level, found.subject) == ("fault", "marks")
    assert f"chain {hook.upper() if iptables else 'c'}: the rule " in found.text
    assert ("--nfmask 0x6000ffff --ctmask 0x6000ffff" in found.cure) is iptables
    assert iptables or "ct mark and 0x9fff0000 != 0 accept" in found.cure


@pytest.mark.parametrize(
    ("rule", "hook", "iptables"),
    [
        # What mwan3 and others write with masks of theirs.
        ("counter meta mark set ct mark and 0x3f00", "prerouting", True),
        ("counter ct mark set mark and 0x3f00", "postrouting", True),
        ("ct mark set ct mark & 0xffff00ff | 0x00000100", "postrouting", False),
        ("meta mark set ct mark & 0x000000ff", "prerouting", False),
        # A new connection's mark is written over by the farm's.
        ("ct state new ct mark set 0x00000001", "prerouting", False),
        ("ct mark 0x00000000 ct mark set 0x00000001", "postrouting", False),
        ('oifname "wan" ct mark set meta mark', "postrouting", False),
        ("tcp dport 443 ct mark set meta mark", "forward", False),
        ("meta mark set 0x00000007", "prerouting", False),
    ],
)
def test_rules_that_leave_our_bits_alone_are_none(rule: str, hook: str, iptables: bool) -> None:
    assert look(table(rule, hook, iptables=iptables)) == []


@pytest.mark.parametrize("rule", ["ct mark & 0x9fff0000 != 0x00000000 accept", "ct mark and 0x9fff0000 != 0x0 accept"])
def test_the_cure_lets_farms_pass(rule: str) -> None:
    text = table(f"{rule}\n\t\tct mark set meta mark")
    assert look(text) == []
    assert [one.level for one in look(text.replace("0x9fff0000", "0x90000000"))] == ["fault"]


def test_the_range_of_marks_can_be_moved() -> None:
    text = table("counter ct mark set mark and 0xff0000", iptables=True)
    assert [one.level for one in look(text)] == ["fault"]
    assert look(text, 0x1F00FFFF) == []


def test_a_copied_mark_that_no_route_reads_is_a_warning() -> None:
    """wg-quick copies the marks of all UDP packets, and routes what has another one than its own."""
    text = table("meta l4proto udp meta mark set ct mark", "prerouting")
    assert [one.level for one in look(text)] == ["fault"]
    # The rules of every machine.
    usual: tuple[dict[str, object], ...] = ({"priority": 0, "table": "local"}, {"priority": 32766, "table": "main"})
    assert [one.level for one in look(text, rules=usual)] == ["warn"]
    wireguard: dict[str, object] = {"priority": 32765, "not": None, "fwmark": "0xca6c", "table": "51820"}
    assert [one.level for one in look(text, rules=(wireguard,))] == ["warn"]
    masked: dict[str, object] = {"fwmark": "0x100", "fwmask": "0xff00", "table": "1"}
    assert [one.level for one in look(text, rules=(wireguard, masked))] == ["warn"]
    assert [one.level for one in look(text, rules=(masked, {"fwmark": "0x1", "table": "1"}))] == ["fault"]
    (found,) = look(table("meta l4proto udp meta mark 0x0000ca6c ct mark set meta mark"))
    assert found.level == "warn"
