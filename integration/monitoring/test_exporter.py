"""`noidchecks exporter` with the real Prometheus, promtool, blackbox_exporter and servers of Debian."""

from __future__ import annotations

import os
import signal
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import bcrypt
import pytest

from integration import servers
from integration.certificates import Certificates
from integration.daemon import Daemon
from integration.monitoring.exporting import NOIDCHECKS, SAMPLE, Exporter, exporting
from integration.monitoring.prometheus import Prometheus, plain, probing
from integration.monitoring.promtool import complaints
from integration.servers import HOST, UNPACKED, Server, free_port

pytestmark = pytest.mark.root

BLACKBOX = UNPACKED / "usr" / "bin" / "prometheus-blackbox-exporter"
PASSIVE = (30100, 30110)
MODULES = """
[modules]
data = "check_ftp --data passive"
file = "check_ftp --get hello.txt --size 14 -w 0.000001"
explicit = "check_ftp --starttls"
pxe = "check_tftp -f hello.txt"
algorithms = "check_ssh --algorithms"
fingerprint = "check_ssh --fingerprint SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
"""
# A login over TCP as users of blackbox_exporter write it.
LOGIN = """
modules:
  login:
    prober: tcp
    tcp:
      preferred_ip_protocol: ip4
      query_response:
        - expect: "^220"
        - send: "USER anonymous\\r"
        - expect: "^331"
        - send: "PASS monitor@\\r"
        - expect: "^230"
        - send: "QUIT\\r"
"""


@pytest.fixture
def exporter(new_folder: Callable[[], Path]) -> Iterator[Exporter]:
    folder = new_folder()
    (folder / "modules.toml").write_text(MODULES)
    with exporting(folder, "--modules", folder / "modules.toml") as running:
        yield running


@contextmanager
def firewalled(first: int, last: int) -> Iterator[None]:
    """Drops connections to ports of this namespace."""
    rule = f"add rule inet closed input tcp dport {first}-{last} drop"
    table = "add table inet closed\nadd chain inet closed input { type filter hook input priority 0; }\n"
    subprocess.run(["nft", "-f", "-"], input=f"{table}{rule}\n", text=True, check=True)
    try:
        yield
    finally:
        subprocess.run(["nft", "delete", "table", "inet", "closed"], check=True)


def test_closed_data_ports_are_seen_where_a_login_is_not_enough(
    exporter: Exporter, new_folder: Callable[[], Path]
) -> None:
    more = {"pasv_min_port": str(PASSIVE[0]), "pasv_max_port": str(PASSIVE[1])}
    folder, port, other = new_folder(), free_port(), free_port()
    (folder / "blackbox.yml").write_text(LOGIN)
    words = (BLACKBOX, f"--config.file={folder / 'blackbox.yml'}", f"--web.listen-address={HOST}:{other}")
    with servers.vsftpd(new_folder(), port, more=more), Daemon(words, folder) as blackbox:
        blackbox.wait_for_tcp((HOST,), other)
        theirs = Exporter(blackbox, other, None)
        assert theirs.probe("login", port)["probe_success"] == 1
        assert exporter.probe("data", port)["probe_success"] == 1
        with firewalled(*PASSIVE):
            found = theirs.probe("login", port)
            assert found["probe_success"] == 1
            ours = exporter.probe("data", port)
            assert ours["probe_success"] == 0
            # The names that both have mean the same.
            assert ours["probe_ip_addr_hash"] == found["probe_ip_addr_hash"]
            assert ours["probe_ip_protocol"] == found["probe_ip_protocol"] == 4
        assert exporter.probe("data", port)["probe_success"] == 1


def test_what_real_servers_tell(
    exporter: Exporter, vsftpd: Server, vsftpd_explicit: Server, tftpd_hpa: Server, sshd: Server
) -> None:
    found = exporter.probe("file", vsftpd.port)
    # Slower than its threshold, which is no reason to call it down.
    assert found["probe_success"] == found["noidchecks_state"] == 1
    assert found["noidchecks_transferred_bytes"] == 14
    assert found["noidchecks_reply_code"] == 220
    assert found['noidchecks_phase_seconds{phase="transfer"}'] > 0
    found = exporter.probe("explicit", vsftpd_explicit.port)
    assert found["probe_ssl_earliest_cert_expiry"] > time.time()
    assert found['probe_tls_version_info{version="TLS 1.3"}'] == 1
    found = exporter.probe("pxe", tftpd_hpa.port)
    assert found["probe_success"] == 1
    assert found["noidchecks_transferred_bytes"] == 14
    found = exporter.probe("algorithms", sshd.port, "[::1]")
    assert found["probe_ip_protocol"] == 6
    assert any(name.startswith('noidchecks_ssh_version_info{software="OpenSSH_') for name in found)
    found = exporter.probe("fingerprint", sshd.port)
    assert found["probe_success"] == 0
    assert any(name.startswith('noidchecks_ssh_host_key_info{type="ssh-ed25519"') for name in found)


