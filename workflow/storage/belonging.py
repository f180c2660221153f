"""Whose the tables of a database are: Schakel's, at which migration, or another program's; and what is said of each."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from workflow.errors import NotThere, StoreError, TooOld, UsageError
from workflow.storage import tables

Execute = Callable[[str], Any]
"""Runs SQL on whichever connection; what it gives has `fetchall`."""

_VERSION = "alembic_version"
_OURS = re.compile("[0-9]{4}")
"""A migration of Schakel, be it of a program to come."""
_MARKS = frozenset(("case_keys", "outbox_attempts", "private_values"))
"""Tables of the first migration whose names hardly another program has, as it may have `events`."""
_TABLES = {
    "sqlite": "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND substr(name, 1, 7) <> 'sqlite_'",
    "postgresql": "SELECT tablename FROM pg_tables WHERE schemaname = current_schema()",
}
_OWN = {
    "sqlite": "name a file of Schakel's own in database_url.",
    "postgresql": "give Schakel a database of its own in database_url, or a schema that search_path names first.",
}
_SOUGHT = "SELECT current_schema(), current_user, quote_ident(current_user), current_setting('search_path')"
_PLACES = f"""SELECT n.nspname, quote_ident(n.nspname), has_schema_privilege(n.oid, 'USAGE') FROM pg_namespace n
    WHERE n.nspname IS DISTINCT FROM current_schema() AND {len(_MARKS) + 1} = (SELECT count(*) FROM pg_class c
    WHERE c.relnamespace = n.oid AND c.relname IN ('{_VERSION}', {", ".join(map(repr, sorted(_MARKS)))}))
    ORDER BY n.nspname"""
"""The other schemas that hold tables of Schakel."""


def found_migration(execute: Execute, kind: str, shown: str) -> str | None:
    """The migration that our tables are at; None: there are none. Raises UsageError: they are another program's.

    In PostgreSQL tables of others may stand beside ours, as those of an extension do; in a file they were there before.
    """
    there = {name for (name,) in execute(_TABLES[kind]).fetchall()}
    rows = execute(f"SELECT version_num FROM {_VERSION}").fetchall() if _VERSION in there else []
    found = str(rows[0][0]) if rows else None
    is_ours = bool(there & _MARKS) or not there - {_VERSION}
    if found is not None and not (is_ours and _OURS.fullmatch(found)):
        said = f"its alembic_version says {found}, and is not Schakel's"
    elif kind == "sqlite" and not is_ours:
        said = "it has tables, and none of Schakel's"
    else:
        return found
    raise UsageError(f"The database {shown} is another program's ({said}): {_OWN[kind]}")


def refuse_others(found: str | None, shown: str) -> None:
    """Raises NotThere, TooOld, StoreError: tables at this migration are not those of this program."""
    if found is None:
        raise NotThere(f"The database {shown} has no tables yet. Run: schakel init")
    refuse_newer(found, shown)
    if found < tables.HEAD:
        raise TooOld(
            f"The tables of {shown} are at {found}; this program needs {tables.HEAD}. "
            "Stop the worker, make a backup, then run: schakel init"
        )


def refuse_newer(found: str | None, shown: str) -> None:
    """Raises StoreError: the tables are beyond those of this program."""
    if found is not None and found > tables.HEAD:
        raise StoreError(
            f"The database {shown} was made by a newer Schakel (its tables are at {found}, this program knows "
            f"{tables.HEAD}). Use that newer version."
        )


def refuse_elsewhere(execute: Execute, shown: str, *, is_init: bool = False) -> None:
    """Where there are no tables of ours (PostgreSQL). Raises StoreError: another schema has some; and what to do.

    `init` may make others beside them, unless that may be a mistake: in a schema that search_path does not name first,
    while it names theirs too; or in none.
    """
    ((here, user, role, setting),) = execute(_SOUGHT).fetchall()
    names = [user if name == "$user" else name for name in _names(setting)]
    places = execute(_PLACES).fetchall()
    named = [place for place in places if place[0] in names]
    if not places or (is_init and here is not None and (not named or next(_names(setting)) == here)):
        return
    if here is None and not named and (is_init or len(places) > 1):
        others = ", ".join(quoted for _, quoted, _ in places)
        raise StoreError(
            f"In the database {shown} no schema that search_path names ({setting}) is there or open to {role}: make it"
            f" first (CREATE SCHEMA … AUTHORIZATION {role}), then init. There are tables of Schakel in: {others}."
        )
    (schema, quoted, is_usable), *_ = named or places
    todo = [] if is_usable else [f"GRANT USAGE ON SCHEMA {quoted} TO {role} (as its owner)"]
    if is_usable or schema not in names:
        todo.append(f"ALTER ROLE {role} SET search_path = {quoted}")
    leads = "to no schema of this role" if here is None else f"to schema {here}, which has none"
    raise StoreError(
        f"The database {shown} has tables of Schakel in schema {quoted}, but search_path leads {leads}: "
        f"{'; '.join(todo)}. For others beside them: name their schema first in search_path, then init."
    )


def _names(setting: str) -> Iterator[str]:
    """The names in a search_path."""
    for name in map(str.strip, setting.split(",")):
        yield name[1:-1] if name.startswith('"') else name.lower()
