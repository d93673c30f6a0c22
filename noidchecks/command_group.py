"""What the administrative commands share: a group that explains itself without a command, and a lost output."""

from __future__ import annotations

import io
import os
import sys

import click


class HelpWanted(click.UsageError):
    """No command was given; the message is the help."""


class CommandGroup(click.Group):
    """A group of commands; without one it is wrong usage, and the help is the answer.

    click 8.1 shows the help and calls it success, 8.2 raises an error that 8.1 does not know.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args and not ctx.resilient_parsing:
            raise HelpWanted(ctx.get_help(), ctx)
        return super().parse_args(ctx, args)


def begin_output() -> None:
    """Gives the numbers of standard descriptors that are closed to /dev/null, before anything else gets them.

    A standard output that was closed then takes nothing, like a full disk: without one, click prints nothing and calls
    that success. sys.__stdout__ still tells that there was none. A character that an open one lacks becomes "?".
    """
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        # Of a name, of a server's answer, or the one that marks a line as cut.
        sys.stdout.reconfigure(errors="replace")
    if None not in (sys.stdin, sys.stdout, sys.stderr):
        return
    # Nearly no command needs it.
    from .descriptors import fill_standard_descriptors

    fill_standard_descriptors()
    if sys.stdout is None:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 1)
        sys.stdout = os.fdopen(1, "w", closefd=False)


def leave_output(descriptor: int = 1) -> None:
    """Leaves standard output (1) or error (2), which takes nothing: the interpreter flushes it again when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), descriptor)
