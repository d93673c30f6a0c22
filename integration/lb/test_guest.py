"""Rules of other programs on the balancer: those that turn clients away are faults of doctor's, and its cures help."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from integration.clients import Data
from integration.lab import GATEWAY, Lab, vip
from integration.lab.names import Asked, ask, name_servers
from integration.lab.sessions import FtpSession
from integration.lb.balance import Balance
from integration.lb.farms import farm

pytestmark = pytest.mark.root

RULESETS = Path(__file__).parents[2] / "tests" / "lb" / "rulesets"
SOON = 1.0
# As dockerd writes them, before it starts a container.
DOCKER = """\
-N DOCKER
-N DOCKER-ISOLATION-STAGE-1
-N DOCKER-USER
-A DOCKER-ISOLATION-STAGE-1 -j RETURN
-A DOCKER-USER -j RETURN
-P FORWARD DROP
-A FORWARD -j DOCKER-USER
-A FORWARD -j DOCKER-ISOLATION-STAGE-1
-A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -o docker0 -j DOCKER
-A FORWARD -i docker0 ! -o docker0 -j ACCEPT
-A FORWARD -i docker0 -o docker0 -j ACCEPT
"""
FORWARD = "type filter hook forward priority 0; policy"
RAW = "type filter hook prerouting priority -300; policy accept;"


@pytest.fixture
def farm_of_names(lab: Lab, balance: Balance, names: int) -> int:
    balance(farm(lab, "tcp", ports=[names], vips=[vip(4)]))
    assert ask(lab.client, vip(4), names) in {"b1", "b2", "b3"}
    return names


def serves(lab: Lab, port: int) -> bool:
    """Whether a client gets an answer."""
    with Asked(lab.client, vip(4), port, patience=SOON) as asked:
        return asked.backend in {"b1", "b2", "b3"}


def faults(balance: Balance, *subjects: str) -> list[dict[str, str]]:
    """Returns doctor's faults, and checks its exit code against them."""
    done = balance.run("doctor", "--json")
    found: list[dict[str, str]] = [one for one in json.loads(done.stdout) if one["level"] == "fault"]
    assert done.returncode == bool(found), done.stdout
    assert not subjects or {one["subject"] for one in found} == set(subjects), done.stdout
    return found


def follow(lab: Lab, balance: Balance, cure: str) -> None:
    """Does what a cure says, where it is a command of nft or iptables."""
    if found := re.match(r"nft '(.*?)'", cure):
        lab.balancer.nft(found[1].replace("; ", "\n"))
        return
    command = re.match(r"iptables .*? -j ACCEPT", cure)
    assert command is not None, cure
    lab.balancer.run(shlex.split(command[0]))


def follow_all(lab: Lab, balance: Balance) -> None:
    """Does what the cures say, one after the other, until doctor finds no fault."""
    for _ in range(10):
        if not (found := faults(balance)):
            return
        follow(lab, balance, found[0]["cure"])


def own_chain(*rules: str, head: str) -> str:
    return f"table inet my {{ chain c {{ {head}\n" + "\n".join(rules) + "\n}\n}"


@pytest.mark.parametrize(
    "text",
    [
        own_chain("ct state established,related accept", "drop", head=f"{FORWARD} accept;"),
        own_chain(head=f"{FORWARD} drop;"),
        own_chain("ct state invalid drop", "iifname wlan0 accept", "tcp dport 80 accept", head=f"{FORWARD} drop;"),
        own_chain(
            "ct state vmap { established : accept, related : accept }", "reject with icmpx admin-prohibited",
            head=f"{FORWARD} accept;",
        ),
        own_chain("tcp dport 7000 drop", head=RAW),
        own_chain("ct state new tcp dport != 22 drop", head=RAW.replace("-300", "-150")),
        own_chain("ip daddr 10.10.0.0/16 drop", head=RAW),
        own_chain("ip saddr 10.20.0.0/16 drop", head=RAW),
        own_chain(head=RAW.replace("-300; policy accept", "0; policy drop")),
        own_chain('iifname "front" drop', head=FORWARD.replace("forward", "postrouting") + " accept;"),
        own_chain("tcp dport 7000 redirect to :9", head="type nat hook prerouting priority -110;"),
    ],
)  # fmt: skip
def test_rules_that_drop(lab: Lab, balance: Balance, farm_of_names: int, text: str) -> None:
    assert faults(balance) == []
    lab.balancer.nft(text)
    assert not serves(lab, farm_of_names)
    follow_all(lab, balance)
    assert serves(lab, farm_of_names)


