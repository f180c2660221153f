"""The commands on letters: `mail list`, `show`, `preview`, `retry`, `resolve`."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable
from contextlib import nullcontext
from functools import partial

import click

from scripts.commands.mail_preview import preview
from scripts.exits import DONE, explain
from scripts.lazy import Group
from scripts.letters_told import letter_document, letter_row, masked, next_try, waits_for
from scripts.output import (
    Column,
    counted,
    first_of,
    folded,
    json_array,
    local,
    marks,
    moment,
    print_json,
    table,
    wrapped,
)
from scripts.parameters import COUNT, LETTER, Words, actor_option, examples, json_option
from scripts.wiring import Session, pass_session
from workflow.errors import SchakelError
from workflow.storage.letter_states import LetterState
from workflow.storage.letters import OutboxRow

_COLUMNS = (
    Column("ID"),
    Column("CASE"),
    Column("LETTER", least=12),
    Column("TO", least=8),
    Column("STATE"),
    Column("TRIES"),
    Column("SUBJECT OR REASON", least=12),
)
_BECAME = {
    LetterState.PENDING: "put back",
    LetterState.SENT: "resolved as sent",
    LetterState.CANCELLED: "dropped",
}


@click.group(
    cls=Group,
    epilog=examples("schakel mail list --state failed", "schakel mail show 12", "schakel mail preview invitation"),
)
def mail() -> None:
    """Letters: what waits, what was sent, what failed, and what only a person can decide."""


@mail.command(
    "list",
    short_help="List letters, oldest first.",
    epilog=examples("schakel mail list", "schakel mail list --case E06 --state failed"),
)
@click.option("--case", metavar="CASE", help="Only letters of this case.")
@click.option("--state", type=click.Choice([str(state) for state in LetterState]), help="Only letters in this state.")
@click.option("--limit", metavar="N", type=COUNT, help="At most so many.")
@json_option
@pass_session
def list_letters(session: Session, case: str | None, state: str | None, limit: int | None) -> None:
    """List letters in the order they were written; addresses are masked."""
    from scripts.mailroom import find_letters

    found = find_letters(session, case, state, limit if session.json else limit and limit + 1)
    if session.json:
        with json_array(session) as add:
            for row in found:
                add(letter_document(row))
        return
    letters, more = first_of(found, limit)
    if not letters:
        click.echo("There are no such letters.")
        return
    for line in table(_COLUMNS, [letter_row(row, waits_for(session, row)) for row in letters]):
        click.echo(line)
    if more:
        click.echo(f"{counted(len(letters), 'letter')}; there are more")


@mail.command(
    "show",
    short_help="Show one letter, its tries and its text.",
    epilog=examples("schakel mail show 12", "schakel mail show 12 --raw > letter.eml"),
)
@click.argument("number", metavar="ID", type=LETTER)
@click.option("--raw", is_flag=True, help="The bytes as they were or will be sent, addresses and all.")
@json_option
@pass_session
def show_letter(session: Session, number: int, raw: bool) -> None:
    """Show one letter, its tries and its text; one that waits is shown as it would go out now."""
    from scripts.mailroom import letter_and_tries, readable

    row, tries, ended = letter_and_tries(session, number)
    if raw:
        _show_raw(session, row)
        return
    text = readable(row)
    said = [
        {"at": moment(one.at), "phase": one.phase, "outcome": one.outcome, "code": one.code, "words": one.words}
        for one in tries
    ]
    if session.json:
        due = moment(row.due_at) if row.state == LetterState.PENDING and not ended else None
        waits = {"due_at": due, "not_needed": ended, "sha256": row.sha256}
        print_json({**letter_document(row), **waits, "tries": said, "text": text})
        return
    about = f", case {row.case}" if row.case else ""
    to = "erased" if row.is_erased else waits_for(session, row) or masked(row.recipient) or "no address"
    click.echo(wrapped(f"Letter {row.id}: {row.letter} to {row.role} ({to}){about}", " " * 9, first=""))
    state = f"{row.state}{f' ({row.reason})' if row.reason else ''}, written {local(row.created_at)}"
    state += f", nobody needs it any more: {ended}" if ended else next_try(session, row)
    click.echo(wrapped(state, " " * 9, first="State    "))
    for one in tries:
        words = f" {one.code or ''} {one.words or ''}".rstrip()
        click.echo(wrapped(f"{local(one.at)} {one.phase}: {one.outcome}{words}", " " * 9, first="Try      "))
    click.echo(wrapped(row.subject or str(to), " " * 9, first="Subject  ") + "\n")
    for line in folded(text):
        click.echo(line)


def _show_raw(session: Session, row: OutboxRow) -> None:
    if session.json:
        raw = row.message.decode("utf-8", "backslashreplace") if row.message else None
        print_json({**letter_document(row), "raw": raw})
    elif row.message:
        sys.stdout.buffer.write(row.message)
    else:
        click.echo(f"Letter {row.id} was erased: there are no bytes of it any more.", err=True)


mail.add_command(preview)


@mail.command(
    "retry",
    short_help="Send letters again that failed or wait.",
    epilog=examples(
        "schakel mail retry 12",
        "schakel mail retry 12 13",
        "schakel mail retry --failed",
        "schakel mail retry --failed --case E06",
        "schakel mail retry --waiting",
    ),
)
@click.argument("numbers", metavar="[ID]...", nargs=-1, type=LETTER)
@click.option("--failed", is_flag=True, help="All that failed, instead of an ID.")
@click.option("--waiting", is_flag=True, help="All that wait for their next try: the server is back.")
@click.option("--case", metavar="CASE", help="With --failed or --waiting: only letters of this case.")
@json_option
@pass_session
def retry(session: Session, numbers: tuple[int, ...], failed: bool, waiting: bool, case: str | None) -> None:
    """Send failed letters again at the next pass, or those that wait for their next try at once.

    One that nobody needs any more is cancelled. Exit 5 when a letter was refused, because it was sent for
    instance, and 8 when its case was altered; the others are put back all the same. With --json one ID is answered by
    an object, several (or --failed, --waiting) by an array, however many letters that are.
    """
    from scripts.mailroom import known_letters, letters_to_retry, one_by_one, retry_letter

    if bool(numbers) + failed + waiting != 1:
        raise click.UsageError("Name an ID or several, or give --failed or --waiting.")
    if case is not None and numbers:
        raise click.UsageError("--case goes with --failed or --waiting.")
    state = LetterState.FAILED if failed else LetterState.PENDING
    nothing = "No letter failed." if failed else "No letter waits for its next try."
    wanted = known_letters(session, numbers) if numbers else letters_to_retry(session, case, state)
    if len(numbers) == 1:
        _tell(session, retry_letter(session, wanted[0]))
    else:
        _tell_all(session, one_by_one(session, wanted, retry_letter), LetterState.PENDING, nothing)


def _tell_all(
    session: Session, done: Iterable[tuple[OutboxRow, SchakelError | None]], aim: LetterState, nothing: str = ""
) -> None:
    """Tell of each letter what became of it while it is done; the exit is that of the worst of what stopped one."""
    session.in_parts = "letter"
    told = ((row, explain(error, session) if error else None) for row, error in done)
    ends: Counter[str] = Counter()
    worst = DONE
    with json_array(session) if session.json else nullcontext() as add:
        for row, failure in told:
            if add:
                add(letter_document(row) | ({"error": failure.kind, "message": failure.message} if failure else {}))
            else:
                sign = marks().no if failure else marks().yes
                click.echo(wrapped(failure.message if failure else _said(row), "  ", first=f"{sign} "))
            session.told += 1
            ends[failure.kind if failure else row.state] += 1
            worst = max(worst, failure.code if failure else DONE)
    if not session.json:
        _sum_up(ends, aim, nothing)
    click.get_current_context().exit(worst)


def _sum_up(ends: Counter[str], aim: LetterState, nothing: str) -> None:
    """Say how many letters became what was asked, and what became of the others."""
    if not ends:
        click.echo(nothing)
        return
    made, over, refused = (ends.pop(end, 0) for end in (aim, LetterState.CANCELLED, "refused"))
    tail = f", {over} {_was(over)} not needed any more" if over else ""
    tail += f", {refused} {_was(refused)} refused" if refused else ""
    tail += f", {hindered} could not be" if (hindered := ends.total()) else ""
    click.echo(f"{counted(made, 'letter')} {_was(made)} {_BECAME[aim]}{tail}.")
    if made and aim is LetterState.PENDING:
        click.echo("Next: schakel tick (or the worker sends them)")


def _was(count: int) -> str:
    return "was" if count == 1 else "were"


@mail.command(
    "resolve",
    short_help="Decide about letters that may have arrived.",
    epilog=examples(
        'schakel mail resolve 12 --sent --reason "asked: it arrived"',
        'schakel mail resolve 12 13 14 --resend --reason "the log of the mail server has none of them"',
        'schakel mail resolve 13 --drop --reason "was withdrawn meanwhile"',
    ),
)
@click.argument("numbers", metavar="ID...", nargs=-1, required=True, type=LETTER)
@click.option("--sent", is_flag=True, help="It arrived.")
@click.option("--resend", is_flag=True, help="It did not: send it again.")
@click.option("--drop", is_flag=True, help="It need not arrive any more; also of one that failed or has no address.")
@click.option(
    "--reason", metavar="TEXT", type=Words(), required=True, help="How you know, or why not; '-' reads standard input."
)
@actor_option
@json_option
@pass_session
def resolve(session: Session, numbers: tuple[int, ...], sent: bool, resend: bool, drop: bool, reason: str) -> None:
    """Decide about a letter of which nobody knows whether it arrived, or with --drop about one that cannot leave.

    Several are decided alike, one by one, as mail retry does: one that is refused, because it was decided already for
    instance, hinders no other (exit 5, or 8 when its case was altered), so the same command may be repeated. With
    --json one ID is answered by an object, several by an array.
    """
    from scripts.mailroom import check_reason, known_letters, one_by_one, resolve_letter

    said = {LetterState.SENT: sent, LetterState.PENDING: resend, LetterState.CANCELLED: drop}
    decided = [state for state, is_said in said.items() if is_said]
    if len(decided) != 1:
        raise click.UsageError("Say --sent, --resend or --drop, one of them.")
    check_reason(session, reason)
    wanted = known_letters(session, numbers)
    act = partial(resolve_letter, decided=decided[0], reason=reason)
    if len(numbers) == 1:
        _tell(session, act(session, wanted[0]))
    else:
        _tell_all(session, one_by_one(session, wanted, act), decided[0])


def _said(row: OutboxRow) -> str:
    """What became of a letter."""
    why = f": {row.reason}" if row.state == LetterState.CANCELLED else ""
    return f"Letter {row.id} ({row.letter}) is {row.state} now{why}."


def _tell(session: Session, row: OutboxRow) -> None:
    if session.json:
        print_json(letter_document(row))
        return
    click.echo(wrapped(_said(row), "  ", first=""))
    if row.state == LetterState.PENDING:
        click.echo("Next: schakel tick (or the worker sends it)")
