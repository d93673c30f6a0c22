from __future__ import annotations

import re

import pytest
from noidlb.doctor.firewall import examine_firewall
from noidlb.doctor.rules import parse_ruleset
from noidlb.farm import Mode, Protocol
from noidlb.guard import Guard

from tests.support.lb.doctor import FTP, TFTP, V4, chain, look, recorded, ways
from tests.support.lb.farms import farm

SFTP = farm("sftp", 2, vip=V4, protocol=Protocol.SFTP)
BOTH_FAMILIES = farm("ftp", 2)
_ASKING = "new connections, established connections, passive data connections and answers of clients"


# --- rulesets that firewalld 1.3.3, ufw 0.36.2 and dockerd have written, shortened


def test_firewalld_lets_farms_pass_unless_it_is_strict() -> None:
    text = recorded("firewalld")
    assert look(text, BOTH_FAMILIES, TFTP, SFTP) == []
    (found,) = look(text.replace("\t\tct status dnat accept\n", ""), BOTH_FAMILIES, TFTP)
    assert found.level == "fault"
    assert "table inet firewalld, chain filter_FORWARD: the rule 'reject with icmpx admin-prohibited'" in found.text
    assert "turns away new connections of farms ftp, tftp" in found.text
    assert "StrictForwardPorts=no" in found.cure


def test_strict_firewalld_lets_pass_what_stays_in_a_zone() -> None:
    text = recorded("firewalld").replace("\t\tct status dnat accept\n", "")
    assert look(text.replace('oifname "eth0" accept', 'oifname "eth1" accept')) == []


def test_docker_turns_farms_away() -> None:
    (found,) = look(recorded("docker"), BOTH_FAMILIES)
    assert found.level == "fault"
    assert "table ip filter, chain FORWARD: its policy drop" in found.text
    assert found.cure.startswith("iptables -I DOCKER-USER -m conntrack --ctstate RELATED,ESTABLISHED,DNAT -j ACCEPT")
    mended = recorded("docker").replace(
        "chain DOCKER-USER {\n", "chain DOCKER-USER {\n\t\tct state related,established counter accept\n"
        "\t\tct status dnat counter accept\n",
    )  # fmt: skip
    assert look(mended, BOTH_FAMILIES, TFTP, SFTP) == []


def test_ufw_turns_new_clients_away() -> None:
    found = look(recorded("ufw"), BOTH_FAMILIES)
    assert [one.level for one in found] == ["fault", "fault"]
    assert "table ip filter, chain FORWARD: its policy drop in the hook forward turns away new" in found[0].text
    assert "-A ufw-before-forward -m conntrack --ctstate RELATED,ESTABLISHED,DNAT" in found[0].cure
    assert "before6.rules" in found[1].cure
    mended = recorded("ufw").replace(
        "chain ufw-user-forward {\n",
        "chain ufw-user-forward {\n\t\tip daddr 10.20.0.0/16 tcp dport 21 counter accept\n",
    )
    # New connections pass; the data connections do so as related ones.
    assert look(mended, FTP) == []


# --- one's own


@pytest.mark.parametrize(
    ("rules", "policy"),
    [
        (("drop",), "accept"),
        (("ct state established,related accept", "drop"), "accept"),
        (("ct state { established, related } accept", "reject with icmpx admin-prohibited"), "accept"),
        ((), "drop"),
        (("ct state invalid drop", "jump d", 'iifname "docker0" accept'), "drop"),
        (("tcp dport 80 accept", "ct state new drop"), "accept"),
        (("ct state vmap { established : accept, related : accept, new : drop }",), "accept"),
        (("tcp dport vmap { 20-30 : drop }",), "accept"),
        (('iifname "wlan0" goto d', "meta l4proto tcp reject with tcp reset"), "accept"),
        (('oifname "eth1" drop',), "accept"),
        (('iifname "eth0" oifname "eth*" drop',), "accept"),
        (("ip daddr 10.20.0.0/16 drop",), "accept"),
        (("ip daddr != 10.99.0.0/16 drop",), "accept"),
        (("ct original ip daddr 10.10.0.100 drop",), "accept"),
        (("ct original daddr 10.10.0.100 counter drop",), "accept"),
        (("ct original daddr != 10.99.0.0/16 counter drop",), "accept"),
        (("ct status dnat drop",), "accept"),
        (("counter", "goto d"), "drop"),
    ],
)
def test_chains_that_turn_all_clients_away(rules: tuple[str, ...], policy: str) -> None:
    text = chain(*rules, policy=policy)
    found = look(text, SFTP if "jump d" in rules or "goto d" in rules else FTP)
    assert [(one.level, one.subject) for one in found] == [("fault", "firewall")]
    assert "table inet my, chain c" in found[0].text
    assert "insert rule inet my c ct status dnat accept" in found[0].cure


