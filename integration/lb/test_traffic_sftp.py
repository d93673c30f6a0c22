"""SFTP farms: the backends share a host key, and a client finds its files behind any of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from integration.clients import Errand, Target, sftp, sha256
from integration.lab import Lab, vip
from integration.lb.balance import Balance
from integration.lb.farms import farm

pytestmark = pytest.mark.root


def test_list_get_and_put(lab: Lab, balance: Balance, mode: str, version: int, tmp_path: Path) -> None:
    balance(farm(lab, "sftp", mode=mode))
    wanted = sha256(lab.big)
    seen = []
    for turn in range(3):
        errand = Errand(get=("name", "big"), put={f"upload/{turn}": lab.big})
        target = Target(host=vip(version), port=22)
        visit = sftp(lab.client, target, errand, key=lab.keys.user, known_hosts=tmp_path / "known_hosts")
        assert visit.code == 0, visit.output
        assert "small" in visit.listing
        assert visit.sha256["big"] == wanted
        backend = next(backend for backend in lab.backends if backend.name == visit.backend)
        assert sha256(backend.files / "upload" / str(turn)) == wanted
        seen.append(visit.backend)
    assert sorted(seen) == ["b1", "b2", "b3"]
