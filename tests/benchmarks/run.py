"""Runs the benchmarks and prints their table: `scripts/bench [NAME …]`."""

from __future__ import annotations

import argparse
import platform
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.benchmarks import (
    batch,
    databases,
    delivery,
    growth,
    hands,
    moves,
    proof,
    reading,
    refusals,
    scale,
    sealing,
    startup,
    tick,
)
from tests.benchmarks.databases import Place
from tests.benchmarks.peers import contest
from tests.benchmarks.rounds import Line, collect_as_commands_do, fill_table

BENCHMARKS: Mapping[str, Callable[..., list[Line]]] = {
    "moves": moves.run,
    "batch": batch.run,
    "refusals": refusals.run,
    "reading": reading.run,
    "growth": growth.run,
    "delivery": delivery.run,
    "tick": tick.run,
    "startup": startup.run,
    "proof": proof.run,
    "sealing": sealing.run,
    "hands": hands.run,
    "scale": scale.run,
    "peers": contest.run,
}
ASKED_FOR = frozenset({"scale", "peers"})
"""Benchmarks that take an hour, or install other libraries from the registry: they run only when they are named."""
PLACES = {"sqlite": databases.files, "postgresql": databases.server}
TINY: Mapping[str, Mapping[str, int]] = {
    "moves": {"rounds": 2, "moves": 3, "crowd": 2, "each": 3},
    "batch": {"rounds": 1, "rows": 120, "moves": 2},
    "refusals": {"rounds": 1, "moves": 3},
    "reading": {"rounds": 1, "cases": 20, "asked": 3},
    "growth": {"rounds": 1, "rows": 60, "part": 20, "cases": 50, "runs": 1},
    "delivery": {"rounds": 1, "cases": 3},
    "tick": {"rounds": 1, "due": 2, "cases": 30},
    "startup": {"rounds": 1},
    "proof": {"rounds": 1, "events": 400},
    "sealing": {"rounds": 1, "events": 40, "long": 12, "short": 3},
    "hands": {"rounds": 1, "moves": 2, "sending": 3, "most": 2},
    "scale": {"rounds": 1, "few": 1000, "many": 1300, "whole": 1},
    "peers": {"rounds": 1, "moves": 2},
}
"""Sizes at which the figures mean nothing, but everything runs."""


def main(arguments: list[str] | None = None) -> None:
    """Run what was asked for, and write the table to standard output."""
    collect_as_commands_do()
    asked = _parser().parse_args(arguments)
    names = asked.names or [name for name in BENCHMARKS if name not in ASKED_FOR]
    if unknown := sorted(set(names) - set(BENCHMARKS)):
        raise SystemExit(f"There is no benchmark '{unknown[0]}'; there are: {', '.join(BENCHMARKS)}.")
    sys.stdout.write(
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}. "
        "Median ratio of paired rounds (quartiles, rounds); the rates are this machine's, now.\n"
    )
    for place in asked.only or PLACES:
        with tempfile.TemporaryDirectory(prefix="schakel-bench-") as folder, PLACES[place](Path(folder)) as opened:
            for name in names:
                sizes: dict[str, Any] = dict(TINY[name]) if asked.tiny else {}
                if asked.rounds:
                    sizes["rounds"] = asked.rounds
                lines = BENCHMARKS[name](opened, **sizes)
                sys.stdout.write(fill_table(f"{name}, {opened.name}", lines) + "\n")
                sys.stdout.flush()


def run_tiny(name: str, place: Place) -> list[Line]:
    """One benchmark, as small as it runs."""
    return BENCHMARKS[name](place, **TINY[name])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/bench", description="How fast Schakel is, against work done by hand."
    )
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help=f"one of: {', '.join(BENCHMARKS)} (default: all but {' and '.join(sorted(ASKED_FOR))})",
    )
    parser.add_argument("--only", action="append", choices=PLACES, help="one database (default: both)")
    parser.add_argument("--rounds", type=int, metavar="N", help="rounds, instead of each benchmark's own number")
    parser.add_argument("--tiny", action="store_true", help="only see that it runs: the figures mean nothing")
    return parser


if __name__ == "__main__":
    main()
