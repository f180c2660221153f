"""An event loop whose clock stands still while there is work, and jumps to the next thing that is due."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _Impatient(selectors.DefaultSelector):
    """Looks what is ready, and never waits: the loop's clock moves instead."""

    loop: VirtualLoop

    def select(self, timeout: float | None = None) -> list[Any]:
        ready = super().select(0)
        if not ready and timeout is not None and timeout > 0:
            self.loop.moment += max(timeout, 1e-6)  # less might not move it at all
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop on a clock of its own, in seconds from 0; for code that waits for nothing outside."""

    def __init__(self) -> None:
        self.moment = 0.0
        selector = _Impatient()
        selector.loop = self
        super().__init__(selector)

    def time(self) -> float:
        return self.moment


def run_virtually(main: Coroutine[Any, Any, T]) -> T:
    """Run to the end, however long it sleeps."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)
