"""The dashboard of farms: their service for clients, and the guardian's view of the backends."""

from __future__ import annotations

from .panels import GREEN, RED, curves, dashboard, number, states, table

_SERVING = {"1": ("serving", GREEN), "0": ("not serving", RED)}
_LB = 'instance=~"$instance"'
_FARM = f'{_LB},farm=~"$farm"'

_PANELS = (
    number(
        "Farms that refuse",
        f'count(max by (instance, farm) (noidlb_farm_state{{state=~"refusing|absent",{_FARM}}}) == 1) or vector(0)',
        "Farms without a backend for an IP version. A farm that the operator has stopped is none.",
    ),
    number("Backends down", f'sum(noidlb_farm_backends{{state="down",{_FARM}}})', "Out of service in the kernel."),
    number(
        "Changes in an hour",
        f"sum(round(increase(noidlb_backend_flaps_total{{{_FARM}}}[1h])))",
        "Between up and down, of all backends.",
        bad=False,
    ),
    number(
        "Connections",
        f"sum(noidlb_farm_connections{{{_FARM}}})",
        "Current flows, data connections included.",
        bad=False,
    ),
    states(
        "Farms",
        f'max by (instance, farm, family) (noidlb_farm_state{{state="serving",{_FARM}}})',
        "{{farm}} {{family}} {{instance}}",
        _SERVING,
    ),
    states(
        "Backends, as the guardian sees them",
        f"min by (instance, farm, backend) (noidlb_backend_up{{{_FARM}}})",
        "{{farm}}/{{backend}} {{instance}}",
        {"1": ("up", GREEN), "0": ("down", RED)},
    ),
    curves(
        "Connections by backend",
        ("{{farm}}/{{backend}}", f"sum by (farm, backend) (noidlb_connections{{{_FARM}}})"),
        stacked=True,
    ),
    curves(
        "New connections",
        (
            "{{farm}}/{{backend}}",
            f"sum by (farm, backend) (rate(noidlb_backend_connections_total{{{_FARM}}}[$__rate_interval]))",
        ),
        unit="cps",
        text="Without data connections.",
    ),
    curves(
        "Share of new clients",
        ("{{farm}}/{{backend}}", f"max by (farm, backend) (noidlb_backend_share_ratio{{{_FARM}}})"),
        unit="percentunit",
    ),
    curves(
        "Response time of the checks",
        (
            "{{farm}}/{{backend}}",
            f'max by (farm, backend) (noidlb_probe_duration_seconds{{phase="all",{_FARM}}})',
        ),
        unit="s",
    ),
    curves(
        "Response time by phase",
        (
            "{{farm}}/{{backend}} {{phase}}",
            f'max by (farm, backend, phase) (noidlb_probe_duration_seconds{{phase!="all",{_FARM}}})',
        ),
        unit="s",
        text="Tells a slow network (connect) from a slow server (greeting, login).",
    ),
    table(
        "Backends now",
        f"noidlb_backend_state{{{_FARM}}}",
        ("Value",),
        "What the kernel does with each backend: up, drain, down, standby, stopped or absent.",
    ),
    curves(
        "Connection-tracking table",
        ("{{instance}}", f"noidlb_conntrack_entries{{{_LB}}} / noidlb_conntrack_entries_limit{{{_LB}}}"),
        unit="percentunit",
        text="A full table drops clients of every farm.",
    ),
    curves(
        "The guardian",
        ("probes a second {{instance}}", f"sum by (instance) (rate(noidlb_probes_total{{{_LB}}}[$__rate_interval]))"),
        ("probes under way {{instance}}", f"noidlb_probes_running{{{_LB}}}"),
        ("late probes {{instance}}", f"rate(noidlb_probes_overdue_total{{{_LB}}}[$__rate_interval])"),
        ("transactions {{instance}}", f"rate(noidlb_transactions_total{{{_LB}}}[$__rate_interval])"),
        ("refused transactions {{instance}}", f"rate(noidlb_transactions_failed_total{{{_LB}}}[$__rate_interval])"),
    ),
)

FARMS = dashboard(
    "noidlb-farms",
    "noidlb: farms",
    "Farms, their backends and their guardians, out of the metrics of noidlb guard.",
    {
        "instance": "label_values(noidlb_info, instance)",
        "farm": 'label_values(noidlb_farm_backends{instance=~"$instance"}, farm)',
    },
    _PANELS,
)
