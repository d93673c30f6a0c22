"""How findings are printed."""

from __future__ import annotations

import json
from collections.abc import Iterable

import click

from noidchecks.status.text import printable

from ..doctor.finding import FAULT, Finding
from .codes import DONE, FOUND


def print_findings(findings: Iterable[Finding], *, as_json: bool) -> int:
    """Prints findings, as lines or as one JSON array, and returns 1 when one of them is a fault."""
    seen: list[Finding] = []
    for finding in findings:
        seen.append(finding)
        if not as_json:
            click.echo(printable(str(finding)))
    if as_json:
        click.echo(json.dumps([one.to_document() for one in seen], indent=1))
    return FOUND if any(one.level == FAULT for one in seen) else DONE


def to_finding(level: str, sentence: str) -> Finding:
    """Makes a finding of a sentence that begins with the path of a key."""
    subject, _, text = sentence.partition(" ")
    return Finding(level, subject.rstrip(":"), text)
