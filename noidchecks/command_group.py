"""What the administrative commands share: a group that explains itself when it is called without a command."""

from __future__ import annotations

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
