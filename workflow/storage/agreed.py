"""What a connection to PostgreSQL must be set to, whatever its server, database or role say; and what only they set."""

from __future__ import annotations

from typing import Any

from workflow.storage.store import Store

STALLED = "5min"
"""How long a process that was stopped in a transaction may keep others from its rows; PostgreSQL then ends it."""
SETTINGS = (
    # name                                   value             only instead of
    ("TimeZone",                            "UTC",            None),
    ("DateStyle",                           "ISO",            None),   # the one that the driver reads
    ("default_transaction_isolation",       "read committed", None),   # who waited for a row sees it as it is now
    ("row_security",                        "off",            None),   # a row that is hidden is an error, not a gap
    ("synchronous_commit",                  "on",             "off"),  # else a letter that was sent is sent again
    ("idle_in_transaction_session_timeout", STALLED,          "0"),
    ("transaction_timeout",                 STALLED,          "0"),    # in a pipeline a session is not 'idle'
)  # fmt: skip
_ROWS = ", ".join(
    f"('{name}', '{value}', {'NULL' if instead is None else repr(instead)})" for name, value, instead in SETTINGS
)
_AGREE = f"""SELECT set_config(name, value, false) FROM (VALUES {_ROWS}) AS agreed (name, value, instead)
    WHERE current_setting(name, true) = coalesce(instead, current_setting(name, true))"""
"""One statement, since a proxy may refuse `options`. What a PostgreSQL before 17 does not know is left out."""
_UNSAFE = "SELECT name FROM pg_settings WHERE name IN ('fsync', 'full_page_writes') AND setting = 'off' ORDER BY name"


def agree(connection: Any, _record: object) -> None:
    """Set a new connection; one round trip."""
    connection.execute(_AGREE)


def unsafe(store: Store) -> list[str]:
    """What the server itself has switched off without which a power cut loses or damages what was written."""
    return [name for (name,) in store.execute(_UNSAFE).fetchall()]
