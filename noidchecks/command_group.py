"""The parts that both administrative commands share: a group that prints its help, and unusable standard output."""

from __future__ import annotations

import io
import os
import sys

import click


class HelpWanted(click.UsageError):
    """No command was given; the message is the help."""


class CommandGroup(click.Group):
    """A group of commands; a call without a command is a usage error whose message is the help.

    click 8.1 prints the help and exits with 0, click 8.2 raises an exception that 8.1 does not have.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args and not ctx.resilient_parsing:
            raise HelpWanted(ctx.get_help(), ctx)
        return super().parse_args(ctx, args)


def begin_output() -> None:
    """Opens /dev/null on standard descriptors that are closed, before other files get their numbers.

    A standard output that was closed then fails on writing, like one on a full disk: without it, click would print
    nothing and exit with 0. sys.__stdout__ remains None then. An open standard output writes "?" for a character that
    its encoding lacks.
    """
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        # The character may come from a name or a server's answer, or mark a shortened line.
        sys.stdout.reconfigure(errors="replace")
    if None not in (sys.stdin, sys.stdout, sys.stderr):
        return
    # Imported here because hardly any call needs it.
    from .descriptors import fill_standard_descriptors

    fill_standard_descriptors()
    if sys.stdout is None:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 1)
        sys.stdout = os.fdopen(1, "w", closefd=False)


def leave_output(descriptor: int = 1) -> None:
    """Redirects a failing standard output (1) or error (2) to /dev/null, because the interpreter flushes it at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), descriptor)