@pytest.mark.parametrize("rule", ["tcp dport 7000 notrack", "tcp dport 7000 ct zone set 3", "notrack"])
def test_rules_that_do_not_track(lab: Lab, balance: Balance, farm_of_names: int, rule: str) -> None:
    lab.balancer.nft(own_chain(rule, head=RAW))
    assert not serves(lab, farm_of_names)
    follow_all(lab, balance)
    assert serves(lab, farm_of_names)


def test_what_other_programs_publish_takes_no_clients_of_a_farm(lab: Lab, balance: Balance, farm_of_names: int) -> None:
    """Of chains with one priority the newest comes first: docker's, when it is started after the farms."""
    lab.balancer.nft(own_chain("tcp dport 7000 redirect to :9", head="type nat hook prerouting priority -100;"))
    assert serves(lab, farm_of_names)
    assert faults(balance) == []


@pytest.mark.parametrize(
    "rules",
    [
        ("ct state established,related accept", "ct status dnat accept"),
        ("ct state established,related accept", "ip daddr 10.20.0.0/16 tcp dport 7000 accept"),
        ("ct state established,related accept", 'iifname "front" accept'),
        ("ct state != new accept", "ct original ip daddr 10.10.0.100 accept"),
        ("ct state vmap { established : accept, related : accept, new : jump new }", "drop"),
    ],
)
def test_rules_that_let_pass_are_no_fault(
    lab: Lab, balance: Balance, farm_of_names: int, rules: tuple[str, ...]
) -> None:
    lab.balancer.nft("table inet my { chain new { tcp dport 7000 accept\n }\n}")
    lab.balancer.nft(own_chain(*rules, head=f"{FORWARD} drop;"))
    assert serves(lab, farm_of_names)
    assert faults(balance) == []


def test_strict_firewalld(lab: Lab, balance: Balance, farm_of_names: int) -> None:
    text = (RULESETS / "firewalld.nft").read_text()
    lab.balancer.nft(text)
    assert serves(lab, farm_of_names)
    assert faults(balance) == []
    # What StrictForwardPorts=yes leaves out.
    lab.balancer.nft(f"delete table inet firewalld\n{text}".replace("\t\tct status dnat accept\n", ""))
    assert not serves(lab, farm_of_names)
    (found,) = faults(balance, "firewall")
    assert "StrictForwardPorts=no" in found["cure"]


def test_ufw(lab: Lab, balance: Balance, farm_of_names: int) -> None:
    lab.balancer.nft((RULESETS / "ufw.nft").read_text())
    assert not serves(lab, farm_of_names)
    found = faults(balance, "firewall")
    assert "-A ufw-before-forward -m conntrack --ctstate RELATED,ESTABLISHED,DNAT -j ACCEPT" in found[0]["cure"]
    lab.balancer.nft("insert rule ip filter ufw-before-forward ct status dnat accept")
    assert serves(lab, farm_of_names)
    assert faults(balance) == []


@pytest.mark.skipif(shutil.which("iptables-nft") is None, reason="needs iptables")
def test_docker(lab: Lab, balance: Balance, farm_of_names: int) -> None:
    for line in DOCKER.splitlines():
        lab.balancer.run(("iptables-nft", *line.split()))
    assert not serves(lab, farm_of_names)
    (found,) = faults(balance, "firewall")
    follow(lab, balance, found["cure"])
    assert serves(lab, farm_of_names)
    assert faults(balance) == []
    # nft lists of its states RELATED, ESTABLISHED and DNAT the last one alone.
    balance(farm(lab, "ftp", vips=[vip(4)], mode="dnat"))
    assert "firewall" not in {one["subject"] for one in json.loads(balance.run("doctor", "--json").stdout)}


def test_data_connections_that_are_dropped(lab: Lab, balance: Balance) -> None:
    balance(farm(lab, "ftp", vips=[vip(4)]))
    rules = ("ct state established accept", "ct original proto-dst 21 accept")
    lab.balancer.nft(own_chain(*rules, head=f"{FORWARD} drop;").replace("ct original", "meta l4proto tcp ct original"))
    (found,) = faults(balance, "firewall")
    assert "passive data connections" in found["text"]
    with FtpSession(lab.client, vip(4), patience=SOON) as session:
        assert not session.is_alive()
    follow(lab, balance, found["cure"])
    assert faults(balance) == []
    with FtpSession(lab.client, vip(4)) as session:
        assert session.is_alive()


