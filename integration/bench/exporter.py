"""1,000 FTP servers scraped every 15 s by a real Prometheus: CPU of `noidchecks exporter` beside blackbox_exporter's.

blackbox_exporter's module opens a TCP connection and expects the 220; ours is check_ftp, which reads the reply and says
QUIT. The servers, Prometheus and the exporters share the machine; only the exporters are counted.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from integration.bench.greeter import greeter
from integration.bench.measure import BIN
from integration.monitoring.prometheus import Prometheus, probing
from integration.servers import UNPACKED, free_port

SECONDS = 60
TARGETS = 1000
INTERVAL = 15
_TICKS = os.sysconf("SC_CLK_TCK")

BLACKBOX = """
modules:
  ftp:
    prober: tcp
    tcp:
      preferred_ip_protocol: ip4
      query_response:
        - expect: "^220 "
        - send: "QUIT"
"""


def main() -> None:
    """Prints the CPU and memory of both exporters and the ratio; an argument is the seconds for each of them."""
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else SECONDS
    with tempfile.TemporaryDirectory(dir="/run") as name, greeter(core=1) as port:
        folder = Path(name)
        targets = [f"127.1.{number // 250}.{number % 250 + 1}:{port}" for number in range(TARGETS)]
        print(f"{TARGETS} FTP servers scraped every {INTERVAL} s by Prometheus, {seconds} s")
        ours = _measured("noidchecks exporter", _ours, folder, targets, seconds)
        theirs = _measured("blackbox_exporter", _blackbox, folder, targets, seconds)
        print(f"ratio                   {ours / theirs:8.2f}")


def _ours(port: int, _: Path) -> list[str | Path]:
    return [BIN / "noidchecks", "exporter", "--listen", f"127.0.0.1:{port}", "--allow", "127.0.0.0/8"]


def _blackbox(port: int, folder: Path) -> list[str | Path]:
    (folder / "blackbox.yml").write_text(BLACKBOX)
    program = UNPACKED / "usr" / "bin" / "prometheus-blackbox-exporter"
    return [program, f"--config.file={folder / 'blackbox.yml'}", f"--web.listen-address=127.0.0.1:{port}"]


def _measured(name: str, command: object, folder: Path, targets: Sequence[str], seconds: int) -> float:
    """Returns the CPU seconds of an exporter in a second, once all targets were scraped once."""
    port = free_port()
    parent = folder / name.replace(" ", "-")
    parent.mkdir()
    job = probing(f"127.0.0.1:{port}", "ftp", targets)
    with _running(command(port, parent), port) as pid:  # type: ignore[operator]  # one of the two above
        prometheus = parent / "prometheus"
        prometheus.mkdir()
        with Prometheus(prometheus, {"ftp": job}, scrape_interval=f"{INTERVAL}s", scrape_timeout="10s") as scraping:
            time.sleep(INTERVAL + 5)
            before, began = _cpu(pid), time.monotonic()
            time.sleep(seconds)
            spent, took = _cpu(pid) - before, time.monotonic() - began
            good = sum(scraping.values("probe_success").values())
            assert good == len(targets), f"{name}: {good} of {len(targets)} probes succeeded"
        memory = _memory(pid)
    print(f"{name:23} {100 * spent / took:8.2f} % of a core {memory:8.1f} MiB")
    return spent / took


@contextmanager
def _running(command: Sequence[str | Path], port: int) -> Iterator[int]:
    with subprocess.Popen([*map(str, command)], stderr=subprocess.DEVNULL) as process:
        try:
            _wait(port)
            yield process.pid
        finally:
            process.terminate()


def _wait(port: int) -> None:
    for _ in range(300):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/-/healthy", timeout=5):
                return
        except OSError:
            time.sleep(0.1)
    raise SystemExit(f"nothing answers on port {port}")


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _memory(pid: int) -> float:
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    main()
