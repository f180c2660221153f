"""Commands among ten thousand cases and among a million, each with six events: what they cost as history grows."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

from click.testing import CliRunner

from scripts.cli import cli
from scripts.passes import Passes
from scripts.wiring import Session
from tests.benchmarks import employers, population
from tests.benchmarks.databases import Place
from tests.benchmarks.memory import peak
from tests.benchmarks.rounds import Contestant, Line, cost, line, take_turns
from workflow import Engine
from workflow.clock import SetClock
from workflow.ledger.signing import make_key

AIM, FLAT = "≤ 1.5", "≤ 1.2"
WHOLE: tuple[tuple[str, ...], ...] = (
    ("list", "--json"),
    ("mail", "list", "--json"),
    ("forecast", "--days", "30", "--json"),
    ("workflow", "impact", "--json"),
    ("audit", "verify", "--json"),
)
"""Commands that read everything, so that only their memory must not grow."""
_MOST_MOVES = 500
_SAMPLE = 10
"""Cases that are asked for in one round."""


class Desk:
    """Somebody who works on one population, at the command line and through the engine; with a new key, or this one."""

    def __init__(self, url: str, cases: int, key: Path | None = None, **environ: str) -> None:
        self._folder = TemporaryDirectory(prefix="schakel-bench-scale-")
        settings = Path(self._folder.name) / "schakel.toml"
        settings.touch()
        if key is None:
            key = Path(self._folder.name) / "signing.key"
            make_key(key, "schakel/bench")
        self.environ = {
            "SCHAKEL_SETTINGS": str(settings),
            "SCHAKEL_SIGNING_KEY": str(key),
            "SCHAKEL_DATABASE_URL": url,
            "SCHAKEL_MAIL_OPERATIONS": "beheer@example.org",
            "SCHAKEL_ACTOR": "bench",
            **environ,
        }
        self.clock = SetClock(population.NOW)
        self._cases = cases
        self._chance = random.Random(2)
        self._numbers = count(2_000_000, 100)
        self._session = Session(self.environ, clock=self.clock)
        self._passes = Passes(self._session)
        self._passes.run_once()
        self._engine: Engine = self._session.engine
        self._waiting = (found.case for found in list(self._engine.cases(state="rights_pending", limit=_MOST_MOVES)))

    def run(self, *words: str) -> int:
        """Run a command; 1, as one unit of work."""
        done = CliRunner().invoke(cli, words, obj=Session(self.environ, clock=self.clock))
        assert done.exit_code in (0, 5), (words, done.output, done.exception)
        return 1

    def about_a_case(self, *words: str) -> Contestant:
        """The command about cases drawn at random."""
        return lambda: sum(self.run(*words, self._any()) for _ in range(_SAMPLE))

    def command(self, *words: str) -> Contestant:
        """The command as it is."""
        return lambda: self.run(*words)

    def move(self) -> int:
        """Cases that waited are registered."""
        for _ in range(_SAMPLE):
            self._engine.advance(self.waiting(), "register")
        return _SAMPLE

    def waiting(self) -> str:
        """A case that can be registered, another one each time."""
        return next(self._waiting)

    def refused(self) -> int:
        """Cases that have ended are not."""
        return sum(self.run("advance", self._any(), "register") for _ in range(_SAMPLE))

    def note(self) -> int:
        """A note in the history of any case."""
        for _ in range(_SAMPLE):
            self._engine.note(self._any(), "Gezien.")
        return _SAMPLE

    def imported(self) -> int:
        """New employers, opened and registered, a hundred a transaction."""
        rows = employers.rows(next(self._numbers), 100)
        return sum(result.state == "registered" for result in self._engine.import_rows(rows, advance=True))

    def tick(self) -> int:
        """A pass of a worker with nothing to do but to look."""
        self._passes.run_once()
        for _ in range(_SAMPLE):
            self._passes.run_once()
        return _SAMPLE + 1

    def close(self) -> None:
        """Close the database."""
        self._session.close()
        self._folder.cleanup()

    def _any(self) -> str:
        return population.reference_of(self._chance.randrange(self._cases) + 1)


TURNS: Mapping[str, Callable[[Desk], Contestant]] = {
    "show": lambda desk: desk.about_a_case("show"),
    "why": lambda desk: desk.about_a_case("why"),
    "history": lambda desk: desk.about_a_case("history"),
    "replay": lambda desk: desk.about_a_case("replay"),
    "list --limit 100": lambda desk: desk.command("list", "--limit", "100"),
    "list --state registered --limit 100": lambda desk: desk.command("list", "--state", "registered", "--limit", "100"),
    "list --holder keylane --limit 100": lambda desk: desk.command("list", "--holder", "keylane", "--limit", "100"),
    "list --overdue": lambda desk: desk.command("list", "--overdue"),
    "mail list --limit 100": lambda desk: desk.command("mail", "list", "--limit", "100"),
    "mail list --state failed": lambda desk: desk.command("mail", "list", "--state", "failed"),
    "doctor": lambda desk: desk.command("doctor"),
    "audit checkpoint": lambda desk: desk.command("audit", "checkpoint"),
    "a move": lambda desk: desk.move,
    "a refused move": lambda desk: desk.refused,
    "a note": lambda desk: desk.note,
    "a row imported and moved": lambda desk: desk.imported,
    "tick, nothing due": lambda desk: desk.tick,
}


def run(
    place: Place, *, rounds: int = 9, few: int = 10_000, many: int = 1_000_000, whole: int = len(WHOLE)
) -> list[Line]:
    """Make both populations, and compare."""
    urls = {cases: place.create() for cases in (few, many)}
    for cases, url in urls.items():
        population.fill(url, cases, say=True)
    memory = list(_memory(urls[few], urls[many], few, many, WHOLE[:whole]))
    return memory + compare(urls[few], urls[many], rounds=rounds, few=few, many=many)


def compare(small: str, large: str, *, rounds: int, few: int, many: int) -> list[Line]:
    """Each command in two databases that hold populations of these sizes."""
    lines = []
    beside, among = Desk(small, few), Desk(large, many)
    for what, turn in TURNS.items():
        samples = take_turns({"few": turn(beside), "many": turn(among)}, rounds)
        lines.append(cost(samples, "many", "few", aim=AIM, what=f"{what}, of {many:,} cases", against=f"of {few:,}"))
    for desk in (beside, among):
        desk.close()
    return lines


def _memory(small: str, large: str, few: int, many: int, commands: tuple[tuple[str, ...], ...]) -> Iterator[Line]:
    """How much higher the memory of a process of its own peaks."""
    for words in commands:
        (low, _), (high, seconds) = _peak(small, words), _peak(large, words)
        remark = f"{high / 1024:.0f} MB : {low / 1024:.0f} MB, in {seconds:,.0f} s"
        what = f"peak memory of {' '.join(words)}, {many:,} cases"
        yield line(what, f"of {few:,}", [high / low], aim=FLAT, remark=remark)


def _peak(url: str, words: tuple[str, ...]) -> tuple[int, float]:
    command = [sys.executable, "-P", "-m", "tests.benchmarks.scale", url, *words]
    told = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    peak, seconds = json.loads(told.splitlines()[-1])
    return int(peak), float(seconds)


def _measure(url: str, words: list[str]) -> None:
    """Run one command with its output thrown away, and say what memory it took at most, and how long."""
    import os  # noqa: PLC0415
    from time import monotonic  # noqa: PLC0415

    said = os.dup(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    with TemporaryDirectory() as folder:
        settings = Path(folder) / "schakel.toml"
        settings.touch()
        environ = {"SCHAKEL_SETTINGS": str(settings), "SCHAKEL_DATABASE_URL": url, "SCHAKEL_ACTOR": "bench"}
        begun = monotonic()
        with suppress(SystemExit):
            cli(words, obj=Session(environ, clock=SetClock(population.NOW)))
        highest, took = peak(), monotonic() - begun
    os.write(said, f"{json.dumps([highest, took])}\n".encode())


if __name__ == "__main__":
    _measure(sys.argv[1], sys.argv[2:])
