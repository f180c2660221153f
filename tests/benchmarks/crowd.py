"""Processes of their own that do their parts of a turn at once, each with a connection that stays open."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from types import TracebackType

from tests.benchmarks.rounds import Contestant, collect_as_commands_do

Begin = Callable[[], Contestant]
"""Opens what is needed in the process it is called in; what it gives back does one part a turn."""
_PATIENCE = 120.0
"""Seconds that a turn may take."""


class Crowd:
    """As many processes as `members`, waiting for their turn; all of them have opened what they need."""

    def __init__(self, members: Sequence[Begin]) -> None:
        processes = multiprocessing.get_context("forkserver")
        processes.set_forkserver_preload(["tests.benchmarks.moves"])  # what all of them import is imported once
        self._pipes: list[Connection] = []
        self._members = []
        for begin in members:
            pipe, theirs = processes.Pipe()
            member = processes.Process(target=_serve, args=(begin, theirs), daemon=True)
            member.start()
            theirs.close()
            self._pipes.append(pipe)
            self._members.append(member)
        self._hear()

    def turn(self) -> int:
        """Everybody's next part, at once; how many units that was together."""
        for pipe in self._pipes:
            pipe.send(True)
        return sum(self._hear())

    def __enter__(self) -> Crowd:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        for pipe in self._pipes:
            pipe.close()
        for member in self._members:
            member.join(_PATIENCE)

    def _hear(self) -> list[int]:
        heard = []
        for pipe in self._pipes:
            if not pipe.poll(_PATIENCE):
                raise AssertionError("a process of the crowd did not answer")
            heard.append(int(pipe.recv()))
        return heard


def _serve(begin: Begin, pipe: Connection) -> None:
    collect_as_commands_do()
    turn = begin()
    pipe.send(0)
    while True:
        try:
            pipe.recv()
        except EOFError:
            return
        pipe.send(turn())
