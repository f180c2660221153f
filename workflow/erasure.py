"""Erasing a case that has ended: its personal values go, the proof of what happened to it stays.

The history keeps every event; what they only commit to can be opened no more. Reason and ground stand in the `erased`
event in clear, for the auditor; so they may name nobody.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path

from workflow.arguments import check_count, check_origin, in_utc
from workflow.clock import local_day
from workflow.commands import refuse
from workflow.errors import NotAllowed, Overtaken, Refused, StoreError, UsageError
from workflow.events import Event, Kind, Origin
from workflow.facts import Json
from workflow.finding import find_case, known_state, lag_told
from workflow.history import Values, readable
from workflow.ledger.erasures import has_erasure, keep_erasure
from workflow.mentions import end_letters
from workflow.repeating import repeated
from workflow.retention import MOST_YEARS, allowed_from
from workflow.storage import Database, erasing
from workflow.storage.compacting import expect_leftovers, has_leftovers
from workflow.storage.shift import take_turn
from workflow.storage.store import Store
from workflow.text import check_text
from workflow.work import Rules, Work

_AGAIN = "Repeat the same command: it does only what is left to do."
_ERASER = "erase as schakel_eraser; if this is that role, are the grants of docs/security.md in place?"


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked: why, on which legal ground (None: the retention term has passed), and how long that term is.

    `kept_in`: the file outside to which the erasure is appended, for who puts an older copy back.
    """

    reason: str
    ground: str | None
    retention_years: int
    kept_in: Path | None = None


@dataclass(frozen=True, slots=True)
class Erased:
    """What erasing did: the values, and the letters (about several cases too) whose words went; `cancelled` never left.

    `repeated`: it had been done before, and only what was left to clean was done now. `reference_repeats`: what the
    external reference, which stays, repeats of what went; None: nothing. `to_rewrite`: the owner of a PostgreSQL
    database must still run `compacting.VACUUM`.
    """

    case: str
    at: datetime
    seq: int
    hash: str
    values: int = 0
    letters: int = 0
    cancelled: int = 0
    repeated: bool = False
    reference_repeats: str | None = None
    to_rewrite: bool = False


def erase(database: Database, rules: Rules, now: datetime, origin: Origin, case: str, wish: Wish) -> Erased:
    """Erase a case in one transaction, then clean the SQLite file of what it held.

    Raises UsageError, NoSuchCase; HistoryBroken: the case was altered, and nothing was erased. Refused: not ended, too
    early without a ground, erased before, a text that names somebody. Conflict: one of its letters is being sent.
    NotAllowed: another role of the database must do it. StoreError: it was erased, but the file could not be cleaned,
    or the one outside not be written; repeating the command does only that.
    """
    _check_wish(wish)
    now, origin = in_utc("now", now), check_origin(origin)
    act = partial(_erase_now, database, rules, now, origin, case, wish)
    try:
        done = act()
    except Overtaken:  # a worker that had letters of other cases which name this one in hand was first
        done = act()
    except NotAllowed as error:
        raise NotAllowed(error.what, _ERASER) from error
    unkept = _keep(wish.kept_in, done)  # first, as the file may be long in use
    _clean(database, done.case)
    if unkept:
        raise StoreError(f"{done.case} was erased, but {unkept}. {_AGAIN}")
    return done


def _erase_now(database: Database, rules: Rules, now: datetime, origin: Origin, case: str, wish: Wish) -> Erased:
    """Do it in one transaction; a refusal is written too, then raised."""
    refused: Refused | None = None
    with lag_told(database, case), database.writing() as store:
        take_turn(store)  # before the case: a worker that has the turn may have to wait for the case
        case_id, found = find_case(store, case, lock=True)
        known_state(rules.definition, found)
        work = Work(rules, origin, now, case_id, found)
        earlier = _earlier(store, work) if found.erased else None
        done = earlier if earlier and _is_unfinished(store, wish.kept_in, earlier) else None
        try:
            done = done or _erase(store, work, wish)
        except Refused as error:
            refused = error
        store.write([work])
        if done is not None:
            done = _remember(store, done, now)
    if refused is not None:
        raise refused
    assert done is not None
    return done


# -- deciding --------------------------------------------------------------------------------------------------------


def _check_wish(wish: Wish) -> None:
    if not isinstance(wish, Wish):
        raise UsageError(f"wish must be a Wish, not {type(wish).__name__}.")
    check_text("reason", wish.reason)
    check_text("ground", wish.ground, one_line=True)
    if wish.ground is not None and not wish.ground.strip():
        raise UsageError("The ground is empty; name the legal ground, or leave it out.")
    check_count("retention_years", wish.retention_years, MOST_YEARS)


