"""The balancer of the examples: a file of farms, and a kernel that ends a guardian once it has been told."""

from __future__ import annotations

import os
import signal
from typing import ClassVar

from noidlb.farm import Conditions, Farm
from noidlb.guardian.applier import ApplyResult

from tests.support.lb.fake_nft import FakeKernel

FARMS = """\
[farms.ftp]
protocol = "ftp"
vip = "192.0.2.10"
backends = [{ name = "b1", address = "10.0.1.11" }, { name = "b2", address = "10.0.1.12" }]
guardian = {}
"""


class InterruptingKernel(FakeKernel):
    """Takes the place of the guardian's applier, and presses Ctrl-C once it has served, as a user would."""

    told: ClassVar[list[Conditions]] = []

    def apply(self, farms: tuple[Farm, ...], conditions: Conditions, stopped: frozenset[str]) -> ApplyResult:
        result = super().apply(farms, conditions, stopped)
        assert {key[1] for key in conditions} == {"b1", "b2"}
        self.told.append(conditions)
        os.kill(os.getpid(), signal.SIGINT)
        return result
