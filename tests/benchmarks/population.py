"""A made-up population: whole lives of cases over five years, by a seed, written by the batch path; with its leaves.

python -P -m tests.benchmarks.population DATABASE_URL --cases 1000000 --seed 1
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from time import monotonic
from typing import Any

from states import EMPLOYER_COUPLING
from tests.benchmarks import employers
from tests.support.examples import facts
from workflow import Engine, Origin, commands, open_database
from workflow.calendar import WorkingDays, at_reminder_hour
from workflow.clock import SetClock
from workflow.commands import Parsed
from workflow.ledger import sequencer
from workflow.reference import ALPHABET, with_check
from workflow.reminders import fire_due
from workflow.storage.upgrade import upgrade
from workflow.work import Work

NOW = datetime(2026, 10, 1, 13, 0, tzinfo=UTC)
"""The moment up to which the population has lived: a Thursday afternoon on which nothing is due any more."""
YEARS = timedelta(days=5 * 365)
BATCH = 200
"""Cases written in one transaction."""
ORIGIN = Origin("bench", "bench-os", "import")
_LIVE = 0.1
"""The part of all cases that has not ended; they came into their state this morning."""
_WITHDRAWN = 0.05
_NOTED = 0.5
"""The part of those that ended with a note in their history."""
_STEPS = (("register", ()), ("enrich", ("policy",)), ("hand_over", ("handover",)), ("confirm", ("realisation",)))
_SCATTER = 0x3C6EF372F
"""Odd, so that multiplying by it maps 35 bits onto themselves."""
_DAYS = WorkingDays()
_MORNING = NOW.replace(hour=8)


def fill(url: str, cases: int, *, seed: int = 1, analyse: bool = True, say: bool = False) -> None:
    """Fill a database up to `cases` cases, about six events each, and their leaves; nothing is signed yet.

    It goes on where it was stopped: what a case lives through depends on the seed and its number only.
    """
    engine = Engine(open_database(url), EMPLOYER_COUPLING, clock=SetClock(NOW), origin=ORIGIN)
    with engine.database.reading() as store:
        (there,) = store.execute("SELECT count(*) FROM cases").fetchone()
    done, begun = int(there), monotonic()
    lives = _lives(engine, range(done, cases), seed)
    while batch := list(islice(lives, BATCH)):
        with engine.database.writing() as store:
            store.new_case_ids(len(batch))
            store.write(batch)
            store.execute("UPDATE outbox SET state = 'sent', finished_at = created_at WHERE state = 'pending'")
        done += len(batch)
        if say and done % 10_000 < BATCH:
            sys.stderr.write(f"\r{done:,} of {cases:,} cases, {(done - there) / (monotonic() - begun):,.0f} a second ")
    sequencer.run_once(engine.database, None, NOW)
    if analyse:
        with engine.database.writing() as store:
            store.execute("ANALYZE")
    engine.database.dispose()


def reference_of(number: int) -> str:
    """The reference of the case with this number; scattered as random ones are, and no two alike."""
    place = number * _SCATTER % len(ALPHABET) ** 7
    return with_check("".join(ALPHABET[place >> shift & 31] for shift in range(0, 35, 5)))


def _lives(engine: Engine, numbers: range, seed: int) -> Iterator[Work]:
    known = {sheet: engine.definition.domain.parse(sheet, fields) for sheet, fields in facts().items()}
    for number in numbers:
        chance = random.Random(f"{seed} {number}")
        born = NOW - YEARS + (YEARS - timedelta(days=60)) * (number / numbers.stop)
        work = Work(engine.rules, ORIGIN, born, number + 1, None)
        fate = chance.random()
        if fate < _LIVE:
            _live(work, number, known, chance.randrange(len(_STEPS)))
        else:
            _end(work, number, known, chance, withdraws=fate < _LIVE + _WITHDRAWN)
        yield work


def _open(work: Work, number: int, known: Parsed) -> None:
    commands.open_case(
        work, reference_of(number + 1), _employer(number, known), employers.reference(number), letters=False
    )


def _live(work: Work, number: int, known: Parsed, steps: int) -> None:
    """Opened long ago, and this morning a step further."""
    _open(work, number, known)
    commands.note(work, "Gebeld: komt eraan.")
    work.now = _MORNING
    for trigger, sheets in _STEPS[:steps]:
        commands.advance(work, trigger, facts={sheet: known[sheet] for sheet in sheets}, letters=False)
    if not steps:  # back where it was, so that its clock began this morning too
        commands.advance(work, "register", facts={}, letters=False)
        commands.advance(work, "return_to_applicant", facts={}, reason="Nog niet volledig.", letters=False)


def _end(work: Work, number: int, known: Parsed, chance: random.Random, *, withdraws: bool) -> None:
    _open(work, number, known)
    for trigger, sheets in _STEPS[: 1 if withdraws else 4]:
        work.now += timedelta(days=chance.randrange(1, 6), minutes=chance.randrange(500))
        step = {sheet: known[sheet] for sheet in sheets}
        if trigger == "confirm":
            exchange = _DAYS.add(work.now.date(), 5)
            step = {"realisation": _realised(work.now.date(), exchange)}
        commands.advance(work, trigger, facts=step, letters=False)
    if chance.random() < _NOTED:
        commands.note(work, "Gebeld: akkoord.")
    if withdraws:
        commands.advance(work, "withdraw", facts={}, reason="Gaat toch niet door.", letters=False)
        return
    work.now = at_reminder_hour(_DAYS.add(exchange, 5))
    fire_due(work)


def _realised(realised: date, exchange: date) -> dict[str, Any]:
    return {"realised_on": realised.isoformat(), "first_exchange_date": exchange.isoformat()}


def _employer(number: int, known: Parsed) -> Parsed:
    """What `employers.facts` says of an employer, from sheets whose types were checked once."""
    own = employers.own_facts(number)
    return {sheet: known[sheet] | own[sheet] for sheet in own}


def main() -> None:
    """Make the population in a database that is made when it is not there."""
    parser = argparse.ArgumentParser(prog="python -P -m tests.benchmarks.population", description=__doc__)
    parser.add_argument("url", metavar="DATABASE_URL")
    parser.add_argument("--cases", type=int, default=1_000_000, metavar="N")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    upgrade(asked.url)
    fill(asked.url, asked.cases, seed=asked.seed, say=True)


if __name__ == "__main__":
    main()
