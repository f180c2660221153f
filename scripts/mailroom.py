"""What the mail commands do with the outbox: find letters, build what was not built yet, retry, resolve."""

from __future__ import annotations

import email
import email.policy
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from itertools import islice

from notifications.building import Builder
from notifications.outcomes import tell_cases
from notifications.recorder import Recorder
from notifications.rendering import Rendered, Renderer, templates
from notifications.samples import sample_context
from scripts.mail_settings import desk_of
from scripts.wiring import Session
from states.identity import names_sole_trader
from states.letters import is_by_name
from states.masking import DOTS
from workflow import history
from workflow.definition import Definition, LetterTo
from workflow.encoding import as_mapping, lenient_json
from workflow.errors import (
    Conflict,
    HistoryBroken,
    NoSuchCase,
    NoSuchLetter,
    Refused,
    SchakelError,
    UsageError,
    check_known,
)
from workflow.events import Kind
from workflow.finding import find_case, find_case_seen, lag_told
from workflow.storage import letters, lookups, tries
from workflow.storage.letter_states import LetterState
from workflow.storage.letters import OutboxRow
from workflow.storage.merging import take_apart
from workflow.storage.outdated import why_outdated
from workflow.storage.store import Store
from workflow.storage.tries import Try
from workflow.text import check_text
from workflow.views import ERASED
from workflow.work import Work

NO_SENDER = "not-set@localhost.example"
"""Stands in From while a letter is only looked at and no sender is set."""
UNKNOWN = "…"
"""Stands in a letter that is only looked at for what is not known yet."""
_DATES = ("realised_on", "first_exchange_date", "first_check_on")
_PAGE = 1000
_RETRYABLE = (LetterState.FAILED, LetterState.PENDING)


def find_letters(session: Session, case: str | None, state: str | None, limit: int | None) -> Iterator[OutboxRow]:
    """The letters that were asked for, read a page at a time, with all their tries counted. Raises NoSuchCase."""
    with session.database.reading() as store:
        case_id = find_case(store, case)[0] if case is not None else None
        found = letters.pages_of(store, case_id=case_id, state=state, limit=limit)
        while page := list(islice(found, _PAGE)):
            yield from _with_all_tries(store, page)


def count_unsent(session: Session, case: str) -> int:
    """How many letters of a case have not left and may still do so, alone or as part of another. Raises NoSuchCase."""
    unsent = (LetterState.PENDING, LetterState.CLAIMED)
    own = list(find_letters(session, case, None, None))
    with session.database.reading() as store:
        wholes = {row.merged_into for row in own if row.merged_into is not None}
        waiting = {number for number in wholes if _letter(store, number).state in unsent}
    return sum(row.state in unsent or row.merged_into in waiting for row in own)


def letter_and_tries(session: Session, number: int) -> tuple[OutboxRow, list[Try], str | None]:
    """A letter, built as it would go out now if it was not built yet, its tries, and why nobody needs it any more.

    Raises NoSuchCase. One whose words were erased stays as it is.
    """
    desk = desk_of(session.settings)
    shown = Builder(desk if desk.sender else replace(desk, sender=NO_SENDER))
    with session.database.reading() as store:
        row = _letter(store, number)
        told = tries.of_letter(store, number)
        ended = why_outdated(store, number, session.definition) if row.state in _RETRYABLE else None
        (row,) = _with_all_tries(store, [row if row.is_erased else shown.build(row, session.clock.now())])
    return row, told, ended


def readable(row: OutboxRow) -> str:
    """The text part of a built letter."""
    if row.is_erased:
        return ERASED
    message = email.message_from_bytes(row.message or b"", policy=email.policy.default)
    part = message.get_body(preferencelist=("plain",))
    return str(part.get_content()).replace("\r\n", "\n") if part is not None else ""


def render_preview(session: Session, letter: str, case: str | None, language: str | None) -> Rendered:
    """A letter rendered with a case's facts, or with made-up ones; in the language of its reader unless one is asked.

    Raises UsageError, NoSuchCase.
    """
    renderer = Renderer(desk_of(session.settings))
    known = templates()
    languages = dict(known)
    check_known("letter", letter, languages)
    wanted = language if (letter, language) in known else None
    if case is None:
        shown = wanted or ("nl" if (letter, "nl") in known else languages[letter])
        return renderer.render(letter, shown, sample_context(letter, shown))
    with session.database.reading() as store:
        now = session.clock.now()
        seen, case_id, found, returned = find_case_seen(store, session.engine.rules, case, now)
    role = _reader(session.definition, letter, wanted)
    shown = wanted or session.definition.domain.language(role, found.facts)
    work = Work(session.engine.rules, session.origin(), now, case_id, found, seen.others)
    if letter in {rung.letter for state in session.definition.states for rung in state.ladder}:
        work.returned = returned
    return renderer.render(letter, shown, _context_of(work, LetterTo(letter, role), shown))


