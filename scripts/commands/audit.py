"""The group `audit`: prove, export, erase; each command is imported only when it is used."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module

import click

from scripts.parameters import examples
from workflow.errors import nearest

COMMANDS: Mapping[str, tuple[str, str]] = {
    "verify": ("audit_verify", "Prove that nobody altered the history."),
    "export": ("audit_export", "Write a file that an auditor can check without us."),
    "checkpoint": ("audit_checkpoint", "Print the signed head of the ledger, to be kept elsewhere."),
    "key": ("audit_checkpoint", "Print the key by which others check our checkpoints."),
    "erase": ("audit_erase", "Erase the personal data of a case that has ended."),
}


class _Audit(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command = getattr(import_module(f"scripts.commands.{COMMANDS[cmd_name][0]}"), cmd_name)
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in COMMANDS and not args[0].startswith("-"):
            raise click.UsageError(f"There is no command 'audit {args[0]}'.{nearest(args[0], COMMANDS)}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, short) for name, (_, short) in COMMANDS.items()])


@click.group(
    cls=_Audit,
    no_args_is_help=False,
    short_help="Prove, export or erase history.",
    epilog=examples("schakel audit verify", "schakel audit export proof.zip", "schakel audit checkpoint > head.txt"),
)
def audit() -> None:
    """Prove that history was not altered, hand it to an auditor, or erase personal data with the proof intact."""