@pytest.mark.parametrize(
    "rules",
    [
        ("ct state established,related accept", "ct status dnat accept"),
        ("ct state vmap { established : accept, related : accept, invalid : drop }", "ct status dnat accept"),
        ("ct state established,related accept", "ip daddr 10.20.0.0/16 tcp dport 21 accept"),
        ("ct state established,related accept", "ct original ip daddr 10.10.0.100 ct original proto-dst 21 accept"),
        ("ct state established,related accept", "ct original daddr 10.10.0.100 counter accept"),
        ("ct state established,related accept", 'iifname "eth0" oifname "eth1" accept'),
        ("ct state established,related accept", "jump d"),
        ("ct state != new accept", "ct status dnat / snat,dnat accept"),
        ('oifname { "eth0", "eth1" } accept',),
        ("ct state established,related accept", "ip daddr . tcp dport { 10.20.1.2 . 21, 10.20.2.2 . 21 } accept"),
        ("ip saddr @blocked drop", "ct state established,related,new accept"),
        ("limit rate over 10/second drop", "accept"),
        ("ct state invalid drop", "tcp flags & (fin | syn | rst | ack) != syn ct state new drop", "accept"),
        ("icmp type echo-request drop", "udp dport 53 drop", "ip6 daddr ::/0 drop", "accept"),
        ("queue",),
    ],
)
def test_chains_that_let_a_farm_pass(rules: tuple[str, ...]) -> None:
    assert look(chain(*rules, policy="drop")) == []


def test_what_is_let_pass_for_some_clients_is_a_warning() -> None:
    (found,) = look(chain("ct state established,related accept", "ip saddr 192.0.2.0/24 accept", policy="drop"))
    assert found.level == "warn"
    assert "unless 'ip saddr 192.0.2.0/24 accept' lets them pass" in found.text


def test_a_return_exempts_from_the_rest_of_its_chain_alone() -> None:
    """As shorewall writes it: what leaves the chain of smurfs or of flags goes on to the chain that rejects."""
    inside = "\tchain side {\n\t\tip saddr 0.0.0.0 return\n\t\tip saddr 224.0.0.0/4 drop\n\t}\n"
    text = chain("ct state established,related accept", "ct state new jump side", "jump all").replace(
        "\tchain d {", f"{inside}\tchain all {{\n\t\treject\n\t}}\n\tchain d {{"
    )
    (found,) = look(text)
    assert found.level == "fault"
    assert "unless" not in found.text
    (found,) = look(text.replace("\t\treject\n", "\t\tip saddr 192.0.2.0/24 return\n\t\treject\n"))
    assert found.level == "warn"
    assert "unless 'ip saddr 192.0.2.0/24 return' lets them pass" in found.text


def test_a_return_to_a_policy_that_drops_lets_nothing_pass() -> None:
    rules = ("ct state established,related accept", "ip saddr 192.0.2.0/24 return", "drop")
    assert [one.level for one in look(chain(*rules))] == ["warn"]
    assert [one.level for one in look(chain(*rules, policy="drop"))] == ["fault"]


def test_a_goto_leads_past_what_follows_it() -> None:
    rules = ("ct state established,related accept", "ip saddr 192.0.2.0/24 goto d", "drop")
    text = chain(*rules).replace("tcp dport 21 accept", "tcp dport 80 accept")
    (found,) = look(text)
    assert found.level == "warn"
    assert "unless 'ip saddr 192.0.2.0/24 goto d' lets them pass" in found.text
    assert [one.level for one in look(text.replace("goto d", "jump d"))] == ["fault"]


def test_clients_that_come_by_one_interface_are_enough() -> None:
    text = chain("ct state established,related accept", 'iifname "lan" accept', policy="drop")
    assert look(text, clients=("eth0", "lan")) == []
    assert [one.level for one in look(text, clients=("eth0", "wan"))] == ["fault"]
    # Nothing tells by which they come.
    assert [one.level for one in look(text, clients=(None,))] == ["warn"]


