"""What can be read only once, such as a pipe or standard input, as a file that can be read as often as it takes."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

from scripts.kinds import suffix_of
from scripts.reading import open_file
from workflow.errors import UsageError

_CHUNK = 1 << 20


@contextmanager
def as_file(source: str, most: int) -> Iterator[str]:
    """The path of a source that is a file; else of a copy that only we can read, and that is gone when the block ends.

    Raises UsageError: it is not there, a folder, or larger than `most` bytes. What the block raises of a copy is said
    of its source.
    """
    path = open_file(source)
    if path.is_file() and not _is_input(path):  # of standard input the name says nothing, such as that it is a workbook
        yield source
        return
    with ExitStack() as opened:
        try:
            given = opened.enter_context(_open(path))
            start = given.read(_CHUNK)
            copy = opened.enter_context(tempfile.NamedTemporaryFile(prefix="schakel-", suffix=suffix_of(start)))
            _pour(start, given, copy, source, most)
        except OSError as error:
            raise UsageError(f"{source} cannot be read: {error.strerror or error}.") from None
        try:
            yield copy.name
        except UsageError as error:
            raise UsageError(str(error).replace(copy.name, source)) from None


def _open(path: Path) -> IO[bytes]:
    """Open it; what is our standard input by another name is open already, and would wait for another writer."""
    return open(0, "rb", closefd=False) if _is_input(path) else path.open("rb")


def _is_input(path: Path) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(0))
    except OSError:
        return False


def _pour(start: bytes, given: IO[bytes], copy: IO[bytes], source: str, most: int) -> None:
    size, chunk = 0, start
    while chunk:
        size += len(chunk)
        if size > most:
            raise UsageError(f"{source} is larger than {most // 1_000_000} MB; split it.")
        copy.write(chunk)
        chunk = given.read(_CHUNK)
    copy.flush()
