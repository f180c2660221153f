"""The settings file that `init` makes: every setting explained, those on that it was given."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import SecretStr

from scripts.passwords import url_to_keep
from scripts.settings import Settings

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

# Years after which the personal data of an ended case may be erased; and a file to which each erasure appends the case,
# so that an older copy that is put back can be told what to erase again: best where the checkpoints are.
# retention_years = 7
# erasures_file = "/full/path/erasures.txt"

# Mail. Without smtp_url, letters wait. A password stands in a file of its own.
# smtp_url = "smtp+starttls://user@mail.example:587"
# smtp_password_file = "/full/path/smtp-password"
# What we call ourselves there; empty: the full name of this machine, or else the domain of mail_from.
# smtp_hello_name = ""
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
_NO_PASSWORD = """\
# Its password stood in SCHAKEL_DATABASE_URL and is not written here: put it into a file that database_password_file
# names, or into ~/.pgpass, or set that variable in every shell.
"""


def settings_text(settings: Settings, given: Iterable[str]) -> str:
    """The text of a new settings file, in which these settings are on."""
    lines = SETTINGS_TEXT.splitlines(keepends=True)
    for name in given:
        if (value := value_to_keep(settings, name)) is not None:
            *_, place = (number for number, line in enumerate(lines) if line.startswith(f"# {name} = "))
            explained = _NO_PASSWORD if _loses_password(settings, name) else ""
            lines[place] += f"{explained}{name} = {json.dumps(value, ensure_ascii=False)}\n"
    return "".join(lines)


def value_to_keep(settings: Settings, name: str) -> str | int | None:
    """A setting as the file may hold it, without a password and a path in full; None: it may not hold this one."""
    value = getattr(settings, name)
    if name == "database_url":
        value = url_to_keep(value)[0]
    elif isinstance(value, Path):
        value = str(value.absolute())
    elif isinstance(value, SecretStr):
        value = None if _has_password(value.get_secret_value()) else value.get_secret_value()
    return value if not isinstance(value, str) or value.isprintable() else None


def is_said_by(file: Settings, settings: Settings, name: str) -> bool:
    """Whether the settings of a file alone say of one what these do."""
    if getattr(file, name) == getattr(settings, name):
        return True
    kept = value_to_keep(settings, name)
    return kept is not None and kept == value_to_keep(file, name) and not _loses_password(settings, name)


def _loses_password(settings: Settings, name: str) -> bool:
    return name == "database_url" and url_to_keep(settings.database_url)[1]


def _has_password(url: str) -> bool:
    """Whether a password stands in a URL, or might: then nobody can read it."""
    try:
        return urlsplit(url).password is not None
    except ValueError:
        return True
