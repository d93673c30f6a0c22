"""Follows the commands of a page of the documentation, on a machine that is this one and yet a fresh one.

Folders of the machine are covered by writable ones in a mount namespace, with the unpacked packages shining through;
what needs a network or an init has a stand-in: apt-get, systemctl, and the making of /opt/noidchecks.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from integration.servers import UNPACKED
from tests.support.docs_blocks import blocks_of

# Seconds until what a page shows must be there.
PATIENCE = 600

# The user that Debian's packages make. Here it is root by another name, because the checkout may be closed to others.
_ACCOUNTS = (
    "getent passwd nagios >/dev/null || { echo nagios:x:0:0::/:/bin/sh >>/etc/passwd; echo nagios:x:0: >>/etc/group; }"
)

# `python3 -m venv /opt/noidchecks` shows the environment under test there, but with a pip that leaves it alone.
PYTHON3 = """\
[ "$1 $2" = "-m venv" ] || exec /usr/bin/python3 "$@"
mkdir -p "$3/bin"
ln -s "$NOIDCHECKS_BIN"/check_* "$NOIDCHECKS_BIN/noidchecks" "$NOIDCHECKS_BIN/noidlb" "$3/bin/"
ln -s "${NOIDCHECKS_BIN%/bin}/share" "$3/share"
printf '#!/bin/sh\\n[ "$1" = install ] && [ "${2%%[*}" = . ]\\n' >"$3/bin/pip"
chmod 755 "$3/bin/pip"
"""

_STAND_INS = {
    "apt-get": f"""\
[ "$1" = install ] || exit 1
{_ACCOUNTS}
mkdir -p /run/nagios4 /var/lib/nagios4/rw /var/lib/nagios4/spool/checkresults /var/log/nagios4/archives
mkdir -p /etc/icinga2/features-enabled
for feature in checker mainlog notification; do
    ln -sf ../features-available/$feature.conf /etc/icinga2/features-enabled/
done
""",
    "systemctl": """\
case "$*" in
daemon-reload) exit 0 ;;
"enable --now "*) set -- restart "$3" ;;
"reload "*) kill -HUP "$(cat /run/$2.started)"; exit ;;
esac
[ "$1" = restart ] || exit 1
if [ -s /run/$2.started ]; then
    kill "$(cat /run/$2.started)"
    for i in $(seq 6000); do kill -0 "$(cat /run/$2.started)" 2>/dev/null || break; sleep 0.05; done
fi
case $2 in
nagios4) nagios4 /etc/nagios4/nagios.cfg >/run/$2.out 2>&1 & ;;
prometheus) prometheus --config.file=/etc/prometheus/prometheus.yml --storage.tsdb.path=/run/tsdb >/run/$2.out 2>&1 & ;;
noidchecks-exporter)
    # What the unit would start, with nothing in its environment file.
    $(sed -n 's/^ExecStart=\\(.*\\) \\$EXPORTER_OPTIONS$/\\1/p' /etc/systemd/system/$2.service) >/run/$2.out 2>&1 &
    ;;
icinga2) /usr/lib/icinga2/prepare-dirs /usr/lib/icinga2/icinga2 && icinga2 daemon >/run/$2.out 2>&1 & ;;
esac
echo $! >/run/$2.started
for i in $(seq 6000); do
    case $2 in
    nagios4) [ -p /var/lib/nagios4/rw/nagios.cmd ] && exit 0 ;;
    icinga2) grep -qs 'Activated all objects' /run/icinga2.out && exit 0 ;;
    prometheus) grep -qs 'Server is ready' /run/prometheus.out && exit 0 ;;
    noidchecks-exporter) grep -qs 'listening on' /run/noidchecks-exporter.out && exit 0 ;;
    esac
    sleep 0.05
