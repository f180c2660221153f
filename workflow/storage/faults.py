"""What a database driver's errors mean to a person, and what to do about each."""

from __future__ import annotations

import os
import re

from workflow.errors import HistoryBroken, NeedsInit, NotAllowed, NotThere, Overtaken, SchakelError, StoreError
from workflow.storage.charset import creation

_DUPLICATE = "23505"
"""PostgreSQL's code: its words are in the server's own language."""
_MOST = 300
"""Characters of a driver's own words; they hold no password."""
_NOT_ALLOWED = "42501"
_OUT_OF_RANGE = "22003"
_CROSSED = "Another command was writing the same cases at that moment; nothing was written. Repeat it."
"""Two writers of many rows met crosswise and this one was ended; or the server asks for more isolation than we do."""
_OVERTAKEN = {
    "40P01": _CROSSED,
    "40001": _CROSSED,
    "55P03": "Somebody else holds what this needs, for longer than lock_timeout allows. Repeat it later.",
}
STALE = frozenset(("26000", "42P05", "08P01", "0A000"))
"""Of what was prepared on a connection: gone, somebody else's, or of a table that was altered since."""
_AWAY = "conflict with recovery"
"""What ends a reader of a standby has the code of two writers that cross."""
_NO_ANSWER = "does not answer: is the server running, and are host and port right?"
_BROKEN_OFF = (
    "does not answer any more: it ended this connection, and its log says why. Look whether what you asked was done, "
    "and repeat it if not; if that fails too: is the server running?"
)
"""In a pipeline libpq's last words hide the server's own."""
_POOLED = (
    "does not know what was prepared on this connection ({said}): a proxy between them must keep one session for each "
    "connection (pool_mode = session, docs/deployment.md)."
)
_MEANS = {
    "57014": "broke off a statement, and nothing of it was written ({said}): where a time-out of the server did that, "
    "take it off for this role (ALTER ROLE … SET statement_timeout = 0), then repeat the command.",
    "26000": _POOLED,
    "42P05": _POOLED,
    "08P01": _POOLED,
}
"""By PostgreSQL's code, since its words are in the server's own language."""
_SAYS = (
    # a part of what drivers say              what it means, and what to do; the first that fits counts
    (
        "attempt to write a readonly database",
        "is read-only: check the permissions of its folder, of the file, and of its -wal and -shm beside it.",
    ),
    ("unable to open database file", "{unopened}"),
    ("is a directory", "is a folder, not a file: name the file in it."),
    ("database or disk is full", "has no room left: free disk space, then repeat the command; nothing was written."),
    ("no space left", "has no room left: free disk space, then repeat the command; nothing was written."),
    ("database is locked", "stayed busy for 30 seconds: another program holds it; repeat the command."),
    ("file is not a database", "is not a SQLite database."),
    (  # SQLite says this too when the disk gave EIO for a page of it
        "disk image is malformed",
        "is damaged (after a restore: is an old -wal beside it?), or its disk could not be read: check the disk, "
        "repeat the command; if it stays, restore a backup.",
    ),
    (  # which it also says of a disk that is full when it closes a database
        "disk i/o error",
        "could not be read or written (disk I/O error): is the disk full (df)? Else check the disk.",
    ),
    ("password authentication failed", "refused the password."),
    (
        "no password supplied",
        "wants a password, and got none: set database_password_file, or PGPASSFILE, a file that only you can read.",
    ),
    (
        "root certificate",
        "cannot be told from another: the root certificate to check it by is not there or cannot be read. "
        "Put it there, or name it with sslrootcert=/full/path in database_url. ({said})",
    ),
    (  # said by SQLAlchemy, of this program's own
        "queuepool limit",
        "has no connection left for this program, which holds too many: read lists that were begun to their end.",
    ),
    ("too many clients", "{crowded}"),
    (
        "too many connections for",
        "has no connection left for this one ({said}): end programs that hold some, or raise that limit (ALTER ROLE or "
        "ALTER DATABASE … CONNECTION LIMIT), then repeat it.",
    ),
    ("too many connections", "{crowded}"),
    ("connection slots are reserved", "{crowded}"),
    (
        _AWAY,
        "is a standby, and had to go on with what its primary wrote: repeat the command, or read from the primary.",
    ),
    ("read-only transaction", "{standby}"),
    ("during recovery", "{standby}"),
    ("recovery is in progress", "{standby}"),
    ("transaction timeout", "ended this transaction, which took too long; nothing was written: repeat the command."),
    (
        "terminating connection",
        "ended this connection ({said}): look whether what you asked was done, and repeat it if not.",
    ),
    (
        "unsupported startup parameter",
        "refused this connection ({said}): a proxy between them takes none; leave `options` out of database_url.",
    ),
    (
        "nondeterministic collations",
        "has a column in which different texts count as the same ({said}): schakel doctor says how to mend that.",
    ),
    ("cached plan", "was altered while this program ran ({said}): repeat the command."),
    ("the database system is", "does not answer yet, or no more: {said}"),
    ("fatal:", "failed: {said}"),  # so it did answer
    ("connection refused", _NO_ANSWER),
    ("connection reset", _NO_ANSWER),
    ("timeout expired", _NO_ANSWER),
    ("connection timed out", _NO_ANSWER),
    ("connection is closed", _BROKEN_OFF),
    ("connection is lost", _BROKEN_OFF),
    ("connection has been closed", _BROKEN_OFF),
    ("closed the connection", _BROKEN_OFF),
    ("no connection to the server", _NO_ANSWER),
    ("could not connect", _NO_ANSWER),
    ("could not receive data", _NO_ANSWER),
    ("could not send data", _NO_ANSWER),
    ("ssl syscall error", _NO_ANSWER),
    ("is the server running", _NO_ANSWER),
    ("no route to host", _NO_ANSWER),
    ("network is unreachable", _NO_ANSWER),
)
_BLOB = "JSON cannot hold BLOB values"
"""What SQLite says when it gathers the keys of a case; of nothing else it makes JSON."""
_BEYOND = "A number in the row of a case is beyond all bounds"
_EXISTS = ("unique constraint", "append-only: this event exists")
_CROWDED = "has no connection left: end programs that hold some, or let it have more (max_connections), then repeat it."
_STANDBY = (
    "can only be read ({said}): it is a standby, or was set to that. Read from it here, and where you write name the "
    "primary in database_url."
)
_ABSENT = (
    "cannot be opened: is the path right, the folder there and writable? If it was lost, put its copy back "
    "(docs/operations.md); a new one: schakel init"
)
_SHUT = "cannot be opened by this account: be the user it belongs to, or see who may write the file and its folder."
_BEFORE = re.compile(r"^connection (failed|is bad): (connection to server .+? failed: )?")
"""What stands before the reason; the database is named already."""
_NO_DATABASE = re.compile(r'database "(.+?)" does not exist')
_NO_TABLE = re.compile(r'(relation|column|schema) "?.+"? does not exist')


