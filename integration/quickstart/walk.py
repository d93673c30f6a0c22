"""Follows the quickstart of docs/farms.md: runs its commands in order, each on the host that the page names.

Real: the network (namespaces with the page's addresses), sysctl, ip, nft, conntrack, vsftpd as Debian configures it,
curl, and every `noidlb`, found by PATH. Stand-ins: apt-get looks whether the packages are installed here; `python3 -m
venv` and `pip install .` make /opt/noidchecks out of the environment under test; systemctl runs what the units say.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from integration.lab.namespace import Namespace
from integration.monitoring.walk import PYTHON3, cover
from tests.support.docs_blocks import Block, blocks_of

# Seconds until what the page shows must be there.
PATIENCE = 600.0
SECTION = "## Quickstart"
EXAMPLE = Path("/opt/noidchecks/share/noidchecks/examples/farms.toml")

SYSTEMCTL = f'#!/bin/sh\nexec "{sys.executable}" -P -m integration.quickstart.systemctl "$@"\n'
"""The program that takes the place of systemctl on a host without systemd."""

_STAND_INS = {
    "apt-get": """\
#!/bin/sh
case $1 in update) exit 0 ;; install) shift ;; *) exit 1 ;; esac
for package; do
    [ "$package" = python3-venv ] || dpkg-query -W "$package" || exit 1
done
""",
    "python3": f"#!/bin/sh\n{PYTHON3}",
    "systemctl": SYSTEMCTL,
}
# Its exit code is 1 when there is something to change, which the page says.
_EXIT_CODES = {"noidlb diff": 1}
_HOSTS = {"# on b1 and b2": ("b1", "b2"), "# on b2": ("b2",), "# on a client": ("client",)}
# What differs from run to run.
_VARIABLE = (
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"), "TIME"),
    (re.compile(r"\d+\.\d+(?= seconds?\b|s\b)"), "N"),
    (re.compile(r"(?<=vsFTPd )[\d.]+"), "N"),
    (re.compile(r"[ \t]+"), " "),
)


def walk(page: Path, folder: Path) -> None:
    """Runs in namespaces of its own; prints what happens and exits with 1 at the first thing that is not as it says."""
    cover(folder)
    # What other tests have left there is none of this walk's.
    for name in ("systemctl", "noidlb", "vsftpd"):
        Path("/run", name).mkdir(exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=0755", "tmpfs", f"/run/{name}"], check=True)
    stand_ins = folder / "stand-ins"
    stand_ins.mkdir()
    for name, text in _STAND_INS.items():
        (stand_ins / name).write_text(text)
        (stand_ins / name).chmod(0o755)
    environment = {
        "PATH": f"{stand_ins}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "NOIDCHECKS_BIN": str(Path(sys.executable).parent),
        "HOME": "/root",
        "LANG": "C.UTF-8",
    }
    hosts = network(Namespace("balancer"))
    for block in section_of(page):
        print(f"{page.name}:{block.line}", flush=True)
        try:
            follow(block, hosts, lambda host: environment)
        except RuntimeError as error:
            sys.exit(str(error))
    for host in hosts.values():
        host.close()


def follow(
    block: Block,
    hosts: Mapping[str, Namespace],
    environment_of: Callable[[Namespace], Mapping[str, str]],
    patience: float = PATIENCE,
) -> None:
    """Does what a block of the page says, on the hosts that it names; RuntimeError when something else is shown.

    `patience` is how many seconds its commands may take, and what they show may be waited for.
    """
    if block.language == "toml":
        if "\n".join((*block.lines, "")) != EXAMPLE.read_text():
            raise RuntimeError("the page shows another example than the one that is installed")
    elif block.language == "sh":
        for name in _HOSTS.get(block.lines[0], ("balancer",)):
            _run(hosts[name], block, environment_of(hosts[name]), patience)


def section_of(page: Path) -> Iterator[Block]:
    """Yields the blocks of the quickstart."""
    lines = page.read_text(encoding="utf-8").splitlines()
    begin = lines.index(SECTION) + 1
    end = next(number for number, line in enumerate(lines[begin:], begin + 1) if line.startswith("## "))
    return (block for block in blocks_of(page) if begin < block.line < end)


def network(balancer: Namespace) -> dict[str, Namespace]:
    """Makes the page's other hosts, and wires them with the balancer as the page draws it."""
    hosts = {"balancer": balancer, **{name: Namespace(name) for name in ("client", "b1", "b2")}}
    for host in hosts.values():
        host.ip("link set lo up")
    hosts["balancer"].ip(
        f"link add eth0 type veth peer name eth0 netns {hosts['client'].path}",
        "link add eth1 type bridge",
        *(f"link add to-{name} type veth peer name eth0 netns {hosts[name].path}" for name in ("b1", "b2")),
        *(f"link set to-{name} master eth1 up" for name in ("b1", "b2")),
        "address add 192.0.2.1/24 dev eth0",
        "address add 10.0.1.1/24 dev eth1",
        "link set eth0 up",
        "link set eth1 up",
    )
    for name, address in {"client": "192.0.2.100", "b1": "10.0.1.11", "b2": "10.0.1.12"}.items():
        hosts[name].ip("link set eth0 up", f"address add {address}/24 dev eth0")
    return hosts


def _run(host: Namespace, block: Block, environment: Mapping[str, str], patience: float) -> None:
    text = "\n".join(block.lines)
    end = time.monotonic() + patience
    while True:
        done = host.run(("/bin/sh", "-eu", "-c", text), check=False, timeout=patience, env=environment)
        if done.returncode == _EXIT_CODES.get(text, 0) and _is_shown(done.stdout, block.output):
            return
        if block.output is None or time.monotonic() > end:
            raise RuntimeError(f"on {host.name}, exit code {done.returncode}:\n{done.stdout}{done.stderr}")
        time.sleep(0.5)


def _is_shown(said: str, shown: Sequence[str] | None) -> bool:
    if shown is None:
        return True
    lines = [_masked(line) for line in said.splitlines()]
    if shown[-1] == "...":
        shown = shown[:-1]
        lines = lines[: len(shown)]
    return lines == [_masked(line) for line in shown]


def _masked(line: str) -> str:
    for pattern, word in _VARIABLE:
        line = pattern.sub(word, line)
    return line.strip()


if __name__ == "__main__":
    walk(Path(sys.argv[1]), Path(sys.argv[2]))
