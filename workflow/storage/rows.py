"""How a case, an event, a letter become rows, and back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime
from hashlib import sha256
from typing import Any

from workflow.answers import Case
from workflow.definition import Definition
from workflow.domain import Key
from workflow.encoding import compact_json, read_json
from workflow.events import LARGEST, Event, read_event
from workflow.schedule import due_at, timers_of
from workflow.work import Letter, Work

Row = dict[str, Any]
_LAST_SEQ = 2**31 - 1
"""What PostgreSQL can count to."""
_LONGEST_KEY = 500
"""Bytes of a key's value; an index of PostgreSQL takes 2,704 in all."""


def case_of(row: Mapping[str, Any]) -> Case:
    """The case a row holds. Raises whatever reading a forged row raises."""
    progress = read_json(row["progress"])
    until = progress["held_until"]
    case = Case(
        reference=row["reference"],
        external_reference=row["external_reference"],
        state=row["state"],
        version=row["version"],
        seq=row["seq"],
        head=row["head"],
        at=row["at"],
        facts=_facts(row["facts"]),
        opened_at=row["opened_at"],
        entered_at=row["entered_at"],
        holds=tuple((date.fromisoformat(first), date.fromisoformat(end)) for first, end in progress["holds"]),
        held_until=date.fromisoformat(until) if until else None,
        accepted={code: tuple(about) for code, about in progress["accepted"].items()},
        told=progress["told"],
        rung=progress["rung"],
        ended_at=row["ended_at"],
        erased=bool(row["erased"]),
    )
    _check(case)
    return case


def _check(case: Case) -> None:
    """Raises TypeError, ValueError: what is counted on, or written into events, is nothing that we write."""
    if not type(case.seq) is type(case.version) is type(case.rung) is int:
        raise TypeError("a number of a case is something else")
    if not type(case.head) is type(case.state) is type(case.reference) is str:
        raise TypeError("a text of a case is something else")
    if case.external_reference is not None and type(case.external_reference) is not str:
        raise TypeError("the external reference of a case is something else")
    if type(case.told) is not dict or case.rung < 0 or (case.held_until and not case.holds):
        raise TypeError("the progress of a case is none")
    if not 0 <= case.seq < _LAST_SEQ:
        raise ValueError("no case has so many events")
    if not all(map(_can_count_on, case.told.values())):
        raise ValueError("no letter went out so often")


def _can_count_on(told: Any) -> bool:
    """Whether the event of the next letter can say that it went out once more."""
    count = told.get("count") if type(told) is dict else None
    return count is None or (type(count) is int and 0 <= count < LARGEST)


def _facts(text: str) -> dict[str, dict[str, Any]]:
    facts: dict[str, dict[str, Any]] = read_json(text)
    if type(facts) is not dict or any(type(sheet) is not dict for sheet in facts.values()):
        raise TypeError("the facts of a case are sheets of fields")
    return facts


def row_of(work: Work) -> Row:
    """The row of the case as it now stands."""
    case, rules = work.case, work.rules
    progress = {
        "accepted": {code: list(about) for code, about in case.accepted.items()},
        "told": dict(case.told),
        "holds": [[first.isoformat(), end.isoformat()] for first, end in case.holds],
        "held_until": case.held_until.isoformat() if case.held_until else None,
        "rung": case.rung,
    }
    return {
        "id": work.case_id,
        "case_id": work.case_id,
        "reference": case.reference,
        "external_reference": case.external_reference,
        "definition": rules.definition.name,
        "state": case.state,
        "version": case.version,
        "seq": case.seq,
        "head": case.head,
        "at": case.at,
        "facts": compact_json(case.facts),
        "progress": compact_json(progress),
        "opened_at": case.opened_at,
        "entered_at": case.entered_at,
        "due_at": due_at(rules.definition, rules.calendar, case),
        "ended_at": case.ended_at,
        "erased": case.erased,
        "was_version": work.before.version if work.before else 0,
        "was_seq": work.before.seq if work.before else 0,
    }


