"""The metrics page in Prometheus' text format: farms in the kernel, and the health that the guardian finds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

from noidchecks.exposition import family, label_pairs

from ..farm_status import FarmStatus
from ..guardian.guardian import Counts
from ..guardian.health import Health
from ..nft.fullness import Fullness

_FARM_STATES = ("serving", "refusing", "stopped", "absent")
_BACKEND_STATES = ("up", "drain", "down", "standby", "stopped", "absent")
# Lines per piece of the page.
_IN_A_PIECE = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsSnapshot:
    """The values of the metrics and status pages; statuses is empty when the kernel could not be read.

    info describes the guardian: its version, the hash of its farms file, its role in its pair. weights are the current
    percentages of the configured weights, by farm and backend, without those of 100. sticky is by IP version; a kernel
    that does not report it leaves it empty, and expectations None.
    """

    statuses: list[FarmStatus]
    health: list[Health]
    counts: Counts
    info: Mapping[str, str]
    weights: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    others: Mapping[str, int] = field(default_factory=dict)
    sticky: Mapping[int, Fullness] = field(default_factory=dict)
    expectations: Fullness | None = None


def write(view: MetricsSnapshot) -> Iterator[bytes]:
    """Yields the page in pieces; that of 10,000 backends has 14 MB."""
    lines = _lines(view)
    while piece := list(islice(lines, _IN_A_PIECE)):
        yield "".join(piece).encode()


def _lines(view: MetricsSnapshot) -> Iterator[str]:
    yield from family("noidlb_info", "gauge", "What this guardian is", [(label_pairs(view.info), 1)])
    yield from _farms(view.statuses)
    yield from _places(view)
    yield from _backends(view.health)
    yield from _shared(view)
    yield from _service(view)


def _farms(statuses: Sequence[FarmStatus]) -> Iterator[str]:
    farms = []
    for one in statuses:
        farms.append((label_pairs({"farm": one.name}), one))
        yield ""
    states = (
        (f'{farm},family="{family}",state="{state}"', state == found)
        for farm, one in farms
        for family, found in one.families.items()
        for state in _FARM_STATES
    )
    text = "What a farm does with new clients of an IP version: 1 for the state that it is in"
    yield from family("noidlb_farm_state", "gauge", text, states)
    current = ((farm, one.current) for farm, one in farms if one.current is not None)
    yield from family("noidlb_farm_connections", "gauge", "Current flows of a farm, data connections included", current)
    counts = (
        (f'{farm},state="{state}"', sum(each.state == state for each in one.backends))
        for farm, one in farms
        for state in _BACKEND_STATES
    )
    yield from family("noidlb_farm_backends", "gauge", "Backends of a farm by state", counts)


def _places(view: MetricsSnapshot) -> Iterator[str]:
    """Yields the state of each backend in the kernel, including backends that are not checked."""
    places = []
    for farm in view.statuses:
        for one in farm.backends:
            places.append((label_pairs({"farm": farm.name, "backend": one.name}), farm, one))
            # An empty line, so that the consumer can pause while the list is built.
            yield ""
    states = ((f'{labels},state="{one.state}"', 1) for labels, _, one in places)
    text = "What the kernel does with a backend: always 1, with the state that it is in"
    yield from family("noidlb_backend_state", "gauge", text, states)
    weights = (
        (labels, one.weight * view.weights.get(farm.name, {}).get(one.name, 100) / 100 if one.share else 0)
        for labels, farm, one in places
    )
    text = "The weight that a backend has at the moment, 0 while it gets no new clients"
    yield from family("noidlb_backend_weight", "gauge", text, weights)
    shares = ((labels, float(one.share)) for labels, _, one in places)
    text = "The part of its farm's new clients that a backend gets"
    yield from family("noidlb_backend_share_ratio", "gauge", text, shares)
    current = ((labels, one.current) for labels, _, one in places if one.current is not None)
    yield from family("noidlb_connections", "gauge", "Current flows of a backend, data connections included", current)
    totals = ((labels, one.total) for labels, _, one in places)
    text = "Connections that a backend got since it was last put in the table, without data connections"
    yield from family("noidlb_backend_connections_total", "counter", text, totals)


def _backends(found: Sequence[Health]) -> Iterator[str]:
    health = []
    for one in found:
        labels = {"farm": one.farm, "backend": one.backend, "address": one.address, "probe": one.command}
        health.append((label_pairs(labels), one))
        yield ""
    up = ((labels, one.state == "up") for labels, one in health if one.state != "unknown")
    text = "Whether the guardian sees a backend up (1) or down (0), absent until the first result"
    yield from family("noidlb_backend_up", "gauge", text, up)
    checked = ((labels, one.state != "unknown" and not one.kept) for labels, one in health)
    text = "Whether the last result says whether a backend is up (1), or is no verdict (0), as before the first result"
    yield from family("noidlb_backend_checked", "gauge", text, checked)
    flaps = ((labels, one.flaps) for labels, one in health)
    yield from family("noidlb_backend_flaps_total", "counter", "Changes between up and down", flaps)
    yield from family("noidlb_probes_total", "counter", "Results", ((labels, one.probes) for labels, one in health))
    durations = (
        (f'{labels},phase="{phase}"', seconds)
        for labels, one in health
        if one.last is not None
        for phase, seconds in {**one.last.timings.phases, "all": one.last.timings.total}.items()
    )
    text = "How long the last probe took, by phase and as a whole"
    yield from family("noidlb_probe_duration_seconds", "gauge", text, durations)


def _shared(view: MetricsSnapshot) -> Iterable[str]:
    sticky = [(f'family="ipv{version}"', one) for version, one in view.sticky.items()]
    expected = [("", view.expectations)] if view.expectations else []
    for name, text, found in (
        ("noidlb_sticky_clients", "Clients of sticky farms that are remembered", sticky),
        ("noidlb_expectations", "Data connections that the kernel expects, of all farms and others", expected),
    ):
        yield from family(name, "gauge", text, [(labels, one.count) for labels, one in found])
        yield from family(f"{name}_limit", "gauge", f"{text}: the most", [(labels, one.limit) for labels, one in found])


def _service(view: MetricsSnapshot) -> Iterable[str]:
    counts = view.counts
    for name, text, value in (
        ("noidlb_transactions_total", "Transactions that the kernel has taken", counts.transactions),
        ("noidlb_transactions_failed_total", "Transactions that the kernel has refused", counts.failed_transactions),
        ("noidlb_changes_total", "Changes of backends between up and down", counts.flips),
        ("noidlb_probes_overdue_total", "Probes that started later than they should", counts.overdue),
        ("noidlb_probes_discarded_total", "Failures that this machine is to blame for", counts.discarded),
        *((f"noidlb_{name}_total", name.replace("_", " ").capitalize(), value) for name, value in view.others.items()),
    ):
        yield from family(name, "counter", text, [("", value)])
    entries, limit = (counts.flows.count, counts.flows.limit) if counts.flows else (None, None)
    for name, text, number in (
        ("noidlb_probes_running", "Probes under way", counts.running),
        ("noidlb_conntrack_entries", "Connections that the kernel tracks", entries),
        ("noidlb_conntrack_entries_limit", "Connections that the kernel has room for", limit),
    ):
        yield from family(name, "gauge", text, [("", number)] if number is not None else [])
