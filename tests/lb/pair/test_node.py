from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path

import pytest
from noidlb.config.service import Settings
from noidlb.pair import node as module
from noidlb.pair.node import ask_peer, this_node, with_own_address
from noidlb.pair.peer import PeerError

from tests.support.lb.pairs import node, pair

VALID = (Path(__file__).parents[1] / "valid" / "pair-metrics.toml").read_text()
ON_SYNC = Settings(metrics="sync:9190")


def be(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    monkeypatch.setattr(module, "source_of", lambda one: str(one) if str(one) in addresses else "192.0.2.1")


def test_a_node_is_known_by_any_of_its_addresses() -> None:
    assert this_node(pair(), lambda one: one == ip_address("10.20.0.3")) == node(2)
    assert this_node(pair(), lambda _: False) is None


def test_each_node_serves_on_its_own_address(monkeypatch: pytest.MonkeyPatch) -> None:
    be(monkeypatch, "10.10.0.3")
    assert with_own_address(ON_SYNC, VALID).endpoint == ("172.31.0.2", 9190)
    longer = VALID.replace("172.31.0.1/30", "fd00::1/64").replace("172.31.0.2/30", "fd00::2/64")
    assert with_own_address(ON_SYNC, longer).endpoint == ("fd00::2", 9190)
    assert with_own_address(Settings(metrics="127.0.0.1:1"), VALID).endpoint == ("127.0.0.1", 1)


def test_a_machine_that_is_no_node_serves_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    be(monkeypatch)
    assert with_own_address(ON_SYNC, VALID) == ON_SYNC
    assert with_own_address(ON_SYNC, VALID[VALID.index("[farms") :]) == ON_SYNC


@pytest.mark.parametrize(
    ("metrics", "asked"),
    [("sync:9190", True), ("0.0.0.0:9190", True), ("[::]:9190", False), ("127.0.0.1:9190", False), ("", False)],
)
def test_who_is_asked(monkeypatch: pytest.MonkeyPatch, metrics: str, asked: bool) -> None:
    calls: list[tuple[str, int]] = []

    def fetch(host: str, port: int) -> str:
        calls.append((host, port))
        return ""

    monkeypatch.setattr(module, "fetch", fetch)
    text = VALID.replace('metrics = "sync:9190"', f'metrics = "{metrics}"')
    with pytest.raises(PeerError, match="does not say" if asked else "only with metrics"):
        ask_peer(text, node(2))
    assert calls == [("172.31.0.2", 9190)] * asked
