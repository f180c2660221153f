"""The morning's round of Loket.nl, wired: which cases it is about, and how each is checked."""

from __future__ import annotations

from functools import partial

from loket.poll import Poll
from scripts.loket_check import checker, manners_of
from scripts.wiring import Session
from states.observing import can_ask, seen_on
from workflow.answers import Case


def poll_of(session: Session) -> Poll:
    """The rounds by the settings."""
    engine = session.engine
    return Poll(
        engine.database,
        session.calendar,
        engine.clock,
        partial(checker, session),
        wants,
        calls_per_minute=manners_of(session).calls_per_minute,
    )


def wants(case: Case, day: str) -> bool:
    """Whether a case has something to ask, and was not checked on this day yet."""
    return can_ask(case.facts) and seen_on(case.facts) != day
