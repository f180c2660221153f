"""The daily overview for operations: what is overdue, what failed, what is due today; silent when all is well."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, time, timedelta
from functools import partial
from typing import Any, TypeVar

from workflow.answers import Case
from workflow.arguments import in_utc
from workflow.calendar import at_midnight
from workflow.clock import AMSTERDAM, local_day
from workflow.encoding import compact_json
from workflow.errors import Conflict, HistoryBroken
from workflow.history import readable
from workflow.storage import Database, letters
from workflow.storage.letter_states import LetterState
from workflow.storage.letters import OutboxRow
from workflow.storage.listing import Filter, drifted_cases, find_cases
from workflow.storage.shift import served, take_slot, take_turn
from workflow.storage.store import Store, Unread
from workflow.views import summary_of
from workflow.work import Letter, Rules

T = TypeVar("T")
LETTER, ROLE, LANGUAGE = "daily_overview", "operations", "nl"
SLOT_BEGINS, SLOT_ENDS = time(8), time(17)
"""The overview is written at eight on a working day, or later while people are at work: when nothing ran before."""
MOST = 50
"""Cases and letters that one overview names under a heading, longest overdue first; of more it says that there are."""


def run_once(database: Database, rules: Rules, now: datetime, addressed: Iterable[str] = ()) -> bool:
    """Write today's overview if its hour has come and nobody did; whether a letter was written.

    `addressed` are the roles whose address is a setting that is set: their letters get it at the next pass.
    """
    if not is_to_be_written(database, rules, LETTER, now):
        return False
    try:
        with database.writing() as store:
            take_turn(store)
            if not take_slot(store, LETTER, local_day(now), now):
                return False
            context = gather(store, rules, now, addressed)
            if context is not None:
                text = compact_json(context)
                letters.add_letter(store, Letter(0, LETTER, ROLE, LANGUAGE, None, text, now))
            return context is not None
    except Conflict:
        return False  # another worker took the slot at the same moment


def is_to_be_written(database: Database, rules: Rules, letter: str, now: datetime) -> bool:
    """Whether this letter of the morning is to be written now, as far as can be seen without writing.

    Raises UsageError: `now` is no moment.
    """
    local = in_utc("now", now).astimezone(AMSTERDAM)
    if not (rules.calendar.is_working_day(local.date()) and SLOT_BEGINS <= local.time() < SLOT_ENDS):
        return False
    with database.reading() as store:
        return letter not in served(store, local.date())


def gather(store: Store, rules: Rules, now: datetime, addressed: Iterable[str]) -> dict[str, Any] | None:
    """What the overview says; None when there is nothing to say."""
    tonight = at_midnight(local_day(now) + timedelta(days=1))
    # whoever reads this has an address
    homeless = letters.homeless(store, at_midnight(local_day(now)), but={ROLE, *addressed}, limit=MOST + 1)
    altered: dict[str, None] = {}
    found: dict[str, list[Any]] = {
        "overdue": _cases(store, rules, now, altered, due_before=now),
        "due_today": _cases(store, rules, now, altered, due_before=tonight, due_after=now),
        "failed": _letters(store, rules, LetterState.FAILED),
        "unknown": _letters(store, rules, LetterState.UNKNOWN),
        "homeless": [_told(rules, row) for row in homeless],
        "drift": _drift(store, rules, altered),
    }
    found["altered"] = list(altered)
    if not any(found.values()):
        return None
    named = {heading: [line for line in lines[:MOST] if line] for heading, lines in found.items()}
    return {
        "letter": LETTER,
        "role": ROLE,
        "language": LANGUAGE,
        "reference": "",
        "today": _day(now),
        **named,
        "overdue": _by_holder(rules, named["overdue"]),
        "due_today": [{**case, "what": case["state_label"]} for case in named["due_today"]],
        "more": {heading: len(lines) > MOST for heading, lines in found.items()},
    }


def _by_holder(rules: Rules, overdue: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {"holder": _called(rules, holder), "cases": [case for case in overdue if case["holder"] == holder]}
        for holder in sorted({case["holder"] for case in overdue})
    ]


def _each(found: Iterable[Unread], tell: Callable[[Case], T], altered: dict[str, None]) -> list[T | None]:
    """A line for each case; None in place of one that cannot be read, which is named among the altered ones."""
    lines: list[T | None] = []
    for case in found:
        try:
            with readable(case.reference):
                lines.append(tell(case.read()))
        except HistoryBroken:
            altered[case.reference] = None
            lines.append(None)
    return lines


def _cases(
    store: Store,
    rules: Rules,
    now: datetime,
    altered: dict[str, None],
    *,
    due_before: datetime,
    due_after: datetime | None = None,
) -> list[dict[str, Any] | None]:
    wanted = Filter(None, due_before, None, MOST + 1, due_after)
    return _each(find_cases(store, wanted), partial(_line, rules, now), altered)


def _line(rules: Rules, now: datetime, case: Case) -> dict[str, Any]:
    summary = summary_of(rules, case, now)
    return {
        "reference": summary.case,
        "company": summary.title,
        "holder": summary.holder or "",
        "state_label": _called(rules, summary.state),
        "due_on": _day(summary.due_at) if summary.due_at else "",
        "working_days": summary.ball_days,
    }


def _drift(store: Store, rules: Rules, altered: dict[str, None]) -> list[str | None]:
    """A line for each case of which something was seen to be right no more; it stays until it is right again."""
    domain = rules.definition.domain
    name = domain.drift_field.rpartition(".")[2]

    def tell(case: Case) -> str:
        said = domain.drift(case.facts)
        return f"{_named(case.reference, domain.title(case.facts))}: {said}" if said else ""

    return [line for line in _each(drifted_cases(store, name, MOST + 1), tell, altered) if line != ""]


def _named(reference: str, title: str) -> str:
    return f"{reference}, {title}" if title else reference


def _letters(store: Store, rules: Rules, state: LetterState) -> list[dict[str, Any]]:
    return [_told(rules, row) for row in letters.letters_of(store, state=str(state), limit=MOST + 1, erased=False)]


def _told(rules: Rules, row: OutboxRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "letter": row.letter,
        "role": _role(rules, row.role),
        "reference": row.case or "",
        "reason": row.reason or "",
    }


def _role(rules: Rules, role: str) -> str:
    """What people call a role; the auditor is none of the domain's."""
    return _called(rules, role) if role in rules.definition.domain.languages else role


def _called(rules: Rules, word: str) -> str:
    return rules.definition.domain.label(word, LANGUAGE)


def _day(moment: datetime) -> str:
    return local_day(moment).strftime("%d-%m-%Y")
