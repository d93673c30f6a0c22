"""Examines whether a guardian checks the farms that want one, and whether the operator has stopped farms."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..farm import Farm
from ..guardian.commands import complaints
from ..overrides import Overrides
from .finding import FAULT, OK, WARN, Finding, some


@dataclass(frozen=True, slots=True)
class Heard:
    """A guardian's answer: its summary, and a sentence for each trouble; silence is the reason for no answer.

    All are empty when no process listens.
    """

    summary: str = ""
    troubles: Sequence[str] = ()
    silence: str = ""


def examine_guardian(
    farms: tuple[Farm, ...], overrides: Overrides, socket: Path, holder: str, heard: Heard
) -> Iterator[Finding]:
    """Yields findings; holder names the process with the guardian's lock ("": none), socket is its control socket."""
    if farms:
        yield from _stopped(farms, overrides)
    for complaint in complaints(farms):
        text = f"backends cannot be checked: {complaint.message}"
        yield Finding(FAULT, complaint.path, text, "noidlb check FILE, then noidlb reload")
    watched = [farm.name for farm in farms if farm.guardian is not None]
    if holder:
        yield from _running(holder, socket, heard)
    elif socket.is_socket():
        # A guardian that ends regularly removes its socket.
        text = f"was killed, and left its socket {socket}: farms serve by its last results, dead backends too"
        cure = "systemctl restart noidlb-guard, or noidlb guard FILE; journalctl -u noidlb-guard says why it ended"
        yield Finding(FAULT, "guardian", text, cure)
    elif watched:
        text = f"none runs, though the file asks for one for {some(watched)}: dead backends get clients"
        cure = "systemctl enable --now noidlb-guard, or noidlb guard FILE"
        yield Finding(FAULT, "guardian", text, cure)


def _running(holder: str, socket: Path, heard: Heard) -> Iterator[Finding]:
    if heard.silence:
        text = f"{holder} has the lock, but {heard.silence}: dead backends get clients while it does not run"
        cure = "systemctl restart noidlb-guard; the farms serve meanwhile"
        yield Finding(FAULT, "guardian", text, cure)
    elif not heard.summary:
        yield Finding(OK, "guardian", f"{holder} watches the farms; it does not listen at {socket}")
    else:
        yield Finding(OK, "guardian", f"{holder} watches the farms: {heard.summary}")
    for trouble in heard.troubles:
        yield Finding(WARN, "guardian", trouble)


def _stopped(farms: tuple[Farm, ...], overrides: Overrides) -> Iterator[Finding]:
    stopped = sorted(overrides.stopped_of(farms))
    if overrides.all_stopped or len(stopped) == len(farms):
        text = "all are stopped by the operator, and refuse every client"
        yield Finding(FAULT, "farms", text, "noidlb start lets them serve")
    elif stopped:
        text = f"stopped by the operator: {some(stopped)}, which refuse every client"
        yield Finding(WARN, "farms", text, "noidlb start FARM lets one serve")
