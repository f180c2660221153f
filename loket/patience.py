"""How we treat a service: at most so many calls a minute, and again after a fault, ever later."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from loket.errors import NoAnswer
from loket.wire import Reply, Unheard

TOO_MANY = 429
_AGAIN = frozenset({408, TOO_MANY})
"""The answers below 500 after which asking again may help."""
_MINUTE = 60.0
_BURST = 10
"""Calls that may follow each other at once: one case has about as many."""
_LONGEST_WAIT = 120.0
"""Seconds; a service that wants us to wait longer is left alone."""


@dataclass(frozen=True, slots=True)
class Manners:
    """What we allow ourselves and a service. Times in seconds."""

    calls_per_minute: int = 120
    attempts: int = 4
    first_pause: float = 1.0
    """Before the second attempt; each pause is twice the one before, and up to half as much again by chance."""
    timeout: float = 30.0
    transport: Any = None
    """Another way to the service than the network: an application in this process."""


class Throttle:
    """Lets no minute see more than so many calls, whoever makes them, and spreads them evenly but for short bursts."""

    def __init__(self, calls_per_minute: int) -> None:
        self._burst = min(_BURST, calls_per_minute)
        self._burst_takes = self._burst * _MINUTE / calls_per_minute
        self._given: deque[float] = deque(maxlen=calls_per_minute)
        """When the last turns were given, a minute's worth."""
        self._one_at_a_time = asyncio.Lock()

    async def turn(self) -> None:
        """Wait for the next turn; turns are given in the order they were asked for."""
        async with self._one_at_a_time:
            now = asyncio.get_running_loop().time
            while (wait := self._next() - now()) > 0:
                await asyncio.sleep(wait)
            self._given.append(now())

    def _next(self) -> float:
        """The moment of the next turn: when the last burst has had its time, and the last full minute too."""
        moments = [float("-inf")]
        if len(self._given) >= self._burst:
            moments.append(self._given[-self._burst] + self._burst_takes)
        if len(self._given) == self._given.maxlen:
            moments.append(self._given[0] + _MINUTE)
        return max(moments)


class Patience:
    """Asks again when an answer is missing or says that the service is at fault."""

    def __init__(self, manners: Manners) -> None:
        self._manners = manners
        self._throttle = Throttle(manners.calls_per_minute)

    async def ask(self, exchange: Callable[[], Awaitable[Reply]]) -> Reply:
        """The first answer that asking again would not better. Raises NoAnswer; Misread as the wire does."""
        why, wait = "", 0.0
        for attempt in range(self._manners.attempts):
            if attempt:
                await asyncio.sleep(self._pause(attempt, wait))
            await self._throttle.turn()
            try:
                reply = await exchange()
            except Unheard as error:
                why, wait = str(error), 0.0
                continue
            if reply.status < 500 and reply.status not in _AGAIN:
                return reply
            why, wait = _fault(reply.status), reply.retry_after
            if wait > _LONGEST_WAIT:
                raise NoAnswer(f"Loket.nl asks us to come back later ({reply.status}): try again in an hour.")
        raise NoAnswer(f"Loket.nl does not answer: {why}, {self._manners.attempts} times. Try again later.")

    def _pause(self, attempt: int, asked_for: float) -> float:
        pause: float = self._manners.first_pause * 2 ** (attempt - 1)
        return max(pause * (1 + random.random() / 2), asked_for)


def _fault(status: int) -> str:
    return "too many calls (429)" if status == TOO_MANY else f"a fault on their side ({status})"
