"""`schakel show` as a whole process, against one that only imports what no command can do without."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.benchmarks.databases import Place
from tests.benchmarks.moves import engine_on, open_cases, references_of
from tests.benchmarks.rounds import Contestant, Line, cost, take_turns

BARE = "import click, sqlalchemy"


def run(place: Place, *, rounds: int = 20) -> list[Line]:
    """The median is over pairs of processes."""
    url = open_cases(place, 1)
    engine = engine_on(url)
    (reference,) = references_of(engine)
    engine.database.dispose()
    environ = {name: value for name, value in os.environ.items() if not name.startswith("SCHAKEL_")}
    environ |= {"SCHAKEL_DATABASE_URL": url}
    show = _process(["-P", "-m", "scripts", "show", reference], environ, shows=reference)
    bare = _process(["-P", "-c", BARE], environ, shows="")
    samples = take_turns({"schakel show": show, BARE: bare}, rounds)
    return [cost(samples, "schakel show", BARE, aim="≤ 2.0")]


def _process(arguments: Sequence[str], environ: Mapping[str, str], *, shows: str) -> Contestant:
    root = Path(__file__).resolve().parents[2]

    def turn() -> int:
        done = subprocess.run(
            [sys.executable, *arguments], check=True, capture_output=True, text=True, env=environ, cwd=root
        )
        assert shows in done.stdout, done.stdout
        return 1

    return turn
