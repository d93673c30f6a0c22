"""`noidchecks survey` hands in to a real Nagios and a real Icinga 2: whole, harmless, and across their restarts."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path

import pytest

from integration.monitoring.icinga import Icinga
from integration.monitoring.nagios import Nagios
from integration.monitoring.objects import PLAIN
from integration.monitoring.service import Monitor, Service, wait_for, wait_for_all
from tests.support.peers import Peer
from tests.support.records import BANNERS

pytestmark = pytest.mark.root

NewFolder = Callable[[], Path]

PROGRAM = Path(sys.executable).with_name("noidchecks")
ROOT = Path(__file__).parents[2]
CANARY = b"220 x\n[1700000000] PROCESS_SERVICE_CHECK_RESULT;lab;canary;2;owned\n"
PATIENCE = 90.0
# What a service does when it is not heard of for three seconds.
STALE = "nobody has handed in a result"


@pytest.fixture
def hostile(new_folder: NewFolder) -> Iterator[Path]:
    """A file of targets, one for each banner, whose service is called after its number."""
    folder = new_folder()
    with ExitStack() as stack:
        peers = [stack.enter_context(Peer(banner + b"\r\n")) for banner in (*BANNERS, CANARY)]
        lines = [line(f"s{number}", peer, "-m", "9000") for number, peer in enumerate(peers)]
        (folder / "targets").write_text("".join(lines))
        yield folder / "targets"


@pytest.fixture
def peer() -> Iterator[Peer]:
    with Peer(b"220 ready\r\n") as running:
        yield running


def line(service: str, peer: Peer, *words: str) -> str:
    return f"lab\t{service}\t{' '.join(['check_ftp', '-H', peer.host, '-p', str(peer.port), *words])}\n"


def names(count: int) -> list[str]:
    return [*(f"s{number}" for number in range(count)), "canary"]


def nagios_objects(services: list[str], command: str = "nothing", *more: str) -> str:
    stale = f"define command {{\n  command_name stale\n  command_line /bin/sh -c 'echo {STALE} && exit 2'\n}}\n"
    settings = [f"use noid-passive-service,plain-service\nhost_name lab\ncheck_command {command}", *more]
    blocks = ["\n".join(["define service {", *settings, f"service_description {name}", "}"]) for name in services]
    return "\n".join([PLAIN, stale, *blocks, ""])


def icinga_objects(services: list[str], *more: str) -> str:
    settings = 'import "noid-passive-service"\nhost_name = "lab"\ncheck_command = "dummy"'
    host = 'object Host "lab" { check_command = "dummy", enable_active_checks = false }'
    blocks = ["\n".join([f'object Service "{name}" {{', settings, *more, "}"]) for name in services]
    return "\n".join([host, *blocks])


@contextmanager
def nagios_for(folder: Path, objects: str) -> Iterator[Nagios]:
    with Nagios(folder) as nagios:
        nagios.start(objects, ROOT / "nagios/templates.cfg", macros={})
        yield nagios


@contextmanager
def icinga_for(folder: Path, objects: str) -> Iterator[Icinga]:
    with Icinga(folder) as icinga:
        icinga.start(objects, ROOT / "nagios/icinga2/noidchecks-templates.conf")
        (folder / "credentials").write_text(f"{icinga.user}\n{icinga.password}\n")
        yield icinga


def into(monitor: Monitor, way: str = "spool") -> list[str | Path]:
    """Returns the options that hand in to this server."""
    if isinstance(monitor, Icinga):
        credentials = monitor.folder / "credentials"
        return [
            *("--report", f"icinga2={monitor.url}", "--icinga-ca", monitor.ca_file),
            *("--icinga-credentials", credentials),
        ]
    assert isinstance(monitor, Nagios)
    place = monitor.check_results if way == "spool" else monitor.command_file
    return ["--report", f"nagios-{way}={place}"]


@contextmanager
def server(kind: str, folder: Path, services: list[str]) -> Iterator[Monitor]:
    """Runs the server in question with passive services of these names."""
    if kind == "icinga":
        with icinga_for(folder, icinga_objects(services, "enable_active_checks = false")) as icinga:
            yield icinga
    else:
        with nagios_for(folder, nagios_objects(services, "nothing", "check_freshness 0")) as nagios:
            yield nagios


def survey(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PROGRAM, "survey", *arguments], capture_output=True, text=True, timeout=PATIENCE, check=False
    )


@contextmanager
def surveying(*arguments: str | Path) -> Iterator[subprocess.Popen[str]]:
    """Runs a survey beside the test."""
    with subprocess.Popen(
        [PROGRAM, "survey", *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def expected(printed: str) -> dict[str, tuple[int, str, str]]:
    """Returns state, text and performance data of each service, as the survey itself prints them."""
    found = {}
    for row in printed.splitlines():
        _, service, code, output = row.split("\t")
        text, _, perfdata = output.replace("\\\\", "\\").partition("|")
        found[service] = (int(code), text.rstrip(), perfdata.strip())
    return found


@pytest.mark.parametrize(("kind", "way"), [("nagios", "spool"), ("nagios", "command"), ("icinga", "")])
def test_hostile_banners_arrive_whole_and_harmless(kind: str, way: str, hostile: Path, new_folder: NewFolder) -> None:
    services = names(len(BANNERS) + 1)
    with server(kind, new_folder(), services) as monitor:
        done = survey(hostile, *into(monitor, way), "--report", "lines")
        assert done.returncode == 0, done.stderr
        wanted = expected(done.stdout)
        assert len(wanted) == len(services) - 1
        for service, (state, text, perfdata) in wanted.items():
            found = wait_for(monitor, ("lab", service), lambda seen: seen.is_checked)
            assert (found.state, found.perfdata, found.active) == (state, perfdata, False)
            if kind == "nagios":
                # What Nagios does to every output, its own too: a semicolon parts the fields of its log.
                text = text.replace("\\n", "\\ n").replace(";", ":")
            assert found.output == text or (
                found.output.endswith("...") and text.startswith(found.output.removesuffix("..."))
            ), service
            assert found.long_output == ""
            assert found.output.isprintable()
        assert not monitor.services()["lab", "canary"].is_checked


@pytest.mark.parametrize("kind", ["nagios", "icinga"])
def test_a_survey_that_stops_makes_its_services_stale(kind: str, peer: Peer, new_folder: NewFolder) -> None:
    folder = new_folder()
    (folder / "targets").write_text(line("s0", peer))
    with ExitStack() as stack:
        monitor: Monitor
        if kind == "nagios":
            objects = nagios_objects(["s0"], "stale", "freshness_threshold 3")
            monitor = stack.enter_context(nagios_for(new_folder(), objects))
        else:
            more = ("check_interval = 3s", "vars.dummy_state = 2", f'vars.dummy_text = "{STALE}"')
            monitor = stack.enter_context(icinga_for(new_folder(), icinga_objects(["s0"], *more)))
        with surveying(folder / "targets", "--every", "1s", *into(monitor)) as process:
            wait_for(monitor, ("lab", "s0"), lambda seen: seen.output.startswith("FTP OK"))
            first = time.time()
            # Longer than it takes to become stale: each result puts that off.
            wait_for(monitor, ("lab", "s0"), lambda seen: seen.time > first + 5 and seen.output.startswith("FTP OK"))
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE) == 0
        stale = wait_for(monitor, ("lab", "s0"), lambda seen: seen.output == STALE)
        assert (stale.state, stale.active) == (2, True)


@contextmanager
def held(process: subprocess.Popen[str], icinga: Icinga) -> Iterator[None]:
    """Lets a survey hand in nothing for a while, from when Icinga has taken all that it was given.

    What Icinga takes between the writing of its state and its end it confirms, and does not know after a restart.
    """
    process.send_signal(signal.SIGSTOP)
    try:
        taken = -1
        while taken != (now := sum(one.is_checked for one in icinga.services().values())):
            taken = now
            time.sleep(0.5)
        yield
    finally:
        process.send_signal(signal.SIGCONT)


@pytest.mark.parametrize("kind", ["nagios", "icinga"])
def test_a_restart_of_the_server_loses_nothing(kind: str, peer: Peer, new_folder: NewFolder) -> None:
    folder = new_folder()
    services = [f"s{number}" for number in range(300)]
    (folder / "targets").write_text("".join(line(service, peer) for service in services))
    with server(kind, new_folder(), services) as monitor:
        assert isinstance(monitor, Nagios | Icinga)
        with surveying(folder / "targets", "--over", "9s", "--patience", "60s", *into(monitor)) as process:
            wait_for(monitor, ("lab", "s20"), lambda seen: seen.is_checked)
            with held(process, monitor) if isinstance(monitor, Icinga) else nullcontext():
                monitor.stop()
            # Results come while nobody is there to take them.
            peer_had = len(peer.clients)
            while len(peer.clients) < min(peer_had + 60, 300):
                time.sleep(0.05)
            monitor.restart()
            assert process.stderr is not None
            said = process.stderr.read()
            assert process.wait(PATIENCE) == 0, said
        assert ": 300 handed in\n" in said
        found = wait_for_all(monitor, services)
        assert all(found[service].output.startswith("FTP OK") for service in services)


def test_results_of_a_stopped_nagios_arrive_in_their_order(peer: Peer, new_folder: NewFolder) -> None:
    """Nagios reads the files of its folder in the order of the directory."""
    targets = new_folder() / "targets"
    with server("nagios", new_folder(), ["s0"]) as nagios:
        assert isinstance(nagios, Nagios)
        nagios.stop()
        for words in (("-e", "530"),) * 7 + ((),):
            targets.write_text(line("s0", peer, *words))
            assert survey(targets, *into(nagios), "--patience", "100ms").returncode == 0
        nagios.restart()
        found = wait_for(nagios, ("lab", "s0"), lambda seen: seen.is_checked)
        assert found.output.startswith("FTP OK")


def test_a_command_file_that_comes_back_is_used(peer: Peer, new_folder: NewFolder) -> None:
    folder = new_folder()
    (folder / "targets").write_text(line("s0", peer))
    with server("nagios", new_folder(), ["s0"]) as nagios:
        assert isinstance(nagios, Nagios)
        with surveying(folder / "targets", "--every", "1s", *into(nagios, "command")) as process:
            wait_for(nagios, ("lab", "s0"), lambda seen: seen.is_checked)
            nagios.stop()
            assert process.stderr is not None
            while "results are kept" not in (said := process.stderr.readline()):
                assert said
            nagios.restart()
            while "takes results again" not in (said := process.stderr.readline()):
                assert said
            back = time.time()
            wait_for(nagios, ("lab", "s0"), lambda seen: seen.time > back)
            process.send_signal(signal.SIGTERM)
            process.stderr.read()
            assert process.wait(PATIENCE) == 0


def test_a_service_that_icinga_does_not_know_is_told_and_holds_no_other(peer: Peer, new_folder: NewFolder) -> None:
    folder = new_folder()
    (folder / "targets").write_text(line("nosuch", peer) + line("s0", peer))
    with server("icinga", new_folder(), ["s0"]) as icinga:
        done = survey(folder / "targets", *into(icinga))
        assert done.returncode == 1
        assert "nosuch on lab is refused: 404 No objects found." in done.stderr
        assert "1 handed in, 1 refused" in done.stderr
        assert icinga.services()["lab", "s0"].is_checked


def test_the_services_of_a_running_nagios_are_surveyed(peer: Peer, new_folder: NewFolder) -> None:
    command = "define command {\n  command_name ours\n  command_line $USER5$/$ARG1$ -H '$HOSTADDRESS$' $ARG2$\n}\n"
    # A variable that a template has, and this service cancels.
    more = ("_MORE null", "check_freshness 0")
    objects = nagios_objects(["s0"], f"ours!check_ftp!-p {peer.port} $_SERVICEMORE$", *more) + command
    folder = new_folder()
    with Nagios(folder) as nagios:
        nagios.start(objects, ROOT / "nagios/templates.cfg", macros={"$USER5$": "/opt/plugins"})
        resource = folder / "resource.cfg"
        done = survey("--nagios-objects", nagios.objects_cache, "--nagios-resource", resource, *into(nagios))
        assert done.returncode == 0, done.stderr
        found = wait_for(nagios, ("lab", "s0"), lambda seen: seen.is_checked)
        assert isinstance(found, Service)
        assert found.output.startswith("FTP OK")
        assert not found.active


def test_a_full_disk_loses_nothing(peer: Peer, new_folder: NewFolder) -> None:
    folder = new_folder()
    spool = folder / "spool"
    spool.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k,nr_inodes=100", "tmpfs", spool], check=True)
    try:
        ballast = spool / "ballast"
        subprocess.run(["dd", "if=/dev/zero", f"of={ballast}", "bs=4k"], capture_output=True, check=False)
        (folder / "targets").write_text("".join(line(f"s{number}", peer) for number in range(50)))
        with surveying(folder / "targets", "--report", f"nagios-spool={spool}", "--patience", "60s") as process:
            assert process.stderr is not None
            while "No space left on device" not in (said := process.stderr.readline()):
                assert said
            assert [path.name for path in spool.iterdir()] == ["ballast"]
            ballast.unlink()
            said = process.stderr.read()
            assert process.wait(PATIENCE) == 0
        assert ": 50 handed in\n" in said
        written = b"".join(path.read_bytes() for path in spool.glob("c??????"))
        assert written.count(b"host_name=lab\n") == 50
    finally:
        subprocess.run(["umount", spool], check=True)