def _refuse_untimely(store: Store, work: Work, wish: Wish) -> None:
    case = work.case
    if case.erased:
        day = local_day(_earlier(store, work).at)
        refuse(work, f"{case.reference} was erased already, on {day}: nothing is left to erase.", command="erase")
    if case.ended_at is None:
        said = f"{case.reference} is {case.state}: only a case that has ended can be erased, whatever the ground."
        refuse(work, said, command="erase")
    first = allowed_from(case.ended_at, wish.retention_years)
    if wish.ground is None and work.now < first:
        term = f"{wish.retention_years} year{'s' * (wish.retention_years != 1)}"
        said = (
            f"{case.reference} ended on {local_day(case.ended_at)} and is kept for {term}: it may be erased from "
            f"{first:%Y-%m-%d} {first:%H:%M} on, or earlier on a legal ground that you name with --ground."
        )
        refuse(work, said, command="erase")


def _refuse_telling(work: Work, wish: Wish, history: Sequence[tuple[Event, Values]]) -> None:
    """Refuse a reason or a ground that is missing or tells what must be erased: both are kept for good."""
    domain = work.rules.definition.domain
    texts = {"reason": wish.reason or "", "ground": wish.ground or ""}
    problems = [] if texts["reason"].strip() else [domain.reason_missing("erase")]
    for field, text in texts.items():
        # the reason of any other command is erased with its case, this one is kept as the ground is
        problems += [replace(found, field=field) for found in domain.judge_text("ground", text)]
    if problems:
        refuse(work, f"{work.case.reference} was not erased.", tuple(problems), command="erase")
    for field, text in texts.items():
        if told := repeated(domain, text, (values for _, values in history), work.case.facts):
            said = f"the {field} is kept for good, and repeats {told}. Say it without."
            refuse(work, f"{work.case.reference} was not erased: {said}", command="erase")


# -- doing -----------------------------------------------------------------------------------------------------------


def _erase(store: Store, work: Work, wish: Wish) -> Erased:
    """Erase the rows and append the event. Raises Refused after its own event was appended; Conflict."""
    _refuse_untimely(store, work, wish)
    with readable(work.case.reference):
        history = list(store.history(work.case_id))
    _refuse_telling(work, wish, history)
    stays = work.case.external_reference or ""
    told = repeated(work.rules.definition.domain, stays, (values for _, values in history), work.case.facts)
    letters, cancelled = end_letters(store, work.case_id, work.case.reference, work.now)
    erasing.delete_values(store, work.case_id)
    erasing.delete_answers(store, work.case_id)
    body: dict[str, Json] = {"ground": wish.ground, "reason": wish.reason, "retention_years": wish.retention_years}
    event = work.append(Kind.ERASED, body)
    values = sum(len(values) for _, values in history)
    return Erased(event.case, event.at, event.seq, event.hash, values, letters, cancelled, reference_repeats=told)


def _remember(store: Store, done: Erased, now: datetime) -> Erased:
    """Remember what is left in the files, once all is written; the answer, with whether somebody must rewrite them."""
    if not done.repeated:
        expect_leftovers(store, now)
    return replace(done, to_rewrite=not store.is_sqlite and has_leftovers(store))


def _earlier(store: Store, work: Work) -> Erased:
    """The first answer, of which only the event is left. Raises HistoryBroken: it is not."""
    with readable(work.case.reference):
        event, *_ = [event for event, _ in store.history(work.case_id) if event.kind is Kind.ERASED]
    return Erased(event.case, event.at, event.seq, event.hash, repeated=True)


def _is_unfinished(store: Store, kept_in: Path | None, done: Erased) -> bool:
    """Whether an earlier erasure left something to do: to clean the files, or to append it to the one outside."""
    if has_leftovers(store):
        return True
    try:
        return kept_in is not None and not has_erasure(kept_in, done.case, done.at, done.hash)
    except OSError:  # told when it is to be written
        return True


def _keep(kept_in: Path | None, done: Erased) -> str:
    """Append it to the file outside, now that nothing undoes it; why that could not be."""
    try:
        if kept_in is not None:
            keep_erasure(kept_in, done.case, done.at, done.hash)
    except OSError as error:
        return f"{kept_in}, which is to say so when an older copy is put back, cannot be written: {error.strerror}"
    return ""


def _clean(database: Database, case: str) -> None:
    why = "another connection holds its log, such as somebody who reads a long list"
    try:
        if database.compact():
            return
    except StoreError as error:
        why = str(error).removesuffix(".")
    raise StoreError(f"{case} was erased, but the file or its log may still hold what it said: {why}. {_AGAIN}")
