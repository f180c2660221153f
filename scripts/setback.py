"""Whether the machine's clock was set back while this program runs: who waits for a moment of it would wait on."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

from workflow.clock import Clock

_LEAST = 2.0
"""Seconds: less is how clocks are kept right."""


class Setback:
    """Compares the clock with one that nobody sets."""

    def __init__(self, clock: Clock, steady: Callable[[], float] = monotonic) -> None:
        self._clock, self._steady = clock, steady
        self._apart = self._now_apart()

    def seconds(self) -> float:
        """By how much the clock was set back since the last look; 0: it was not. Set ahead counts for nothing."""
        before, self._apart = self._apart, self._now_apart()
        gone = before - self._apart
        return gone if gone >= _LEAST else 0.0

    def _now_apart(self) -> float:
        return self._clock.now().timestamp() - self._steady()
