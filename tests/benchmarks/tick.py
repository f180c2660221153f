"""A tick as a database grows, with much, little or nothing due: every kind of work finds its own through an index."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from scripts.passes import Passes
from scripts.wiring import Session
from states import EMPLOYER_COUPLING
from tests.benchmarks import employers
from tests.benchmarks.databases import Place
from tests.benchmarks.rounds import Line, cost, take_turns
from tests.support.examples import facts
from workflow import Engine, open_database
from workflow.answers import Row
from workflow.calendar import WorkingDays, at_reminder_hour
from workflow.clock import SetClock

AIM = "≤ 1.5"
MORNING = datetime(2026, 6, 1, 10, 0, tzinfo=UTC)
"""When the cases of the ticks are confirmed: a Monday."""
LATER = datetime(2027, 6, 1, 10, 0, tzinfo=UTC)
"""When the others are opened, so that none of theirs falls due meanwhile."""
_FURTHER = ("enrich", "hand_over", "confirm")
"""The moves that an import leaves to be made."""
_CHECK_AFTER = 5
"""Working days between a first exchange and the one reminder that a confirmed case has."""
_DAYS = WorkingDays()


@dataclass
class Ticks:
    """What `schakel tick` does, on one database: each time on a morning on which `due` cases have something due."""

    url: str
    due: int
    morning: int = 0

    def __post_init__(self) -> None:
        self._folder = TemporaryDirectory(prefix="schakel-bench-tick-")
        settings = Path(self._folder.name) / "schakel.toml"
        settings.touch()
        self._clock = SetClock(MORNING)
        environ = {
            "SCHAKEL_SETTINGS": str(settings),
            "SCHAKEL_SIGNING_KEY": str(Path(self._folder.name) / "signing.key"),
            "SCHAKEL_DATABASE_URL": self.url,
            "SCHAKEL_MAIL_OPERATIONS": "beheer@example.org",
            "SCHAKEL_ACTOR": "bench",
        }
        self._session = Session(environ, clock=self._clock)
        self._passes = Passes(self._session)
        self._passes.run_once()  # the leaves of all that was there

    def tick(self) -> int:
        """The next morning's: one reminder a case, one letter that lists them."""
        self._clock.moment = at_reminder_hour(_DAYS.add(_exchange(self.morning), _CHECK_AFTER)) + timedelta(
            hours=8
        )  # after the overview, once a day
        self.morning += 1
        done = self._passes.run_once()
        assert done.fired.reminders == self.due, done
        return 1

    def idle(self) -> int:
        """Five right after another one, when nothing is due any more."""
        for _ in range(5):
            assert self._passes.run_once().fired.reminders == 0
        return 5

    def close(self) -> None:
        """Close the database."""
        self._session.close()
        self._folder.cleanup()


def run(place: Place, *, rounds: int = 9, due: int = 100, cases: int = 100_000) -> list[Line]:
    """A tick with `due` cases due beside few others and among `cases`, then with nothing due, then with 10 × `due`."""
    mornings, some = rounds + 1, max(1, rounds // 3)
    few = _confirmed(place, mornings, due)
    beside, among = Ticks(place.copy(few), due), Ticks(_among(place, few, cases, mornings * due), due)
    ticks = take_turns({"beside": beside.tick, "among": among.tick}, rounds)
    nothing = take_turns({"beside": beside.idle, "among": among.idle}, rounds)
    less, more = Ticks(place.copy(few), due), Ticks(_confirmed(place, some + 1, 10 * due), 10 * due)
    tenfold = take_turns({"less": less.tick, "more": more.tick}, some)
    for one in (beside, among, less, more):
        one.close()
    small, large = f"of {mornings * due:,}", f"of {cases:,} cases"
    return [
        cost(ticks, "among", "beside", aim=AIM, what=f"{due} due {large}", against=f"{due} {small}"),
        cost(nothing, "among", "beside", aim=AIM, what=f"nothing due {large}", against=f"nothing {small}"),
        cost(ticks | {"idle": nothing["among"]}, "idle", "among", what=f"nothing due {large}", against=f"{due} due"),
        cost(tenfold, "more", "less", aim="≤ 15", what=f"{10 * due:,} due", against=f"{due} due"),
    ]


def _exchange(morning: int) -> date:
    """The first exchange of the cases whose reminder falls due that morning."""
    return _DAYS.add(MORNING.date(), 1 + morning)


def _confirmed(place: Place, mornings: int, due: int) -> str:
    """A database in which so many confirmed cases have their one reminder on each of so many mornings."""
    url = place.create()
    engine = Engine(open_database(url), EMPLOYER_COUPLING, clock=SetClock(MORNING))
    rows = (_row(number, _exchange(number // due)) for number in range(mornings * due))
    for result in engine.import_rows(rows, advance=True, letters=False):
        for trigger in _FURTHER:
            engine.advance(str(result.case), trigger, letters=False)
    engine.database.dispose()
    return url


def _row(number: int, first_exchange: date) -> Row:
    """An employer of whom everything is known."""
    more = facts("policy", "handover", "realisation")
    more["handover"]["contacted_on"] = more["realisation"]["realised_on"] = MORNING.date().isoformat()
    more["realisation"]["first_exchange_date"] = first_exchange.isoformat()
    return Row(number + 1, employers.reference(number), {**employers.facts(number), **more})


def _among(place: Place, url: str, cases: int, there: int) -> str:
    """A copy with more cases, until there are so many; their invitations were sent long ago."""
    copied = place.copy(url)
    engine = Engine(open_database(copied), EMPLOYER_COUPLING, clock=SetClock(LATER))
    for result in engine.import_rows(employers.rows(there, cases - there)):
        assert result.result == "accept", result
    with engine.database.writing() as store:
        store.execute("UPDATE outbox SET state = 'sent', finished_at = created_at")
        if not store.is_sqlite:
            store.execute("ANALYZE")
    engine.database.dispose()
    return copied
