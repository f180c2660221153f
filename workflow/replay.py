"""A case as its history says it was at any moment, step by step, with a verdict on each move when one is asked for."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from itertools import chain

from workflow.answers import Case, Replayed, RulesOf, Ruling
from workflow.arguments import check_whole, in_utc
from workflow.clock import AMSTERDAM
from workflow.errors import UsageError
from workflow.events import Event
from workflow.finding import find_case, unless_altered
from workflow.history import Values, is_same
from workflow.ledger.intact import is_intact
from workflow.ledger.rulebook import Rulebook
from workflow.storage.evidence import Evidence
from workflow.storage.store import Store
from workflow.verdicts import rulings_now, rulings_then
from workflow.views import steps_of
from workflow.work import Rules


def replay(
    store: Store, rules: Rules, case: str, *, at: datetime | None, seq: int | None, by: RulesOf | None
) -> Replayed:
    """The case after event `seq`, or at a moment; without either at the end of its history.

    Raises NoSuchCase; UsageError: there was no such event yet, the case did not exist then, or what was given is of
    another kind; HistoryBroken.
    """
    if at is not None:
        in_utc("at", at)
    check_whole("seq", seq)
    asked = _rules_of(by)
    case_id, stored = find_case(store, case)
    rulebook = Rulebook(Evidence(store).definitions(), rules.definition)
    with unless_altered(rules.definition, store, case_id, stored):
        told = list(store.history(case_id))
        whole = rulebook.fold(told)
        part = [pair for pair in told if (seq is None or pair[0].seq <= seq) and (at is None or pair[0].at <= at)]
        _check_moment(stored, told, part, seq)
        rulings: Iterable[Ruling] = ()
        if asked is RulesOf.THEN:
            rulings = rulings_then(rulebook.forms, (event for event, _ in part))
        elif asked is RulesOf.NOW:
            rulings = rulings_now(rules, part)
        openings = list(chain.from_iterable(Evidence(store, case_id).openings()))  # to their end: a cursor closes there
        return Replayed(
            case=rulebook.fold(part),
            matches_stored=is_same(stored, whole),
            is_intact=is_intact([event for event, _ in told], openings),
            steps=tuple(steps_of(rules.definition, part, stored.facts)),
            rulings=tuple(rulings),
            known=stored.facts,
        )


def _rules_of(by: RulesOf | None) -> RulesOf | None:
    """Which rules were asked for, also by their word. Raises UsageError."""
    try:
        return None if by is None else RulesOf(by)
    except ValueError:
        raise UsageError(f"by must be one of {', '.join(RulesOf)}.") from None


def _check_moment(
    stored: Case, told: list[tuple[Event, Values]], part: list[tuple[Event, Values]], seq: int | None
) -> None:
    if seq is not None and not 1 <= seq <= told[-1][0].seq:
        raise UsageError(f"{stored.reference} has events 1 to {told[-1][0].seq}; there is no event {seq}.")
    if not part:
        opened = stored.opened_at.astimezone(AMSTERDAM)
        said = f"it was opened at {opened:%Y-%m-%d %H:%M:%S}, Amsterdam time"
        raise UsageError(f"{stored.reference} did not exist at that moment: {said}.")
