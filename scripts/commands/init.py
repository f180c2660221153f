"""The command `init`: the database, the signing key and the settings file; what is there already stays."""

from __future__ import annotations

import socket
from pathlib import Path

import click

from scripts.output import marks, print_json, wrapped
from scripts.parameters import examples, json_option
from scripts.wiring import Session, pass_session
from workflow.private_file import make_private

SETTINGS_TEXT = """\
# Settings of Schakel. A line that begins with '#' is off. The environment beats this file: SCHAKEL_ and the name in
# capitals, such as SCHAKEL_DATABASE_URL. Check with: schakel doctor

# Where the cases are kept: SQLite in one file, or PostgreSQL.
# database_url = "sqlite:////full/path/schakel.db"
# database_url = "postgresql://user@host/schakel"
# The password of PostgreSQL, on the first line of a file; without it PGPASSFILE or ~/.pgpass serves.
# database_password_file = "/full/path/database-password"

# The key that signs checkpoints; keep a copy elsewhere, and let no one else read it.
# signing_key = "/full/path/signing.key"

# A file to which each pass appends the newest checkpoint, best on another disk; and who is mailed it each morning.
# checkpoint_file = "/full/path/checkpoints.txt"
# mail_auditor = ""

# Language of problem messages on the command line: "en" or "nl". A letter follows its case's language.
# language = "en"

# Whether Bevrijdingsdag (5 May) is a day off: "always", "lustrum" or "never".
# liberation_day = "lustrum"

# Years after which the personal data of an ended case may be erased.
# retention_years = 7

# Mail. Without smtp_url, letters wait. A password stands in a file of its own.
# smtp_url = "smtp+starttls://user@mail.example:587"
# smtp_password_file = "/full/path/smtp-password"
# mail_from = "koppelingen@example.com"
# mail_asr = ""
# mail_keylane = ""
# mail_operations = ""
# reply_to = ""

# Whether the worker answers Prometheus, and where.
# metrics_port = 9464
# metrics_address = "127.0.0.1"

# What letters say of us; a line whose setting is empty is left out.
# team_name = ""
# team_phone = ""
# form_url = "https://www.asr.nl/salarisverwerkers"

# The payroll package's API.
# loket_api_url = "https://api.loket.nl/v2"
# loket_token_url = "https://oauth.loket.nl/token"
# loket_credentials = "/full/path/loket.json"
# Whether the worker checks every case once each working morning, and how often it may call in a minute.
# loket_poll = true
# loket_calls_per_minute = 120
"""


@click.command(epilog=examples("schakel init", "SCHAKEL_DATABASE_URL=postgresql://me@host/schakel schakel init"))
@json_option
@pass_session
def init(session: Session) -> None:
    """Make the database (or bring it up to date), a signing key and a settings file.

    Nothing that exists is overwritten, so it is safe to run again. A ledger that was signed gets no other key.
    """
    from scripts.passwords import database_url
    from scripts.settings import load, settings_file

    settings = load(session.environ, must_exist=False)
    url = database_url(settings)
    before = _upgrade(url)
    path = settings_file(session.environ)
    made_settings = _make_settings(path)
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
                "settings": {"path": str(path), "made": made_settings},
            }
        )
        return
    said = {"made": "made", "migrated": "brought up to date", "same": "was there already"}[before]
    click.echo(f"{marks().yes} Database      {said}: {_place(settings.database_url)}")
    if verifier:
        click.echo(f"{marks().yes} Signing key   {_made(made_key)}: {settings.signing_key}")
    else:
        missing = f"not there, and not made: the ledger in this database is signed by {signers}."
        click.echo(wrapped(missing, " " * 16, first=f"{marks().warning} Signing key   "))
        todo = f"To do, where events are signed: put that key back from its copy at {settings.signing_key}"
        click.echo(wrapped(f"{todo}. A ledger that two keys signed never verifies again.", " " * 16))
    click.echo(f"{marks().yes} Settings      {_made(made_settings)}: {path}")
    if verifier:
        click.echo("Verifier key, to be kept by whoever checks us:")
        click.echo(f"  {verifier}")
    click.echo(wrapped("Next: schakel doctor, then schakel open or schakel import", "  ", first=""))


def _upgrade(url: str) -> str:
    from workflow.storage.tables import HEAD
    from workflow.storage.upgrade import upgrade

    before = upgrade(url)
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


def _make_settings(path: Path) -> bool:
    try:
        make_private(path, SETTINGS_TEXT)
    except FileExistsError:
        return False
    return True


def _made(fresh: bool) -> str:
    return "made" if fresh else "was there already"


def _place(url: str) -> str:
    from workflow.storage.database import parse_url, shown_url

    return shown_url(parse_url(url))
