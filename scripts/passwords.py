"""Passwords that stand in files of their own, so that neither the settings nor a list of processes shows them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from workflow.errors import UsageError

if TYPE_CHECKING:
    from scripts.settings import Settings

_SECRETS = ("password", "sslpassword", "oauth_client_secret")
"""What libpq takes a secret by in the query of a URL."""


def read_password(path: Path | None, setting: str) -> str | None:
    """The first line of a password's file; None when none is set. Raises UsageError naming the setting."""
    if path is None:
        return None
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        said = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise UsageError(f"{setting} {path} cannot be read: {said}.") from None
    if not lines or not lines[0].strip():
        raise UsageError(f"{setting} {path} is empty: put the password on its first line.")
    return lines[0].strip()


def database_url(settings: Settings) -> str:
    """The URL to connect to, the password from its file in it. Raises UsageError: also when it is no URL.

    Without such a file libpq looks for one itself: PGPASSFILE, else ~/.pgpass.
    """
    password = read_password(settings.database_password_file, "SCHAKEL_DATABASE_PASSWORD_FILE")
    if password is None:
        return settings.database_url
    from workflow.storage.database import parse_url

    url = parse_url(settings.database_url)
    if url.get_backend_name() == "sqlite":
        raise UsageError("SCHAKEL_DATABASE_PASSWORD_FILE is set, but the database is SQLite, which has no password.")
    if url.password is not None:
        raise UsageError("There is a password in SCHAKEL_DATABASE_URL and one in a file: take it out of the URL.")
    return url.set(password=password).render_as_string(hide_password=False)


def url_to_keep(text: str) -> tuple[str, bool]:
    """The URL of a database as a file may hold it, a SQLite file by its full path; and whether a password was left out.

    Raises UsageError when it is no URL.
    """
    from workflow.storage.database import parse_url

    url = parse_url(text)
    if url.get_backend_name() == "sqlite":
        file = str(url.database)
        is_whole = file.startswith(("/", "file:"))
        return (text if is_whole else url.set(database=str(Path(file).absolute())).render_as_string()), False
    bare = url._replace(password=None).difference_update_query(_SECRETS)
    return (text, False) if bare == url else (bare.set(drivername="postgresql").render_as_string(), True)
