"""How fast a client is told that what it had cannot be handed over to the other balancer: each such case after a crash.

integration/run .venv/bin/python -P -m integration.bench.refusals [CRASHES]
"""

from __future__ import annotations

import socket
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from itertools import product
from statistics import median
from typing import TypeAlias

from integration.clients import Data
from integration.lab.sessions import FtpSession
from integration.pair.farms import everything
from integration.pair.lab import PairLab
from integration.pair.topology import SHORT_CLIENT, SHORT_VIP, VIP

CRASHES = 10
PATIENCE = 20.0

Action: TypeAlias = Callable[[], str]
"""What the client does next; returns what it is told."""


def main() -> None:
    """Prints what each case is told, how often, and after how many seconds."""
    crashes = int(sys.argv[1]) if len(sys.argv) > 1 else CRASHES
    found: dict[str, list[float]] = defaultdict(list)
    told: dict[str, Counter[str]] = defaultdict(Counter)
    for mode, moment in product(("snat", "dnat"), ("later", "at once")):
        # New servers each time: the old ones still hold the sessions whose clients were reset.
        with PairLab() as lab:
            for _ in range(crashes):
                for name, (seconds, said) in _crash(lab, mode, moment).items():
                    found[name].append(seconds)
                    told[name][said] += 1
    print(f"seconds from the client's next action to what it is told, {crashes} crashes; later: once the other node")
    print("serves; at once: while nobody does")
    print(f"{'':54} {'min':>6} {'median':>6} {'max':>6}")
    for name, waits in found.items():
        shown = ", ".join(f"{said} {count}" for said, count in told[name].items())
        print(name.ljust(54), *(f"{of(waits):6.2f}" for of in (min, median, max)), shown)


def _crash(lab: PairLab, mode: str, moment: str) -> dict[str, tuple[float, str]]:
    lab.boot(everything(mode))
    with ExitStack() as opened:
        actions = _actions(lab, mode, opened)
        # The other node has heard of all of it.
        time.sleep(0.5)
        first, second = lab.nodes
        first.crash()
        if moment == "later":
            lab.wait_until_serves(second)
        with ThreadPoolExecutor(len(actions)) as pool:
            asked = {name: pool.submit(_timed, action) for name, action in actions.items()}
            return {f"{mode}, {name}, {moment}": one.result() for name, one in asked.items()}


def _actions(lab: PairLab, mode: str, opened: ExitStack) -> dict[str, Action]:
    """Makes a session for each case that docs/pair.md calls impossible."""

    def session(data: Data, host: str, source: str = "") -> FtpSession:
        return opened.enter_context(FtpSession(lab.client, host, data, source=source))

    moved = {
        "PASV of another length": session(Data.PASV, SHORT_VIP[4]),
        "EPRT over IPv6 of another length": session(Data.EPRT, VIP[6], SHORT_CLIENT[6]),
    }
    if mode == "snat":
        for data in (Data.PORT, Data.EPRT):
            moved[f"{data.name} over IPv4 of another length"] = session(data, VIP[4], SHORT_CLIENT[4])
    for one in moved.values():
        one.fetch()
    actions: dict[str, Action] = {name: partial(_next_word, one) for name, one in moved.items()}
    for data, version in ((Data.PASV, 4), (Data.EPSV, 4), (Data.EPSV, 6)):
        host, port = session(data, VIP[version]).ftp.makepasv()[:2]
        actions[f"{data.name} over IPv{version} announced, not connected"] = partial(_connect, lab, host, port)
    return actions


def _timed(action: Action) -> tuple[float, str]:
    begin = time.monotonic()
    said = action()
    return time.monotonic() - begin, said


def _next_word(session: FtpSession) -> str:
    connection = session.ftp.sock
    assert connection is not None
    connection.settimeout(PATIENCE)
    try:
        connection.sendall(b"NOOP\r\n")
        return connection.recv(512)[:3].decode(errors="replace") or "end"
    except TimeoutError:
        return "nothing"
    except ConnectionError:
        return "reset"


def _connect(lab: PairLab, host: str, port: int) -> str:
    with lab.client.entered():
        data = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    with data:
        data.settimeout(PATIENCE)
        try:
            data.connect((host, port))
        except TimeoutError:
            return "nothing"
        except ConnectionError:
            return "refused"
        except OSError as error:
            return error.strerror or type(error).__name__
    return "connected"


if __name__ == "__main__":
    main()
