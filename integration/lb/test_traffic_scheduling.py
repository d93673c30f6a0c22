"""Which backend gets which connection, counted exactly."""

from __future__ import annotations

from collections import Counter

import pytest

from integration.lab import Lab, crowd, vip
from integration.lab.names import ask, ask_often, ask_udp
from integration.lb.balance import Balance
from integration.lb.farms import farm

pytestmark = pytest.mark.root

CLIENTS = 60


def crowd_asks(lab: Lab, version: int, port: int, times: int = 1) -> dict[int, str]:
    """Lets many clients make connections, one client after the other; the answers of each are joined."""
    host = vip(version)
    return {
        number: "-".join(sorted({ask(lab.client, host, port, crowd(version, number)) for _ in range(times)}))
        for number in range(CLIENTS)
    }


def test_round_robin_is_exact(lab: Lab, balance: Balance, names: int, version: int) -> None:
    balance(farm(lab, "tcp", ports=[names]))
    assert ask_often(lab.client, vip(version), names, 300) == {"b1": 100, "b2": 100, "b3": 100}


def test_round_robin_takes_turns(lab: Lab, balance: Balance, names: int) -> None:
    balance(farm(lab, "tcp", ports=[names]))
    for _ in range(5):
        assert {ask(lab.client, vip(4), names) for _ in range(3)} == {"b1", "b2", "b3"}


def test_round_robin_of_udp(lab: Lab, balance: Balance, names: int, version: int) -> None:
    balance(farm(lab, "udp", ports=[names]))
    seen = Counter(ask_udp(lab.client, vip(version), names) for _ in range(30))
    assert seen == {"b1": 10, "b2": 10, "b3": 10}


def test_weights_are_exact(lab: Lab, balance: Balance, names: int, version: int) -> None:
    weights = {"b1": {"weight": 5}, "b2": {"weight": 3}, "b3": {"weight": 2}}
    balance(farm(lab, "tcp", ports=[names], of=weights))
    assert ask_often(lab.client, vip(version), names, 300) == {"b1": 150, "b2": 90, "b3": 60}


def test_farms_that_take_turns_do_not_disturb_each_other(lab: Lab, balance: Balance, names: int) -> None:
    """With one counter for both, each would see every second number, and with it one of two backends."""
    two = lab.backends[:2]
    one = farm(lab, "tcp", name="one", ports=[names], vips=[vip(4)], backends=two)
    balance(one + farm(lab, "tcp", name="other", ports=[names], vips=[vip(4, 1)], backends=two))
    seen: Counter[tuple[int, str]] = Counter()
    for _ in range(20):
        for number in (0, 1):
            seen[number, ask(lab.client, vip(4, number), names)] += 1
    assert seen == {(number, name): 10 for number in (0, 1) for name in ("b1", "b2")}


@pytest.mark.parametrize("scheduler", ["random", "least-connections"])
def test_others_use_all_backends(lab: Lab, balance: Balance, names: int, version: int, scheduler: str) -> None:
    balance(farm(lab, "tcp", ports=[names], scheduler=scheduler))
    seen = ask_often(lab.client, vip(version), names, 300)
    # Nobody gets less than this by chance, once in a million runs.
    assert set(seen) == {"b1", "b2", "b3"}
    assert min(seen.values()) > 60


@pytest.mark.parametrize("gone", ["b1", "b2", "b3"])
def test_source_hash_moves_only_who_has_to(lab: Lab, balance: Balance, names: int, version: int, gone: str) -> None:
    balance(farm(lab, "tcp", ports=[names], scheduler="source-hash"))
    before = crowd_asks(lab, version, names)
    assert set(before.values()) == {"b1", "b2", "b3"}
    assert crowd_asks(lab, version, names) == before
    balance.down("farm", gone)
    during = crowd_asks(lab, version, names)
    moved = {number for number in before if during[number] != before[number]}
    assert moved == {number for number, name in before.items() if name == gone}
    assert set(during.values()) == {"b1", "b2", "b3"} - {gone}
    balance.up("farm", gone)
    assert crowd_asks(lab, version, names) == before


def test_source_hash_survives_a_new_table(lab: Lab, balance: Balance, names: int, version: int) -> None:
    text = farm(lab, "tcp", ports=[names], scheduler="source-hash")
    balance(text)
    before = crowd_asks(lab, version, names)
    lab.balancer.run(("nft", "flush", "ruleset"))
    balance(text)
    assert crowd_asks(lab, version, names) == before


def test_sticky_clients_stay(lab: Lab, balance: Balance, names: int, version: int) -> None:
    balance(farm(lab, "tcp", ports=[names], sticky="5m"))
    before = crowd_asks(lab, version, names)
    assert Counter(before.values()) == {"b1": 20, "b2": 20, "b3": 20}
    # Two in a row: in turns it would not be the same one twice.
    assert crowd_asks(lab, version, names, 2) == before


def test_sticky_clients_of_a_dead_backend_are_picked_anew(lab: Lab, balance: Balance, names: int, version: int) -> None:
    balance(farm(lab, "tcp", ports=[names], sticky="5m"))
    before = crowd_asks(lab, version, names)
    balance.down("farm", "b1")
    during = crowd_asks(lab, version, names)
    assert set(during.values()) == {"b2", "b3"}
    assert all(during[number] == name for number, name in before.items() if name != "b1")
    assert crowd_asks(lab, version, names, 2) == during
    balance.up("farm", "b1")
    assert crowd_asks(lab, version, names, 2) == during, "nobody goes back"


def test_sticky_clients_are_forgotten(lab: Lab, balance: Balance, names: int, version: int) -> None:
    """Each new connection starts the time again."""
    balance(farm(lab, "tcp", ports=[names], sticky="1s"))
    host = vip(version)
    first = ask(lab.client, host, names)
    assert ask(lab.client, host, names) == first
    lab.client.run(("sleep", "2.2"))
    assert ask(lab.client, host, names) != first


def test_backups_take_over_and_give_back(lab: Lab, balance: Balance, names: int, version: int) -> None:
    balance(farm(lab, "tcp", ports=[names], of={"b3": {"backup": True}}))
    host = vip(version)
    assert ask_often(lab.client, host, names, 20) == {"b1": 10, "b2": 10}
    balance.down("farm", "b1")
    assert ask_often(lab.client, host, names, 20) == {"b2": 20}
    balance.down("farm", "b2")
    assert ask_often(lab.client, host, names, 20) == {"b3": 20}
    balance.up("farm", "b1")
    assert ask_often(lab.client, host, names, 20) == {"b1": 20}
