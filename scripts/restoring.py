"""What `doctor` says and does after an older copy of the database was put back."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING

import click

from scripts.erasure_checkup import ERASE_AGAIN, named, undone_erasures
from scripts.exits import CONFLICT, UNVERIFIED
from scripts.output import Column, counted, local, marks, moment, print_json, table, wrapped
from scripts.wiring import Session
from workflow.errors import HistoryBroken, Refused
from workflow.history import readable

if TYPE_CHECKING:
    from notifications.restoring import Waiting
    from workflow.answers import Case
    from workflow.storage.restores import Restore

_COLUMNS = (Column("DUE"), Column("CASE"), Column("LETTER", least=12), Column("TO"), Column("STATE", least=12))
_PAGE = 200
Held = tuple[str, str, str, str, str]


def hold(session: Session, *, is_again: bool) -> None:
    """`doctor --after-restore`; exit 7 when a restore is open and something waits since. Raises Conflict: a worker.

    A copy that was put back meanwhile cannot be told from that, and then what waits may have gone out. Exit 8 when a
    case cannot be read: all that can be done was done.
    """
    from notifications.restoring import after_restore

    engine = session.engine
    restore, waiting, untold = after_restore(
        engine.database, engine.rules, session.origin(), engine.clock, is_again=is_again
    )
    altered = dict.fromkeys(untold)
    if session.json:
        _tell_json(session, restore, waiting, altered)
    else:
        _tell_people(session, restore, altered)
    if waiting:
        _warn(restore, waiting)
        click.get_current_context().exit(CONFLICT)
    if altered:
        click.get_current_context().exit(UNVERIFIED)


def _tell_people(session: Session, restore: Restore, altered: dict[str, None]) -> None:
    from scripts.mail_checkup import SETTLE

    newest = f"; the newest trace in it is of {local(restore.copied_at)}" if restore.copied_at else ""
    click.echo(wrapped(f"A copy was restored{newest}.", "  ", first=f"{marks().yes} "))
    if restore.letters:
        said = f"Letters that waited or were on their way in it: {restore.letters}. They may have gone out since, so"
        click.echo(
            wrapped(f"{said} they are unknown now, and none is sent by itself.", "  ", first=f"{marks().warning} ")
        )
        click.echo(wrapped(f"To do: schakel mail list --state unknown, then {SETTLE}", "  "))
    count = 0
    for page in _pages(_held(session, restore, altered)):
        if not count:
            said = "Reminders that are due by now, and may have gone out, are held:"
            click.echo(wrapped(said, "  ", first=f"{marks().warning} "))
        for line in table(_COLUMNS, page, indent="  ", titled=not count):
            click.echo(line)
        count += len(page)
    for case in altered:
        said = f"{case} cannot be read, for somebody altered it; its history does not say what became of its letters,"
        todo = f"and its reminders are held, but not listed. To see where, run: schakel audit verify {case}"
        click.echo(wrapped(f"{said} {todo}", "  ", first=f"{marks().no} "))
    _tell_erasures(session)
    click.echo(
        wrapped("Next: schakel audit verify --against CHECKPOINT_FILE says which events are missing;", "  ", first="")
    )
    click.echo(wrapped("schakel doctor --release lets reminders go again; then start the worker.", "  "))


def _tell_erasures(session: Session) -> None:
    back, why = _undone(session)
    if back:
        said = f"Erased after the copy was made, so their personal data is back: {', '.join(back)}."
        click.echo(wrapped(said, "  ", first=f"{marks().no} "))
        click.echo(wrapped(f"To do: {ERASE_AGAIN}", "  "))
    elif back is None:
        said = f"A case that was erased after the copy was made has its personal data back; {why}."
        click.echo(wrapped(said, "  ", first=f"{marks().warning} "))


def _refuse_undone(session: Session) -> None:
    """What is released may be a reminder to somebody who was erased."""
    back, why = _undone(session)
    if back:
        said = f"these were erased after the copy was made, so their personal data is back: {named(back)}"
        raise Refused(f"Nothing was released, for {said}. To do, {ERASE_AGAIN}; then the same again.")
    if back is None and session.settings.erasures_file is not None:
        raise Refused(f"Nothing was released, for a case may be back that was erased after the copy was made; {why}.")


def _undone(session: Session) -> tuple[list[str] | None, str]:
    """The cases that are to be erased again; None, and why, when nobody can know."""
    path = session.settings.erasures_file
    if path is None:
        return None, "which nothing says, as no erasures_file is set (docs/security.md, 'Erasing')"
    try:
        return undone_erasures(session, path), ""
    except OSError as error:
        return None, f"which {path} says, but it cannot be read: {error.strerror}"


def release(session: Session) -> None:
    """`doctor --release`. Raises Refused: a case is still to be erased again, or nobody can read whether one is."""
    from workflow.storage import restores

    engine = session.engine
    with engine.database.reading() as store:
        known = restores.open_restore(store)
    count = sum(1 for _ in _held(session, known, {})) if known else 0
    if known:
        _refuse_undone(session)
        with engine.database.writing() as store:
            restores.release(store, engine.clock.now())
    if session.json:
        print_json({"released": known is not None, "reminders": count})
    elif known is None:
        click.echo("No restore is open: nothing is held.")
    else:
        held = "1 reminder that was held goes" if count == 1 else f"{count} reminders that were held go"
        said = f"Released: {held} out at the next pass, in working hours."
        click.echo(wrapped(said, "  ", first=f"{marks().yes} "))
        click.echo("Next: schakel worker")


def _warn(restore: Restore, waiting: Waiting) -> None:
    """On standard error: what waits, and the two things that it can be."""
    count = waiting.letters
    letters = f"{counted(count, 'letter')} wait{'s' * (count == 1)}" if count else ""
    found = " and ".join(filter(None, (letters, "reminders fell due since" * waiting.reminders)))
    said = f"The restore of {local(restore.at)} is open, {found}, and nothing was doubted or held anew."
    again = "If another copy was put back since, these may have gone out: before any worker or tick runs, run "
    click.echo(wrapped(said, "  ", first=f"{marks().warning} "), err=True)
    click.echo(wrapped(f"{again}schakel doctor --after-restore --again.", "  "), err=True)
    click.echo(wrapped("If none was, they go out by themselves, and nothing is to be done.", "  "), err=True)


def _tell_json(session: Session, restore: Restore, waiting: Waiting, altered: dict[str, None]) -> None:
    head = {"restored_at": moment(restore.at), "copied_at": moment(restore.copied_at)}
    names = ("due_at", "case", "letter", "role", "state")
    held = [dict(zip(names, row, strict=True)) for row in _held(session, restore, altered)]
    since = {"letters": waiting.letters, "reminders": waiting.reminders}
    back = {"erase_again": _undone(session)[0]}
    print_json(
        {**head, "letters": restore.letters, "held": held, "altered": list(altered), **back, "waiting_since": since}
    )


def _held(session: Session, restore: Restore, altered: dict[str, None]) -> Iterator[Held]:
    """Every rung that is due by now and waits, also those behind one that was due at the restore.

    A case that cannot be read is put among the `altered` ones instead.
    """
    from workflow.storage.restores import held_cases

    with session.engine.database.reading() as store:
        for found in held_cases(store, restore.at):
            try:
                with readable(found.reference):
                    held = list(_held_of(session, found.read()))
            except HistoryBroken:
                altered[found.reference] = None
            else:
                yield from held


def _held_of(session: Session, case: Case) -> Iterator[Held]:
    from workflow.reminders import due_rungs

    for due_at, rung in due_rungs(session.engine.rules, case, session.engine.clock.now()):
        due = str(moment(due_at)) if session.json else local(due_at)
        yield due, case.reference, str(rung.letter), str(rung.role), case.state


def _pages(found: Iterator[Held]) -> Iterator[list[Held]]:
    while page := list(islice(found, _PAGE)):
        yield page
