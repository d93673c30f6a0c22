"""The dashboard of services that an exporter or a survey checks."""

from __future__ import annotations

from .panels import GREEN, RED, curves, dashboard, number, states, table

_STATES = {"0": ("OK", GREEN), "1": ("WARNING", "orange"), "2": ("CRITICAL", RED), "3": ("UNKNOWN", "purple")}
_CHECK = 'job=~"$job",instance=~"$instance"'
# Restricts metrics to those of noidchecks, because blackbox_exporter has some of the same names.
_OURS = "and on (job, instance) noidchecks_state"

_PANELS = (
    number("CRITICAL", f"count(noidchecks_state{{{_CHECK}}} == 2) or vector(0)", "Services that fail."),
    number("WARNING or UNKNOWN", f"count(noidchecks_state{{{_CHECK}}} % 2 == 1) or vector(0)", "States 1 and 3."),
    number("Services", f"count(noidchecks_state{{{_CHECK}}})", "Checked by an exporter or a survey.", bad=False),
    number(
        "Days of the first certificate",
        f"min((probe_ssl_earliest_cert_expiry{{{_CHECK}}} - time()) / 86400 {_OURS})",
        "Until the first certificate of any server ends.",
        unit="d",
        bad=False,
    ),
    states("States", f"noidchecks_state{{{_CHECK}}}", "{{job}} {{instance}} {{host}} {{service}}", _STATES),
    table("What is not OK", f"noidchecks_state{{{_CHECK}}} > 0", (), "1 WARNING, 2 CRITICAL, 3 UNKNOWN."),
    curves(
        "Response time",
        ("{{job}} {{instance}}", f"probe_duration_seconds{{{_CHECK}}} {_OURS}"),
        ("{{host}} {{service}}", f"noidchecks_duration_seconds{{{_CHECK}}}"),
        unit="s",
    ),
    curves(
        "Response time by phase",
        ("{{instance}} {{phase}}", f"noidchecks_phase_seconds{{{_CHECK}}}"),
        unit="s",
        text="Where the time of a check goes: resolve, connect, tls, greeting, login, data, transfer.",
        stacked=True,
    ),
    table(
        "What ended a check early",
        f"noidchecks_failure_info{{{_CHECK}}}",
        ("Value",),
        "The kind of the failure, and the phase in which it happened.",
    ),
    curves(
        "Days that certificates have left",
        (
            "{{job}} {{instance}}",
            f"(probe_ssl_earliest_cert_expiry{{{_CHECK}}} - time()) / 86400 {_OURS}",
        ),
        unit="d",
    ),
    curves(
        "Performance data",
        ("{{instance}} {{host}} {{service}} {{label}}", f'noidchecks_performance{{label!="time",{_CHECK}}}'),
        text="In the units that the plugins give: bytes, files, retransmissions, days.",
    ),
    table("SSH servers", f"noidchecks_ssh_version_info{{{_CHECK}}}", ("Value",), "What they call themselves."),
    curves(
        "Age of the survey's results",
        ("{{host}} {{service}}", f"time() - noidchecks_last_check_timestamp_seconds{{{_CHECK}}}"),
        unit="s",
        text="Grows while no survey runs.",
    ),
    curves(
        "The exporter",
        (
            "{{module}} {{result}}",
            "sum by (module, result) (rate(noidchecks_exporter_probes_total[$__rate_interval]))",
        ),
        ("under way", "sum(noidchecks_exporter_probes_running)"),
        ("waiting", "sum(noidchecks_exporter_probes_waiting)"),
    ),
)


CHECKS = dashboard(
    "noidchecks",
    "noidchecks: services",
    "Checked services, out of the metrics of noidchecks exporter and noidchecks survey.",
    {
        "job": "label_values(noidchecks_state, job)",
        "instance": 'label_values(noidchecks_state{job=~"$job"}, instance)',
    },
    _PANELS,
)
