"""What a database driver's errors mean to a person, and what to do about each."""

from __future__ import annotations

from workflow.errors import Overtaken, SchakelError, StoreError

_DUPLICATE = "23505"
"""PostgreSQL's code: its words are in the server's own language."""
_CROSSED = {"40P01", "40001"}
"""Two writers of many rows met crosswise and this one was ended; or the server asks for more isolation than we do."""
_SAYS = (
    # a part of what drivers say              what it means, and what to do
    ("attempt to write a readonly database", "is read-only: check the permissions of the file and its folder."),
    (
        "unable to open database file",
        "cannot be opened: is the path right, the folder there and writable? Run: schakel init",
    ),
    ("is a directory", "is a folder, not a file: name the file in it."),
    ("database or disk is full", "has no room left: free disk space, then repeat the command; nothing was written."),
    ("no space left", "has no room left: free disk space, then repeat the command; nothing was written."),
    ("database is locked", "stayed busy for 30 seconds: another program holds it; repeat the command."),
    ("file is not a database", "is not a SQLite database."),
    (  # SQLite says this too when the disk gave EIO for a page of it
        "disk image is malformed",
        "is damaged, or its disk could not be read: check the disk, repeat the command; if it stays, restore a backup.",
    ),
    ("disk i/o error", "could not be read or written (disk I/O error): check the disk."),
    ("password authentication failed", "refused the password."),
    ("does not exist", "is not there or misses something: check the name, then run: schakel init."),
    ("transaction timeout", "ended this transaction, which took too long; nothing was written: repeat the command."),
    ("connection", "does not answer: is the server running, and are host and port right?"),
)


def explain(error: BaseException, database: str) -> SchakelError:
    """The error of our own tree that says what this driver's error means."""
    said = " ".join(str(error).split())
    if is_duplicate(error):
        return Overtaken(f"Somebody else wrote the same a moment ago; look again and decide anew. ({said[:120]})")
    if getattr(error, "sqlstate", None) in _CROSSED:
        return Overtaken("Another command was writing the same cases at that moment; nothing was written. Repeat it.")
    for part, meaning in _SAYS:
        if part in said.lower():
            return StoreError(f"The database {database} {meaning}")
    return StoreError(f"The database {database} failed: {said[:300]}")


def is_duplicate(error: BaseException) -> bool:
    """Whether a unique constraint refused the write."""
    return getattr(error, "sqlstate", None) == _DUPLICATE or "unique constraint" in str(error).lower()
