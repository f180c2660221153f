"""The commands that touch no facts: `note`, `hold` and `resume`."""

from __future__ import annotations

from datetime import date
from shlex import quote

import click

from scripts.output import local, marks, moment, print_json
from scripts.parameters import Day, Words, actor_option, case_argument, examples, json_option
from scripts.wiring import Session, pass_session
from workflow.answers import Case


@click.command(
    epilog=examples(
        'schakel note K-7QDM-4XTR "Called; they send the form this week."',
        "schakel note E06 - < note.txt",
        'schakel note E06 -- "- called, no answer"',
    )
)
@case_argument
@click.argument("text", metavar="TEXT|-", type=Words())
@json_option
@actor_option
@pass_session
def note(session: Session, case: str, text: str) -> None:
    """Add a note to CASE's history. It can be erased later, like all personal data, but never changed.

    '-' reads TEXT from standard input: then the history of the shell and the list of processes do not hold it. A TEXT
    that begins with a dash comes after '--'.
    """
    event = session.engine.note(case, text)
    if session.json:
        print_json({"case": event.case, "event": {"seq": event.seq, "hash": event.hash}, "at": moment(event.at)})
    else:
        click.echo(f"{marks().yes} {event.case} noted, {local(event.at)}")


@click.command(epilog=examples('schakel hold E06 --until 2026-12-14 --reason "Accountant is away"'))
@case_argument
@click.option("--until", metavar="DATE", type=Day(), required=True, help="The hold ends at 00:00 of this day.")
@click.option("--reason", metavar="TEXT", type=Words(), required=True, help="Why we wait; '-' reads standard input.")
@json_option
@actor_option
@pass_session
def hold(session: Session, case: str, until: date, reason: str) -> None:
    """Stop CASE's clock until a day: no reminders, and the days do not count. Moves stay possible, and end the hold."""
    session.again = f"schakel hold {quote(case)} --until {until}"
    held = session.engine.hold(case, until, reason)
    _answer(session, held, f"on hold until {until}")


@click.command(epilog=examples("schakel resume E06"))
@case_argument
@json_option
@actor_option
@pass_session
def resume(session: Session, case: str) -> None:
    """End CASE's hold before its day."""
    _answer(session, session.engine.resume(case), "resumed: the clock runs again")


def _answer(session: Session, case: Case, said: str) -> None:
    if session.json:
        print_json(
            {
                "case": case.reference,
                "state": case.state,
                "version": case.version,
                "held_until": case.held_until.isoformat() if case.held_until else None,
                "event": {"seq": case.seq, "hash": case.head},
            }
        )
    else:
        click.echo(f"{marks().yes} {case.reference} {said}, version {case.version}")
