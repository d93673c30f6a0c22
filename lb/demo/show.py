"""The demonstration: in namespaces where that can be, otherwise on loopback, with a line that says why."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import click
from noidlb.demo import stage
from noidlb.demo.cast import Failed

# What backends and client need besides our own dependencies, by the name under which it is imported.
_REQUIRED = ("pyftpdlib", "tftpy")


def run(say: Callable[[str], object], *, loopback: bool = False) -> int:
    """Shows it and returns 0 when everything was as it must be; UsageError when the servers are not installed."""
    missing = [name for name in _REQUIRED if importlib.util.find_spec(name) is None]
    if missing:
        raise click.UsageError(
            f"the demonstration needs servers that are not installed ({', '.join(missing)}): "
            "pip install 'noidchecks[demo]'"
        )
    why = "loopback was asked for" if loopback else stage.obstacle()
    if not why:
        return stage.enter("noidlb.demo.inside")
    say(f"On loopback alone, without VIP and clients: {why}.")
    say("")
    from noidlb.demo.loopback import Loopback
    from noidlb.demo.play import perform

    try:
        with TemporaryDirectory(prefix="noidlb-demo-") as folder, Loopback(Path(folder)) as theatre:
            is_right = perform(theatre, say)
            say("# The table that nftables would have got:")
            say(theatre.paper.text())
            return 0 if is_right else 2
    except Failed as error:
        say(f"The demonstration is over: {error}.")
        return 3