@pytest.mark.parametrize("rule", ["tcp dport 21 accept", "meta l4proto tcp ct original proto-dst 21 accept"])
def test_data_connections_that_are_dropped_are_a_fault(rule: str) -> None:
    text = chain("ct state established accept", rule, policy="drop")
    (found,) = look(text)
    assert "turns away passive data connections and active data connections of farm ftp" in found.text
    assert look(text.replace(" 21 ", " 22 "), SFTP) == []
    (found,) = look(chain("ct state established accept", "udp dport 69 accept", policy="drop"), TFTP)
    assert "turns away transfers of farm tftp" in found.text


@pytest.mark.parametrize(
    ("rule", "priority", "is_fault"),
    [
        ("ct state new tcp dport != 22 drop", -150, True),
        ("ip daddr 10.10.0.0/24 drop", -300, True),
        ("ip daddr 10.20.0.0/16 drop", -150, True),
        ("tcp dport 80 drop", -150, False),
        # Nothing is tracked yet.
        ("ct state new drop", -300, False),
        ("ip daddr 10.20.0.0/16 tcp dport 21 drop", -150, False),
        ("ip daddr 10.20.0.0/16 tcp dport 21 drop", -50, True),
        ('oifname "eth1" drop', -150, False),
        ("fib saddr . iif oif missing drop", -300, False),
        ('iifname "eth1" tcp sport 21 drop', -300, True),
    ],
)
def test_prerouting(rule: str, priority: int, is_fault: bool) -> None:
    found = look(chain(rule, hook="prerouting", priority=priority), FTP)
    # Only answers of the backends are asked by a network of theirs before the translation.
    expected = is_fault and not (priority == -150 and "10.20.0.0/16 drop" in rule)
    assert [(one.level, one.subject) for one in found] == [("fault", "firewall")] * expected


def test_backends_on_this_machine_pass_the_hook_input() -> None:
    forward, inside = chain(policy="drop"), chain(policy="drop", hook="input")
    here = ways(FTP, local=True)
    assert list(examine_firewall(parse_ruleset(forward), here)) == []
    assert [one.level for one in examine_firewall(parse_ruleset(inside), here)] == ["fault"]
    assert look(inside) == []


def of_device(hook: str, names: str, *rules: str, policy: str = "drop", family: str = "netdev") -> str:
    return chain(*rules, hook=f"{hook} devices = {{ {names} }}", policy=policy, family=family)


@pytest.mark.parametrize(
    ("hook", "names", "whats"),
    [
        ("ingress", "other0", ""),
        ("ingress", "eth0, other0", _ASKING),
        ("ingress", "eth1", "answers of backends and active data connections"),
        ("egress", "other0", ""),
        ("egress", "eth0", "answers of backends and active data connections"),
        ("egress", '"eth1"', _ASKING),
    ],
)
def test_chains_of_devices_see_the_packets_of_these_only(hook: str, names: str, whats: str) -> None:
    found = look(of_device(hook, names))
    assert [one.text.partition("turns away ")[2] for one in found] == [f"{whats} of farm ftp"] * bool(whats)
    if found:
        assert found[0].level == "fault"
        # What the cure says helps, once for each backend.
        rules = re.findall(r"insert rule netdev my c (.*? accept)", found[0].cure)
        both = [one.replace("10.20.1.2", backend) for one in rules for backend in ("10.20.1.2", "10.20.2.2")]
        assert look(of_device(hook, names, *both)) == []


def test_a_chain_of_a_device_is_no_fault_for_clients_of_others() -> None:
    text = of_device("ingress", "eth0", family="inet")
    assert look(text, clients=("eth0", "eth2")) == []
    assert [one.level for one in look(text, clients=("eth0",))] == ["fault"]
    assert [one.level for one in look(text, clients=(None,))] == ["fault"]


def test_packets_of_clients_in_what_a_backend_opens_are_translated_in_mode_snat_only() -> None:
    text = chain("ct status dnat accept", 'iifname "eth1" accept', policy="drop")
    assert look(text, FTP, TFTP) == []
    direct = [farm(one.name, 2, vip=V4, protocol=one.protocol, mode=Mode.DNAT) for one in (FTP, TFTP, SFTP)]
    (found,) = look(text, *direct)
    assert (found.level, "turns away answers of clients of farms ftp, tftp" in found.text) == ("fault", True)


