from __future__ import annotations

import pytest
from noidlb.farm import Protocol
from noidlb.guard import Guard

from tests.support.lb.doctor import V4, chain, look, recorded
from tests.support.lb.farms import farm

SFTP = farm("sftp", 2, vip=V4, protocol=Protocol.SFTP)


def test_the_cure_for_prerouting_names_vip_and_port() -> None:
    (found,) = look(chain("tcp dport 22 drop", hook="prerouting", priority=-300), SFTP)
    assert "insert rule inet my c ip daddr 10.10.0.100 tcp dport 22 accept" in found.cure


def test_the_cure_for_prerouting_after_translation_is_that_for_forwarded_packets() -> None:
    """There the packets of clients no longer have the VIP."""
    (found,) = look(chain(hook="prerouting", priority=-90, policy="drop"), SFTP)
    assert found.cure.startswith("nft 'insert rule inet my c ct status dnat accept; insert rule inet my c ct state")


@pytest.mark.parametrize("family", ["inet", "ip"])
def test_the_cure_for_checks_names_the_backend(family: str) -> None:
    watched = farm("sftp", 2, vip=V4, protocol=Protocol.SFTP, guardian=Guard())
    text = chain("ct state established,related accept", hook="output", policy="drop", family=family)
    (found,) = look(text.replace("table ip my", "table ip filter").replace("chain c", "chain OUTPUT"), watched)
    assert found.level == "fault"
    assert "for each VIP and backend" in found.cure
    if family == "ip":
        assert found.cure.startswith("iptables -t filter -I OUTPUT -d 10.20.1.2 -p tcp -j ACCEPT")
    else:
        assert found.cure.startswith("nft 'insert rule inet my OUTPUT ip daddr 10.20.1.2 tcp dport 22 accept'")


@pytest.mark.parametrize("name", ["docker", "ufw"])
def test_the_cure_for_input_is_not_that_for_forwarded_packets(name: str) -> None:
    """No packet for this machine itself passes DOCKER-USER or ufw-before-forward."""
    watched = farm("tftp", 2, vip=V4, protocol=Protocol.TFTP, guardian=Guard())
    inside = (
        "\tchain OWN {\n\t\ttype filter hook input priority 0; policy drop;\n\t\tct state established accept\n\t}\n"
    )
    text = recorded(name).replace("table ip filter {\n", f"table ip filter {{\n{inside}")
    (found,) = [one for one in look(text, watched) if "transfers to the guardian" in one.text]
    assert found.cure.startswith("iptables -t filter -I OWN -m conntrack")
