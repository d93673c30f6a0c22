"""Applies farms to the kernel once, without a guardian."""

from __future__ import annotations

from ..config.load import Configuration
from ..farm import Farm
from ..nft import conntrack
from ..nft.flows import ending_of
from ..nft.plan import describe, plan
from ..overrides import Overrides
from . import lock


def apply(
    farms: Configuration | tuple[Farm, ...], overrides: Overrides | None = None, *, cut: bool = False
) -> list[str]:
    """Changes the table of this network namespace to these farms; returns the changes in words, a line each.

    UDP flows of removed backends end; with cut, their TCP flows too. Raises GuardError when a guardian runs or
    CAP_NET_ADMIN is missing, KernelError when the kernel refuses the change.
    """
    farms = farms.farms if isinstance(farms, Configuration) else farms
    with lock.take():
        change = plan(farms, overrides or Overrides())
        change.run()
        conntrack.end(ending_of(change.old, change.new, cuts=lambda _: cut))
    return describe(change, farms)
