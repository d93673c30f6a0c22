"""From the death of a backend to the last new connection that goes to it: the guardian, and HAProxy's TCP check.

A death waits up to an interval for the next check, by chance. What the guardian and nft add themselves is what comes
behind the first failure and the two fast intervals to the third one.
"""

from __future__ import annotations

import random
import re
import socket
import statistics
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from pathlib import Path

from noidlb.nft.nft import NftSession

from integration.lab import Backend, Lab, vip
from integration.lab.faults import BLACKHOLE, NO_PASSIVE_DATA, REFUSE
from integration.lb.farms import Value
from integration.lb_guard.farms import guarded
from integration.lb_guard.guarding import Guarding
from integration.repeating import repeating
from integration.servers import UNPACKED

INTERVAL, FAST, TIMEOUT, FALL = 1.0, 0.2, 0.5, 3
BOUND = INTERVAL + (FALL - 1) * FAST + TIMEOUT + 0.05
ROUNDS = 10
PORT = 7000
GAP = 0.005
_RESET = b"\1\0\0\0\0\0\0\0"
_STAMP = re.compile(r"\[(\d+\.\d+)\]")
_HAPROXY = """\
global
	nbthread 1
defaults
	mode tcp
	timeout connect {timeout:.0f}ms
	timeout client 30s
	timeout server 30s
	timeout check {timeout:.0f}ms
listen farm
	bind {vip}:{port}
	default-server check inter {interval:.0f}ms fastinter {fast:.0f}ms fall {fall} rise 1 port 21
"""


def main() -> None:
    """Prints a line for each way to die and each who watches."""
    print(
        f"interval {INTERVAL:g} s, fast {FAST:g} s, timeout {TIMEOUT:g} s, fall {FALL}: "
        f"at most {BOUND:.2f} s; {ROUNDS} deaths each, at random moments"
    )
    with Lab(ftp=("vsftpd",) * 3, tftp=(), ssh=False) as lab:
        plain = "check_ftp -H HOST -p 21"
        for name, command, die in (
            ("refused", plain, lambda: _broken(lab.backends[1], REFUSE)),
            ("blackholed", plain, lambda: _broken(lab.backends[1], BLACKHOLE)),
            ("hung", plain, lambda: _hung(lab.backends[1])),
            ("half-dead", f"{plain} --data passive", lambda: _broken(lab.backends[1], NO_PASSIVE_DATA)),
        ):
            found = _watch_guardian(lab, command, die)
            _tell(f"guardian, {name}", [one for one, _ in found])
            _tell("  beyond its arithmetic", [one for _, one in found])
        for name, rules in (("refused", REFUSE), ("blackholed", BLACKHOLE)):
            _tell(f"HAProxy, {name}", _watch_haproxy(lab, rules))


def _tell(name: str, seconds: list[float]) -> None:
    print(f"{name:22} median {statistics.median(seconds):.3f} s, at most {max(seconds):.3f} s", flush=True)


@contextmanager
def _broken(backend: Backend, rules: str) -> Iterator[float]:
    """Breaks the network of a backend; yields when. An nft that is open already does it within a millisecond."""
    with backend.entered(), closing(NftSession()) as nft:
        nft.run("add table inet fault")
        chain = "add chain inet fault c { type filter hook input priority 0; }"
        nft.run(chain)
        began = time.time()
        nft.run("; ".join(f"add rule inet fault c {rule.strip()}" for rule in rules.split(";")))
        try:
            yield began
        finally:
            nft.run("delete table inet fault")


@contextmanager
def _hung(backend: Backend) -> Iterator[float]:
    began = time.time()
    backend.server["vsftpd"].hang()
    try:
        yield began
    finally:
        backend.server["vsftpd"].wake()