def event_rows(work: Work) -> Iterator[Row]:
    """The rows of the events that were appended."""
    for event in work.events:
        yield {
            "case_id": work.case_id,
            "seq": event.seq,
            "at": event.at,
            "actor": event.origin.actor,
            "os_user": event.origin.os_user,
            "via": event.origin.via,
            "kind": str(event.kind),
            "trigger": event.trigger,
            "from_state": event.source,
            "to_state": event.target,
            "definition_version": event.definition[1],
            "canonical": event.canonical,
            "prev_hash": event.previous,
            "hash": event.hash,
        }


def private_rows(work: Work) -> Iterator[Row]:
    """The rows of the personal values that the events committed to."""
    for seq, opening in work.openings:
        yield {
            "case_id": work.case_id,
            "seq": seq,
            "path": opening.path,
            "value": compact_json(opening.value),
            "salt": opening.salt,
        }


def letter_rows(work: Work) -> Iterator[Row]:
    """The outbox rows of the letters that were written, due now even when the history is ahead of the clock."""
    for letter in work.letters:
        yield letter_row(work.case_id, letter, work.now)


def letter_row(case_id: int | None, letter: Letter, due: datetime) -> Row:
    """An outbox row that waits to be sent; `case_id` None for a letter about several cases."""
    return {
        "case_id": case_id,
        "seq": letter.seq,
        "letter": letter.letter,
        "role": letter.role,
        "language": letter.language,
        "recipient": letter.recipient,
        "state": "pending",
        "reason": None,
        "context": letter.context,
        "created_at": letter.created_at,
        "due_at": due,
        "is_reminder": letter.is_reminder,
    }


def timer_rows(work: Work) -> Iterator[Row]:
    """The rows of the timers the case must have."""
    for timer in timers_of(work.rules.definition, work.rules.calendar, work.case):
        yield {"case_id": work.case_id, "kind": str(timer.kind), "rung": timer.rung, "due_at": timer.due_at}


def timer_changes(work: Work) -> tuple[list[Row], list[Row]]:
    """The timers the case had and must have no more, and those it must have; nothing of either if none can differ."""
    before, now = work.before, work.case
    definition, calendar = work.rules.definition, work.rules.calendar
    if before is not None and _clockwork(definition, before) == _clockwork(definition, now):
        return [], []
    put = list(timer_rows(work))
    had = {str(timer.kind) for timer in timers_of(definition, calendar, before)} if before else set()
    return [{"case_id": work.case_id, "kind": kind} for kind in had - {row["kind"] for row in put}], put


def answer_rows(work: Work) -> Iterator[Row]:
    """The row of what a command with a key was answered."""
    if work.key:
        key, command, answer = work.key
        yield {"case_id": work.case_id, "key": key, "command": command, "answer": answer}


def key_rows(case_id: int, keys: tuple[Key, ...]) -> Iterator[Row]:
    """The rows by which other cases find this one."""
    for key in keys:
        yield {"case_id": case_id, "kind": key.kind, "value": stored_value(key), "detail": key.detail}


def stored_value(key: Key) -> str:
    """A key's value as it stands in the database: of a long one the beginning, which is searched in, and its hash."""
    data = key.value.encode()
    if len(data) <= _LONGEST_KEY:
        return key.value
    return data[: _LONGEST_KEY - 64].decode(errors="ignore") + sha256(data).hexdigest()


def _clockwork(definition: Definition, case: Case) -> tuple[object, ...]:
    anchors = [rung.anchor for rung in definition.state(case.state).ladder if rung.anchor]
    dates = [case.facts.get(sheet, {}).get(name) for sheet, _, name in (anchor.partition(".") for anchor in anchors)]
    return (case.state, case.entered_at, case.holds, case.held_until, case.rung, dates)


def event_of(row: Mapping[str, Any]) -> Event:
    """The event a row holds, read from its canonical bytes. Raises whatever reading a forged row raises."""
    canonical = row["canonical"]
    if not isinstance(canonical, bytes):  # of a number `bytes` would make as many
        raise TypeError("the bytes of an event are something else")
    return read_event(canonical, row["hash"])
