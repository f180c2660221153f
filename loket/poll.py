"""The morning's round: every case that has something to ask is checked once, by one worker at a time.

What is done is marked by the check itself, on its case; a case that failed of its own is passed by for the day. So a
round that is interrupted goes on where it was, here or in another worker.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Protocol

from loket.errors import LoketError
from loket.hands import Ending, Hands
from workflow.answers import Case
from workflow.arguments import ClockInUtc
from workflow.calendar import WorkingDays
from workflow.clock import AMSTERDAM, Clock, local_day
from workflow.errors import Conflict, HistoryBroken, SchakelError
from workflow.history import readable
from workflow.storage import Database
from workflow.storage.listing import live_pages
from workflow.storage.shift import hold_slot, keep_slot, served, take_slot
from workflow.storage.store import Store, Unread

SLOT, _FAILED = "loket", "loket "
"""The slot of a day's round, and what stands before a case in the slot that says that it failed."""
BEGINS, ENDS = time(6), time(12)
"""Hours of a working day, Amsterdam: done before the overview at 08:00 and the reminders at 09:00."""
LEASE = timedelta(minutes=5)
"""How long a round that gave no sign of life is still somebody's."""
_SIGN_OF_LIFE = 60.0
AFTER_OUTAGE = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Polled:
    """What a round did so far as it came; `fault` says why it broke off."""

    checked: int = 0
    failed: int = 0
    fault: str | None = None

    def __bool__(self) -> bool:
        """Whether anything came of it."""
        return bool(self.checked or self.failed or self.fault)


class Checking(Protocol):
    """Whatever checks a case; open as long as its context is."""

    async def check(self, reference: str) -> object:
        """Check one case and record it. Raises SchakelError."""

    async def probe(self) -> object:
        """Ask something that is about no case. Raises SchakelError: it does not work for any."""


class Poll:
    """The rounds of one worker."""

    def __init__(
        self,
        database: Database,
        calendar: WorkingDays,
        clock: Clock,
        connect: Callable[[], AbstractAsyncContextManager[Checking]],
        wants: Callable[[Case, str], bool],
        *,
        calls_per_minute: int,
    ) -> None:
        """`wants` says whether a case is to be checked on this day (ISO), which it no longer is once it was."""
        self._database, self._calendar, self._clock = database, calendar, ClockInUtc(clock)
        self._connect, self._wants, self._calls_per_minute = connect, wants, calls_per_minute
        self._stopped = False

    def stop(self) -> None:
        """Drop what is in hand, of which nothing is recorded yet, and take no more."""
        self._stopped = True

    def run_once(self, budget: float | None = None) -> Polled:
        """Go on with this morning's round; no case is begun after `budget` seconds (None: until it is done)."""
        return asyncio.run(self.round(budget)) if self._is_time(self._clock.now()) else Polled()

    async def round(self, budget: float | None = None) -> Polled:
        """The same, inside an event loop and at any hour."""
        now = self._clock.now()
        waiting = self._take(now)
        if waiting is None:
            return Polled()
        until = now
        try:
            ending, polled = await self._work_off(waiting, now, budget)
            if ending is Ending.OUTAGE:
                until = self._clock.now() + AFTER_OUTAGE
            elif ending is Ending.FINISHED:
                until = now + timedelta(days=1)
        finally:
            with self._database.writing() as store:
                keep_slot(store, SLOT, local_day(now), until)
        return polled

    def _is_time(self, now: datetime) -> bool:
        local = now.astimezone(AMSTERDAM)
        return self._calendar.is_working_day(local.date()) and BEGINS <= local.time() < ENDS

    def _take(self, now: datetime) -> list[str] | None:
        """The cases that are to be checked, in order; None: the round is somebody else's, or done."""
        try:
            with self._database.writing() as store:
                if not hold_slot(store, SLOT, local_day(now), now, now + LEASE):
                    return None
        except Conflict:  # somebody else took it at the same moment
            return None
        with self._database.reading() as store:
            return self._waiting(store, now)

    def _waiting(self, store: Store, now: datetime) -> list[str]:
        day = local_day(now)
        failed = failed_on(store, day)
        return [
            found.reference
            for page in live_pages(store)
            for found in page
            if found.reference not in failed and self._is_wanted(found, day)
        ]

    def _is_wanted(self, found: Unread, day: date) -> bool:
        """Whether a case is to be checked; one that cannot be read is, for its check tells that and nobody else's."""
        try:
            with readable(found.reference):
                return self._wants(found.read(), day.isoformat())
        except HistoryBroken:
            return True

    async def _work_off(self, waiting: list[str], now: datetime, budget: float | None) -> tuple[Ending, Polled]:
        done: list[bool] = []

        def settle(reference: str, answer: object) -> None:
            done.append(not isinstance(answer, SchakelError))
            if isinstance(answer, LoketError | HistoryBroken):
                with self._database.writing() as store:
                    take_slot(store, _FAILED + reference, local_day(now), self._clock.now())

        loop = asyncio.get_running_loop()
        began = loop.time()
        async with self._connect() as checking, _signs_of_life(self._sign, _SIGN_OF_LIFE):
            hands: Hands[object] = Hands(
                checking.check,
                settle,
                checking.probe,
                calls_per_minute=self._calls_per_minute,
                takes=lambda: self._is_time(self._clock.now()) and (budget is None or loop.time() - began < budget),
                is_stopped=lambda: self._stopped,
            )
            ending = await hands.work_off(waiting)
        return ending, Polled(done.count(True), done.count(False), str(hands.fault) if hands.fault else None)

    def _sign(self) -> None:
        now = self._clock.now()
        with self._database.writing() as store:
            keep_slot(store, SLOT, local_day(now), now + LEASE)


@asynccontextmanager
async def _signs_of_life(sign: Callable[[], None], every: float) -> AsyncIterator[None]:
    """Give a sign of life every so many seconds until the block ends."""

    async def go_on() -> None:
        while True:
            await asyncio.sleep(every)
            sign()

    task = asyncio.create_task(go_on())
    try:
        yield
    finally:
        task.cancel()


def failed_on(store: Store, day: date) -> frozenset[str]:
    """The cases that a round passed by on this day, for they could not be checked."""
    return frozenset(name.removeprefix(_FAILED) for name in served(store, day) if name.startswith(_FAILED))
