"""Each benchmark runs; how fast is not a test's business, since that depends on the machine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.benchmarks import databases
from tests.benchmarks.databases import Place
from tests.benchmarks.peers import environment
from tests.benchmarks.run import BENCHMARKS, run_tiny


@pytest.fixture(params=["SQLite", "PostgreSQL"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    if request.param == "SQLite":
        yield databases.Files(tmp_path)
    else:
        base: str = request.getfixturevalue("postgres_server")
        yield databases.Server(base.format(name="postgres"))


PEERS_ARE_THERE = environment.is_ready() or bool(os.environ.get("SCHAKEL_PEERS"))
PEERS = pytest.param(
    "peers",
    marks=pytest.mark.skipif(
        not PEERS_ARE_THERE,
        reason="the peers come from the package registry: run scripts/bench peers once, or set SCHAKEL_PEERS=1",
    ),
)


@pytest.mark.slow
@pytest.mark.parametrize("name", [PEERS if name == "peers" else name for name in BENCHMARKS])
def test_a_benchmark_runs_and_tells_its_ratios(name: str, place: Place) -> None:
    lines = run_tiny(name, place)

    assert all(line.ratio > 0 for line in lines)


def test_what_is_written_by_hand_differs_in_nothing_but_salts(place: Place) -> None:
    """The baseline would be no bound if it wrote less: `moves` raises when a row, a column or a size differs."""
    lines = run_tiny("moves", place)

    assert lines
