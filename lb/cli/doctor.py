"""The command `noidlb doctor`, and how findings are printed."""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import chain
from pathlib import Path

import click

from noidchecks.status.text import printable

from ..config.load import Configuration
from ..doctor.finding import FAULT, Finding
from ..doctor.guardian import examine_guardian
from ..doctor.machine import examine
from ..doctor.pair import examine_pair, is_here
from ..guardian.lock import holder
from ..service.direct import current, read_words
from ..service.protocol import socket_path
from ..service.state import StateFolder
from .guard import other_file_option, socket_option, state_option
from .pair import pair_folders

_DONE, _FOUND = 0, 1

json_option = click.option("--json", "as_json", is_flag=True, help="Print it for programs.")


@click.command()
@other_file_option
@json_option
@socket_option
@state_option
@pair_folders
def doctor(
    file: str | None, as_json: bool, socket: str | None, folder: StateFolder, pair_dir: Path, run_dir: Path
) -> int:
    """Looks for what keeps this machine from balancing, and says what helps; exit code 1 when there is a fault."""
    applied = folder.applied() is not None
    configuration = current(folder, file) if file is not None or applied else Configuration(())
    farms, pair = configuration.farms, configuration.pair
    found = chain(
        examine(farms, in_pair=pair is not None, applied=applied and file is None),
        examine_guardian(farms, read_words(folder), socket_path(folder.path, socket), holder()),
        () if pair is None else examine_pair(pair, configuration, pair_dir, run_dir, is_here),
    )
    return print_findings(found, as_json=as_json)


def print_findings(findings: Iterable[Finding], *, as_json: bool) -> int:
    """Prints findings, as lines or as one JSON array, and returns 1 when one of them is a fault."""
    seen: list[Finding] = []
    for finding in findings:
        seen.append(finding)
        if not as_json:
            click.echo(printable(str(finding)))
    if as_json:
        click.echo(json.dumps([one.to_document() for one in seen], indent=1))
    return _FOUND if any(one.level == FAULT for one in seen) else _DONE


def to_finding(level: str, sentence: str) -> Finding:
    """Makes a finding of a sentence that begins with the path of a key."""
    subject, _, text = sentence.partition(" ")
    return Finding(level, subject.rstrip(":"), text)
