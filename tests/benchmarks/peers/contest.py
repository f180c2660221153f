"""Schakel's own single move beside the same move by each peer, in pairs of rounds; afterwards the rows are counted."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.benchmarks import byhand
from tests.benchmarks.byhand import Hand
from tests.benchmarks.databases import Place
from tests.benchmarks.moves import chunks, engine_on, engine_turn, hand_turn, open_cases, references_of, writer_for
from tests.benchmarks.peers import environment
from tests.benchmarks.peers.claims import PEERS, Peer
from tests.benchmarks.peers.counts import check
from tests.benchmarks.rounds import Contestant, Line, speed, take_turns
from tests.benchmarks.written import Writes

AIM = "≥ 3"
BY_HAND: Mapping[str, Callable[[str, Writes], Hand]] = {"SQLite": byhand.Sqlite, "PostgreSQL": byhand.Unlocked}
"""The fastest way by hand: how far ahead of a peer anything could be."""


def run(place: Place, *, rounds: int = 20, moves: int = 25) -> list[Line]:
    """`register` by Schakel, by hand and by each peer in turn, each peer in a process and on a database of its own."""
    python = environment.prepare()
    template = open_cases(place, (rounds + 1) * moves)
    writer = writer_for(place, template)
    return [_against(peer, place, python, template, writer, rounds=rounds, moves=moves) for peer in PEERS]


def _against(peer: Peer, place: Place, python: Path, template: str, writer: Writes, *, rounds: int, moves: int) -> Line:
    theirs, cases = place.bare(), (rounds + 1) * moves
    engine = engine_on(place.copy(template))
    hand = BY_HAND[place.name](place.copy(template), writer)
    references = references_of(engine)
    with _process(peer, python, theirs, cases, moves) as turn:
        contestants: dict[str, Contestant] = {
            "Schakel": engine_turn(engine, chunks(references, moves)),
            "by hand": _hand_turn(hand, references, moves),
            peer.name: turn,
        }
        samples = take_turns(contestants, rounds)
    engine.database.dispose()
    hand.close()
    check(peer, theirs, cases)
    line = speed(samples, "Schakel", peer.name, aim=AIM if peer.does_all else "")
    limit = speed(samples, "by hand", peer.name).ratio
    return line._replace(remark=f"{line.remark:<15}  by hand {limit:5.2f}  {peer.told()}")


def _hand_turn(hand: Hand, references: Sequence[str], moves: int) -> Contestant:
    def move_each(tasks: list[tuple[str, tuple[str, ...]]]) -> None:
        for task in tasks:
            hand.move(*task)

    return hand_turn((hand.writer.prepare(part) for part in chunks(references, moves)), move_each)


@contextmanager
def _process(peer: Peer, python: Path, url: str, cases: int, moves: int) -> Iterator[Contestant]:
    """A turn of the peer's process, which has opened its cases."""
    command = [str(python), "-P", "-W", "ignore", "-m", "tests.benchmarks.peers.member", peer.module, url, str(cases)]
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(
            command,
            cwd=environment.ROOT,
            env=environment.settings() | {"PYTHONPATH": str(environment.ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=said,
            text=True,
        )
        assert process.stdin is not None
        assert process.stdout is not None

        def hear() -> int:
            if answer := process.stdout.readline():
                return int(answer)
            process.wait()
            said.seek(0)
            raise AssertionError(f"{peer.name} stopped: {said.read()[-3000:]}")

        def turn() -> int:
            process.stdin.write(f"{moves}\n")
            process.stdin.flush()
            return hear()

        try:
            hear()
            yield turn
        finally:
            process.stdin.close()
            process.wait(60)
            process.stdout.close()
