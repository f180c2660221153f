"""The file with our credentials: only its owner may read it, and a rotated token replaces the old one at once."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from loket.errors import NoAnswer, NotUsable

SETTING = "SCHAKEL_LOKET_CREDENTIALS"
_FIELDS = ("client_id", "client_secret", "refresh_token")
_MOST_BYTES = 100_000
_OTHERS = 0o077
_TRIES, _PAUSE = 600, 0.1


@dataclass(frozen=True, slots=True)
class Credentials:
    """What we log in with."""

    client_id: str
    client_secret: str = field(repr=False)
    refresh_token: str = field(repr=False)


def read_credentials(path: Path) -> Credentials:
    """The credentials in a file. Raises NotUsable that names the file and never shows what stands in it."""
    said = _read(path)
    values = [said.get(name) for name in _FIELDS]
    wrong = [name for name, value in zip(_FIELDS, values, strict=True) if not _is_plain(value)]
    if wrong:
        raise NotUsable(f"{path} ({SETTING}) must hold {', '.join(wrong)} as text without spaces.")
    return Credentials(*map(str, values))


@asynccontextmanager
async def alone_with(path: Path) -> AsyncIterator[None]:
    """Keep other processes from renewing the token until the block ends. Raises NoAnswer after a minute, NotUsable."""
    try:
        descriptor = os.open(_lock_of(path), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _unwritable(path, error) from None
    try:
        for _ in range(_TRIES):
            with suppress(BlockingIOError):
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            await asyncio.sleep(_PAUSE)
        else:
            raise NoAnswer(f"Another Schakel has been renewing the token in {path} for a minute. Try again later.")
        yield
    finally:
        os.close(descriptor)


class Replacement:
    """A file beside the credentials, made before the old token is used up, that can take their place at once."""

    def __init__(self, path: Path) -> None:
        """Raises NotUsable: the folder cannot be written, so a rotated token would be lost."""
        self._path = Path(os.path.realpath(path))
        self._beside = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        try:
            self._descriptor = os.open(self._beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise _unwritable(path, error) from None

    def __enter__(self) -> Replacement:
        return self

    def __exit__(self, *_: object) -> None:
        """Leave nothing behind."""
        os.close(self._descriptor)
        with suppress(FileNotFoundError):
            self._beside.unlink()

    def put(self, refresh_token: str) -> None:
        """Keep everything else that stands in the file, with this token. Raises NotUsable."""
        said = _read(self._path) | {"refresh_token": refresh_token}
        try:
            os.fchmod(self._descriptor, 0o600)
            with os.fdopen(os.dup(self._descriptor), "wb") as file:
                file.write(json.dumps(said, indent=2).encode() + b"\n")
                file.flush()
                os.fsync(self._descriptor)
            os.replace(self._beside, self._path)
            folder = os.open(self._path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as error:
            raise _unwritable(self._path, error) from None


def check_place(path: Path) -> None:
    """Whether a rotated token could be kept; leaves nothing behind. Raises NotUsable."""
    with Replacement(path):
        pass
    try:  # not made here: whoever asks may be another user than the one who renews
        os.close(os.open(_lock_of(path), os.O_RDWR | os.O_CLOEXEC))
    except FileNotFoundError:
        return
    except OSError as error:
        raise _unwritable(path, error) from None


def _lock_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.lock")


def _read(path: Path) -> dict[str, object]:
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            if not stat.S_ISREG(mode):
                raise NotUsable(f"{path} ({SETTING}) is no file.")
            if mode & _OTHERS:
                shown = stat.S_IMODE(mode)
                raise NotUsable(f"{path} ({SETTING}) can be read by others (mode {shown:04o}). Run: chmod 600 {path}")
            content = file.read(_MOST_BYTES)
    except OSError as error:
        raise NotUsable(f"{path} ({SETTING}) cannot be read: {error.strerror}.") from None
    try:
        said = json.loads(content)
    except (ValueError, RecursionError):
        raise NotUsable(f"{path} ({SETTING}) is not valid JSON.") from None
    if not isinstance(said, dict):
        raise NotUsable(f"{path} ({SETTING}) must hold an object with {', '.join(_FIELDS)}.")
    return said


def _is_plain(value: object) -> bool:
    return isinstance(value, str) and value.isascii() and value.isprintable() and bool(value) and " " not in value


def _unwritable(path: Path, error: OSError) -> NotUsable:
    said = f"{path} ({SETTING}) must lie in a folder that Schakel can write, for tokens are rotated"
    return NotUsable(f"{said}: {error.strerror}.")
