"""The metrics of one probe, with blackbox_exporter's names where these have the same meaning; see docs/exporter.md.

A probe that fails early has the same series as a successful one, as far as a number exists: a phase that was not
reached took 0 seconds, an address that was not found has the IP version 0. Facts that are unknown, such as those of a
certificate that the server has not sent, have no series.
"""

from __future__ import annotations

import math
from datetime import datetime
from ipaddress import ip_address

from ..exposition import family, label_pairs
from ..status.state import State
from ..value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ..address import Address
    from ..status.result import Result
    from .module import Module
    from .target import Target

# The constants of the 32-bit FNV-1a hash, with which blackbox_exporter hashes addresses.
_FNV_BASIS, _FNV_PRIME = 0x811C9DC5, 0x01000193
# The info metrics: name, help, and the fact for each label.
_INFOS = (
    ("probe_tls_version_info", "The version of TLS that was agreed on", {"version": "tls_version"}),
    ("probe_tls_cipher_info", "The cipher that was agreed on", {"cipher": "tls_cipher"}),
    (
        "noidchecks_certificate_info",
        "The server's certificate",
        {"subject": "certificate_subject", "fingerprint_sha256": "certificate_sha256"},
    ),
    (
        "noidchecks_ssh_version_info",
        "What the SSH server calls itself",
        {"software": "software", "protocol": "protocol", "comment": "comment"},
    ),
)


class ProbeOutcome(Value):
    """The outcome of a probe: timeout is in seconds, finished the time of its end in seconds since 1970.

    address is the address that it connected to, None when it failed before.
    """

    module: Module
    target: Target
    result: Result
    timeout: float
    finished: float
    address: Address | None

    def __init__(
        self,
        module: Module,
        target: Target,
        result: Result,
        *,
        timeout: float,
        finished: float,
        address: Address | None,
    ) -> None:
        self._fill(locals())

    @property
    def is_success(self) -> bool:
        """Whether the service works: state OK or WARNING, which modules use only for working servers (module.py)."""
        return self.result.state in (State.OK, State.WARNING)


def metrics_of(outcome: ProbeOutcome) -> str:
    """Returns the page of metrics."""
    return "".join(_lines(outcome))


def _lines(outcome: ProbeOutcome) -> Iterator[str]:
    result, address = outcome.result, outcome.address
    phases = {**dict.fromkeys(outcome.module.phases, 0.0), **result.timings.phases}
    for name, text, value in (
        ("probe_success", "Whether the service works: state OK or WARNING", outcome.is_success),
        ("probe_duration_seconds", "Seconds that the probe took", result.timings.total),
        ("probe_timeout_seconds", "Seconds that the probe was given", outcome.timeout),
        ("probe_dns_lookup_time_seconds", "Seconds that the name look-up took", phases.get("resolve", 0.0)),
        ("probe_ip_protocol", "IP version of the address: 4, 6, or 0 for none", _version(address)),
        ("probe_ip_addr_hash", "Hash of the address, which changes when the address does", _hash(address)),
        ("noidchecks_state", "State of the service: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN", int(result.state)),
    ):
        yield from family(name, "gauge", text, [("", value)])
    yield from family(
        "noidchecks_phase_seconds",
        "gauge",
        "Seconds of each phase, 0 for one that was not reached",
        [(label_pairs({"phase": phase}), seconds) for phase, seconds in phases.items()],
    )
    yield from _numbers(outcome)
    yield from _facts(result.facts)
    yield from _failure(result)
    yield from family(
        "noidchecks_performance",
        "gauge",
        "A value of the performance data, in the unit that the plugin gives",
        [
            (label_pairs({"label": metric.label, "unit": metric.unit}), metric.value)
            for metric in {metric.label: metric for metric in result.metrics}.values()
            if metric.value is not None and math.isfinite(metric.value)
        ],
    )


def _numbers(outcome: ProbeOutcome) -> Iterator[str]:
    code = outcome.result.facts.get("reply_code", 0 if outcome.module.plugin == "check_ftp" else None)
    if isinstance(code, int):
        text = "Code of the FTP server's greeting, 0 for none"
        yield from family("noidchecks_reply_code", "gauge", text, [("", code)])
    if "transfer" in outcome.module.phases:
        sizes = [metric.value for metric in outcome.result.metrics if metric.label == "size"]
        text = "Bytes of the file that was fetched, or stored by TFTP"
        yield from family("noidchecks_transferred_bytes", "gauge", text, [("", (sizes and sizes[0]) or 0)])


def _facts(facts: Mapping[str, object]) -> Iterator[str]:
    for name, text, fact in (
        ("probe_ssl_earliest_cert_expiry", "When the first certificate that the server sent ends", "chain_expires"),
        ("noidchecks_certificate_expiry_timestamp_seconds", "When the server's own ends", "certificate_expires"),
    ):
        if fact in facts:
            yield from family(name, "gauge", f"{text}, in seconds since 1970", [("", _seconds(facts[fact]))])
    for name, text, labels in _INFOS:
        found = {label: str(facts[fact]) for label, fact in labels.items() if facts.get(fact)}
        if "version" in found:
            # OpenSSL's form is TLSv1.3, blackbox_exporter's TLS 1.3.
            found["version"] = found["version"].replace("TLSv", "TLS ")
        if found:
            yield from family(
                name, "gauge", text, [(label_pairs({label: found.get(label, "") for label in labels}), 1)]
            )
    key = facts.get("host_key")
    if isinstance(key, dict):
        pairs = {"type": str(key["type"]), "fingerprint": str(key["fingerprint"])}
        yield from family("noidchecks_ssh_host_key_info", "gauge", "The server's host key", [(label_pairs(pairs), 1)])


def _failure(result: Result) -> Iterator[str]:
    if result.failure is not None:
        pairs = {"kind": result.failure.kind, "phase": result.failure.phase}
        text = "What ended the probe early, and in which phase"
        yield from family("noidchecks_failure_info", "gauge", text, [(label_pairs(pairs), 1)])


def _seconds(moment: object) -> int:
    return round(datetime.fromisoformat(str(moment)).timestamp())


def _version(address: Address | None) -> int:
    return 0 if address is None else 6 if ":" in address.host else 4


def _hash(address: Address | None) -> int:
    if address is None:
        return 0
    found = _FNV_BASIS
    for byte in ip_address(address.host.partition("%")[0]).packed:
        found = ((found ^ byte) * _FNV_PRIME) & 0xFFFFFFFF
    return found