def test_promtool_has_no_complaint(exporter: Exporter, vsftpd_explicit: Server, sshd: Server) -> None:
    for module, port in (("explicit", vsftpd_explicit.port), ("algorithms", sshd.port), ("data", 1), ("pxe", 1)):
        status, text = exporter.ask(f"/probe?module={module}&target={HOST}:{port}")
        assert status == 200
        assert complaints(text.encode()) == "", module
    exporter.ask("/probe?module=nothing&target=x")
    assert complaints(exporter.ask("/metrics")[1].encode()) == ""


def test_prometheus_scrapes_it(exporter: Exporter, vsftpd: Server, new_folder: Callable[[], Path]) -> None:
    alive, dead, foreign = f"{HOST}:{vsftpd.port}", f"{HOST}:1", "192.0.2.1"
    own = f"{HOST}:{exporter.port}"
    jobs = {"ftp": probing(own, "data", (alive, dead, foreign)), "exporter": plain(own)}
    with Prometheus(new_folder(), jobs) as prometheus:
        exporter.daemon.wait_until(lambda: prometheus.values("probe_success") == {alive: 1, dead: 0}, "both results")
        exporter.daemon.wait_until(lambda: prometheus.values('up{job="ftp"}').get(foreign) == 0, "the third one")
        seconds = prometheus.values('noidchecks_phase_seconds{phase="data"}')
        assert seconds[alive] > 0
        assert seconds[dead] == 0
        # A scrape of a second leaves half of one.
        assert prometheus.values("probe_timeout_seconds")[alive] == 0.5
        exporter.daemon.wait_until(
            lambda: prometheus.values("noidchecks_exporter_config_last_reload_successful") == {own: 1},
            "its own metrics",
        )
        errors = {one["labels"]["instance"]: one["lastError"] for one in prometheus.ask("targets")["activeTargets"]}
        assert "403 Forbidden" in errors[foreign]
        assert errors[alive] == ""


def test_thousands_of_half_open_clients_lose_no_probe(
    exporter: Exporter, vsftpd: Server, new_folder: Callable[[], Path]
) -> None:
    alive = f"{HOST}:{vsftpd.port}"
    with (
        Prometheus(new_folder(), {"ftp": probing(f"{HOST}:{exporter.port}", "data", (alive,))}) as prometheus,
        ExitStack() as opened,
    ):
        exporter.daemon.wait_until(lambda: prometheus.values("probe_success") == {alive: 1}, "the first result")
        for number in range(5000):
            client = opened.enter_context(socket.socket())
            client.connect((HOST, exporter.port))
            client.send((b"", b"GET /probe?", b"GET / HTTP/1.1\r\nHost: x\r\n", b"\x16\x03\x01\x02")[number % 3])
            if number % 250 == 0:
                assert exporter.probe("data", vsftpd.port)["probe_success"] == 1
        time.sleep(3)
        lost = prometheus.values(f'count_over_time(up{{instance="{alive}"}}[1m]) - sum_over_time(up[1m])')
        assert lost == {alive: 0}
        metrics = dict(SAMPLE.findall(exporter.ask("/metrics")[1]))
        assert float(metrics["noidchecks_exporter_clients"]) <= 2048
        assert float(metrics["process_resident_memory_bytes"]) < 200e6


def test_signals(exporter: Exporter, vsftpd: Server) -> None:
    (path,) = (Path(word) for word in _words(exporter.daemon.pid) if word.endswith("modules.toml"))
    path.write_text('[modules]\nother = "check_ftp"\n')
    exporter.daemon.wait_until(lambda: _signalled(exporter, signal.SIGHUP, "other", vsftpd.port, 200), "the new module")
    path.write_text('[modules]\nother = "check_ftp --nonsense"\n')
    exporter.daemon.wait_until(lambda: _signalled(exporter, signal.SIGHUP, "other", vsftpd.port, 200), "the old module")
    exporter.daemon.wait_until(lambda: "unrecognized option '--nonsense'" in exporter.daemon.output, "the complaint")
    assert f"{path}:2: module other" in exporter.daemon.output
    exporter.daemon.end(signal.SIGTERM)
    assert exporter.daemon.output.endswith("noidchecks: ends\n")


