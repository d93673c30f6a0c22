"""The examples for load balancers, each with the program itself as far as this kernel lets it."""

from __future__ import annotations

import configparser
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from integration.contract.compare import OURS
from integration.daemon import Daemon
from integration.monitoring.servers import Farm
from integration.servers import UNPACKED, free_port

pytestmark = pytest.mark.root

NewFolder = Callable[[], Path]
EXAMPLES = Path(__file__).parents[2] / "nagios" / "examples"
FOLDER = "/usr/local/lib/nagios/plugins"
"""Where the examples look for the plugins."""
KEEPALIVED = UNPACKED / "usr/sbin/keepalived"
HAPROXY = UNPACKED / "usr/sbin/haproxy"


@pytest.fixture
def plugins(new_folder: NewFolder) -> Path:
    """A folder with the plugins and the scripts of the examples."""
    folder = new_folder()
    folder.chmod(0o755)
    subprocess.run([OURS / "noidchecks", "install-plugins", folder], check=True, timeout=60, capture_output=True)
    for script in EXAMPLES.glob("haproxy-check-*"):
        copy = folder / script.name
        copy.write_bytes(script.read_bytes())
        copy.chmod(0o755)
    return folder


def example(name: str, plugins: Path) -> str:
    text = (EXAMPLES / name).read_text()
    assert f"{FOLDER}/check_" in text or f"{FOLDER}/haproxy-check" in text
    return text.replace(FOLDER, str(plugins))


@pytest.fixture
def interface() -> Iterator[None]:
    """The network interface of the keepalived example."""
    subprocess.run(["ip", "link", "add", "eth0", "type", "veth", "peer", "name", "far"], check=True, timeout=60)
    subprocess.run(["ip", "address", "add", "192.0.2.1/24", "dev", "eth0"], check=True, timeout=60)
    for end in ("eth0", "far"):
        subprocess.run(["ip", "link", "set", end, "up"], check=True, timeout=60)
    yield
    subprocess.run(["ip", "link", "delete", "eth0"], check=True, timeout=60)


def keepalived(file: Path, *words: str) -> list[str | Path]:
    folder = file.parent
    pids = [f"--pid={folder}/pid", f"--vrrp_pid={folder}/vrrp.pid", f"--checkers_pid={folder}/checkers.pid"]
    return [KEEPALIVED, f"--use-file={file}", *pids, *words]


@pytest.mark.usefixtures("interface")
def test_keepalived_accepts_the_example(plugins: Path, new_folder: NewFolder) -> None:
    file = new_folder() / "keepalived.conf"
    # As root: 2.2.7 takes its change of users for the death of a parent that a test of the configuration does not have.
    file.write_text(example("keepalived.conf", plugins).replace("nobody", "root"))
    words = keepalived(file, "--config-test", "--log-console")
    said = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert (said.returncode, said.stderr) == (0, ""), said
    file.write_text(file.read_text().replace("misc_path", "misc_part", 1))
    said = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert said.returncode != 0, "it reads what is in the virtual servers too"


@pytest.mark.usefixtures("interface")
def test_keepalived_gives_the_address_up_and_takes_it_back(plugins: Path, new_folder: NewFolder, farm: Farm) -> None:
    folder = new_folder()
    file = folder / "keepalived.conf"
    text = example("keepalived.conf", plugins)
    # As root, because the folders of the plugins under test may be closed to others.
    file.write_text(text.replace("nobody", "root").replace("interval 5", "interval 1"))
    words = keepalived(file, "--vrrp", "--dont-fork", "--log-console", "--log-detail")
    with Daemon(words, folder) as daemon:
        daemon.wait_until(has_address, "the virtual address")
        farm.stop("ftp")
        daemon.wait_until(lambda: not has_address(), "its end")
        farm.start("ftp")
        daemon.wait_until(has_address, "the virtual address again")
        said = daemon.output
    assert re.search(r"Script `check_ftp` now returning 2", said), said
    assert re.search(r"Script `check_ftp` now returning 0", said), said


def has_address() -> bool:
    shown = subprocess.run(
        ["ip", "-brief", "address", "show", "eth0"], capture_output=True, text=True, timeout=60, check=True
    )
    return "192.0.2.10/24" in shown.stdout


@pytest.mark.parametrize("protocol", ["ftp", "sftp"])
def test_haproxy_marks_a_server_down_and_up(plugins: Path, new_folder: NewFolder, farm: Farm, protocol: str) -> None:
    folder = new_folder()
    file = folder / "haproxy.cfg"
    port = free_port()
    text = (
        example("haproxy.cfg", plugins).replace("10.0.1.11", "127.0.0.1").replace("inter 10s fastinter 2s", "inter 1s")
    )
    file.write_text(
        f"{text}\nlisten numbers\n    bind 127.0.0.1:{port}\n    mode http\n    stats enable\n    stats uri /\n"
    )

    def state() -> str:
        import urllib.request

        with urllib.request.urlopen(f"http://127.0.0.1:{port}/;csv", timeout=20) as answer:
            rows = [line.split(",") for line in answer.read().decode().splitlines()]
        (status,) = (row[rows[0].index("status")] for row in rows if row[:2] == [protocol, "b1"])
        return str(status)

    server = "ssh" if protocol == "sftp" else protocol
    with Daemon([HAPROXY, "-db", "-f", file], folder) as daemon:
        daemon.wait_for_tcp(("127.0.0.1",), port)
        # 10.0.1.12 cannot be reached here, so that b1 is what is looked at.
        daemon.wait_until(lambda: state() == "UP", "b1 up")
        farm.stop(server)
        daemon.wait_until(lambda: state() == "DOWN", "b1 down")
        farm.start(server)
        daemon.wait_until(lambda: state() == "UP", "b1 up again")


def guardian(command: str, libexec: Path, host: str, port: int) -> bool:
    """Runs a command as RELIANOID's farm guardian does, and tells whether the backend is up."""
    line = f"{libexec}/{command}".replace("HOST", host).replace("PORT", str(port))
    return subprocess.run(line, shell=True, timeout=60, check=False, capture_output=True).returncode == 0


def test_relianoid_commands(new_folder: NewFolder, farm: Farm, tmp_path: Path) -> None:
    folder = new_folder()
    subprocess.run(
        [OURS / "noidchecks", "install-plugins", "--prefix", "noid_", folder],
        check=True,
        timeout=60,
        capture_output=True,
    )
    login = tmp_path / "login"
    login.write_text("machine 127.0.0.1 login anonymous password x\n")
    reader = configparser.ConfigParser(interpolation=None)
    reader.read(EXAMPLES / "farmguardian.conf")
    assert reader.sections()
    for section in reader.sections():
        protocol = section.split("_")[1]
        port = {"ftp": 21, "tftp": 69, "ssh": 22}[protocol]
        command = reader[section]["command"].replace("/etc/noidchecks/login", str(login))
        command = command.replace("pxelinux.0", "hello.txt")
        assert guardian(command, folder, "127.0.0.1", port), section
        farm.stop(protocol)
        assert not guardian(command, folder, "127.0.0.1", port), section
        farm.start(protocol)
    assert not guardian("noid_check_ftp -H HOST -p PORT", folder, "127.0.0.1", 0), "exit code 3 is down"
