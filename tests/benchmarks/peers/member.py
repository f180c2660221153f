"""The process of one peer: `python -m tests.benchmarks.peers.member MODULE URL CASES`; a line of input is a turn."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable
from importlib import import_module

from tests.benchmarks.peers import story
from tests.benchmarks.rounds import collect_as_commands_do


def main(module: str, url: str, cases: int) -> None:
    """Open the cases and say so; then move as many of the next ones as each line asks, and answer."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever a library prints is no answer
    move: Callable[[str], None] = import_module(f"tests.benchmarks.peers.{module}").begin(url, cases)
    gc.collect()
    collect_as_commands_do()
    number = 0
    print(0, file=answers, flush=True)
    for line in sys.stdin:
        for _ in range(int(line)):
            number += 1
            move(story.reference_of(number))
        print(line.strip(), file=answers, flush=True)
    sys.stderr.flush()
    os._exit(0)  # the threads of a library that runs in the background have nothing left to do


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
