"""The commands on letters: `mail list`, `show`, `preview`, `retry`, `resolve`."""

from __future__ import annotations

import sys
from collections import Counter
from contextlib import nullcontext

import click

from scripts.commands.mail_preview import preview
from scripts.exits import DONE, explain
from scripts.lazy import Group
from scripts.output import (
    Column,
    counted,
    first_of,
    folded,
    json_array,
    local,
    marks,
    moment,
    one_more,
    print_json,
    table,
    wrapped,
)
from scripts.parameters import COUNT, LETTER, Words, actor_option, examples, json_option
from scripts.wiring import Session, pass_session
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

    found = find_letters(session, case, state, limit if session.json else one_more(limit))
    if session.json:
        with json_array(session) as add:
            for row in found:
                add(_document(row))
        return
    letters, more = first_of(found, limit)
    if not letters:
        click.echo("There are no such letters.")
        return
    for line in table(_COLUMNS, [_row(row, _waits(session, row)) for row in letters]):
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
        print_json({**_document(row), **waits, "tries": said, "text": text})
        return
    about = f", case {row.case}" if row.case else ""
    to = "erased" if row.is_erased else _waits(session, row) or _masked(row.recipient) or "no address"
    click.echo(wrapped(f"Letter {row.id}: {row.letter} to {row.role} ({to}){about}", " " * 9, first=""))
    state = f"{row.state}{f' ({row.reason})' if row.reason else ''}, written {local(row.created_at)}"
    state += f", nobody needs it any more: {ended}" if ended else _next_try(session, row)
    click.echo(wrapped(state, " " * 9, first="State    "))
    for one in tries:
        words = f" {one.code or ''} {one.words or ''}".rstrip()
        click.echo(wrapped(f"{local(one.at)} {one.phase}: {one.outcome}{words}", " " * 9, first="Try      "))
    click.echo(wrapped(row.subject or str(to), " " * 9, first="Subject  ") + "\n")
    for line in folded(text):
        click.echo(line)


def _show_raw(session: Session, row: OutboxRow) -> None:
    if session.json:
        print_json({**_document(row), "raw": row.message.decode("utf-8", "backslashreplace") if row.message else None})
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
    ),
)
@click.argument("numbers", metavar="[ID]...", nargs=-1, type=LETTER)
@click.option("--failed", is_flag=True, help="All that failed, instead of an ID.")
@click.option("--case", metavar="CASE", help="With --failed: only letters of this case.")
@json_option
@pass_session
def retry(session: Session, numbers: tuple[int, ...], failed: bool, case: str | None) -> None:
    """Send failed letters again at the next pass, or those that wait for their next try at once.

    A reminder that nobody needs any more is cancelled. Exit 5 when a letter was refused, because it was sent for
    instance, and 8 when its case was altered; the others are put back all the same. With --json one ID is answered by
    an object, several (or --failed) by an array, however many letters that are.
    """
    from scripts.mailroom import failed_letters, letters_to_retry, retry_letter

    if bool(numbers) is failed:
        raise click.UsageError("Name an ID or several, or give --failed.")
    if case is not None and not failed:
        raise click.UsageError("--case goes with --failed.")
    wanted = failed_letters(session, case) if failed else letters_to_retry(session, numbers)
    if len(numbers) == 1:
        _tell(session, retry_letter(session, wanted[0]))
    else:
        _retry_all(session, wanted)


def _retry_all(session: Session, wanted: list[int]) -> None:
    """Put letters back one by one and tell of each; the exit is that of the worst of what stopped one."""
    from scripts.mailroom import retry_letters

    session.in_parts = "letter"
    told = ((row, explain(error, session) if error else None) for row, error in retry_letters(session, wanted))
    ends: Counter[str] = Counter()
    worst = DONE
    with json_array(session) if session.json else nullcontext() as add:
        for row, failure in told:
            if add:
                add(_document(row) | ({"error": failure.kind, "message": failure.message} if failure else {}))
            else:
                sign = marks().no if failure else marks().yes
                click.echo(wrapped(failure.message if failure else _said(row), "  ", first=f"{sign} "))
            session.told += 1
            ends[failure.kind if failure else row.state] += 1
            worst = max(worst, failure.code if failure else DONE)
    if not session.json:
        _sum_up(ends)
    click.get_current_context().exit(worst)


