"""What `doctor` asks about erasures: are they done to the last byte, and does the file outside say the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from scripts.ledger_checkup import Found, not_to_be_written
from scripts.output import counted
from scripts.wiring import Session
from workflow.ledger.erasures import kept_erasures
from workflow.storage import Database
from workflow.storage.compacting import VACUUM, has_leftovers
from workflow.storage.erased import all_erased, not_erased

ERASE_AGAIN = (
    'before any letter goes out, for each: schakel audit erase CASE --reason "…", with --ground "…" as it was then '
    "where its term has not passed; first withdraw one that has not ended (docs/operations.md, 'Putting a copy back')"
)
_NAMED = 10
"""Cases that are named; of more it is said how many."""


def examine_erasures(session: Session) -> Iterator[Found]:
    """Whether an erasure left something in the files, or was undone by an older copy; and the file outside."""
    yield from _examine_files(session.database)
    path = session.settings.erasures_file
    if path is None:
        return
    if why := not_to_be_written(path):
        todo = "let who runs schakel audit erase write there: each erasure is appended to that file"
        yield "fail", f"SCHAKEL_ERASURES_FILE {path} cannot be written: {why}.", todo
    if back := undone_erasures(session, path):
        yield "fail", f"{path} says that these were erased, and they are not: {named(back)}.", ERASE_AGAIN


def unkept_erasures(session: Session) -> tuple[str, str] | None:
    """That erased cases are not in the file outside, and what to do; it reads every case, so doctor does not ask."""
    path = session.settings.erasures_file
    if path is None:
        return None
    kept = kept_erasures(path)
    with session.database.reading() as store:
        missing = sorted({*all_erased(store)} - {*kept})
    if not missing:
        return None
    said = f"{counted(len(missing), 'erased case')} {'is' if len(missing) == 1 else 'are'} not in {path}"
    todo = 'schakel audit erase CASE --reason "…" once more for each: it erases nothing, but appends it'
    return f"{said}, so a copy from before would bring them back unseen: {named(missing)}.", todo


def _examine_files(database: Database) -> Iterator[Found]:
    with database.reading() as store:
        left, is_sqlite = has_leftovers(store), store.is_sqlite
    if left:
        said = "Something was erased, and the files of the database were not rewritten since: it may stand there."
        again = 'schakel audit erase CASE --reason "…" once more for the last one: it only rewrites the file'
        yield "warn", said, again if is_sqlite else f"at a quiet hour, as the owner of the database: {VACUUM}"


def undone_erasures(session: Session, path: Path) -> list[str]:
    """The cases that are back: erased by the file outside, and not here. Raises OSError."""
    kept = kept_erasures(path)
    with session.database.reading() as store:
        return not_erased(store, kept)


def named(cases: Sequence[str]) -> str:
    """The cases, in words; of many the first."""
    more = f" and {len(cases) - _NAMED} more" if len(cases) > _NAMED else ""
    return ", ".join(cases[:_NAMED]) + more