def _watch_guardian(
    lab: Lab, command: str, die: Callable[[], AbstractContextManager[float]]
) -> list[tuple[float, float]]:
    """Returns for each death the seconds to the last new connection, and from the third failure that is due to it."""
    settings: dict[str, Value] = {
        "interval": f"{INTERVAL * 1000:.0f}ms",
        "fast-interval": f"{FAST * 1000:.0f}ms",
        "timeout": f"{TIMEOUT * 1000:.0f}ms",
        "fall": FALL,
        "rise": 1,
    }
    found = []
    text = guarded(lab, "tcp", ports=[PORT], command=command, settings=settings)
    with ExitStack() as opened:
        guarding = opened.enter_context(Guarding(lab, text))
        opened.callback(lab.balancer.run, ("nft", "flush", "ruleset"))
        guarding.wait_all("up", "b1", "b2", "b3")
        arrivals = opened.enter_context(_arrivals(lab))
        opened.enter_context(_clients(lab))
        for _ in range(ROUNDS):
            _await_arrival(arrivals)
            time.sleep(INTERVAL + random.random() * INTERVAL)
            seen = len(guarding.events)
            arrivals.clear()
            with die() as began:
                down = guarding.wait("down", "b2", after=seen)
                time.sleep(0.5)
                last = max(arrivals)
                assert down.since is not None
                found.append((last - began, last - (down.since + (FALL - 1) * FAST)))
            guarding.wait("up", "b2", after=seen)
    return found


def _await_arrival(arrivals: list[float]) -> None:
    """Waits until it serves: a return that comes right behind other changes waits for more of them."""
    arrivals.clear()
    limit = time.monotonic() + 30
    while not arrivals:
        if time.monotonic() > limit:
            raise TimeoutError("b2 gets no connections though it is up")
        time.sleep(0.002)


def _watch_haproxy(lab: Lab, rules: str) -> list[float]:
    file = lab.folder / "haproxy.cfg"
    settings = {"interval": INTERVAL * 1000, "fast": FAST * 1000, "timeout": TIMEOUT * 1000, "fall": FALL}
    servers = "".join(f"\tserver {one.name} {one.address(4)}:{PORT}\n" for one in lab.backends)
    file.write_text(_HAPROXY.format(vip=vip(4), port=PORT, **settings) + servers)
    found = []
    argv: tuple[str | Path, ...] = (UNPACKED / "usr/sbin/haproxy", "-db", "-f", file)
    process = lab.balancer.popen(argv, stdout=subprocess.DEVNULL)
    news: list[tuple[float, str]] = []
    reader = threading.Thread(target=_read_news, args=(process, news))
    reader.start()
    try:
        time.sleep(2 * INTERVAL)
        for _ in range(ROUNDS):
            time.sleep(INTERVAL + random.random() * INTERVAL)
            seen = len(news)
            with _broken(lab.backends[1], rules) as began:
                found.append(_await_news(news, seen, "farm/b2 is DOWN") - began)
                seen = len(news)
            _await_news(news, seen, "farm/b2 is UP")
    finally:
        process.kill()
        reader.join()
    return found


def _read_news(process: subprocess.Popen[str], news: list[tuple[float, str]]) -> None:
    assert process.stderr is not None
    for line in process.stderr:
        news.append((time.time(), line))


def _await_news(news: list[tuple[float, str]], seen: int, text: str) -> float:
    limit = time.monotonic() + 30
    while time.monotonic() < limit:
        for when, line in news[seen:]:
            if text in line:
                return when
        time.sleep(0.002)
    raise TimeoutError(f"HAProxy does not say {text}: {news}")


@contextmanager
def _clients(lab: Lab) -> Iterator[None]:
    """Begins a connection to the VIP every few milliseconds; nobody waits for what becomes of it."""

    def work() -> None:
        with lab.client.entered(), socket.socket() as one:
            one.setblocking(False)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            one.connect_ex((vip(4), PORT))
            time.sleep(0.001)

    with repeating(work, GAP):
        yield


@contextmanager
def _arrivals(lab: Lab) -> Iterator[list[float]]:
    """Yields a list that grows by the time of each new connection that the balancer sends to b2 for a client."""
    watched = ("conntrack", "-E", "-e", "NEW", "-o", "timestamp", "-p", "tcp", "--orig-dst", vip(4))
    process = lab.balancer.popen(watched, stderr=subprocess.DEVNULL)
    times: list[float] = []

    def read() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            stamp = _STAMP.search(line)
            if stamp and f"src={lab.backends[1].address(4)} " in line:
                times.append(float(stamp[1]))

    reader = threading.Thread(target=read)
    reader.start()
    try:
        yield times
    finally:
        process.kill()
        reader.join()


if __name__ == "__main__":
    main()
