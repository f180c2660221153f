"""Commits what the connections want recorded, together: whatever waits goes into one transaction.

Each letter needs two commits (before DATA, and the outcome). Ten connections that each wait for their own would wait
for the disk most of the time; ten that share one do not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any, Generic, TypeVar

from workflow.clock import Clock
from workflow.errors import StoreError
from workflow.events import Origin
from workflow.storage import Database
from workflow.storage.store import Store
from workflow.work import Rules, Work

_HELD: Any = object()
"""In place of a result: one of the cases is in other hands, so the act was not run."""
_PAUSES = (0.005, 0.25)
"""Seconds, at first and at most, before a case that was in other hands, or the database, is tried again."""
_LASTS = 5.0
"""Seconds after the database first failed in which an act that must be done is tried again."""
T = TypeVar("T")
Act = Callable[[Store, Mapping[int, Work]], Callable[[], T]]
"""What to ask inside the transaction, given the cases it wants; what it returns reads the answer and acts on it.

So on PostgreSQL all acts of a transaction ask before the first waits for its answer.
"""


@dataclass
class _Entry(Generic[T]):
    cases: Sequence[int]
    act: Act[T]
    done: asyncio.Future[T]
    waits: bool
    until: float | None = None
    """When it is tried no more; None while the database has not failed."""


class Recorder:
    """Runs acts inside shared transactions; `submit` is for one event loop.

    Acts run in the order they were asked for, but for those whose cases somebody else holds: they run when these are
    free, or not at all, so that a command, or another worker, never keeps letters of other cases waiting.
    """

    def __init__(self, database: Database, rules: Rules, origin: Origin, clock: Clock) -> None:
        self._database = database
        self._rules = rules
        self._origin = origin
        self._clock = clock
        self._waiting: list[_Entry[Any]] = []
        self._running: asyncio.Task[None] | None = None

    def submit(self, act: Act[T], cases: Sequence[int] = ()) -> asyncio.Future[T]:
        """Run an act soon; done when it is committed. The cases it appends to are locked first, in one order."""
        return self._enter(_Entry(cases, act, asyncio.get_running_loop().create_future(), waits=True))

    def submit_if_free(self, act: Act[T], cases: Sequence[int]) -> asyncio.Future[T | None]:
        """As `submit`, but when somebody else holds one of the cases the act does not run; then the result is None."""
        return self._enter(_Entry(cases, act, asyncio.get_running_loop().create_future(), waits=False))

    def run_now(self, act: Act[T], cases: Sequence[int] = ()) -> T:
        """Run an act in a transaction of its own."""
        committed: list[T] = self._commit([(cases, act)], waits=True)
        return committed[0]

    def run_now_if_free(self, act: Act[T], cases: Sequence[int]) -> T | None:
        """The same, but when somebody else holds one of the cases the act does not run; then the result is None."""
        (result,) = self._commit([(cases, act)])
        return None if result is _HELD else result

    async def finish(self) -> None:
        """Wait until everything that was submitted is committed, or has failed."""
        if self._running is not None:
            await self._running

    def _enter(self, entry: _Entry[Any]) -> asyncio.Future[Any]:
        self._waiting.append(entry)
        if self._running is None:
            self._running = asyncio.create_task(self._drain())
        return entry.done

    async def _drain(self) -> None:
        pause, longest = _PAUSES
        try:
            while self._waiting:
                await self._let_others_join()
                entries, self._waiting = self._waiting, []
                try:
                    results = await asyncio.to_thread(self._commit, [(entry.cases, entry.act) for entry in entries])
                except Exception as error:  # noqa: BLE001  (handed to whoever waits for it)
                    put_off = await self._one_by_one(entries, error)
                else:
                    pairs = zip(entries, results, strict=True)
                    put_off = [entry for entry, result in pairs if not _tell(entry, result)]
                self._waiting += put_off
                if len(put_off) == len(entries):
                    await asyncio.sleep(pause)
                    pause = min(2 * pause, longest)
                else:
                    pause = _PAUSES[0]
        finally:
            self._running = None

    async def _let_others_join(self) -> None:
        """Wait as long as each round of the event loop brings another act."""
        known = 0
        while len(self._waiting) > known:
            known = len(self._waiting)
            await asyncio.sleep(0)

    async def _one_by_one(self, entries: Sequence[_Entry[Any]], error: Exception) -> list[_Entry[Any]]:
        """One act that fails must not take the others with it. Those to be tried again: an outcome must not be lost.

        That is safe also when it was committed after all: it names the state and the token that it expects.
        """
        again: list[_Entry[Any]] = []
        for entry in entries:
            try:
                if len(entries) == 1:
                    raise error
                acts = [(entry.cases, entry.act)]
                _tell(entry, (await asyncio.to_thread(self._commit, acts, waits=entry.waits))[0])
            except Exception as own:  # noqa: BLE001  (handed to whoever waits for it)
                if entry.waits and isinstance(own, StoreError) and _may_be_tried(entry):
                    again.append(entry)
                elif not entry.done.done():
                    entry.done.set_exception(own)
        return again

    def _commit(self, acts: Sequence[tuple[Sequence[int], Act[Any]]], *, waits: bool = False) -> list[Any]:
        with self._database.writing() as store:
            wanted = sorted({case_id for cases, _ in acts for case_id in cases})
            works = {
                case_id: Work(self._rules, self._origin, self._clock.now(), case_id, case)
                for case_id, case in store.cases_by_id(wanted, if_free=not waits)
            }
            asked = [act(store, works) if works.keys() >= set(cases) else None for cases, act in acts]
            results = [read() if read else _HELD for read in asked]
            store.write(list(works.values()))
        return results


def _may_be_tried(entry: _Entry[Any]) -> bool:
    """Whether an act that failed may be run again; counted from its first failure, which may itself take long."""
    now = monotonic()
    if entry.until is None:
        entry.until = now + _LASTS
    return now < entry.until


def _tell(entry: _Entry[Any], result: Any) -> bool:
    """Hand over a result, if there is one or will be none."""
    if result is _HELD and entry.waits:
        return False
    if not entry.done.done():  # whoever waited may have been cancelled meanwhile
        entry.done.set_result(None if result is _HELD else result)
    return True
