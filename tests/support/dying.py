"""A command that is ended by kill -9 before one of its statements."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

from workflow import Database, Engine, open_database

Command = Callable[[Engine, str], object]


def die_at(url: str, make_engine: Callable[[Database], Engine], command: Command, case: str, statement: int) -> int:
    """Run a command in a child that kills itself before this statement; how the child ended."""
    child = os.fork()
    if child == 0:
        try:
            database = open_database(url)
            left = statement

            def failpoint(_sql: str) -> None:
                nonlocal left
                if left == 0:
                    os.kill(os.getpid(), signal.SIGKILL)
                left -= 1

            database.failpoint = failpoint
            command(make_engine(database), case)
            os._exit(0)
        finally:
            os._exit(1)
    return os.waitpid(child, 0)[1]
