"""What an earlier import said of a case, by the case's history: what says the same again is no news."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress

from workflow.events import Event
from workflow.facts import Facts, Json
from workflow.history import FORGED, Values, changed_facts, merge
from workflow.storage.store import Store
from workflow.work import Work

Steps = Iterable[tuple[Event, Values]]


def last_said(steps: Steps, via: str) -> Facts | None:
    """The facts as imports gave them: those of the case at its first one, and what later ones changed.

    None: no import knew the case, so all that a row says of it is new.
    """
    known: dict[str, dict[str, Json]] = {}
    said: dict[str, dict[str, Json]] | None = None
    for event, values in steps:
        changes = changed_facts(event, values)
        known = merge(known, changes)
        if event.origin.via == via:
            said = known if said is None else merge(said, changes)
    return said


def without_repeats(changes: Facts, said: Facts | None) -> tuple[dict[str, dict[str, Json]], tuple[str, ...]]:
    """What of a row's changes is news, and the fields that somebody changed since it last said the same."""
    news: dict[str, dict[str, Json]] = {}
    repeated: list[str] = []
    for sheet, fields in changes.items():
        before = said.get(sheet, {}) if said is not None else None
        for name, value in fields.items():
            if before is not None and before.get(name) == value:
                repeated.append(f"{sheet}.{name}")
            else:
                news.setdefault(sheet, {})[name] = value
    return news, tuple(repeated)


def steps_of(work: Work) -> Iterator[tuple[Event, Values]]:
    """What a work adds to the history of its case."""
    for event in work.events:
        yield event, {opening.path: opening.value for seq, opening in work.openings if seq == event.seq}


def was_refused_so(store: Store, work: Work) -> bool:
    """Whether the last event of the case is this very refusal, by an earlier import: the same row came again."""
    if work.before is None:
        return False
    last = None
    with suppress(*FORGED):  # an altered event is none that repeats
        last = store.event(work.case_id, work.before.seq)
    return [_said(event) for event in work.events] == [_said(event) for event in (last,) if event]


def _said(event: Event) -> tuple[object, ...]:
    return event.kind, event.origin.via, event.trigger, event.body
