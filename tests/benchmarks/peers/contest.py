"""Schakel's own single move beside the same move by each peer, in pairs of rounds; afterwards the rows are counted."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.benchmarks.databases import Place
from tests.benchmarks.moves import chunks, engine_on, engine_turn, open_cases, references_of
from tests.benchmarks.peers import environment
from tests.benchmarks.peers.claims import PEERS, Peer
from tests.benchmarks.peers.counts import check
from tests.benchmarks.rounds import Contestant, Line, speed, take_turns

AIM = "≥ 3"


def run(place: Place, *, rounds: int = 20, moves: int = 25) -> list[Line]:
    """`register` by Schakel and by each peer, every one of them in a process and on a database of its own."""
    python = environment.prepare()
    cases = (rounds + 1) * moves
    template = open_cases(place, cases)
    return [_against(peer, place, python, template, rounds=rounds, moves=moves) for peer in PEERS]


def _against(peer: Peer, place: Place, python: Path, template: str, *, rounds: int, moves: int) -> Line:
    theirs, cases = place.bare(), (rounds + 1) * moves
    engine = engine_on(place.copy(template))
    ours = engine_turn(engine, chunks(references_of(engine), moves))
    with _process(peer, python, theirs, cases, moves) as turn:
        samples = take_turns({"Schakel": ours, peer.name: turn}, rounds)
    engine.database.dispose()
    check(peer, theirs, cases)
    line = speed(samples, "Schakel", peer.name, aim=AIM if peer.does_all else "")
    return line._replace(remark=f"{line.remark:<19}  {peer.told()}")


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