def _reader(definition: Definition, letter: str, language: str | None) -> str:
    """The role that gets a letter, one that reads this language if there is. Raises UsageError: it is about no case."""
    readers = [to.role for to in definition.letters() if to.letter == letter]
    if not readers:
        raise UsageError(f"The letter '{letter}' is not about one case: leave CASE out to see it with made-up ones.")
    return next((role for role in readers if language in definition.domain.languages[role]), readers[0])


def _context_of(work: Work, to: LetterTo, language: str) -> dict[str, object]:
    """The context a letter would have for a case now; the work is thrown away."""
    event = work.append(Kind.NOTED, {})
    work.write_letters(event, (to,), told=work.case.told, reason=UNKNOWN, in_language=language)
    context: dict[str, object] = json.loads(work.letters[0].context)
    return context | {name: UNKNOWN for name in _DATES if not context.get(name)}


def known_letters(session: Session, numbers: Sequence[int]) -> list[int]:
    """These numbers, each once. Raises NoSuchCase: one is no letter's."""
    wanted = list(dict.fromkeys(numbers))
    with session.database.reading() as store:
        for number in wanted:
            _letter(store, number)
    return wanted


def letters_to_retry(session: Session, case: str | None, state: LetterState) -> list[int]:
    """Letters that FAILED and still have something to say, or are PENDING until their next try. Raises NoSuchCase."""
    found, now = find_letters(session, case, state, None), session.clock.now()
    if state is LetterState.FAILED:
        return [row.id for row in found if not row.is_erased]
    return [row.id for row in found if row.recipient is not None and row.due_at > now]


def one_by_one(
    session: Session, numbers: Iterable[int], act: Callable[[Session, int], OutboxRow]
) -> Iterator[tuple[OutboxRow, SchakelError | None]]:
    """Do with each letter, in a transaction of its own: the letter, and what hindered it if anything did."""
    for number in numbers:
        try:
            yield act(session, number), None
        except (Refused, Conflict, HistoryBroken, NoSuchCase) as error:  # of this letter; the others are not hindered
            with session.database.reading() as store:
                (row,) = _with_all_tries(store, [_letter(store, number)])
            yield row, error


def retry_letter(session: Session, number: int) -> OutboxRow:
    """Make a letter due now, or end it if nobody needs it any more: the next pass would, and it need not be looked at.

    Raises NoSuchCase; Refused: it is neither failed nor waiting, or it was erased; HistoryBroken: its case was altered.
    """
    now = session.clock.now()
    with session.database.writing() as store:
        row = _readable_letter(store, number)
        again = replace(row, attempts=0 if row.state == LetterState.FAILED else row.attempts)
        # one that was taken out of a letter about several for good says so, and goes by itself from then on
        alone = row.reason if row.state == LetterState.PENDING and not row.attempts else None
        settled = letters.settling(
            store, again, LetterState.PENDING, expected=_RETRYABLE, now=now, reason=alone, due_at=now
        )
        if not settled():
            raise _not_so(store, number, "only a failed or pending one can be tried again")
        if why := why_outdated(store, number, session.engine.definition):
            _end(store, row, f"{why} before it was sent", now)
        elif row.case is not None:  # read after the letter was locked: whoever corrects its address waits for us
            with history.readable(row.case):
                _, case = find_case(store, row.case)
                letters.readdress(store, row, session.engine.definition.domain, case.facts)
        (done,) = _with_all_tries(store, [_letter(store, number)])
        return done


def _end(store: Store, row: OutboxRow, why: str, now: datetime) -> None:
    """Cancel a letter that waits; what became part of it waits for the next pass."""
    letters.settling(store, row, LetterState.CANCELLED, expected=(LetterState.PENDING,), now=now, reason=why)()
    if row.case_id is None:
        take_apart(store, row.id)


_ONLY_UNKNOWN = "an unknown one waits for a decision"
_IN_DOUBT = (LetterState.UNKNOWN,)
_DECIDED = {
    # what a person decided:  event,               its phase,                the states in which that can be decided
    LetterState.SENT:      (Kind.LETTER_SENT,    "resolved as sent",       _IN_DOUBT),
    LetterState.PENDING:   (Kind.LETTER_UNKNOWN, "resolved as not sent",   _IN_DOUBT),
    LetterState.CANCELLED: (Kind.LETTER_FAILED,  "resolved as not needed", (LetterState.UNKNOWN, LetterState.FAILED)),
}  # fmt: skip


