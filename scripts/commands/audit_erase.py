"""The command `audit erase`: take the personal data of a case that has ended away, with the proof intact."""

from __future__ import annotations

import sys
from shlex import quote
from typing import TYPE_CHECKING

import click

from scripts.output import counted, local, marks, moment, print_json, wrapped
from scripts.parameters import Words, actor_option, case_argument, examples, json_option
from scripts.wiring import Session, pass_session
from workflow.errors import UsageError

if TYPE_CHECKING:  # heavy, and not needed for the help
    from workflow.erasure import Erased


@click.command(
    epilog=examples(
        'schakel audit erase E06 --reason "Retention term passed"',
        'schakel audit erase E06 --reason "Request of 3 May" --ground "GDPR art. 17" --yes',
    ),
)
@case_argument
@click.option(
    "--reason",
    metavar="TEXT",
    type=Words(),
    required=True,
    help="Why; kept for good and in clear, so name nobody. '-' reads standard input.",
)
@click.option(
    "--ground",
    metavar="TEXT",
    type=Words(),
    help="The legal ground to do so before its term; kept for good too. '-' reads standard input.",
)
@click.option("--yes", is_flag=True, help="Do not ask first; needed where there is no terminal to ask on.")
@json_option
@actor_option
@pass_session
def erase(session: Session, case: str, reason: str, ground: str | None, yes: bool) -> None:
    """Erase every personal value of CASE, and the words of its letters; letters that wait are cancelled.

    Only after CASE ended and its retention term passed (retention_years in the settings), or earlier on a legal ground
    that you name. Its history stays and still verifies; REASON and GROUND stay in it too, readable by whoever audits,
    so they are refused when they repeat what they erase.

    What cannot be reached from here (backups, exports, mail that was sent) is listed in docs/security.md.
    """
    from workflow.erasure import Wish
    from workflow.erasure import erase as erase_case
    from workflow.storage.compacting import VACUUM

    if not yes:
        _ask(session, case)
    engine = session.engine
    options = [f"--ground {quote(ground)}"] if ground is not None else []
    session.again = " ".join([f"schakel audit erase {quote(case)}", *options, *["--yes"] * yes])
    settings = session.settings
    wish = Wish(reason, ground, settings.retention_years, settings.erasures_file)
    done = erase_case(engine.database, engine.rules, engine.clock.now(), session.origin(), case, wish)
    rest = VACUUM if done.to_rewrite else None
    if session.json:
        document = {
            "case": done.case,
            "erased_at": moment(done.at),
            "event": {"seq": done.seq, "hash": done.hash},
            "values": done.values,
            "letters": done.letters,
            "cancelled": done.cancelled,
        }
        document |= {"repeated": True} if done.repeated else {}
        document |= {"reference_repeats": done.reference_repeats} if done.reference_repeats else {}
        print_json({**document, "next": rest} if rest else document)
        return
    _tell(done)
    if rest:
        click.echo("PostgreSQL keeps the old rows until its tables are rewritten. Next, at a quiet hour:")
        click.echo(f"  {rest}")


def _tell(done: Erased) -> None:
    if done.repeated:
        rest = "what could be done here is done" if done.to_rewrite else "what was left to do is done now too"
        click.echo(f"{marks().yes} {done.case} was erased at {local(done.at)}; {rest}")
        return
    waited = f"{done.cancelled} that waited {'is' if done.cancelled == 1 else 'are'} cancelled"
    said = f"{done.case} erased: {counted(done.values, 'value')}, {counted(done.letters, 'letter')} ({waited})"
    click.echo(wrapped(said, "  ", first=f"{marks().yes} "))
    if done.reference_repeats:
        told = f"Its external reference, which stays in its history for good, repeats {done.reference_repeats}."
        click.echo(wrapped(told, "  ", first=f"{marks().warning} "), err=True)


def has_terminal() -> bool:
    """Whether somebody can be asked: both ways, so that a script never waits and never erases unasked."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def _ask(session: Session, case: str) -> None:
    """Ask whether to go on. Raises UsageError: nobody can be asked; click.Abort: the answer is no."""
    if session.json or not has_terminal():  # a JSON answer has no room for a question
        raise UsageError("There is no terminal to ask on: give --yes to erase without being asked. Nothing was erased.")
    found = session.engine.case(case).case
    said = f"{found.reference} ({found.state}) would be erased for good. {_waiting(session, found.reference)}Erase it?"
    if not click.confirm(wrapped(said, "  ", first="")):
        click.echo("Nothing was erased.")
        raise click.Abort


def _waiting(session: Session, case: str) -> str:
    """How many letters of a case have not left, as a sentence; '' when none."""
    from scripts.mailroom import count_unsent

    count = count_unsent(session, case)
    return f"{counted(count, 'letter')} wait{'s' * (count == 1)} and would be cancelled. " if count else ""