def explain(error: BaseException, database: str) -> SchakelError:
    """The error of our own tree that says what this driver's error means."""
    said = _said(error)
    if is_duplicate(error):
        return Overtaken(f"Somebody else wrote the same a moment ago; look again and decide anew. ({said[:120]})")
    code = getattr(error, "sqlstate", None) or ""
    if code in _OVERTAKEN and _AWAY not in said:
        return Overtaken(_OVERTAKEN[code])
    if isinstance(error, OverflowError) or code == _OUT_OF_RANGE or _BLOB in said:
        what = "A key that a case is found by is no text" if _BLOB in said else _BEYOND
        return HistoryBroken(f"{what}: somebody altered it. To see where, run: schakel audit verify")
    if code == _NOT_ALLOWED or "permission denied for" in said:
        where, _, _ = _BEFORE.sub("", said).partition(" LINE ")
        return NotAllowed(f"The database {database} does not allow that ({where[:_MOST]})")
    if isinstance(error, PermissionError):
        return StoreError(f"The database {database} {_SHUT}")
    kind, means = (StoreError, _MEANS[code].format(said=said[:_MOST])) if code in _MEANS else _meaning(said, database)
    return kind(f"The database {database} {means}")


def _said(error: BaseException) -> str:
    """What a driver says, on one line; of a server's error its message alone: the details repeat values of the row.

    Why a server ended the connection stands beside it as a note, and says more.
    """
    diagnosis = getattr(error, "diag", error)
    message = getattr(diagnosis, "message_primary", None) or getattr(error, "strerror", None)
    told = [message or str(error), *getattr(error, "__notes__", ())]
    return " ".join(told[-1].split())


def _meaning(said: str, database: str) -> tuple[type[StoreError], str]:
    if missing := _NO_DATABASE.search(said):
        return NotThere, f"is not there: create it first ({creation(missing[1])}), then run: schakel init"
    if _NO_TABLE.search(said):
        return NeedsInit, f"misses something ({said[:_MOST]}): check the name, then run: schakel init"
    said = _BEFORE.sub("", said)
    lower = said.lower()
    meaning = next((meaning for part, meaning in _SAYS if part in lower), "failed: {said}")
    said = said[:_MOST]
    if meaning == "{unopened}":
        return (StoreError, _SHUT) if _is_there(database) else (NotThere, _ABSENT)
    return StoreError, meaning.format(said=said, crowded=_CROWDED, standby=_STANDBY.format(said=said))


def _is_there(path: str) -> bool:
    """Whether a file is there, as far as can be seen: not to be let into its folder says that too."""
    try:
        os.stat(path)
    except PermissionError:
        return True
    except OSError:
        return False
    return True


def is_duplicate(error: BaseException) -> bool:
    """Whether a unique constraint refused the write, or what stands in its place."""
    said = str(error).lower()
    return getattr(error, "sqlstate", None) == _DUPLICATE or any(part in said for part in _EXISTS)
