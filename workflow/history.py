"""History is the truth: a case is the fold of its events, and the stored row is only its latest value."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from shlex import quote
from typing import Any, TypeVar

from workflow.answers import Case
from workflow.clock import local_day
from workflow.definition import Definition
from workflow.encoding import as_list, as_mapping, sorted_json
from workflow.errors import HistoryBroken
from workflow.events import COUNTS_AS_VERSION, Event, Kind
from workflow.facts import Facts, Json

T = TypeVar("T")
Values = Mapping[str, Json]
"""Path → the personal value that an event only committed to; a path that is missing was erased."""
FORGED = (ValueError, KeyError, TypeError, AttributeError, IndexError, OverflowError, RecursionError)
"""What reading forged rows can raise."""


@contextmanager
def readable(reference: str | None = None) -> Iterator[None]:
    """Raises HistoryBroken for whatever forged rows make of reading; without a reference it may be any case's."""
    try:
        yield
    except FORGED as error:
        raise altered(reference) from error


def readable_rows(rows: Iterable[T]) -> Iterator[T]:
    """The rows, as they are read. Raises HistoryBroken for one that cannot be, but not for what is done with it."""
    with readable():
        yield from rows


def altered(reference: str | None = None) -> HistoryBroken:
    """That a case was altered; without a reference it may be any."""
    if reference is None:
        which, see = "row of a case", "which, run: schakel audit verify"
    else:
        which, see = f"history of {reference}", f"where, run: schakel audit verify {quote(str(reference))}"
    return HistoryBroken(f"The {which} cannot be read: somebody altered it. To see {see}")


def evolve(definition: Definition, case: Case | None, event: Event, values: Values) -> Case:
    """The case after one more event; `None` before its opening."""
    if case is None:
        case = _open(event)
    changes: dict[str, Any] = {}
    match event.kind:
        case Kind.OPENED | Kind.RECORDED:
            changes = _take_facts(definition, case, event, values)
        case Kind.MOVED:
            taken = _take_facts(definition, case, event, values)
            changes = taken | _move(definition, event, taken["accepted"])
        case Kind.HELD:
            changes = _hold(case, event)
        case Kind.RESUMED:
            changes = {"held_until": None, "holds": _cut(case.holds, local_day(event.at))}
        case Kind.REMINDED | Kind.ESCALATED:
            changes = {"rung": case.rung + 1}
        case Kind.ERASED:
            changes = {"facts": {}, "accepted": {}, "told": {}, "erased": True}
    version = case.version + (event.kind in COUNTS_AS_VERSION)
    return case._replace(seq=event.seq, head=event.hash, at=event.at, version=version, **changes)


def is_same(stored: Case, folded: Case) -> bool:
    """Whether a case is what its history gives, to the kind of each value: Python holds 3 and 3.0, 1 and true equal."""
    return stored == folded and same_json([stored.facts, dict(stored.told)], [folded.facts, dict(folded.told)])


def same_json(one: Any, other: Any) -> bool:
    """Whether two values are the same as JSON; what no history can hold is the same as nothing."""
    try:
        return sorted_json(one) == sorted_json(other)
    except ValueError:
        return False


def changed_facts(event: Event, values: Values) -> dict[str, dict[str, Json]]:
    """What an event set, sheet by sheet; a field that was erased since is left out."""
    changes = {sheet: dict(as_mapping(fields)) for sheet, fields in as_mapping(event.body.get("facts")).items()}
    for path, value in values.items():
        sheet, dot, name = path.partition(".")
        if dot:
            changes.setdefault(sheet, {})[name] = value
    return changes


def merge(facts: Facts, changes: Facts) -> dict[str, dict[str, Json]]:
    """The facts after these changes; None clears a field."""
    merged = {sheet: dict(fields) for sheet, fields in facts.items()}
    for sheet, fields in changes.items():
        target = merged.setdefault(sheet, {})
        for name, value in fields.items():
            if value is None:
                target.pop(name, None)
            else:
                target[name] = value
    return merged


def _open(event: Event) -> Case:
    if event.kind is not Kind.OPENED:
        raise ValueError(f"the history of {event.case} begins with '{event.kind}' instead of its opening")
    external = event.body.get("external_reference")
    return Case(
        reference=event.case,
        external_reference=external if isinstance(external, str) else None,
        state=event.target,
        version=0,
        seq=0,
        head="",
        at=event.at,
        facts={},
        opened_at=event.at,
        entered_at=event.at,
    )


def _take_facts(definition: Definition, case: Case, event: Event, values: Values) -> dict[str, Any]:
    changes = changed_facts(event, values)
    touched = {f"{sheet}.{name}" for sheet, fields in changes.items() for name in fields} | set(event.commitments)
    accepted = {code: about for code, about in case.accepted.items() if touched.isdisjoint(about)}
    state = definition.by_name.get(case.state)  # None: a state of another version, or a forged one
    anchors = [rung.anchor for rung in state.ladder] if state else []
    rung = next((index for index, anchor in enumerate(anchors) if anchor in touched), case.rung)
    told = {**case.told, **as_mapping(event.body.get("told"))}
    facts = merge(case.facts, changes) if changes else case.facts
    return {"facts": facts, "accepted": accepted, "told": told, "rung": min(rung, case.rung)}


def _move(definition: Definition, event: Event, standing: Mapping[str, tuple[str, ...]]) -> dict[str, Any]:
    accepted = dict(standing)
    listed = event.body.get("accepted")
    for item in listed if isinstance(listed, list) else ():
        entry = as_mapping(item)
        code, about = str(entry["code"]), (str(path) for path in as_list(entry["about"]))
        # an event names a code once; where older ones did twice, the last counted
        accepted[code] = tuple(dict.fromkeys((*standing.get(code, ()), *about)))
    target = definition.by_name.get(event.target)
    ended = event.at if target and target.final else None
    return {
        "state": event.target,
        "entered_at": event.at,
        "accepted": accepted,
        "holds": (),
        "held_until": None,
        "rung": 0,
        "ended_at": ended,
    }


def _hold(case: Case, event: Event) -> dict[str, Any]:
    today, until = local_day(event.at), date.fromisoformat(str(event.body["until"]))
    begun = case.holds[-1][0] if case.held_until and case.held_until > today else today
    holds = (*(hold for hold in case.holds if hold[0] < begun), (begun, until))
    return {"held_until": until, "holds": holds}


def _cut(holds: tuple[tuple[date, date], ...], day: date) -> tuple[tuple[date, date], ...]:
    return tuple((first, min(end, day)) for first, end in holds if first < min(end, day))
