"""A search for what was erased, past Schakel: in the bytes of files, in all rows of all tables, in many disguises."""

from __future__ import annotations

import base64
import json
import quopri
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from looking import bare, look

from workflow.storage.compacting import VACUUM

_HEX = re.compile(rb"\\x((?:[0-9a-f]{2})+)")
_BREAKS = (b"=\r\n", b"\r\n ", b"\r\n", b"=\n", b"\n")


def forms(value: str) -> frozenset[bytes]:
    """How a value may stand somewhere: as text, folded, escaped, or encoded for a mail or a database."""
    found = set()
    for text in {value, value.casefold(), value.upper()}:
        plain = text.encode()
        found |= {
            plain,
            plain.hex().encode(),
            json.dumps(text)[1:-1].encode(),
            quopri.encodestring(plain, quotetabs=True),
        }
        found |= {quopri.encodestring(plain), text.encode("utf-16-le"), text.encode("utf-16-be")}
        found |= set(_base64_forms(plain))
    return frozenset(found)


def remains(values: Iterable[str], *contents: bytes) -> set[str]:
    """The values that stand in any of these bytes, in whatever form, line breaks inside them or not."""
    whole = b"\0\0".join(contents)
    unbroken = whole
    for line_break in _BREAKS:
        unbroken = unbroken.replace(line_break, b"")
    return {value for value in values if any(form in whole or form in unbroken for form in forms(value))}


def files_of(url: str) -> Mapping[str, bytes]:
    """The bytes of a SQLite database: its file, its log, its index of the log."""
    path = Path(url.removeprefix("sqlite:///"))
    files = (path.with_name(path.name + suffix) for suffix in ("", "-wal", "-shm", "-journal"))
    return {file.name: file.read_bytes() for file in files if file.exists()}


def rows_of(url: str) -> bytes:
    """Everything that stands in any table of a database, and in what PostgreSQL remembers of their values."""
    with bare(url) as connection:
        if url.startswith("sqlite"):
            tables = [row["name"] for row in look(connection, "SELECT name FROM sqlite_master WHERE type = 'table'")]
            return b"\n".join(_bytes(row) for table in tables for row in look(connection, f'SELECT * FROM "{table}"'))
        tables = [
            row["t"] for row in look(connection, "SELECT tablename AS t FROM pg_tables WHERE schemaname = 'public'")
        ]
        rows = [row for table in tables for row in look(connection, f"SELECT t::text AS row FROM {table} AS t")]
        rows += look(connection, "SELECT s::text AS row FROM pg_stats AS s WHERE schemaname = 'public'")
        texts = [str(row["row"]).encode() for row in rows]
        return b"\n".join((*texts, *map(_unhexed, texts)))


def pages_of(url: str) -> bytes:
    """The files of PostgreSQL that hold our tables, their indexes and its statistics, once all is written to them."""
    ours = "relnamespace IN ('public'::regnamespace, 'pg_toast'::regnamespace) OR relname LIKE 'pg_statistic%'"
    with bare(url) as connection:
        connection.execute("CHECKPOINT")
        (place,) = look(connection, "SELECT current_setting('data_directory') AS folder")
        files = look(connection, f"SELECT pg_relation_filepath(oid) AS file FROM pg_class WHERE {ours}")
    paths = (Path(place["folder"]) / row["file"] for row in files if row["file"])
    return b"".join(path.read_bytes() for path in paths)


def _base64_forms(plain: bytes) -> Iterator[bytes]:
    """What base64 makes of the bytes at each of the three places they may begin at, without the shared ends."""
    for shift in range(3):
        encoded = base64.b64encode(b"\0" * shift + plain)
        first = -(-shift * 8 // 6)
        whole = (shift + len(plain)) * 8 // 6
        if whole - first >= 6:
            yield encoded[first:whole]


def _bytes(row: Mapping[str, object]) -> bytes:
    return b"\t".join(value if isinstance(value, bytes) else str(value).encode() for value in row.values())


def _unhexed(text: bytes) -> bytes:
    """The bytes in a row's text that PostgreSQL wrote as \\x…, read back."""
    return b"\t".join(bytes.fromhex(found.decode()) for found in _HEX.findall(text))


def rewrite(url: str) -> None:
    """What the owner of a PostgreSQL database does after an erasure; on SQLite it was done."""
    if not url.startswith("sqlite"):
        with bare(url) as connection:
            connection.execute(VACUUM)
