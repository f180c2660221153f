"""The runner, in process, on a fresh database in a temporary folder and with an environment of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.scripts.desk import Desk
from workflow.clock import SetClock


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """Settings in a temporary folder, and nothing of the machine's."""
    return {
        "SCHAKEL_DATABASE_URL": f"sqlite:///{tmp_path / 'home' / 'schakel.db'}",
        "SCHAKEL_SIGNING_KEY": str(tmp_path / "home" / "signing.key"),
        "SCHAKEL_SETTINGS": str(tmp_path / "home" / "schakel.toml"),
        "SCHAKEL_ACTOR": "anna",
    }


@pytest.fixture
def bare_desk(environ: dict[str, str], clock: SetClock) -> Desk:
    """A command line before `schakel init`."""
    return Desk(environ, clock)


@pytest.fixture
def desk(bare_desk: Desk, sqlite_url: str) -> Desk:
    """A command line with a database."""
    bare_desk.environ["SCHAKEL_DATABASE_URL"] = sqlite_url
    settings = Path(bare_desk.environ["SCHAKEL_SETTINGS"])
    settings.parent.mkdir(mode=0o700)
    settings.touch()
    return bare_desk


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str | bytes], Path]:
    """Write a file into the temporary folder."""

    def _write(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return _write
