"""Stands in for systemctl(1) where no systemd runs: starts, reloads and ends what the unit files say.

As systemd does it: the folders of unit files, the search for programs, ExecStartPre, ExecStart, ExecReload,
Type=notify, RuntimeDirectory, StateDirectory, DynamicUser (as nobody, who keeps AmbientCapabilities alone). Left out:
the sandbox and restarts, whose lines tests/lb/service/test_unit.py lets systemd-analyze read. Errors end it with 1.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

# Seconds that a service may take to start or to end.
PATIENCE = 300.0
# systemd.exec(5), "Executable search path", where /bin is not merged into /usr.
SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_UNIT_FOLDERS = (Path("/etc/systemd/system"), Path("/usr/lib/systemd/system"))
_NOBODY = 65534


def main(words: Sequence[str]) -> int:
    """Does what the words of a command line of systemctl say, and returns the exit code."""
    match list(words):
        case ["daemon-reload"]:
            return 0
        case ["start", name] | ["enable", "--now", name]:
            Service(name).start()
        case ["stop", name] | ["disable", "--now", name]:
            Service(name).stop()
        case ["restart", name]:
            Service(name).stop()
            Service(name).start()
        case ["reload", name]:
            Service(name).reload()
        case _:
            print(f"systemctl {shlex.join(words)}: the stand-in cannot do this")
            return 1
    return 0


class Service:
    """A unit file, and its process on this host: each network namespace has services of its own."""

    def __init__(self, name: str) -> None:
        self._settings: defaultdict[str, list[str]] = defaultdict(list)
        path = next(found for folder in _UNIT_FOLDERS if (found := folder / f"{name}.service").exists())
        for line in path.read_text().splitlines():
            key, equals, value = line.partition("=")
            if equals and not line.startswith("#"):
                self._settings[key].append(value)
        self._folder = Path("/run/systemctl", str(Path("/proc/self/ns/net").stat().st_ino), name)
        self._folder.mkdir(parents=True, exist_ok=True)
        self._pid_file = self._folder / "pid"

    def start(self) -> None:
        """Starts it unless it runs, and waits until it says that it is ready, if it ever will."""
        if self._pid():
            return
        environment = {"PATH": SEARCH_PATH, "LANG": "C.UTF-8"}
        words: tuple[str, ...] = ()
        if self._has("DynamicUser", "yes"):
            rights = ",".join(f"+{name.removeprefix('CAP_').lower()}" for name in self._words("AmbientCapabilities"))
            kept = f"-all,{rights}" if rights else "-all"
            words = ("setpriv", f"--reuid={_NOBODY}", f"--regid={_NOBODY}", "--clear-groups", "--no-new-privs")
            words += (f"--bounding-set={kept}", f"--inh-caps={kept}", f"--ambient-caps={kept}")
        for parent, key in ((Path("/run"), "RuntimeDirectory"), (Path("/var/lib"), "StateDirectory")):
            for name in self._words(key):
                self._own(parent / name, int((self._settings[f"{key}Mode"] or ["0755"])[-1], 8))
        for line in self._settings["ExecStartPre"]:
            subprocess.run(list(_programs(line.lstrip("-"))), env=environment, check=not line.startswith("-"))
        with self._hearing(environment) as manager, (self._folder / "log").open("ab") as log:
            (line,) = self._settings["ExecStart"]
            process = subprocess.Popen(
                [*words, *_programs(line)],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
            self._pid_file.write_text(str(process.pid))
            if self._has("Type", "notify"):
                self._wait_ready(manager, process)

    def reload(self) -> None:
        """Runs ExecReload."""
        for line in self._settings["ExecReload"]:
            words = (word.replace("$MAINPID", str(self._pid())) for word in _programs(line))
            subprocess.run(list(words), env={"PATH": SEARCH_PATH}, check=True)

    def stop(self) -> None:
        """Ends it if it runs, and removes its RuntimeDirectory."""
        if pid := self._pid():
            os.kill(pid, signal.SIGTERM)
            end = time.monotonic() + PATIENCE
            while self._pid():
                if time.monotonic() > end:
                    sys.exit(f"{self._folder.name} does not end")
                time.sleep(0.02)
        for name in self._words("RuntimeDirectory"):
            shutil.rmtree(Path("/run", name), ignore_errors=True)

    def _pid(self) -> int:
        with suppress(FileNotFoundError, ProcessLookupError):
            pid = int(self._pid_file.read_text())
            # One that has ended is not there, or waits for process 1 to notice.
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
                return pid
        return 0

    def _own(self, folder: Path, mode: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(mode)
        for path in (folder, *folder.rglob("*")):
            os.chown(path, _NOBODY, _NOBODY, follow_symlinks=False)

    def _hearing(self, environment: dict[str, str]) -> socket.socket:
        manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        path = self._folder / "notify"
        path.unlink(missing_ok=True)
        manager.bind(str(path))
        path.chmod(0o666)
        manager.settimeout(0.2)
        environment["NOTIFY_SOCKET"] = str(path)
        return manager

    def _wait_ready(self, manager: socket.socket, process: subprocess.Popen[bytes]) -> None:
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end and process.poll() is None:
            with suppress(TimeoutError):
                if "READY=1" in manager.recv(4096).decode().splitlines():
                    return
        sys.exit(f"{self._folder.name} has not started: {(self._folder / 'log').read_text(errors='replace')}")

    def _has(self, key: str, value: str) -> bool:
        return self._settings[key][-1:] == [value]

    def _words(self, key: str) -> list[str]:
        return [word for value in self._settings[key] for word in value.split()]


def _programs(line: str) -> Iterator[str]:
    """Yields the words of a command line of a unit; the first with its whole path, as systemd looks for it."""
    program, *words = shlex.split(line)
    found = shutil.which(program, path=SEARCH_PATH)
    if found is None:
        sys.exit(f"Unable to locate executable '{program}': No such file or directory")
    yield found
    yield from words


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
