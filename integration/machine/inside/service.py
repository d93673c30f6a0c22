"""The guardian as a service of a real systemd: notification, reload, crash, watchdog, `restart nftables`, reboot."""

from __future__ import annotations

import os
import re
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from integration.clients import Errand, Target, curl_ftp
from integration.lab import Lab
from integration.lab.faults import REFUSE, fault
from integration.lb.balance import FIREWALL
from integration.lb.farms import Value, farm
from integration.machine.inside import transfers
from integration.machine.inside.report import Report
from integration.machine.inside.system import Say, exposure, run, shown, states, until
from integration.repeating import repeating

UNIT = "noidlb-guard"
_FILE = Path("/etc/noidlb/farms.toml")
_RULES = Path("/etc/nftables.conf")
_HELPERS = {"nf_nat_ftp", "nf_nat_tftp"}
# A probe may wait for seconds until an emulated processor has time for it, and 36 in a second would take all of that.
_GUARD = 'interval = "8s"\nfast-interval = "5s"\ntimeout = "40s"\nrise = 1\nfall = 2\n'
_COMMANDS = {"ftp": "check_ftp -H HOST", "tftp": "check_tftp HOST -f name", "sftp": "check_ssh HOST"}
_DRAINED = ("ftp-snat", "b2")


def _farms(lab: Lab, weight: int = 1) -> str:
    """Writes a farm of each protocol in each mode; `weight` is that of b1."""
    texts = []
    for mode in ("snat", "dnat"):
        for protocol, command in _COMMANDS.items():
            name = f"{protocol}-{mode}"
            vips = [transfers.address(version, mode) for version in (4, 6)]
            of: dict[str, dict[str, Value]] = {"b1": {"weight": weight}}
            texts.append(farm(lab, protocol, name=name, vips=vips, of=of, mode=mode))
            texts.append(f'[farms.{name}.guardian]\ncommand = "{command}"\n{_GUARD}')
    return "\n".join(texts)


def start(report: Report, lab: Lab) -> None:
    """Starts the unit that the quickstart has installed, beside the firewall's, and leaves both enabled."""
    _RULES.write_text(f"#!/usr/sbin/nft -f\nflush ruleset\n{FIREWALL}")
    run("systemctl", "enable", "--now", "nftables")
    with report.step("the unit starts, and is active once the farms are in the kernel") as say:
        _FILE.write_text(_farms(lab))
        run("systemctl", "enable", "--now", UNIT)
        run("noidlb", "start")
        _all_up(say)
    with report.step("modules of the helpers are loaded"):
        _helpers()


def prove(report: Report, lab: Lab) -> None:
    """Lets the running unit live through everything that an operator or a fault does to it."""
    with report.step("reload takes another file") as say:
        _FILE.write_text(_farms(lab, weight=3))
        run("systemctl", "reload", UNIT)
        until(lambda: "60 %" in run("noidlb", "status"), "another share")
        _all_up(say)
    with report.step("kill -9: it starts again, and clients see nothing of it") as say, _asking(lab, say):
        _dies(signal.SIGKILL)
        _all_up(say)
    with report.step("the watchdog ends one that hangs") as say, _asking(lab, say):
        _dies(signal.SIGSTOP)
        _all_up(say)
    with report.step("systemctl restart nftables under traffic") as say, _asking(lab, say, refused=True):
        before = shown(UNIT, "MainPID")
        begin = time.monotonic()
        run("systemctl", "restart", "nftables")
        say(f"restart {time.monotonic() - begin:.1f} s")
        say(f"the table is back after {until(_has_table, 'the table', 60):.1f} s more")
        _all_up(say)
        if shown(UNIT, "MainPID") != before:
            raise RuntimeError("the guardian was started again")
    with report.step("a backend that refuses is taken out, and comes back") as say:
        with fault(lab.backends[2], REFUSE):
            say(f"down after {until(lambda: states()['ftp-snat', 'b3'] == 'down', 'down'):.1f} s")
        say(f"up after {until(lambda: states()['ftp-snat', 'b3'] == 'up', 'up'):.1f} s")
    with report.step(f"systemd-analyze security {UNIT}") as say:
        say(exposure(UNIT))
    with report.step("stop leaves the table, start goes on from there") as say, _asking(lab, say):
        run("systemctl", "stop", UNIT)
        if not _has_table():
            raise RuntimeError("the table is gone")
        run("systemctl", "start", UNIT)
        _all_up(say)
    with report.step("nothing of it failed, and systemd refused it nothing") as say:
        log = run("journalctl", "-b", "-u", UNIT, "-o", "cat")
        found = [line for line in log.splitlines() if re.search(r"Traceback|Operation not permitted|SIGSYS", line)]
        if found:
            raise RuntimeError("\n".join(found[:20]))
        say(f"{len(log.splitlines())} lines in the journal")


def leave_drained(report: Report) -> None:
    """Drains a backend, which is to be drained after the next boot too."""
    with report.step("drained before the reboot"):
        run("noidlb", "drain", *_DRAINED)


def prove_after_boot(report: Report, lab: Lab) -> None:
    """Waits for the guardian that systemd starts at boot, and looks for what was remembered."""
    with report.step("the farms are back after the boot, and the drained backend is drained") as say:
        until(_is_active, "active")
        until(lambda: states().get(_DRAINED) == "drain", "drained")
        _all_up(say, but=_DRAINED)
    with report.step("modules of the helpers are loaded at boot"):
        _helpers()
    with report.step("a drained backend gets no client"):
        names = {_ask(lab) for _ in range(6)}
        if names != {"b1", "b3"}:
            raise RuntimeError(f"answered by {sorted(names)}")


def _all_up(say: Say, but: tuple[str, str] | None = None) -> None:
    def holds() -> bool:
        found = states()
        found.pop(but or ("", ""), None)
        return len(found) > 16 and set(found.values()) == {"up"}

    say(f"all up after {until(holds, 'every backend up'):.1f} s")


def _has_table() -> bool:
    return "table inet noidlb\n" in run("nft", "list", "tables") + "\n"


def _helpers() -> None:
    loaded = {line.split()[0] for line in run("lsmod").splitlines()}
    if not loaded >= _HELPERS:
        raise RuntimeError(f"missing: {_HELPERS - loaded}")


def _dies(number: signal.Signals) -> None:
    """Sends a signal to the guardian, and waits for the next one."""
    # Process 0 would be all of this program's own.
    until(_is_active, "active")
    before = shown(UNIT, "MainPID")
    os.kill(int(before), number)
    until(lambda: _is_active() and shown(UNIT, "MainPID") != before, "started again")


def _is_active() -> bool:
    return shown(UNIT, "ActiveState") == "active" and shown(UNIT, "MainPID") != "0"


def _ask(lab: Lab) -> str:
    """Returns the backend that a client finds over FTP, or nothing."""
    target = Target(host=transfers.address(4, "snat"), port=21)
    return curl_ftp(lab.client, target, Errand(listing=False)).backend


@contextmanager
def _asking(lab: Lab, say: Say, *, refused: bool = False) -> Iterator[None]:
    """Lets clients come all the time; RuntimeError if one found nothing, unless that may be."""
    answers: Counter[str] = Counter()
    with repeating(lambda: answers.update((_ask(lab),))):
        yield
    say(f"{answers.total()} clients, {answers['']} without an answer")
    if answers[""] and not refused:
        raise RuntimeError(f"clients got no answer: {dict(answers)}")
