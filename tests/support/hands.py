"""Writers and workers as processes of their own, to be killed, stopped and cut off; each notes what it was promised.

They are forked from a nursery that has imported everything already, so a hand is at work some 30 ms after its birth.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


class Nursery:
    """A process without threads that forks hands when asked, and knows how each ended; they die with it.

    Each does one task, `module:function`, with words of its own.
    """

    def __init__(self, task: str = "handiwork:labour", environ: Mapping[str, str] | None = None) -> None:
        paths = os.pathsep.join([str(ROOT), str(Path(__file__).parent)])
        self._process = subprocess.Popen(
            [sys.executable, __file__, task],
            env=os.environ | {"PYTHONPATH": paths} | dict(environ or {}),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def birth(self, words: tuple[str, ...], complaints: Path) -> Process:
        """A new hand, which writes what it complains of to a file."""
        complaints.touch()  # it may be killed before it does anything
        return Process(self, self.ask({"words": words, "complaints": str(complaints)}), complaints)

    def ask(self, question: dict[str, Any]) -> Any:
        """Its answer to one question."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def close(self) -> None:
        """End it, and whoever is left of its children."""
        self._process.communicate(timeout=60)


class Process:
    """One hand; as `subprocess.Popen` where the names are the same."""

    def __init__(self, nursery: Nursery, pid: int, complaints: Path) -> None:
        self._nursery, self.pid, self._complaints = nursery, pid, complaints
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """How it ended; None: it is there."""
        return self._ended(wait=False)

    def wait(self) -> int:
        """How it ended, when it has."""
        ended = self._ended(wait=True)
        assert ended is not None
        return ended

    def send_signal(self, number: int) -> None:
        """Send it a signal, if it is there; until it was waited for, nobody else has its number."""
        if self.returncode is None:
            os.kill(self.pid, number)

    def complaints(self) -> str:
        """What it wrote to stderr."""
        return self._complaints.read_text()

    def _ended(self, *, wait: bool) -> int | None:
        if self.returncode is None:
            self.returncode = self._nursery.ask({"pid": self.pid, "wait": wait})
        return self.returncode


class Hands:
    """Starts hands on one database; `told` is where the writers' files are."""

    def __init__(self, nursery: Nursery, url: str, folder: Path) -> None:
        self.url, self.folder, self.told = url, folder, folder / "told"
        self.told.mkdir()
        self._nursery = nursery
        self._lives = 0
        self._running: list[Process] = []

    def writer(self, seconds: float = 600.0) -> Process:
        """A process that commands as fast as it can."""
        return self._start("write", str(self._lives + 1), str(seconds))

    def worker(self, port: int, *, connections: int = 4, clock: Path | None = None) -> Process:
        """A process that does pass after pass, sending to a mail server at this port."""
        return self._start("work", str(port), str(connections), clock=clock)

    def _start(self, *words: str, clock: Path | None = None) -> Process:
        self._lives += 1
        clock = clock or self.folder / "clock"
        complaints = self.folder / f"complaints-{self._lives}"
        process = self._nursery.birth((self.url, str(self.folder), str(clock), *words), complaints)
        self._running.append(process)
        return process

    def end(self) -> None:
        """Kill whatever still runs."""
        for process in self._running:
            process.send_signal(signal.SIGKILL)
            process.wait()


@contextmanager
def hands(nursery: Nursery, url: str, folder: Path) -> Iterator[Hands]:
    """Hands that are all gone afterwards."""
    made = Hands(nursery, url, folder)
    try:
        yield made
    finally:
        made.end()


def killed(process: Process) -> str:
    """Kill a hand outright; what it complained of before. Raises AssertionError: it had ended by itself."""
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, process.complaints()
    return process.complaints()


# -- inside the nursery ------------------------------------------------------------------------------------------------


def _tend(task: str) -> None:
    """Answer questions until nobody asks any more."""
    module, _, name = task.partition(":")
    work = getattr(importlib.import_module(module), name)
    children: set[int] = set()
    for line in sys.stdin:
        question = json.loads(line)
        if "words" in question:
            children.add(answer := _fork(work, question["words"], question["complaints"]))
        else:
            answer = _end_of(question["pid"], wait=question["wait"])
            if answer is not None:
                children.discard(question["pid"])
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
    for child in children:
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)


def _fork(work: Callable[..., None], words: list[str], complaints: str) -> int:
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        written = os.open(complaints, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        nothing = os.open(os.devnull, os.O_RDWR)
        for number, to in enumerate((nothing, nothing, written)):
            os.dup2(to, number)
        work(*words)
        status = 0
    except BaseException:  # noqa: BLE001  (its end, whatever it is, is told to whoever waits for it)
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(status)


def _end_of(child: int, *, wait: bool) -> int | None:
    ended, status = os.waitpid(child, 0 if wait else os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if ended else None


if __name__ == "__main__":
    _tend(sys.argv[1])