done
cat /run/$2.out
exit 1
""",
    "python3": PYTHON3,
}
# Where the servers of the pages are in the test.
_SERVERS = {"10.0.1.11": "127.0.0.1", "10.0.1.12": "127.0.0.1", "10.0.1.0/24": "127.0.0.0/24"}
_COVERED = ("etc", "opt", "usr", "var", "lib")


def walk(page: Path, folder: Path) -> None:
    """Runs in namespaces of its own; prints what happens and exits with 1 at the first thing that is not as it says."""
    cover(folder)
    stand_ins = folder / "stand-ins"
    stand_ins.mkdir()
    for name, text in _STAND_INS.items():
        (stand_ins / name).write_text(f"#!/bin/sh\n{text}")
        (stand_ins / name).chmod(0o755)
    subprocess.run(["hostname", "monitor"], check=True)
    Path("/etc/hosts").write_text("127.0.0.1 localhost\n127.0.1.1 monitor.example monitor\n")
    path = f"{stand_ins}:/usr/sbin:/usr/bin:/sbin:/bin"
    environment = {"PATH": path, "NOIDCHECKS_BIN": str(Path(sys.executable).parent), "HOME": "/root", "LANG": "C.UTF-8"}
    servers = dict(_SERVERS)
    if page.name == "prometheus.md":
        # Two targets must differ. FTP alone, which is all that the first of them has here, answers at any address.
        servers["10.0.1.11"] = "127.0.0.2"
    for block in blocks_of(page):
        if block.language == "sh":
            text = "\n".join(line.strip() if _is_indented(block.lines) else line for line in block.lines)
            for there, here in servers.items():
                text = text.replace(there, here)
            print(f"{page.name}:{block.line}", flush=True)
            _run(text, environment, block.output)


def _is_indented(lines: Iterable[str]) -> bool:
    return all(line.startswith("  ") for line in lines if line)


def _run(text: str, environment: dict[str, str], shown: tuple[str, ...] | None) -> None:
    import time

    end = time.monotonic() + PATIENCE
    while True:
        done = subprocess.run(
            ["/bin/sh", "-eu", "-c", text],
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
            check=False,
            timeout=PATIENCE,
        )
        if done.returncode == 0 and (shown is None or done.stdout.splitlines() == list(shown)):
            return
        if shown is None or time.monotonic() > end:
            print(f"exit code {done.returncode}, and not what the page shows:\n{done.stdout}", flush=True)
            sys.exit(1)
        time.sleep(0.5)


def cover(folder: Path) -> None:
    """Covers the folders of this machine by writable ones, until the mount namespace ends."""
    for name in _COVERED:
        # /lib is a link into /usr.
        place = Path(os.path.realpath(f"/{name}"))
        below = [path for path in (UNPACKED / name, place) if path.is_dir()]
        if name == "etc":
            # Copied, because Icinga 2 cannot copy a file of an overlay that lies below.
            upper = folder / name
            for source in reversed(below):
                shutil.copytree(source, upper, symlinks=True, dirs_exist_ok=True)
            subprocess.run(["mount", "--bind", upper, place], check=True)
            continue
        upper, work = folder / f"{name}.upper", folder / f"{name}.work"
        upper.mkdir()
        work.mkdir()
        options = f"lowerdir={':'.join(map(str, below))},upperdir={upper},workdir={work}"
        subprocess.run(["mount", "-t", "overlay", "overlay", "-o", options, place], check=True)


def follow(module: str, page: Path, folder: Path, *namespaces: str) -> None:
    """Runs a module that walks through a page in namespaces of its own; AssertionError with what it printed."""
    own = ("/usr/bin/unshare", "--mount", "--uts", "--pid", *namespaces, "--fork", "--kill-child", "--mount-proc", "--")
    # Process 1 reaps the daemons: one that was told to end would seem to live on.
    parent = ("/bin/sh", "-c", '"$@"; exit $?', "sh")
    words = (sys.executable, "-P", "-m", module, page, folder)
    done = subprocess.run(
        [*own, *parent, *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=1200, check=False
    )
    assert done.returncode == 0, done.stdout


if __name__ == "__main__":
    walk(Path(sys.argv[1]), Path(sys.argv[2]))
