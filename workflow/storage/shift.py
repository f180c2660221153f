"""Who is at work: the heartbeat of each worker, the slots of the day that were served, and turns."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import insert, select, update

from workflow.errors import StillAtWork
from workflow.storage.store import Store
from workflow.storage.tables import slots, workers

_TURN = 5_230_418
"""Number of the advisory lock that is held by whoever has the turn."""
_TICK = "tick on "
BEATS = 30
"""Seconds between two heartbeats of a worker, or of a pass that takes longer."""
_SILENT = timedelta(minutes=5)
"""Who was not seen for this long is gone."""
ALL = select(workers).order_by(workers.c.seen_at.desc())
"""The row of every worker there ever was, last seen first."""


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """A worker and when it was last seen; `stopped_at` is set when it stopped by itself."""

    name: str
    started_at: datetime
    seen_at: datetime
    stopped_at: datetime | None

    def is_alive(self, now: datetime) -> bool:
        """Whether it beats; a clock that was set back is no sign of life."""
        return self.stopped_at is None and abs(now - self.seen_at) <= _SILENT

    @property
    def is_tick(self) -> bool:
        """Whether this is no worker that goes on, but a pass that stops by itself and comes again."""
        return self.name.startswith(_TICK)


def begin(store: Store, name: str, now: datetime) -> None:
    """Note that a worker started."""
    _begin(store, name, name, now)


def begin_tick(store: Store, program: str, now: datetime) -> str:
    """Note that a pass started that stops by itself, by the name of its program; under which name.

    It takes the row of one that ended: there are as many as ever were at work at once.
    """
    name = _TICK + program
    ticks = [beat for beat in heartbeats(store) if beat.is_tick]
    own = [beat.name for beat in ticks if beat.name == name]
    ended = [beat.name for beat in reversed(ticks) if not beat.is_alive(now)]
    _begin(store, name, [*own, *ended, name][0], now)
    return name


def _begin(store: Store, name: str, known_as: str, now: datetime) -> None:
    row = {"name": name, "started_at": now, "seen_at": now, "stopped_at": None}
    if not store.change(update(workers).where(workers.c.name == known_as).values(**row), workers.c.name):
        store.change(insert(workers).values(**row))


def beat(store: Store, name: str, now: datetime, *, stopped: bool = False) -> None:
    """Note that a worker is alive, or that it stopped."""
    ended = now if stopped else None
    store.change(update(workers).where(workers.c.name == name).values(seen_at=now, stopped_at=ended))


def heartbeats(store: Store) -> list[Heartbeat]:
    """Every worker there ever was, last seen first."""
    return [Heartbeat(**row) for row in store.read(ALL)]


def refuse_at_work(beats: Iterable[Heartbeat], now: datetime, unless: str) -> None:
    """Raises StillAtWork: one of these is seen to work; `unless`: when it may yet be gone."""
    for beat in beats:
        if beat.is_alive(now):
            who = f"The {beat.name}" if beat.is_tick else f"The worker {beat.name}"
            raise StillAtWork(
                f"{who} was seen less than five minutes ago. Stop it first; {unless}, try again in five minutes."
            )


def take_slot(store: Store, name: str, day: date, now: datetime) -> bool:
    """Take what is done once a day; False: somebody did it already.

    PostgreSQL: a second taker waits for the first and then fails with a Conflict, which means the same.
    """
    taken = select(slots.c.name).where(slots.c.name == name, slots.c.day == day.isoformat())
    if any(True for _ in store.read(taken)):
        return False
    store.change(insert(slots).values(name=name, day=day.isoformat(), served_at=now))
    return True


def hold_slot(store: Store, name: str, day: date, now: datetime, until: datetime) -> bool:
    """Take what goes on for a while, until a moment; False: somebody else holds it, or it is done.

    PostgreSQL: a second taker may fail with a Conflict, which means the same.
    """
    row = slots.c.name == name, slots.c.day == day.isoformat()
    if store.change(update(slots).where(*row, slots.c.served_at <= now).values(served_at=until), slots.c.name):
        return True
    if any(True for _ in store.read(select(slots.c.name).where(*row))):
        return False
    store.change(insert(slots).values(name=name, day=day.isoformat(), served_at=until))
    return True


def keep_slot(store: Store, name: str, day: date, until: datetime) -> None:
    """Move the moment until which a slot is held: later to keep it, to the past to give it back."""
    row = slots.c.name == name, slots.c.day == day.isoformat()
    store.change(update(slots).where(*row).values(served_at=until))


def served(store: Store, day: date) -> frozenset[str]:
    """The names of the slots of a day that were taken."""
    query = select(slots.c.name).where(slots.c.day == day.isoformat())
    return frozenset(row["name"] for row in store.read(query))


def try_turn(store: Store) -> bool:
    """As `take_turn`, but without waiting; False: somebody else has the turn."""
    return store.is_sqlite or bool(store.execute(f"SELECT pg_try_advisory_xact_lock({_TURN})").fetchone()[0])


def take_turn(store: Store) -> None:
    """Wait until nobody else writes a letter about several cases, or erases from one; held until the transaction ends.

    On SQLite the one write lock does that already.
    """
    if not store.is_sqlite:
        store.execute(f"SELECT pg_advisory_xact_lock({_TURN})")