def _words(pid: int) -> Sequence[str]:
    return Path(f"/proc/{pid}/cmdline").read_text().split("\0")


def _signalled(exporter: Exporter, number: int, module: str, port: int, status: int) -> bool:

    os.kill(exporter.daemon.pid, number)
    return exporter.ask(f"/probe?module={module}&target={HOST}:{port}")[0] == status


def test_prometheus_with_tls_and_a_password(
    certificates: Certificates, vsftpd: Server, new_folder: Callable[[], Path]
) -> None:

    folder = new_folder()
    hashed = bcrypt.hashpw(b"geheim", bcrypt.gensalt(4)).decode()
    (folder / "web.yml").write_text(
        f"tls_server_config:\n  cert_file: {certificates.good.path}\n  key_file: {certificates.good.key}\n"
        f"basic_auth_users:\n  prometheus: {hashed}\n"
    )
    context: Any = ssl.create_default_context(cafile=str(certificates.ca))
    context.check_hostname = False
    with exporting(folder, "--web-config", folder / "web.yml", context=context) as running:
        assert running.ask("/metrics")[0] == 401
        alive = f"{HOST}:{vsftpd.port}"
        job = probing(
            f"{HOST}:{running.port}",
            "ftp",
            (alive,),
            scheme="https",
            basic_auth={"username": "prometheus", "password": "geheim"},
            tls_config={"ca_file": str(certificates.ca), "insecure_skip_verify": True},
        )
        with Prometheus(new_folder(), {"ftp": job}) as prometheus:
            running.daemon.wait_until(lambda: prometheus.values("probe_success") == {alive: 1}, "a result over TLS")


def test_behind_a_proxy(exporter: Exporter, vsftpd: Server, new_folder: Callable[[], Path]) -> None:
    """HAProxy does TLS and passwords as well as it does for any other server."""
    folder, port = new_folder(), free_port()
    (folder / "haproxy.cfg").write_text(
        "defaults\n  mode http\n  timeout client 30s\n  timeout server 30s\n  timeout connect 5s\n"
        "userlist monitors\n  user prometheus insecure-password geheim\n"
        f"frontend f\n  bind {HOST}:{port}\n  http-request auth unless {{ http_auth(monitors) }}\n"
        f"  default_backend b\nbackend b\n  server exporter {HOST}:{exporter.port}\n"
    )
    with Daemon((UNPACKED / "usr" / "sbin" / "haproxy", "-f", folder / "haproxy.cfg"), folder) as proxy:
        proxy.wait_for_tcp((HOST,), port)
        url = f"http://{HOST}:{port}/probe?module=data&target={HOST}:{vsftpd.port}"
        with pytest.raises(urllib.error.HTTPError, match="401"):
            urllib.request.urlopen(url, timeout=60)
        done = subprocess.run(
            ["curl", "-sS", "-u", "prometheus:geheim", url], capture_output=True, text=True, check=True
        )
        assert "probe_success 1\n" in done.stdout


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["--modules", "/nonexistent"], 3, "noidchecks: /nonexistent: cannot be read: No such file or directory"),
        (["--allow", "10.0.0.1/8"], 3, "noidchecks: allow: 10.0.0.1/8 has bits behind its prefix"),
        (["--web-config", "/nonexistent"], 3, "noidchecks: /nonexistent: cannot be read"),
        (["--listen", "nonsense"], 3, "noidchecks: --listen must be ADDRESS:PORT"),
        (["--listen", "192.0.2.1:1"], 2, "noidchecks: Cannot listen on 192.0.2.1:1: Cannot assign requested address"),
        (["--concurrency", "0"], 3, "noidchecks: --concurrency and --history must be at least 1"),
        (["--timeout-offset", "x"], 3, "must be like 30s"),
    ],
)
def test_a_wrong_start_ends_with_its_code_and_one_sentence(options: list[str], code: int, words: str) -> None:
    done = subprocess.run([NOIDCHECKS, "exporter", *options], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == code
    assert words in done.stdout
    assert done.stdout.count("\n") == 1
    assert done.stderr == ""