def check_reason(session: Session, reason: str) -> None:
    """Raises UsageError, Refused: no letter is resolved for this reason, as it says nothing or holds a BSN."""
    check_text("reason", reason)
    domain = session.engine.definition.domain
    problems = tuple(domain.judge_text("reason", reason)) if reason.strip() else (domain.reason_missing("resolve"),)
    if problems:
        raise Refused("Nothing was resolved: give a reason that may be kept.", problems)


def resolve_letter(session: Session, number: int, decided: LetterState, reason: str) -> OutboxRow:
    """Settle a letter as a person decided: an unknown one is SENT, or PENDING again, since it did not arrive.

    CANCELLED: it need not arrive any more, whether that is unknown, it failed, or it has no address to go to. Its
    case's history says who decided. Raises NoSuchCase, UsageError; HistoryBroken: its case was altered; Refused: it
    does not wait for this decision, or it was erased. The reason must be one that may be kept (`check_reason`).
    """
    engine = session.engine
    with session.database.reading() as store:
        row = _readable_letter(store, number)
        cases = letters.cases_of(store, row)
        named = [one.case for one in (row, *letters.parts_of(store, row)) if one.case is not None]
        for reference in named:
            with history.readable(reference), suppress(NoSuchCase):
                find_case(store, reference)  # of several the one that cannot be read is named

    def act(store: Store, works: Mapping[int, Work]) -> Callable[[], OutboxRow]:
        seen = _readable_letter(store, number)  # again, now that its cases are locked
        now = session.clock.now()
        kind, said, expected = _DECIDED[decided]
        goes_again, is_dropped = decided is LetterState.PENDING, decided is LetterState.CANCELLED
        if is_dropped and seen.state == LetterState.PENDING and seen.recipient is None:
            expected = (LetterState.PENDING,)
        again, why = replace(row, attempts=0 if goes_again else row.attempts), "dropped" if is_dropped else None
        if not letters.settling(store, again, decided, expected=expected, now=now, due_at=now, reason=why)():
            what = "one that failed, is unknown or has no address can be dropped" if is_dropped else _ONLY_UNKNOWN
            raise _not_so(store, number, f"only {what}")
        if goes_again and row.case_id is not None:
            letters.readdress(store, row, engine.definition.domain, works[row.case_id].case.facts)
        tell_cases(works, row, kind, {"phase": said, "code": None}, reason=reason)
        if goes_again and (why := why_outdated(store, number, engine.definition)):
            _end(store, row, f"{why} before it was sent", now)
        return lambda: _with_all_tries(store, [_letter(store, number)])[0]

    recorder = Recorder(engine.database, engine.rules, session.origin(), engine.clock)
    with history.readable(row.case), lag_told(engine.database, *named):
        return recorder.run_now(act, cases)


def _with_all_tries(store: Store, rows: Sequence[OutboxRow]) -> list[OutboxRow]:
    """Letters to be looked at, with their tries from before a person put them back counted too.

    The subject of one that names a person is hidden: its case was known as a sole trader's after it was written.
    """
    counts = tries.count(store, [row.id for row in rows])
    facts = lookups.facts_of(store, {row.case_id for row in rows if row.subject and row.case_id is not None})
    seen = [replace(row, attempts=counts[row.id]) for row in rows]
    return [replace(row, subject=DOTS) if _names_person(row, facts.get(row.case_id or 0)) else row for row in seen]


def _names_person(row: OutboxRow, facts: str | None) -> bool:
    """Whether the subject of a letter may name a person, by the facts of its case as they are stored."""
    known = {sheet: as_mapping(fields) for sheet, fields in as_mapping(lenient_json(facts)).items()}
    return names_sole_trader(known) and is_by_name(as_mapping(lenient_json(row.context)).get("company"))


def _letter(store: Store, number: int) -> OutboxRow:
    row = letters.letter_by_id(store, number)
    if row is None:
        raise NoSuchLetter(f"There is no letter {number}.")
    return row


def _not_so(store: Store, number: int, why: str) -> Refused:
    """The refusal of what a letter is not ready for by now: another person, or a worker, may have been first."""
    return Refused(f"Letter {number} is {_letter(store, number).state}: {why}.")


def _readable_letter(store: Store, number: int) -> OutboxRow:
    row = _letter(store, number)
    if row.is_erased:
        raise Refused(f"Letter {number} was erased with a case that it was about: there is nothing left to send.")
    return row
