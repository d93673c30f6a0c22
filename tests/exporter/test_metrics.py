from __future__ import annotations

import re
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from noidchecks import Metric, Result, State
from noidchecks.address import AF_INET, AF_INET6, Address
from noidchecks.errors import NotConnected
from noidchecks.exporter import metrics
from noidchecks.exporter.metrics import ProbeOutcome, metrics_of
from noidchecks.exporter.module import read_module
from noidchecks.exporter.target import Target
from noidchecks.exporter.telemetry import Telemetry
from noidchecks.timings import Timings
from tests.exporter.serving import SAMPLE
from tests.support.docs_blocks import ROOT

V4, V6 = Address(AF_INET, ("127.0.0.1", 21)), Address(AF_INET6, ("fe80::1%lo", 21, 0, 1))


def page(line: str, result: Result, address: Address | None = V4) -> dict[str, float]:
    """Returns the samples of the page, whose families must stand together and have one head each."""
    outcome = ProbeOutcome(read_module("m", line), Target("h"), result, timeout=9.5, finished=0, address=address)
    text = metrics_of(outcome)
    heads = re.findall(r"^# TYPE (\S+) gauge$", text, re.MULTILINE)
    assert len(heads) == len(set(heads))
    found = [SAMPLE.fullmatch(sample) for sample in text.splitlines() if not sample.startswith("#")]
    assert all(found)
    assert list(dict.fromkeys(one[1] for one in found if one)) == heads
    samples = {f"{one[1]}{one[2] or ''}": float(one[3]) for one in found if one}
    assert len(samples) == len(found)
    return samples


def result(state: State = State.OK, *, facts: Mapping[str, object] | None = None, **given: object) -> Result:
    timings = Timings(0.25, {"resolve": 0.05, "connect": 0.1, "greeting": 0.1})
    return Result(state, "text", facts=dict(facts or {}), timings=timings, **given)  # type: ignore[arg-type]  # fields of any kind


@pytest.mark.parametrize(
    ("state", "success"), [(State.OK, 1), (State.WARNING, 1), (State.CRITICAL, 0), (State.UNKNOWN, 0)]
)
def test_success_and_state(state: State, success: int) -> None:
    found = page("check_ftp", result(state))
    assert found["probe_success"] == success
    assert found["noidchecks_state"] == int(state)
    assert found["probe_timeout_seconds"] == 9.5
    assert found["probe_duration_seconds"] == 0.25
    assert found["probe_dns_lookup_time_seconds"] == 0.05


@pytest.mark.parametrize(("address", "version", "hashed"), [(V4, 4, 3668918509), (V6, 6, None), (None, 0, 0)])
def test_the_address(address: Address | None, version: int, hashed: int | None) -> None:
    found = page("check_ftp", result(), address)
    assert found["probe_ip_protocol"] == version
    assert hashed is None or found["probe_ip_addr_hash"] == hashed


def test_a_probe_that_fails_early_has_the_series_of_one_that_does_not() -> None:
    line = "check_ftp --starttls --get f"
    facts = {"reply_code": 220}
    well = page(line, result(facts=facts, metrics=(Metric("time", 0.25, "s"), Metric("size", 7, "B"))))
    failure = NotConnected("Connection refused", 111)
    failure.phase = "connect"
    early = Result(State.CRITICAL, "x", timings=Timings(0.1, {"resolve": 0.1}), failure=failure)
    ill = page(line, early.replace(metrics=(Metric("time", 0.1, "s"),)), None)
    assert well["noidchecks_transferred_bytes"] == 7
    assert well["noidchecks_reply_code"] == 220
    assert ill["noidchecks_transferred_bytes"] == ill["noidchecks_reply_code"] == 0
    assert set(ill) - set(well) == {'noidchecks_failure_info{kind="NotConnected",phase="connect"}'}
    assert set(well) - set(ill) == {'noidchecks_performance{label="size",unit="B"}'}
    assert ill['noidchecks_phase_seconds{phase="transfer"}'] == 0


def test_what_a_server_says_of_itself_is_escaped() -> None:
    facts = {"software": 'Open"SSH\\', "protocol": "2.0", "comment": "a\nb\udc80"}
    found = page("check_ssh", result(facts=facts))
    assert found['noidchecks_ssh_version_info{software="Open\\"SSH\\\\",protocol="2.0",comment="a\\nb\\\\udc80"}'] == 1
    key = {"type": "ssh-ed25519", "fingerprint": "SHA256:x"}
    found = page("check_ssh", result(facts={"host_key": key}))
    assert found['noidchecks_ssh_host_key_info{type="ssh-ed25519",fingerprint="SHA256:x"}'] == 1


def test_the_certificate() -> None:
    facts = {
        "tls_version": "TLSv1.3",
        "tls_cipher": "TLS_AES_256_GCM_SHA384",
        "certificate_subject": "ftp.example.net",
        "certificate_sha256": "ab" * 32,
        "certificate_expires": "2027-01-01T00:00:00+00:00",
        "chain_expires": "2026-12-31T00:00:00+00:00",
    }
    found = page("check_ftp --starttls", result(facts=facts))
    assert found["probe_ssl_earliest_cert_expiry"] == 1798675200
    assert found["noidchecks_certificate_expiry_timestamp_seconds"] == 1798761600
    assert found['probe_tls_version_info{version="TLS 1.3"}'] == 1
    assert found['probe_tls_cipher_info{cipher="TLS_AES_256_GCM_SHA384"}'] == 1
    name = f'noidchecks_certificate_info{{subject="ftp.example.net",fingerprint_sha256="{"ab" * 32}"}}'
    assert found[name] == 1


def test_every_metric_is_explained() -> None:
    text = (ROOT / "docs" / "exporter.md").read_text(encoding="utf-8")
    told = set(re.findall(r"`([a-z_]+)(?:\{[a-z0-9_,]+\})?`", text))
    written = "".join(Telemetry().lines(running=0, waiting=0, clients=0, modules=0))
    own = {name.removeprefix("noidchecks_exporter") for name in re.findall(r"^# TYPE (\S+)", written, re.MULTILINE)}
    assert {name for name in own if not name.startswith("process_")} - {"_build_info"} <= told
    source = Path(metrics.__file__).read_text(encoding="utf-8")
    names = set(re.findall(r'"((?:probe|noidchecks)_[a-z_]+)"', source))
    assert len(names) > 15
    assert names <= told


def test_the_process_begins_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """`changes(process_start_time_seconds[1h])` counts restarts."""

    def began() -> list[str]:
        lines = Telemetry().lines(running=0, waiting=0, clients=0, modules=0)
        return [line for line in "".join(lines).splitlines() if line.startswith("process_start_time_seconds ")]

    first = began()
    now = time.time() + 0.001
    monkeypatch.setattr(time, "time", lambda: now)
    assert (began(), len(first)) == (first, 1)


def test_performance_data_without_a_number_has_no_sample() -> None:
    metrics = (Metric("a", None), Metric("b", float("inf")), Metric("c", 3, "B"), Metric("c", 4, "B"))
    found = page("check_ftp", result(metrics=metrics))
    assert [name for name in found if "performance" in name] == ['noidchecks_performance{label="c",unit="B"}']
