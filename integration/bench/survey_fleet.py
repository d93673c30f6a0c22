"""10,000 services a minute into a real Nagios and a real Icinga 2; beside it Nagios that runs the C plugins itself."""

from __future__ import annotations

import base64
import http.client
import json
import os
import ssl
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from integration.bench.greeter import greeter
from integration.bench.measure import BIN, C_PLUGINS, Cost, run
from integration.monitoring.icinga import Icinga
from integration.monitoring.nagios import Nagios
from integration.monitoring.objects import PLAIN
from integration.repeating import repeating

SECONDS = 60
FLEET = 10_000
COMPARED = 2_000

# What a site has, but for the spool folder that is looked into every second: Nagios would do it every ten.
USUAL = {
    "status_update_interval": "10",
    "service_freshness_check_interval": "60",
    "check_result_reaper_frequency": "1",
    "service_inter_check_delay_method": "s",
    "max_service_check_spread": "1",
    "use_retained_scheduling_info": "0",
}


def main() -> None:
    """Prints CPU, memory and latency of the fleet, and the ratio to active checks; an argument scales the seconds."""
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else SECONDS
    with tempfile.TemporaryDirectory(dir="/run") as name, greeter(core=1) as port:
        _fleet(Path(name), port, FLEET * seconds // SECONDS, seconds)
        _compared(Path(name), port, COMPARED * seconds // SECONDS, seconds)


def _fleet(parent: Path, port: int, count: int, seconds: int) -> None:
    targets = _targets(parent / "fleet", port, count)
    with Nagios(_made(parent / "nagios-fleet")) as nagios, Icinga(_made(parent / "icinga")) as icinga:
        with _pinned(1):
            nagios.start(_passive(count), macros={}, settings=USUAL)
            icinga.start(_icinga_objects(count))
        credentials = icinga.folder / "credentials"
        credentials.write_text(f"{icinga.user}\n{icinga.password}\n")
        with _spool_watch(nagios) as taken, _event_watch(icinga) as events:
            cost = run(
                [
                    *(BIN / "noidchecks", "survey", targets, "--over", f"{seconds}s", "--patience", "60s"),
                    *("--report", f"nagios-spool={nagios.check_results}", "--report", f"icinga2={icinga.url}"),
                    *("--icinga-ca", icinga.ca_file, "--icinga-credentials", credentials),
                ],
                core=0,
            )
            _wait(lambda: len(events) >= count and not os.listdir(nagios.check_results))
        _wait(lambda: _arrived(nagios) >= count)
        print(f"{count} services over {seconds} s, one core, into Nagios (spool folder) and Icinga 2 (API) at once")
        print(
            f"survey          {100 * cost.cpu / cost.wall:8.1f} % of a core {cost.memory:8.0f} MiB {cost.wall:8.1f} s"
        )
        # Files that Nagios took between two looks of ours are not among those whose time is known.
        _print_latency("to Nagios", _arrived(nagios), count, [one for found in taken.values() for one in found])
        _print_latency("to Icinga 2", len(events), count, events)


def _compared(parent: Path, port: int, count: int, seconds: int) -> None:
    with Nagios(_made(parent / "nagios-active")) as nagios:
        nagios.start(_active(count, port, seconds), macros={}, settings=USUAL)
        began = time.time()
        before = _cpu(nagios)
        time.sleep(seconds)
        active = _cpu(nagios) - before
        time.sleep(12)
        checked = sum(service.time >= int(began) for service in nagios.services().values())
    with Nagios(_made(parent / "nagios-passive")) as nagios:
        nagios.start(_passive(count), macros={}, settings=USUAL)
        before = _cpu(nagios)
        cost = _survey_into(nagios, _targets(parent / "compared", port, count), seconds)
        time.sleep(2)
        passive = _cpu(nagios) - before
        _wait(lambda: _arrived(nagios) >= count)
        assert _arrived(nagios) == count
    print(f"{count} services in {seconds} s, everything involved but the servers")
    print(f"Nagios with C plugins     {active:8.2f} CPU seconds ({checked} checked)")
    print(
        f"survey, passive in Nagios {cost.cpu + passive:8.2f} CPU seconds (survey {cost.cpu:.2f}, Nagios {passive:.2f})"
    )
    print(f"ratio                     {(cost.cpu + passive) / active:8.2f}")


def _survey_into(nagios: Nagios, targets: Path, seconds: int) -> Cost:
    report = f"nagios-spool={nagios.check_results}"
    return run([BIN / "noidchecks", "survey", targets, "--over", f"{seconds}s", "--report", report])


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _address(number: int) -> str:
    return f"127.1.{number // 250}.{number % 250 + 1}"


def _targets(path: Path, port: int, count: int) -> Path:
    path.write_text("".join(f"lab\ts{number}\tcheck_ftp -H {_address(number)} -p {port}\n" for number in range(count)))
    return path


def _passive(count: int) -> str:
    block = "define service {\nuse plain-service\nhost_name lab\nactive_checks_enabled 0\ncheck_command nothing\n"
    return PLAIN + "".join(f"{block}service_description s{number}\n}}\n" for number in range(count))


def _active(count: int, port: int, seconds: int) -> str:
    services = "".join(
        f"define service {{\nuse plain-service\nhost_name lab\nservice_description s{number}\n"
        f"check_interval {seconds}\ncheck_command c_ftp!{_address(number)}\n}}\n"
        for number in range(count)
    )
    line = f"{C_PLUGINS / 'check_ftp'} -H $ARG1$ -p {port}"
    return f"{PLAIN}define command {{\ncommand_name c_ftp\ncommand_line {line}\n}}\n{services}"


def _icinga_objects(count: int) -> str:
    lines = ['object Host "lab" { check_command = "dummy", enable_active_checks = false }']
    lines += [
        f'object Service "s{number}" {{ host_name = "lab", check_command = "passive", enable_active_checks = false }}'
        for number in range(count)
    ]
    return "\n".join(lines)


def _cpu(nagios: Nagios) -> float:
    """Sums the CPU seconds of Nagios, of its workers and of everything that they have run."""
    assert nagios._daemon is not None
    total = 0
    waiting = [nagios._daemon.pid]
    while waiting:
        pid = waiting.pop()
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            waiting += [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
        except (FileNotFoundError, ProcessLookupError):
            continue
        total += sum(int(field) for field in fields[11:15])
    return total / os.sysconf("SC_CLK_TCK")


@contextmanager
def _pinned(core: int) -> Iterator[None]:
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def _spool_watch(nagios: Nagios) -> Iterator[Mapping[str, list[float]]]:
    """Yields, for each spool file, how long after each of its checks Nagios had taken it and deleted it."""
    there: dict[str, list[float]] = {}
    taken: dict[str, list[float]] = {}

    def watch() -> None:
        now = time.time()
        names = set(os.listdir(nagios.check_results))
        for name in [name for name in there if name not in names]:
            taken[name] = [now - finished for finished in there.pop(name)]
        for name in names:
            if name.endswith(".ok") and name[:-3] not in there:
                try:
                    text = (nagios.check_results / name[:-3]).read_text()
                except FileNotFoundError:
                    continue
                found = [line for line in text.splitlines() if line.startswith("finish_time=")]
                there[name[:-3]] = [float(line.partition("=")[2]) for line in found]

    with repeating(watch, 0.02):
        yield taken


@contextmanager
def _event_watch(icinga: Icinga) -> Iterator[list[float]]:
    """Yields how long after each check Icinga 2 told its subscribers of the result."""
    latencies: list[float] = []
    over = threading.Event()
    context = ssl.create_default_context(cafile=icinga.ca_file)
    connection = http.client.HTTPSConnection("127.0.0.1", icinga.port, context=context, timeout=600)
    login = base64.b64encode(f"{icinga.user}:{icinga.password}".encode()).decode()
    headers = {"Accept": "application/json", "Authorization": f"Basic {login}"}
    connection.request("POST", "/v1/events", json.dumps({"queue": "bench", "types": ["CheckResult"]}), headers)
    answer = connection.getresponse()

    def watch() -> None:
        while not over.is_set():
            try:
                event = json.loads(answer.readline())
            except (OSError, ValueError, AttributeError):
                return
            latencies.append(event["timestamp"] - event["check_result"]["execution_end"])

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield latencies
    finally:
        over.set()


def _wait(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not condition() and time.monotonic() < end:
        time.sleep(0.1)


def _arrived(nagios: Nagios) -> int:
    return sum(service.is_checked for service in nagios.services().values())


def _print_latency(words: str, arrived: int, count: int, found: Iterable[float]) -> None:
    latencies = sorted(found)
    assert latencies, "nothing has arrived"
    middle, late = latencies[len(latencies) // 2], latencies[len(latencies) * 99 // 100]
    print(
        f"{words:15} {arrived} of {count} arrived; from check to arrival: median {middle:.2f} s, "
        f"99 % within {late:.2f} s, all within {latencies[-1]:.2f} s"
    )


if __name__ == "__main__":
    main()
