"""Shows people how far a long run is: a bar on standard error, on a terminal only."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from scripts.wiring import Session


@contextmanager
def progress(words: str, total: int, session: Session, *, scrolls: bool = False) -> Iterator[Callable[[], None]]:
    """A bar that goes when the run ends; yields the function that takes one step of `total`.

    Nothing is shown without a terminal, nor where results scroll by on it (`scrolls`), which say enough themselves.
    """
    error, out = sys.stderr, sys.stdout
    if not error.isatty() or (scrolls and out.isatty()) or session.environ.get("TERM") == "dumb":
        yield _do_nothing
        return
    from rich.console import Console
    from rich.progress import Progress

    # lines that go to the same terminal are printed above the bar, others are left to go where they go
    with Progress(console=Console(stderr=True), transient=True, redirect_stdout=out.isatty()) as bar:
        yield partial(bar.advance, bar.add_task(words, total=total), 1)


def _do_nothing() -> None:
    """What a step is where there is no bar."""