def _sum_up(ends: Counter[str]) -> None:
    """Say how many letters were put back, and what became of the others."""
    if not ends:
        click.echo("No letter failed.")
        return
    back, over, refused = (ends.pop(end, 0) for end in (LetterState.PENDING, LetterState.CANCELLED, "refused"))
    tail = f", {over} {_was(over)} not needed any more" if over else ""
    tail += f", {refused} {_was(refused)} refused" if refused else ""
    tail += f", {hindered} could not be" if (hindered := ends.total()) else ""
    click.echo(f"{counted(back, 'letter')} {_was(back)} put back{tail}.")
    if back:
        click.echo("Next: schakel tick (or the worker sends them)")


def _was(count: int) -> str:
    return "was" if count == 1 else "were"


@mail.command(
    "resolve",
    short_help="Decide about a letter that may have arrived.",
    epilog=examples(
        'schakel mail resolve 12 --sent --reason "asked: it arrived"',
        'schakel mail resolve 13 --drop --reason "was withdrawn meanwhile"',
    ),
)
@click.argument("number", metavar="ID", type=LETTER)
@click.option("--sent", is_flag=True, help="It arrived.")
@click.option("--resend", is_flag=True, help="It did not: send it again.")
@click.option("--drop", is_flag=True, help="It need not arrive any more; also of one that failed or has no address.")
@click.option("--reason", metavar="TEXT", type=Words(), required=True, help="How you know; '-' reads standard input.")
@actor_option
@json_option
@pass_session
def resolve(session: Session, number: int, sent: bool, resend: bool, drop: bool, reason: str) -> None:
    """Decide about a letter of which nobody knows whether it arrived, or with --drop about one that cannot leave."""
    from scripts.mailroom import resolve_letter

    said = {LetterState.SENT: sent, LetterState.PENDING: resend, LetterState.CANCELLED: drop}
    decided = [state for state, is_said in said.items() if is_said]
    if len(decided) != 1:
        raise click.UsageError("Say --sent, --resend or --drop, one of them.")
    _tell(session, resolve_letter(session, number, decided[0], reason))


def _said(row: OutboxRow) -> str:
    """What became of a letter."""
    why = f": {row.reason}" if row.state == LetterState.CANCELLED else ""
    return f"Letter {row.id} ({row.letter}) is {row.state} now{why}."


def _tell(session: Session, row: OutboxRow) -> None:
    if session.json:
        print_json(_document(row))
        return
    click.echo(wrapped(_said(row), "  ", first=""))
    if row.state == LetterState.PENDING:
        click.echo("Next: schakel tick (or the worker sends it)")


def _document(row: OutboxRow) -> dict[str, object]:
    return {
        "id": row.id,
        "case": row.case,
        "letter": row.letter,
        "role": row.role,
        "recipient": _masked(row.recipient),
        "state": row.state,
        "subject": row.subject,
        "reason": row.reason,
        "attempts": row.attempts,
        "created_at": moment(row.created_at),
    }


def _masked(address: str | None) -> object:
    """An address as lists may show it."""
    from states.masking import mask_email

    return mask_email(address)


def _waits(session: Session, row: OutboxRow) -> str:
    """Why a letter without an address waits; '' of any other."""
    from scripts.passes import desk_of

    if row.recipient is not None or row.state != LetterState.PENDING:
        return ""
    known = row.role in desk_of(session.settings).addresses
    return "gets its address at the next pass" if known else f"no address for {row.role}"


def _next_try(session: Session, row: OutboxRow) -> str:
    """When a letter that waits goes; '' of any other, and of one that first needs an address."""
    if row.state != LetterState.PENDING or row.recipient is None:
        return ""
    return f", next try at {local(row.due_at)}" if row.due_at > session.clock.now() else ", goes at the next pass"


def _row(row: OutboxRow, waits: str) -> tuple[str, ...]:
    said = row.reason or waits or row.subject or ""
    return (
        str(row.id),
        row.case or "–",
        row.letter,
        str(_masked(row.recipient) or row.role),
        row.state,
        str(row.attempts),
        said,
    )
