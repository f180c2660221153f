"""From what a caller types to what there is: a case by either reference, a trigger, codes of problems."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from shlex import quote
from typing import NoReturn

from workflow.answers import Case, Returned, Summary
from workflow.clock import local_day
from workflow.definition import Definition
from workflow.domain import Key
from workflow.errors import HistoryBroken, NoSuchCase, Overtaken, UsageError, check_known
from workflow.events import is_chained
from workflow.facts import Context, Other
from workflow.history import FORGED, altered, is_same, readable, readable_rows
from workflow.reference import looks_like_reference, new_reference, parse_reference
from workflow.returns import returns_of
from workflow.storage import Database, lookups
from workflow.storage.evidence import Evidence
from workflow.storage.listing import Filter, find_cases
from workflow.storage.store import Neighbours, Store
from workflow.text import is_storable
from workflow.views import summary_of
from workflow.work import Rules


def find_case(store: Store, text: str, *, lock: bool = False) -> tuple[int, Case]:
    """A case by its reference (any case, dashes optional) or its external reference.

    Raises NoSuchCase; HistoryBroken: what is stored of it cannot be read.
    """
    reference, external = _names(text)
    with readable(reference or external):
        found = store.find(reference=reference, external=external, lock=lock) if is_storable(text) else None
    return found or _missing(store, text, reference)


def find_case_among(store: Store, text: str, *, lock: bool = False) -> tuple[int, Case, Neighbours]:
    """The same, with the older cases that it is judged beside. Raises NoSuchCase, HistoryBroken."""
    reference, external = _names(text)
    with readable(reference or external):
        found = store.find_among(reference=reference, external=external, lock=lock) if is_storable(text) else None
    return found or _missing(store, text, reference)


def find_case_seen(store: Store, rules: Rules, text: str, now: datetime) -> tuple[Context, int, Case, Returned | None]:
    """A case, what it is judged by now besides its facts, and how it was sent back.

    Raises NoSuchCase; HistoryBroken: what is stored of it cannot be read.
    """
    case_id, case, beside = find_case_among(store, text)
    known_state(rules.definition, case)
    with unless_altered(rules.definition, store, case_id, case):
        keys = () if case.ended_at else rules.definition.domain.keys(case.facts)
        (returned,) = returns_of(store, rules.definition, [(case_id, case)])
    others = older_cases(store, case_id, keys, beside)
    return Context(local_day(now), rules.calendar, others), case_id, case, returned


@contextmanager
def unless_altered(definition: Definition, store: Store, case_id: int, case: Case) -> Iterator[None]:
    """What the definition's own code raises of a case, as it is; if the case was altered, HistoryBroken."""
    try:
        yield
    except FORGED as error:
        _check_told(definition, store, case_id, case, error)
        raise


def summaries(store: Store, rules: Rules, wanted: Filter, now: datetime) -> Iterator[Summary]:
    """The cases a filter asks for, a line each. Raises HistoryBroken."""
    for found, case in readable_rows((found, found.read()) for found in find_cases(store, wanted)):
        known_state(rules.definition, case)
        try:  # `unless_altered` written out: a context manager a case made a list a tenth slower
            line = summary_of(rules, case, now)
        except FORGED as error:
            _check_told(rules.definition, store, found.case_id, case, error)
            raise
        yield line


def _check_told(definition: Definition, store: Store, case_id: int, case: Case, error: Exception) -> None:
    """Raises HistoryBroken: the case is not what its history tells, so that may be why it failed."""
    from workflow.ledger.rulebook import Rulebook  # noqa: PLC0415  (brings the whole verifier, and is rarely asked)

    with readable(case.reference):
        told = list(store.history(case_id))
        folded = Rulebook(Evidence(store).definitions(), definition).fold(told)
    if not is_same(case, folded) or not is_chained(event for event, _ in told):
        raise altered(case.reference) from error


@contextmanager
def lag_told(database: Database, *named: str) -> Iterator[None]:
    """Say that a case was altered when its history goes on beyond its row: its next event exists, now and for ever.

    For a command that had these cases locked, and yet was Overtaken. Raises HistoryBroken; Overtaken: it was another
    writer after all, of a case that was to be opened for instance.
    """
    try:
        yield
    except Overtaken:
        with database.reading() as store:
            for text in named:
                with suppress(NoSuchCase):
                    check_keeps_up(store, *find_case(store, text))
        raise


def check_keeps_up(store: Store, case_id: int, case: Case) -> None:
    """Raises HistoryBroken: the history of the case goes on beyond its row."""
    with readable(case.reference):
        if store.event(case_id, case.seq + 1) is not None:
            raise altered(case.reference)


def older_cases(store: Store, case_id: int, keys: tuple[Key, ...], beside: Neighbours) -> tuple[Other, ...]:
    """The older open cases that share these keys; asked again when the case has others in the database."""
    others = beside.others(keys)
    return store.older_open_cases([(case_id, keys)])[0] if others is None else others


def _names(text: object) -> tuple[str | None, str]:
    """What a case may be called by: its reference, if it has the form of one, and any other. Raises UsageError."""
    if not isinstance(text, str):
        raise UsageError(f"case must be text, not {type(text).__name__}.")
    return parse_reference(text), text.strip()


def _missing(store: Store, text: str, reference: str | None) -> NoReturn:
    shown, meant = text.strip()[:80], _in_other_capitals(store, text.strip())
    if not is_storable(text):
        shown = shown.encode("ascii", "backslashreplace").decode()
    why = ""
    if meant is not None:
        why = f", but there is '{meant}', which differs only in its capitals"
    elif reference is None and looks_like_reference(text):
        why = ": its last character does not fit the others, so it was probably mistyped"
    raise NoSuchCase(f"There is no case '{shown}'{why}.", meant)


def _in_other_capitals(store: Store, name: str) -> str | None:
    """An external reference that is this name written as people write names; looked up by its index."""
    written = {name.upper(), name.lower(), name.capitalize(), name.title()} - {name}
    found = lookups.find_external(store, sorted(written), lock=False) if written and is_storable(name) else {}
    return next(iter(found), None)


def free_reference(store: Store) -> str:
    """A reference that no case has."""
    while store.find(reference=(reference := new_reference()), external=None):
        pass
    return reference


def known_trigger(definition: Definition, trigger: str | None) -> None:
    """Raises UsageError: the table has no such trigger."""
    if trigger is not None:
        check_known("trigger", trigger, definition.triggers)


def known_state(definition: Definition, case: Case) -> None:
    """Raises HistoryBroken: the row of the case names a state that there is not."""
    if case.state not in definition.by_name:
        raise HistoryBroken(
            f"{case.reference} is '{case.state}', a state that version {definition.version} of '{definition.name}' "
            f"does not have: another version put it there, or somebody altered it. To see which, run: "
            f"schakel audit verify {quote(str(case.reference))}"
        )


def known_codes(definition: Definition, codes: object) -> frozenset[str]:
    """The codes, if problems have them. Raises UsageError."""
    if isinstance(codes, str) or not isinstance(codes, Iterable):
        raise UsageError(f"accept must be codes of warnings, not {type(codes).__name__}.")
    wanted = frozenset(codes)
    for code in sorted(wanted):
        check_known("problem code", code, definition.domain.codes)
    return wanted
