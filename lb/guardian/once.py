"""Applies farms to the kernel once, without a guardian."""

from __future__ import annotations

from ..config.load import Configuration
from ..farm import Farm
from ..nft import conntrack
from ..nft.flows import ending_of
from ..nft.plan import Plan, describe, plan
from ..overrides import Overrides
from . import lock


def apply(
    farms: Configuration | tuple[Farm, ...], overrides: Overrides | None = None, *, cut: bool = False
) -> list[str]:
    """Makes the kernel of this network namespace balance these farms; returns what it changed, in lines.

    Flows of backends that are gone end if they are UDP; cut ends those in TCP too. GuardError when a guardian watches
    the table or CAP_NET_ADMIN is missing, KernelError when the kernel refuses.
    """
    farms = farms.farms if isinstance(farms, Configuration) else farms
    with lock.take():
        change = plan(farms, overrides or Overrides())
        change.run()
        end_flows(change, cut=cut)
    return describe(change, farms)


def end_flows(change: Plan, *, cut: bool) -> int:
    """Ends the flows that end with a plan that was carried out, to cut also those in TCP; returns how many."""
    return conntrack.end(ending_of(change.old, change.new, cuts=lambda _: cut))
