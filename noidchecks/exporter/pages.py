"""The exporter's pages for people, as pure functions: the index with the last probes, and the report of one probe."""

from __future__ import annotations

from time import gmtime
from urllib.parse import urlencode

from .. import __version__
from ..page import alert, badge, closing, escape, opening
from ..status.state import State
from .metrics import metrics_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..page import Tone
    from .configuration import Configuration
    from .metrics import ProbeOutcome
    from .module import Module

REFRESH = 15
"""Seconds after which a browser fetches the index again."""
_TONES: dict[State, Tone] = {State.OK: "ok", State.WARNING: "warn", State.CRITICAL: "bad", State.UNKNOWN: "idle"}


def index_page(
    configuration: Configuration,
    outcomes: Sequence[tuple[int, ProbeOutcome]],
    reload_error: str,
    *,
    refresh: int = REFRESH,
) -> str:
    """Returns the index; outcomes are numbered, the newest first, reload_error is a sentence or empty.

    refresh is the seconds after which a browser fetches the page again, 0 for never.
    """
    failed = sum(not outcome.is_success for _, outcome in outcomes)
    tone: Tone = "warn" if failed or reload_error else "ok"
    title = f"{failed} failed - noidchecks exporter" if failed else "noidchecks exporter"
    return "".join(
        (
            opening(title, "noidchecks exporter", tone),
            alert(f"The modules file could not be read again, the old modules stay: {reload_error}", "bad")
            if reload_error
            else "",
            _form(configuration),
            _probes(outcomes),
            _modules(configuration),
            closing(
                f'noidchecks {escape(__version__)} · <a href="metrics">metrics of the exporter</a> · '
                + (
                    f'fetched again every {refresh} seconds (<a href="?refresh=off">stop</a>)'
                    if refresh
                    else f'<a href="?">Fetch again every {REFRESH} seconds</a>'
                )
            ),
        )
    )


def _form(configuration: Configuration) -> str:
    names = "".join(f'<option value="{escape(name)}">' for name in configuration.modules)
    return (
        '<section><div class="title"><h2>Probe</h2></div>\n<form action="probe" method="get">'
        '<label for="target">Target</label> <input id="target" name="target" required placeholder="HOST:PORT"> '
        '<label for="module">Module</label> <input id="module" name="module" required list="modules" value="ftp"> '
        f'<datalist id="modules">{names}</datalist>'
        '<input type="hidden" name="debug" value="true"><button type="submit">Probe</button></form></section>\n'
    )


def _probes(outcomes: Sequence[tuple[int, ProbeOutcome]]) -> str:
    if not outcomes:
        return '<section><div class="title"><h2>Last probes</h2></div><p class="note">None yet.</p></section>\n'
    rows = "".join(_row(number, outcome) for number, outcome in outcomes)
    return (
        '<section><div class="title"><h2>Last probes</h2></div>\n'
        f"{_table('Last probes', ('Target', 'Module', 'State', 'Seconds', 'At (UTC)', 'Result'), rows)}</section>\n"
    )


def _row(number: int, outcome: ProbeOutcome) -> str:
    result = outcome.result
    hour, minute, second = gmtime(outcome.finished)[3:6]
    return (
        f'<tr role="row"><td role="cell" class="name">{escape(str(outcome.target))}</td>'
        f'<td role="cell"><span class="label">module </span>{escape(outcome.module.name)}</td>'
        f'<td role="cell">{badge(result.state.name, _TONES[result.state])}</td>'
        f'<td role="cell" class="number"><span class="label">seconds </span>{result.timings.total:.3f}</td>'
        f'<td role="cell" class="number"><span class="label">at </span>{hour:02d}:{minute:02d}:{second:02d}</td>'
        f'<td role="cell" class="wide"><a href="logs?id={number}">{escape(result.text)}</a></td></tr>\n'
    )


def _modules(configuration: Configuration) -> str:
    rows = "".join(
        f'<tr role="row"><td role="cell" class="name">{escape(module.name)}</td>'
        f'<td role="cell" class="wide">{escape(module.shown)}{_fault(module)}</td></tr>\n'
        for module in configuration.modules.values()
    )
    allowed = ", ".join(configuration.allowed.entries) or "nothing"
    return (
        '<section><div class="title"><h2>Modules</h2></div>\n'
        f"{_table('Modules', ('Module', 'Command line'), rows)}"
        f'<p class="note">Targets that are allowed: {escape(allowed, 2000)}</p></section>\n'
    )


def _fault(module: Module) -> str:
    return f'<p class="note">{escape(module.fault)}</p>' if module.fault else ""


def _table(name: str, heads: Sequence[str], rows: str) -> str:
    # Explicit ARIA roles, because a table loses its implicit ones on narrow screens, where it is styled as a grid.
    cells = "".join(f'<th role="columnheader" scope="col">{head}</th>' for head in heads)
    return (
        f'<table role="table" aria-label="{name}"><thead><tr role="row">{cells}</tr></thead>\n'
        f'<tbody role="rowgroup">{rows}</tbody></table>\n'
    )


def debug_text(outcome: ProbeOutcome) -> str:
    """Returns the report of one probe as plain text: result, dialogue, metrics and module, without secrets."""
    module, result = outcome.module, outcome.result
    named = {"hostname": outcome.target.hostname} if outcome.target.hostname else {}
    again = urlencode({"target": str(outcome.target), **named, "module": module.name, "debug": "true"})
    return "\n".join(
        (
            f"Result of module {module.name} for {outcome.target} within {outcome.timeout:g} s:",
            *(line.rstrip() for line in str(result.replace(transcript=())).split("\n")),
            "",
            "Dialogue, with the seconds since its start:",
            *result.transcript,
            "",
            "Metrics:",
            metrics_of(outcome).rstrip("\n"),
            "",
            "Module:",
            f'{module.name} = "{module.shown}"',
            "",
            f"Again: probe?{again}",
            "",
        )
    )
