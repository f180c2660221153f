"""A zip that is written as a stream, file after file, and only takes its name when it is whole."""

from __future__ import annotations

import fcntl
import hashlib
import io
import os
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import IO, Any, NamedTuple

from workflow.clock import AMSTERDAM
from workflow.errors import SchakelError, UsageError
from workflow.private_file import kind_of

_BUFFER = 1 << 18
Watch = Callable[[str, int], None]
"""Told the name of a file and how many bytes more of it were written."""


class Note(NamedTuple):
    """What the manifest says of a file."""

    sha256: str
    bytes: int


class Archive:
    """A zip in the making; `files` notes what stands in it."""

    def __init__(self, out: Path, zipped: zipfile.ZipFile, made_at: datetime, watch: Watch) -> None:
        self.files: dict[str, Note] = {}
        self._out, self._zip = out, zipped
        self._time = made_at.astimezone(AMSTERDAM).timetuple()[:6]
        self._watch = watch

    @contextmanager
    def file(self, name: str) -> Iterator[IO[bytes]]:
        """Write a file; one at a time."""
        about = zipfile.ZipInfo(name, self._time)
        about.compress_type = zipfile.ZIP_DEFLATED
        about.external_attr = 0o600 << 16
        with writing_to(self._out), self._zip.open(about, "w", force_zip64=True) as entry:
            counted = _Counted(entry, name, self._watch)
            with io.BufferedWriter(counted, _BUFFER) as stream:
                yield stream
        self.files[name] = Note(counted.digest.hexdigest(), counted.size)

    @contextmanager
    def text(self, name: str) -> Iterator[IO[str]]:
        """Write a file of text; lines end as they are written."""
        with self.file(name) as stream, io.TextIOWrapper(stream, "utf-8", "backslashreplace", newline="") as text:
            yield text

    def add(self, name: str, content: bytes) -> None:
        """Write a whole file."""
        with self.file(name) as stream:
            stream.write(content)


class _Counted(io.RawIOBase):
    """Hands on what is written, and keeps its size and SHA-256."""

    def __init__(self, entry: IO[bytes], name: str, watch: Watch) -> None:
        self.digest, self.size = hashlib.sha256(), 0
        self._entry, self._name, self._watch = entry, name, watch

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.digest.update(data)
        self._entry.write(data)
        self.size += len(data)
        self._watch(self._name, len(data))
        return len(data)


@contextmanager
def new_archive(out: Path, made_at: datetime, *, force: bool, watch: Watch) -> Iterator[Archive]:
    """A zip at `out` that is there, readable by its owner only, once the block ends well; else nothing is left.

    What an export that was killed left beside `out` is written over.
    Raises UsageError: it may not or cannot be written there. SchakelError: writing failed half-way.
    """
    path, number = _begin(out, force=force)
    try:
        with writing_to(out), open(number, "wb") as stream:
            with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED, allowZip64=True) as zipped:
                yield Archive(out, zipped, made_at, watch)
            stream.flush()
            os.fsync(number)
            path.replace(out)
    finally:
        path.unlink(missing_ok=True)


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, as hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _begin(out: Path, *, force: bool) -> tuple[Path, int]:
    """An empty file beside `out`, held by this process alone: its path and its descriptor."""
    try:
        _refuse_place(out, force=force)
        if not out.parent.is_dir():
            raise UsageError(f"There is no folder {out.parent}; make it first, or choose another place.")
        path = out.with_name(f".{out.name}.part")
        number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        if not _take(path, number):
            os.close(number)
            raise UsageError(f"{out} is being written by another export; choose another name, or wait for it.")
    except OSError as error:
        raise UsageError(f"{out} cannot be written: {error.strerror}; choose another place.") from None
    return path, number


def _refuse_place(out: Path, *, force: bool) -> None:
    """Raises UsageError: what stands there may not be replaced. OSError."""
    if out == Path("-"):
        raise UsageError("An export is a file, and cannot go to standard output; give its name, such as export.zip.")
    if out.is_dir():
        raise UsageError(f"{out} is a folder; give the name of a file in it, such as {out / 'export.zip'}.")
    if kind := kind_of(out):
        raise UsageError(f"{out} is {kind}, not a file; choose another name for the export.")
    if out.exists() and not force:
        raise UsageError(f"{out} exists; choose another name, or overwrite it with --force.")


def _take(path: Path, number: int) -> bool:
    """Empty a file that nobody writes, whoever left it; False: somebody does, or it was moved to its place just now."""
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not os.path.samestat(os.fstat(number), path.stat()):
            return False
    except (BlockingIOError, FileNotFoundError):
        return False
    os.fchmod(number, 0o600)
    os.ftruncate(number, 0)
    return True


@contextmanager
def writing_to(out: Path) -> Iterator[None]:
    """Say what failed to be written, before the database, in whose transaction this happens, takes it for its own."""
    try:
        yield
    except OSError as error:
        raise SchakelError(
            f"{out} could not be written: {error.strerror or error}; nothing was left behind."
        ) from error
