"""The `schakel` command: its options, its list of commands, and how it runs one and ends."""

from __future__ import annotations

import signal
import sys
from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import Any

import click

from scripts import exits
from scripts.lazy import Entry, LazyGroup
from scripts.parameters import actor_option, examples, json_option
from scripts.stream import guard_input, guard_messages, guard_output
from scripts.wiring import Session
from workflow.errors import UsageError

_MOVE, _LOOK, _MANY, _ITSELF, _CHECK = "Move a case", "Look", "Many at once", "By itself", "Set up and check"

COMMANDS: Mapping[str, Entry] = {
    # name            purpose  module        attribute      what it does
    "open":     Entry(_MOVE,   "facts",      "open_case",   "Open a case from JSON."),
    "record":   Entry(_MOVE,   "facts",      "record",      "Add or correct facts of a case."),
    "why":      Entry(_MOVE,   "moves",      "why",         "Say what each move still needs."),
    "advance":  Entry(_MOVE,   "moves",      "advance",     "Make a move."),
    "note":     Entry(_MOVE,   "notes",      "note",        "Add a note to the history."),
    "hold":     Entry(_MOVE,   "notes",      "hold",        "Stop the clock: we wait for a third party."),
    "resume":   Entry(_MOVE,   "notes",      "resume",      "Let the clock run again."),
    "show":     Entry(_LOOK,   "cases",      "show",        "Show one case: who has the ball, what is missing."),
    "list":     Entry(_LOOK,   "cases",      "list_cases",  "List cases, by state, holder or name."),
    "history":  Entry(_LOOK,   "history",    "history",     "Show what happened to a case, oldest first."),
    "replay":   Entry(_LOOK,   "history",    "replay",      "Fold a case from its history, up to any moment."),
    "loket":    Entry(_LOOK,   "loket",      "loket",       "Check step 1 with Loket.nl itself."),
    "import":   Entry(_MANY,   "imports",    "import_file", "Import employers from a CSV or Excel file."),
    "mail":     Entry(_ITSELF, "mail",       "mail",        "Look at letters, send or settle them."),
    "forecast": Entry(_ITSELF, "background", "forecast",    "Say which letters will go out, to whom and why."),
    "tick":     Entry(_ITSELF, "background", "tick",        "Do one pass of everything, for cron."),
    "worker":   Entry(_ITSELF, "background", "worker",      "Run in the background until stopped."),
    "audit":    Entry(_CHECK,  "audit",      "audit",       "Prove, export or erase history."),
    "init":     Entry(_CHECK,  "init",       "init",        "Make the database, signing key and settings file."),
    "doctor":   Entry(_CHECK,  "doctor",     "doctor",      "Check that everything is in order."),
    "workflow": Entry(_CHECK,  "workflow",   "workflow",    "Show, check or draw the table of moves."),
    "demo":     Entry(_CHECK,  "demo",       "demo",        "See it work on made-up employers."),
}  # fmt: skip


class Runner(LazyGroup):
    """The whole program: a group that ends with our exit codes."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; a reader of our output that left early ends it without a word."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            return ctx.exit(exits.leave_pipe())

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """Read the options, of which --help and --version print already: their reader may have left too."""
        try:
            return super().make_context(info_name, args, parent, **extra)
        except BrokenPipeError:
            raise click.exceptions.Exit(exits.leave_pipe()) from None

    def main(  # type: ignore[override]  # one signature for both of click's overloads
        self, args: Sequence[str] | None = None, prog_name: str | None = None, **extra: Any
    ) -> Any:
        """Run, say what went wrong, and exit; with `standalone_mode` off, return the exit code instead."""
        given = list(sys.argv[1:] if args is None else args)
        session: Session = extra.pop("obj", None) or Session()
        standalone = extra.pop("standalone_mode", True)
        options = given[: given.index("--")] if "--" in given else given
        session.json = session.json or "--json" in options

        def command() -> object:
            _refuse_broken_text(given)
            return super(Runner, self).main(given, prog_name or "schakel", standalone_mode=False, obj=session, **extra)

        code = exits.run(command, session)
        return sys.exit(code) if standalone else code


def _show_version(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    if value:
        try:
            click.echo(f"schakel {metadata.version('schakel')}")
        except metadata.PackageNotFoundError:
            click.echo("schakel, from a checkout")
        ctx.exit()


@click.group(
    cls=Runner,
    entries=COMMANDS,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=examples("schakel demo", "schakel import employers.csv --advance", "schakel list --holder asr --overdue"),
)
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_show_version, help="Show the version."
)
@json_option
@actor_option
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Bring employer couplings from first form to first exchange.

    Every coupling is a case; every move of a case is checked, recorded and provable. CASE is a reference such as
    K-7QDM-4XTR, or your own external reference.
    """
    session = ctx.ensure_object(Session)
    if session.environ.get("NO_COLOR") or session.environ.get("TERM") == "dumb":
        ctx.color = False
    if ctx.invoked_subcommand is None:
        if session.json:
            raise click.UsageError("Name a command.", ctx)
        click.echo(ctx.get_help())


def main() -> None:
    """The entry point of the `schakel` program."""
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:  # else a half-written export would stay
        signal.signal(signal.SIGTERM, _end)
    guard_input()
    guard_output()
    guard_messages()
    cli.main()


def _end(number: int, _frame: object) -> None:
    """End as Ctrl-C does, with all that a command undoes on its way out; a worker has its own way."""
    raise SystemExit(exits.TERMINATED)


def _refuse_broken_text(args: Sequence[str]) -> None:
    for arg in args:
        try:
            arg.encode()
        except UnicodeEncodeError:
            raise UsageError("An argument is not valid UTF-8 text; check your terminal's encoding.") from None