def test_packets_of_clients_in_active_mode_without_the_translation_of_their_control_connection(
    lab: Lab, balance: Balance
) -> None:
    rules = ("ct status dnat accept", 'iifname "back*" accept', "meta l4proto ipv6-icmp accept")
    for mode in ("snat", "dnat"):
        lab.mode = mode
        balance(farm(lab, "ftp", vips=[vip(4)], mode=mode))
        lab.balancer.nft("table inet my\ndelete table inet my\n" + own_chain(*rules, head=f"{FORWARD} drop;"))
        with FtpSession(lab.client, vip(4), Data.EPRT, patience=SOON) as session:
            assert session.is_alive() is (mode == "snat")
        assert bool(faults(balance)) is (mode == "dnat")
    follow_all(lab, balance)
    with FtpSession(lab.client, vip(4), Data.EPRT) as session:
        assert session.is_alive()


def test_marks_that_others_save(lab: Lab, balance: Balance, farm_of_names: int) -> None:
    def save(what: str) -> None:
        head = "type filter hook postrouting priority -150;"
        lab.balancer.nft(f"table ip wan\ndelete table ip wan\ntable ip wan {{ chain post {{ {head}\n{what}\n}}\n}}")

    save("ct mark set meta mark")
    (found,) = faults(balance, "marks")
    assert "overwrites bits" in found["text"]
    follow(lab, balance, found["cure"].partition(": ")[2])
    assert faults(balance) == []
    save("ct mark set ct mark and 0xffff00ff or 0x100")
    assert faults(balance) == []
    assert serves(lab, farm_of_names)


@pytest.fixture
def own_daemon(lab: Lab) -> Iterator[None]:
    with name_servers([lab.balancer], 22):
        yield


@pytest.mark.usefixtures("own_daemon")
def test_an_sftp_farm_that_hides_the_balancers_sshd(lab: Lab, balance: Balance) -> None:
    balance(farm(lab, "sftp", vips=[vip(4)]))
    assert faults(balance) == []
    balance(farm(lab, "sftp", vips=["10.10.0.1"]))
    (found,) = faults(balance, "farms.farm.vip")
    assert "hides sshd" in found["text"]


def test_farms_that_cannot_serve(lab: Lab, balance: Balance, farm_of_names: int) -> None:
    balance.stop()
    (found,) = faults(balance, "farms")
    assert found["cure"] == "noidlb start lets them serve"
    balance.start()
    assert faults(balance) == []
    lab.balancer.run(("nft", "delete", "table", "inet", "noidlb"))
    faults(balance, "table")
    text = farm(lab, "tcp", ports=[farm_of_names], vips=["10.10.0.9"])
    balance(text)
    (found,) = faults(balance, "VIPs")
    assert "10.10.0.9" in found["text"]


def test_a_vip_that_a_router_sends_here_need_not_be_an_address(lab: Lab, balance: Balance, names: int) -> None:
    balance(farm(lab, "tcp", ports=[names], vips=["192.0.2.9"]))
    lab.client.ip(f"route add 192.0.2.9 via {GATEWAY[4]}")
    try:
        assert ask(lab.client, "192.0.2.9", names) in {"b1", "b2", "b3"}
    finally:
        lab.client.ip("route del 192.0.2.9")
    assert faults(balance) == []


def test_apply_hints_at_what_keeps_clients_away(lab: Lab, balance: Balance) -> None:
    lab.balancer.sysctl("net/ipv4/conf/all/forwarding", 0)
    try:
        done = balance.applied(farm(lab, "tcp", ports=[7000], vips=["192.0.2.9"]))
    finally:
        lab.balancer.sysctl("net/ipv4/conf/all/forwarding", 1)
    assert done.returncode == 0
    assert "noidlb: warning: net.ipv4.ip_forward: is 0: sysctl -w net.ipv4.ip_forward=1" in done.stderr
    assert "noidlb: warning: VIPs: 192.0.2.9: on no interface" in done.stderr
