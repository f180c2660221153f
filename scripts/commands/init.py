"""The command `init`: the database, the signing key and the settings file; what is there already stays."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from scripts.output import marks, print_json, wrapped
from scripts.parameters import examples, json_option
from scripts.wiring import Session, pass_session
from workflow.errors import UsageError
from workflow.private_file import make_private

if TYPE_CHECKING:  # heavy, and not needed for the help
    from scripts.settings import Settings
    from workflow.clock import Clock


@click.command(epilog=examples("schakel init", "SCHAKEL_DATABASE_URL=postgresql://me@host/schakel schakel init"))
@json_option
@pass_session
def init(session: Session) -> None:
    """Make the database (or bring it up to date), a signing key and a settings file.

    Nothing that exists is overwritten, so it is safe to run again. A ledger that was signed gets no other key. What the
    environment sets is written into a new settings file, but for passwords.
    """
    from scripts.ledger_checkup import left_behind
    from scripts.passwords import database_url
    from scripts.settings import given_names, load, settings_file, variable_of
    from scripts.settings_text import settings_text

    settings = load(session.environ, must_exist=False)
    url = database_url(settings)
    there = left_behind(settings)
    before = _upgrade(url, session.clock)
    lost = there if before == "made" else ""
    path = settings_file(session.environ)
    given = given_names(session.environ)
    made_settings = _make_settings(path, settings_text(settings, given))
    unkept = [variable_of(name) for name in _not_in_file(path, settings, given)]
    made_key, verifier, signers = _make_key(settings.signing_key, url)
    if session.json:
        print_json(
            {
                "database": {"made": before == "made", "migrated": before == "migrated"},
                "signing_key": {
                    "path": str(settings.signing_key),
                    "made": made_key,
                    "verifier_key": verifier,
                    "missing": signers,
                },
                "settings": {"path": str(path), "made": made_settings, "only_in_environment": unkept},
                "warning": lost or None,
            }
        )
        return
    said = {"made": "made", "migrated": "brought up to date", "same": "was there already"}[before]
    click.echo(f"{marks().yes} Database      {said}: {_place(settings.database_url)}")
    if lost:
        click.echo(wrapped(f"It is empty, but {lost}.", " " * 16, first=f"{marks().warning} Database      "))
    if verifier:
        click.echo(f"{marks().yes} Signing key   {_made(made_key)}: {settings.signing_key}")
    else:
        missing = f"not there, and not made: the ledger in this database is signed by {signers}."
        click.echo(wrapped(missing, " " * 16, first=f"{marks().warning} Signing key   "))
        todo = f"To do, where events are signed: put that key back from its copy at {settings.signing_key}"
        click.echo(wrapped(f"{todo}. A ledger that two keys signed never verifies again.", " " * 16))
    click.echo(f"{marks().yes} Settings      {_made(made_settings)}: {path}")
    if unkept:
        names = ", ".join(unkept)
        said = f"It does not say what is in {names}: the environment decides, and must be set in every shell."
        click.echo(wrapped(f"{said} Or set it in that file, and a password in one of its own.", " " * 16))
    if verifier:
        click.echo("Verifier key, to be kept by whoever checks us:")
        click.echo(f"  {verifier}")
    click.echo(wrapped("Next: schakel doctor, then schakel open or schakel import", "  ", first=""))


def _upgrade(url: str, clock: Clock) -> str:
    from workflow.storage.tables import HEAD
    from workflow.storage.upgrade import upgrade

    before = upgrade(url, clock)
    if before is None:
        return "made"
    return "same" if before == HEAD else "migrated"


def _make_key(path: Path, url: str) -> tuple[bool, str | None, str | None]:
    """Whether a key was made, and its verifier key; or which key is missing, when one that is not here signed."""
    from workflow.ledger.signing import make_key, read_signer

    if not path.exists() and (signers := _signers(url)):
        return False, None, signers
    try:
        return True, str(make_key(path, _key_name())), None
    except FileExistsError:
        return False, str(read_signer(path).key), None


def _signers(url: str) -> str:
    """The keys that signed the last checkpoint of a database; empty when it has none."""
    from scripts.ledger_checkup import signers_said
    from workflow.storage import ledger, open_database

    database = open_database(url)
    try:
        with database.reading() as store:
            return signers_said(ledger.last_checkpoint(store))
    finally:
        database.dispose()


def _key_name() -> str:
    """A name for a new key: this program on this machine; a name holds no spaces and no '+'."""
    host = "".join(char for char in socket.gethostname() if char.isalnum() or char in "-.") or "here"
    return f"schakel/{host}"


def _make_settings(path: Path, text: str) -> bool:
    try:
        make_private(path, text)
    except FileExistsError:
        return False
    return True


def _not_in_file(path: Path, settings: Settings, given: Iterable[str]) -> list[str]:
    """Settings that the environment gives and of which the file says something else, or nothing."""
    from scripts.settings import load
    from scripts.settings_text import is_said_by

    try:
        alone = load({"SCHAKEL_SETTINGS": str(path)})
        return [name for name in given if not is_said_by(alone, settings, name)]
    except UsageError:  # what it says instead is wrong
        return list(given)


def _made(fresh: bool) -> str:
    return "made" if fresh else "was there already"


def _place(url: str) -> str:
    from workflow.storage.database import parse_url, shown_url

    return shown_url(parse_url(url))
