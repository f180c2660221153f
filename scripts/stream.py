"""The standard streams as the program has them: input that is closed is empty, output that takes no more says so.

What standard error does not take is lost, and ends nothing: there is nowhere left to say it. What standard output does
not take is told apart from all else that a system refuses.
"""

from __future__ import annotations

import errno
import io
import os
import sys
from contextlib import suppress
from typing import Any


class OutputLost(OSError):
    """Standard output took no more, such as on a full disk; not that its reader left (BrokenPipeError)."""


class _Output(io.FileIO):
    def write(self, data: Any, /) -> int:
        """Write to the file. Raises OutputLost, BrokenPipeError."""
        try:
            return super().write(data)
        except BrokenPipeError:
            raise
        except OSError as error:
            said = "it is closed" if error.errno == errno.EBADF else error.strerror
            raise OutputLost(error.errno, said) from None


class _Messages(io.FileIO):
    def write(self, data: Any, /) -> int:
        """Write to the file what it takes; the rest counts as written."""
        with suppress(OSError):
            return super().write(data) or len(data)  # of a full pipe that does not wait: none
        return len(data)


def guard_messages() -> None:
    """Put it in the place of Python's own, so that no message or line of a log ends the work, or changes its exit."""
    if sys.stderr is None:  # or its number would be that of the next file, as below
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    encoding = sys.stderr.encoding if sys.stderr else "utf-8"
    raw = _Messages(2, "wb", closefd=False)
    sys.stderr = io.TextIOWrapper(io.BufferedWriter(raw), encoding, errors="backslashreplace", line_buffering=True)


def guard_output() -> None:
    """Put it in the place of Python's own; one that is closed refuses what is printed."""
    encoding = "utf-8"
    if sys.stdout is None:  # or its number would be that of the next file, which would get what is printed
        os.dup2(os.open(os.devnull, os.O_RDONLY), 1)
    else:
        encoding = sys.stdout.encoding
    raw = _Output(1, "wb", closefd=False)
    sys.stdout = io.TextIOWrapper(
        io.BufferedWriter(raw), encoding, errors="backslashreplace", line_buffering=raw.isatty()
    )


def guard_input() -> None:
    """Python has none when it is closed: then let it be empty, and no terminal; the next file gets another number."""
    if sys.stdin is None:
        sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: SIM115  (as long as the program lives)


def to_nowhere() -> None:
    """Let whatever is still printed go nowhere, the interpreter's last words too."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
