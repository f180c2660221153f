"""Many cases at once: one that is slow or fails holds up no other, and a service that is down is left alone."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from enum import StrEnum
from typing import Generic, TypeVar

from loket.errors import LoketError, NoAnswer, NotAdmitted, NotUsable
from workflow.errors import SchakelError, StoreError

T = TypeVar("T")

HANDS = 8
"""Cases that are checked at the same time; the throttle is theirs together."""
MOST_CALLS = 25
"""Calls that a case may need, pages and second tries included; more take too long."""
_GRACE = 60.0
_WATCH_EVERY = 0.5


class Ending(StrEnum):
    """How a run over cases ended."""

    FINISHED = "finished"
    STOPPED = "stopped"
    """No more was to be taken; what is left is for another time."""
    OUTAGE = "outage"
    """The service does not work for any case now."""


class Hands(Generic[T]):
    """Checks cases and settles each: with its answer, or with the error that is its own and nobody else's."""

    def __init__(
        self,
        check: Callable[[str], Awaitable[T]],
        settle: Callable[[str, T | SchakelError], None],
        probe: Callable[[], Awaitable[object]],
        *,
        calls_per_minute: int,
        takes: Callable[[], bool] = lambda: True,
        is_stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        """`probe` asks something of no case in particular; `takes` says whether another case may be begun.

        When `is_stopped` those in hand are dropped as well.
        """
        self._check, self._settle, self._probe = check, settle, probe
        self._takes, self._is_stopped = takes, is_stopped
        self._deadline = _GRACE + MOST_CALLS * HANDS * 60 / calls_per_minute
        self._queue: deque[str] = deque()
        self._suspects: list[tuple[str, LoketError]] = []
        self._one_at_a_time = asyncio.Lock()
        self.fault: SchakelError | None = None
        """What made it an outage."""

    async def work_off(self, references: Iterable[str]) -> Ending:
        """Check these cases, in order, several at a time."""
        self._queue = deque(references)
        async with asyncio.TaskGroup() as group:
            hands = [group.create_task(self._work()) for _ in range(min(HANDS, len(self._queue)))]
            group.create_task(self._watch(hands))
        if self.fault is None and not self._is_stopped():
            await self._judge_suspects()
        if self.fault is not None:
            return Ending.OUTAGE
        return Ending.STOPPED if self._queue or self._is_stopped() else Ending.FINISHED

    async def _work(self) -> None:
        while self._queue and self.fault is None and self._takes() and not self._is_stopped():
            reference = self._queue.popleft()
            try:
                async with asyncio.timeout(self._deadline):
                    answer = await self._check(reference)
            except (NotAdmitted, NotUsable, StoreError) as error:  # true of every case
                self.fault = error
            except LoketError as error:
                await self._suspect(reference, error)
            except TimeoutError:
                await self._suspect(reference, NoAnswer("Loket.nl took too long over this case. Try again later."))
            except SchakelError as error:
                self._settle(reference, error)
            else:
                self._settle_suspects()
                self._settle(reference, answer)

    async def _suspect(self, reference: str, error: LoketError) -> None:
        """A case failed: its own fault when another one succeeds; when none does, the service is asked."""
        self._suspects.append((reference, error))
        async with self._one_at_a_time:
            if len(self._suspects) >= HANDS and self.fault is None:
                await self._judge_suspects()

    async def _judge_suspects(self) -> None:
        """Let the cases bear what failed when the service works, and the service when it does not."""
        if not self._suspects:
            return
        try:
            await self._probe()
        except SchakelError as error:
            self.fault = error
        else:
            self._settle_suspects()

    def _settle_suspects(self) -> None:
        for reference, error in self._suspects:
            self._settle(reference, error)
        self._suspects = []

    async def _watch(self, hands: list[asyncio.Task[None]]) -> None:
        while not all(hand.done() for hand in hands):
            await asyncio.wait(hands, timeout=_WATCH_EVERY)
            if self._is_stopped():
                for hand in hands:
                    hand.cancel()
