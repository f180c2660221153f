"""Several reminders for one reader on one morning become one letter that lists the cases; one for each language.

It happens in one transaction, when nothing is left to fire: 40 reminders are 40 rows, then one row and 40 merged ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from workflow.encoding import as_mapping, compact_json, read_json
from workflow.storage import letters, merging
from workflow.storage.letters import OutboxRow
from workflow.storage.restores import held_until
from workflow.storage.store import Store
from workflow.work import Letter

LETTER = "reminder_digest"
_PATIENCE = timedelta(hours=1)
"""How long a reminder waits for others at most: longer than a pass takes to write them all."""
_LISTS = ("open_items", "elsewhere")
_KEPT = {
    **dict.fromkeys(("reference", "company", "state_label", "letter", "waits_for", "keylane_reference"), str),
    **dict.fromkeys(("loket_employer_id", "answer_by", "withdraw_question_on", "first_exchange_date"), str),
    **dict.fromkeys(_LISTS, list),
    "working_days": int,
}
"""What a digest shows of each reminder."""
_NEW = ("waits_for", "elsewhere", "first_exchange_date")
"""What those that were written before rules 2026.11, or 2026.13, may not say; templates can do without."""


@dataclass(frozen=True, slots=True)
class Merged:
    """How many reminders became part of another letter, and up to which number the others may go out by themselves."""

    count: int
    until: int


def merge_reminders(store: Store, now: datetime) -> Merged:
    """Merge what can be merged. While something is still to be fired, reminders wait for what belongs with them.

    However late it is: a worker that was away writes them in several transactions too. But each waits for an hour at
    most, since there may be a case that cannot be fired; and for nothing that is held since a copy was restored.
    """
    is_firing = store.has_due_rung(now, since=held_until(store))
    until = now - _PATIENCE if is_firing else now
    count = sum(_merge(store, group, now) for group in merging.mergeable(store, until))
    return Merged(count, merging.last_number(store, until))


def _merge(store: Store, rows: Sequence[OutboxRow], now: datetime) -> int:
    """A letter in each language, since what each case misses is in the case's own; how many became part of another.

    One that was altered so that none could be built with it is left out: it leaves, or fails, by itself.
    """
    rows = [row for row in rows if _fits(row)]
    latest = {row.case_id: row for row in rows}
    alike = [
        [row for row in latest.values() if row.language == language]
        for language in sorted({row.language for row in latest.values()})
    ]
    return sum(_merge_alike(store, rows, told, now) for told in alike)


def _merge_alike(store: Store, waiting: Sequence[OutboxRow], latest: Sequence[OutboxRow], now: datetime) -> int:
    """One letter for all of these; of a case that climbed two rungs at once only the last is told."""
    cases = {row.case_id for row in latest}
    rows = [row for row in waiting if row.case_id in cases]
    if len(latest) == 1:
        (keeper,) = latest
        merged = [row for row in rows if row.id != keeper.id]
        merging.merge_into(store, merged, keeper.id, now)
        return len(merged)
    merging.merge_into(store, rows, letters.add_letter(store, _digest(latest, now)), now)
    return len(rows)


def _fits(row: OutboxRow) -> bool:
    """Whether a letter about several cases can say what a reminder says."""
    try:
        said = {**as_mapping(read_json(row.context)), "language": row.language}
    except ValueError:
        return False
    wanted = {name: kind for name, kind in ({"language": str} | _KEPT).items() if name in said or name not in _NEW}
    is_whole = all(isinstance(said.get(name), kind) for name, kind in wanted.items())
    return is_whole and all(isinstance(item, str) for name in _LISTS for item in said.get(name, ()))


def _digest(rows: Sequence[OutboxRow], now: datetime) -> Letter:
    contexts: list[dict[str, Any]] = [read_json(row.context) for row in rows]
    context = {
        "letter": LETTER,
        "role": rows[0].role,
        "language": rows[0].language,
        "reference": "",
        "count": sum(_asks(context) for context in contexts),
        "cases": [{name: context[name] for name in _KEPT if name in context} for context in contexts],
    }
    text = compact_json(context)
    return Letter(0, LETTER, rows[0].role, rows[0].language, rows[0].recipient, text, now)


def _asks(context: dict[str, Any]) -> bool:
    """Whether a reminder asks something of its reader: whoever it waits for, operations are asked to look."""
    if "waits_for" not in context:
        return bool(context["open_items"]) or context.get("role") != "applicant"
    return context.get("role") == "operations" or not context["waits_for"]
