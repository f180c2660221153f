"""A group of commands that imports each only when it is used; its help comes from a table and imports none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any, NamedTuple

import click

from scripts.wiring import Session
from workflow.errors import nearest


class Entry(NamedTuple):
    """A command in the table of its group: its heading in the help, where in `scripts.commands` it is, and its line."""

    purpose: str
    module: str
    attribute: str
    short: str


class Group(click.Group):
    """A group of commands; without one it says so, for click would fold its whole help into the error."""

    def __init__(self, *args: Any, **attrs: Any) -> None:
        super().__init__(*args, **{"no_args_is_help": False, **attrs})

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the options before the command."""
        _refuse_repeated(self, ctx, args)
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; it is remembered, since click does not say whose option lacked its value."""
        name, command, rest = super().resolve_command(ctx, args)
        ctx.ensure_object(Session).command = f"{ctx.command_path} {name}"
        if command is not None:
            within = click.Context(command, parent=ctx, info_name=name, **command.context_settings)
            _refuse_repeated(command, within, rest)
        return name, command, rest


def _refuse_repeated(command: click.Command, ctx: click.Context, args: Sequence[str]) -> None:
    """Raise UsageError for an option with two values: click takes the last, and drops the others without a word."""
    seen: set[click.Parameter] = set()
    for given in command.make_parser(ctx).parse_args([*args])[2]:
        if isinstance(given, click.Option) and not given.is_flag and not given.multiple:
            if given in seen:
                raise click.UsageError(f"'{given.opts[0]}' is given twice; keep one.", ctx)
            seen.add(given)


class LazyGroup(Group):
    """A group whose commands are those of `entries`, in that order."""

    def __init__(self, *args: Any, entries: Mapping[str, Entry], **attrs: Any) -> None:
        super().__init__(*args, **attrs)
        self.entries = entries

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of all commands, in the order of the help."""
        return list(self.entries)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command; None when there is none of this name."""
        entry = self.entries.get(cmd_name)
        if entry is None:
            return None
        command = getattr(import_module(f"scripts.commands.{entry.module}"), entry.attribute)
        assert isinstance(command, click.Command)
        command.short_help = entry.short
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or say which one was probably meant."""
        name = args[0]
        if name not in self.entries and not name.startswith("-"):
            said = f"{ctx.info_name} {name}" if ctx.parent else name
            raise click.UsageError(f"There is no command '{said}'.{nearest(name, self.entries)}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands by purpose, without importing any."""
        entries = self.entries
        longest = max(map(len, entries))
        for purpose in dict.fromkeys(entry.purpose for entry in entries.values()):
            rows = [(name.ljust(longest), entry.short) for name, entry in entries.items() if entry.purpose == purpose]
            with formatter.section(purpose):
                formatter.write_dl(rows)
