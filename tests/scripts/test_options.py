"""Options given twice: which of two values was meant nobody knows, so they are refused."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

import click
import pytest

from scripts.cli import cli
from tests.scripts.desk import Desk


def commands(group: click.Group, ctx: click.Context, path: str = "") -> Iterator[tuple[str, click.Command]]:
    """Every command of the program, with the words that call it."""
    for name in group.list_commands(ctx):
        command = group.get_command(ctx, name)
        assert command is not None
        yield f"{path}{name}", command
        if isinstance(command, click.Group):
            yield from commands(command, ctx, f"{path}{name} ")


OPTIONS = [
    (path, option)
    for path, command in [("", cli), *commands(cli, click.Context(cli))]
    for option in command.params
    if isinstance(option, click.Option) and not option.is_flag
]
TAKES_MORE = {"advance --accept", "audit export --case"}


def value_of(option: click.Option) -> str:
    """A value that the option takes, as far as its words go."""
    return str(option.type.choices[0]) if isinstance(option.type, click.Choice) else "1"


@pytest.mark.parametrize(("path", "option"), [pytest.param(*one, id=f"{one[0]} {one[1].opts[0]}") for one in OPTIONS])
def test_an_option_with_two_values_is_refused_in_every_command(desk: Desk, path: str, option: click.Option) -> None:
    name, value = option.opts[0], value_of(option)
    may_be_repeated = f"{path} {name}" in TAKES_MORE

    # more words than any command takes, so that none runs should the option be taken
    refused = desk.run(f"{path} {name} {value} {name}={value} no no no no")

    assert option.multiple is may_be_repeated
    assert (f"'{name}' is given twice; keep one." in refused.stderr) is not may_be_repeated
    assert may_be_repeated or refused.exit_code == 2
    assert may_be_repeated or refused.stderr.splitlines()[-1] == f"Next: {shlex.join(['cli', *path.split()])} --help"


def test_nothing_is_done_when_an_option_is_given_twice(desk: Desk) -> None:
    desk.open("E06")

    refused = desk.ask("advance E06 withdraw --reason a --reason 'b van de klant'", code=2)

    assert refused["error"] == "usage"
    assert desk.ask("show E06")["version"] == 1


def test_an_actor_before_the_command_and_behind_it_are_two(desk: Desk) -> None:
    desk.open("E06")

    refused = desk.ask("--actor bob note E06 gebeld --actor carol", code=2)

    assert refused["message"] == "'--actor' is given twice; keep one."
    assert len(desk.ask("history E06")) == 1


def test_a_flag_that_is_given_twice_says_the_same_twice(desk: Desk) -> None:
    assert desk.run("list --overdue --overdue --json --json").exit_code == 0