def test_clients_of_tftp_answer_to_another_port() -> None:
    (found,) = look(chain("udp dport 69 accept", "iifname eth0 drop", hook="prerouting", priority=-300), TFTP)
    assert (found.level, "turns away answers of clients of farm tftp" in found.text) == ("fault", True)
    assert "ip daddr 10.10.0.100 meta l4proto udp accept" in found.cure


def test_a_packet_that_is_about_to_leave_has_the_interface_that_it_came_by() -> None:
    (found,) = look(chain('iifname "eth0" tcp dport 21 drop', hook="postrouting", priority=50))
    assert found.level == "fault"
    assert look(chain('iifname "eth1" tcp dport 21 drop', hook="postrouting", priority=50)) == []


def test_what_leaves_has_the_addresses_after_translation() -> None:
    dropped = ("ip saddr 10.10.0.100 drop", "ip daddr 10.20.1.2 tcp dport 21 drop")
    for names, rule in zip(("eth0", "eth1"), dropped, strict=True):
        assert [one.level for one in look(of_device("egress", names, rule, policy="accept"))] == ["fault"]
    for rule in ("ip daddr 10.10.0.100 drop", "ip saddr 10.20.1.2 drop"):
        assert look(of_device("egress", "eth0, eth1", rule, policy="accept")) == []
    assert list(examine_firewall(parse_ruleset(of_device("egress", "eth0")), ways(FTP, local=True))) == []


def test_the_limit_of_ways_hides_no_farm_behind_a_large_one() -> None:
    large = farm("large", 64, vip=V4, ports=tuple(range(2001, 2065)))
    (found,) = look(chain("tcp dport 22 drop"), large, SFTP)
    assert "of farm sftp" in found.text
    taken = [way for (way,) in ways(large, SFTP)]
    assert len(taken) == 64
    assert {way.port for way in taken if way.farm is SFTP} == {22}
    # The rest is the large farm's: the ports of its first backend.
    assert sorted(way.port for way in taken if way.farm is large) == list(range(2001, 2063))


def test_what_drops_the_guardians_checks_is_a_fault() -> None:
    watched = farm("sftp", 2, vip=V4, protocol=Protocol.SFTP, guardian=Guard())
    transfers = farm("tftp", 2, vip=V4, protocol=Protocol.TFTP, guardian=Guard())
    text = chain("ip daddr 10.20.1.2 drop", hook="output")
    (found,) = look(text, watched)
    assert found.level == "fault"
    assert "turns away the guardian's checks of farm sftp" in found.text
    assert "insert rule inet my c ip daddr 10.20.1.2 tcp dport 22 accept" in found.cure
    assert (
        look(chain("ip daddr 10.20.1.2 tcp dport 22 accept", "ip daddr 10.20.1.2 drop", hook="output"), watched) == []
    )
    # Without a guardian this machine checks nothing.
    assert look(text, SFTP) == []
    inside = chain('iifname "lo" accept', "tcp dport 22 accept", hook="input", policy="drop")
    assert [one.text.partition("turns away ")[2] for one in look(inside, watched, transfers)] == [
        "answers to the guardian's checks and transfers to the guardian of farms sftp, tftp"
    ]
    assert look(inside.replace("tcp dport 22", "ct state established,related"), watched, transfers) == []
    (found,) = look(inside.replace("tcp dport 22", "ct state established"), watched, transfers)
    assert "turns away transfers to the guardian of farm tftp" in found.text


def test_a_rule_can_be_a_fault_for_one_farm_and_a_warning_for_another() -> None:
    text = chain("ct state established,related accept", "tcp flags & (syn | fin) == syn ct state new accept", "drop")
    perhaps, sure = look(text, FTP, TFTP)
    assert (sure.level, perhaps.level) == ("fault", "warn")
    assert "of farm tftp" in sure.text
    assert "of farm ftp, unless" in perhaps.text


def test_other_families_and_hooks_do_not_matter() -> None:
    assert look(chain(policy="drop", family="ip6"), FTP) == []
    assert look(chain(policy="drop", family="bridge"), FTP) == []
    assert look(chain(policy="drop", hook="output"), FTP) == []
    assert [one.level for one in look(chain(policy="drop", family="ip6"), BOTH_FAMILIES)] == ["fault"]
