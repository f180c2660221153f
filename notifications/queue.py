"""The letters of a batch, taken one by one by several connections; letters of one case by one at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import TypeAlias

from workflow.storage.letters import OutboxRow

Queued: TypeAlias = tuple[OutboxRow, list[int]]
"""A letter, and the cases it is about."""


class Queue:
    """What is still to be sent, for one event loop; `may_go_on` says whether letters may still be taken."""

    def __init__(self, letters: Iterable[Queued], may_go_on: Callable[[], bool]) -> None:
        self._letters = list(letters)
        self._may_go_on = may_go_on
        self._in_hand: set[int] = set()
        self._was_put_down = asyncio.Event()

    def __bool__(self) -> bool:
        """Whether there is a letter to be taken, now or in a moment."""
        return bool(self._letters) and self._may_go_on()

    def take(self) -> Queued | None:
        """The first letter of which nobody has a case in hand; None: there is none at this moment."""
        for place, (_, cases) in enumerate(self._letters):
            if self._in_hand.isdisjoint(cases):
                self._in_hand.update(cases)
                return self._letters.pop(place)
        return None

    async def rest(self) -> None:
        """Wait until somebody puts a letter down: when there are letters, but none of them can be taken yet."""
        self._was_put_down.clear()
        await self._was_put_down.wait()

    def put_back(self, letter: Queued) -> None:
        """Let somebody else take a letter, before all others; its cases are still to be put down."""
        self._letters.insert(0, letter)

    def put_down(self, cases: Iterable[int]) -> None:
        """Give back the cases of a letter that was taken."""
        self._in_hand.difference_update(cases)
        self._was_put_down.set()
