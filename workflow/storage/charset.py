"""In which encoding a PostgreSQL database must keep its text, and how it is told from the handshake of a connection."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine, event

from workflow.errors import NeedsInit

_NEEDED = "UTF8"


def creation(name: str) -> str:
    """The statement that makes a database in which any text can be kept, whatever its server was made with."""
    quoted = name.replace('"', '""')
    return f"CREATE DATABASE \"{quoted}\" ENCODING '{_NEEDED}' TEMPLATE template0"


def watch_encoding(engine: Engine, shown: str) -> None:
    """Let each new connection end with NeedsInit when the database keeps its text otherwise; this asks it nothing.

    First of all that is done with one: of some encodings SQLAlchemy itself cannot read the server's version.
    """

    def refuse_others(connection: Any, _record: object) -> None:
        found = connection.info.parameter_status("server_encoding")
        if found not in (_NEEDED, None):
            instead = creation(connection.info.dbname)
            connection.close()
            raise NeedsInit(
                f"The database {shown} keeps its text as {found}, in which not every name can be written: make another "
                f"one in its place ({instead}), then run: schakel init"
            )

    event.listen(engine, "connect", refuse_others, insert=True)


def text_or_bytes(stored: bytes) -> str | bytes:
    """A text; the bytes of what is none, as of any value that is of another kind than its column."""
    try:
        return stored.decode()
    except UnicodeDecodeError:
        return stored
