"""What the guardian sees, in the text format of Prometheus."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ..farm import Farm
from ..guardian.guardian import Counts
from ..guardian.health import Health
from ..nft.fullness import Fullness
from ..nft.marks import Marks

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Samples = Iterable[tuple[Mapping[str, str], float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsSnapshot:
    """What there is to measure at one moment; flows are current connections by mark, None when nobody could count.

    info holds what the guardian is: its version, the hash of its farms file, its role in its pair. sticky is by IP
    version, and like expectations only there when the kernel tells.
    """

    farms: tuple[Farm, ...]
    health: tuple[Health, ...]
    counts: Counts
    flows: Mapping[int, int] | None
    info: Mapping[str, str]
    others: Mapping[str, int] = field(default_factory=dict)
    sticky: Mapping[int, Fullness] = field(default_factory=dict)
    expectations: Fullness | None = None


def write(view: MetricsSnapshot) -> str:
    """Returns the page."""
    return "".join(
        (
            *_family("noidlb_info", "gauge", "What this guardian is", [(view.info, 1)]),
            *_backends(view),
            *_family(
                "noidlb_connections",
                "gauge",
                "Current flows of a backend, data connections included",
                _connections(view),
            ),
            *_shared(view),
            *_service(view),
        )
    )


def _backends(view: MetricsSnapshot) -> Iterable[str]:
    health = [(_labels_of(one), one) for one in view.health]
    yield from _family(
        "noidlb_backend_up",
        "gauge",
        "Whether the guardian sees a backend up (1) or down (0), absent until the first result",
        [(labels, one.state == "up") for labels, one in health if one.state != "unknown"],
    )
    yield from _family(
        "noidlb_backend_flaps_total",
        "counter",
        "Changes between up and down",
        [(labels, one.flaps) for labels, one in health],
    )
    yield from _family("noidlb_probes_total", "counter", "Results", [(labels, one.probes) for labels, one in health])
    yield from _family(
        "noidlb_probe_duration_seconds",
        "gauge",
        "How long the last probe took, by phase and as a whole",
        [
            (labels | {"phase": phase}, seconds)
            for labels, one in health
            if one.last is not None
            for phase, seconds in {**one.last.timings.phases, "all": one.last.timings.total}.items()
        ],
    )


def _labels_of(one: Health) -> dict[str, str]:
    return {"farm": one.farm, "backend": one.backend, "address": one.address, "probe": one.command}


def _connections(view: MetricsSnapshot) -> Samples:
    if view.flows is None:
        return
    marks = Marks(view.farms)
    for farm in view.farms:
        for backend in farm.backends:
            flows = view.flows.get(marks.backend(farm, backend.name), 0)
            yield {"farm": farm.name, "backend": backend.name}, flows


def _shared(view: MetricsSnapshot) -> Iterable[str]:
    sticky = [({"family": f"ipv{version}"}, one) for version, one in view.sticky.items()]
    expected: list[tuple[dict[str, str], Fullness]] = [({}, view.expectations)] if view.expectations else []
    for name, text, found in (
        ("noidlb_sticky_clients", "Clients of sticky farms that are remembered", sticky),
        ("noidlb_expectations", "Data connections that the kernel expects, of all farms and others", expected),
    ):
        yield from _family(name, "gauge", text, [(labels, one.count) for labels, one in found])
        yield from _family(
            f"{name}_limit", "gauge", f"{text}: the most", [(labels, one.limit) for labels, one in found]
        )


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
        yield from _family(name, "counter", text, [({}, value)])
    for name, text, number in (
        ("noidlb_probes_running", "Probes under way", counts.running),
        ("noidlb_conntrack_entries", "Connections that the kernel tracks", counts.flows),
        ("noidlb_conntrack_entries_limit", "Connections that the kernel has room for", counts.flows_most),
    ):
        yield from _family(name, "gauge", text, [({}, number)] if number is not None else [])


def _family(name: str, kind: str, text: str, samples: Samples) -> Iterable[str]:
    """Writes a family of samples, each with its labels and its value; nothing when there is none."""
    lines = [f"{name}{_labels(labels)} {_number(value)}\n" for labels, value in samples]
    return (f"# HELP {name} {text}.\n# TYPE {name} {kind}\n", *lines) if lines else ()


def _labels(labels: Mapping[str, str]) -> str:
    written = ",".join(f'{name}="{_escape(value)}"' for name, value in labels.items())
    return f"{{{written}}}" if written else ""


def _escape(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _number(value: float) -> str:
    return f"{value:.6f}" if isinstance(value, float) else str(int(value))
