"""The alerts and dashboards that are delivered, judged by the real promtool and Prometheus."""

from __future__ import annotations

import errno
import http.server
import json
import re
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from noidlb.farm import BackendState, Condition
from noidlb.nft.fullness import Fullness
from noidlb.nft.marks import Marks
from noidlb.service.metrics import write

from integration.monitoring.prometheus import Prometheus, plain
from integration.monitoring.promtool import PROMTOOL
from noidchecks import Metric, Result, State
from noidchecks.errors import NotConnected
from noidchecks.exporter.metrics import ProbeOutcome, metrics_of
from noidchecks.exporter.module import read_module
from noidchecks.exporter.target import Target
from noidchecks.exporter.telemetry import Telemetry
from noidchecks.install import definitions
from noidchecks.surveys.report.prometheus import PrometheusFile
from noidchecks.timings import Timings
from tests.support.lb.metrics import FARM, health, view
from tests.support.records import record
from tests.support.waiting import until

pytestmark = pytest.mark.root

TESTS = sorted((Path(__file__).parent / "rules").glob("*.yml"))
# As they are delivered.
RULES = sorted((definitions() / "prometheus").glob("*.yml"))
DASHBOARDS = sorted((definitions() / "grafana").glob("*.json"))
ALERTS = {name for file in RULES for name in re.findall(r"^ +- alert: (\w+)$", file.read_text(), re.M)}
QUERIES = [
    (f"{file.stem}: {panel['title']}", target["expr"])
    for file in DASHBOARDS
    for panel in json.loads(file.read_text())["panels"]
    for target in panel["targets"]
]
# What Grafana puts in.
VARIABLES = {"$__rate_interval": "5m", "$instance": ".*", "$farm": ".*", "$job": ".*"}


def of_exporter() -> str:
    """Returns the page of an exporter's probe that sees everything that a panel shows, and fails at last."""
    facts: dict[str, object] = {
        "chain_expires": "2100-01-01T00:00:00+00:00",
        "software": "OpenSSH_9.2p1",
        "protocol": "2.0",
    }
    timings = Timings(0.25, {"connect": 0.1, "greeting": 0.15})
    failure = NotConnected("data channel: Connection refused", errno.ECONNREFUSED)
    failure.phase = "data"
    metrics = (Metric("size", 3000, "B"),)
    result = Result(State.CRITICAL, "x", facts=facts, timings=timings, failure=failure, metrics=metrics)
    module = read_module("ftp", "check_ftp --data passive")
    return metrics_of(ProbeOutcome(module, Target("h"), result, timeout=9.5, finished=0, address=None))


def of_exporter_itself() -> str:
    """Returns the exporter's own page after a probe."""
    telemetry = Telemetry()
    telemetry.probes["ftp", "success"] += 1
    return "".join(telemetry.lines(running=1, waiting=0, clients=1, modules=5))


def of_guardian() -> str:
    """Returns the page of a guardian with one backend up and one down."""
    marks = Marks((FARM,))
    found = view(
        health("b1", "up"),
        health("b2", "down"),
        flows={marks.backend(FARM, "b1"): 12},
        conditions={("ftp", "b2"): Condition(BackendState.DOWN)},
    )
    counts = replace(found.counts, flows=Fullness(950, 1000))
    return b"".join(write(replace(found, counts=counts, others={"hook_runs": 5, "hook_failures": 2}))).decode()


def of_survey(folder: Path) -> str:
    """Returns the file of a survey with one service that fails."""
    report = PrometheusFile(str(folder / "survey.prom"))
    report.expect([("web1", "FTP"), ("web2", "canary")])
    metrics = (Metric("time", 0.25, "s"), Metric("size", 3000, "B"))
    records = [record(host="web1", service="FTP", metrics=metrics)]
    report.deliver([*records, record(host="web2", service="canary", state=State.CRITICAL, metrics=metrics)])
    return (folder / "survey.prom").read_text()


@pytest.fixture(scope="module")
def prometheus(new_folder: Callable[[], Path]) -> Iterator[Prometheus]:
    """One that has scraped a guardian, an exporter and a survey, and something that does not answer, for a while."""
    folder = new_folder()
    pages = {
        "/lb": of_guardian(),
        "/ftp": of_exporter(),
        "/exporter": of_exporter_itself(),
        "/survey": of_survey(folder),
    }

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            # Prometheus hangs up on what takes too long.
            with suppress(OSError):
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.end_headers()
                self.wfile.write(pages[self.path].encode())

        def log_message(self, *words: object) -> None:
            """Keeps quiet."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        address = f"127.0.0.1:{server.server_port}"
        jobs = {path.strip("/"): plain(address, path) for path in pages}
        with Prometheus(folder, jobs, RULES) as running:
            # A rate needs two scrapes.
            for job in jobs:
                running.wait_for(f'count_over_time(up{{job="{job}"}}[1m]) > 2 and up{{job="{job}"}} == 1')
            yield running
        server.shutdown()
        thread.join()


def test_promtool_accepts_the_rules() -> None:
    assert len(RULES) == 2
    done = subprocess.run([PROMTOOL, "check", "rules", *RULES], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_alerts_fire_when_they_should_and_say_what_is_wrong(tmp_path: Path) -> None:
    for file in (*RULES, *TESTS):
        shutil.copy(file, tmp_path)
    names = [file.name for file in TESTS]
    done = subprocess.run([PROMTOOL, "test", "rules", *names], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert set(re.findall(r"alertname: (\w+)", "".join(file.read_text() for file in TESTS))) == ALERTS


def test_prometheus_loads_the_rules_and_knows_their_metrics(prometheus: Prometheus) -> None:
    def rules() -> dict[str, dict[str, str]]:
        groups = prometheus.ask("rules")["groups"]
        return {rule["name"]: rule for group in groups for rule in group["rules"]}

    until(lambda: {rule["health"] for rule in rules().values()} == {"ok"})
    assert set(rules()) == ALERTS
    known = set(prometheus.ask("label/__name__/values"))
    for name, rule in rules().items():
        wanted = set(re.findall(r"\b(?:noidlb|noidchecks|probe)_\w+", rule["query"]))
        assert wanted <= known, name


@pytest.mark.parametrize(("panel", "query"), QUERIES)
def test_a_panel_shows_something(prometheus: Prometheus, panel: str, query: str) -> None:
    for name, value in VARIABLES.items():
        query = query.replace(name, value)
    assert "$" not in query, panel
    # A scrape may have come too late, which ends a series until the next one.
    assert prometheus.wait_for(query), panel


def test_the_variables_of_a_dashboard_have_values(prometheus: Prometheus) -> None:
    for file in DASHBOARDS:
        for variable in json.loads(file.read_text())["templating"]["list"]:
            if variable["type"] != "query":
                continue
            series, label = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["query"]["query"]).groups()  # type: ignore[union-attr]  # each is like that
            for name, value in VARIABLES.items():
                series = series.replace(name, value)
            assert [one["metric"].get(label) for one in prometheus.wait_for(series)], variable
