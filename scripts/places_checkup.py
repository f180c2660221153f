"""What `doctor` asks about places in the settings: is each the same one from whatever folder a command is run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from scripts.ledger_checkup import Found
from scripts.settings import Settings, variable_of
from scripts.wiring import Session
from workflow.errors import UsageError


def examine_places(session: Session) -> Iterator[Found]:
    """A warning for each place that depends on the folder one stands in, which under cron or systemd is another."""
    named = session.environ.get("SCHAKEL_SETTINGS")
    if named and not Path(named).is_absolute():
        yield _elsewhere("SCHAKEL_SETTINGS", Path(named), "write its full path there")
    for name, path in _places(session.settings):
        if not path.is_absolute():
            yield _elsewhere(name, path, f"write its full path in schakel.toml, or in {variable_of(name)}")


def _elsewhere(name: str, path: Path, todo: str) -> Found:
    said = f"{name} is no full path: from this folder it means {path.absolute()}, from another something else."
    return "warn", said, todo


def _places(settings: Settings) -> Iterator[tuple[str, Path]]:
    """The settings that are a place, each by its name."""
    from workflow.storage.database import parse_url

    with suppress(UsageError):  # which the check of the database says
        url = parse_url(settings.database_url)
        if url.get_backend_name() == "sqlite":
            yield "database_url", Path(str(url.database))
    for name in Settings.model_fields:
        if isinstance(place := getattr(settings, name), Path):
            yield name, place
