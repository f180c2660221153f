"""Schakel's engine: cases on an explicit, persisted state machine, with a history that can be replayed and proved.

>>> from workflow import Engine, open_database
>>> engine = Engine(open_database("sqlite:////var/lib/schakel/schakel.db"), definition)  # doctest: +SKIP
"""

from workflow.answers import Row, RowResult, RulesOf
from workflow.engine import Engine
from workflow.errors import (
    CannotFire,
    Conflict,
    HistoryBroken,
    NoSuchCase,
    Refused,
    SchakelError,
    StoreError,
    UsageError,
)
from workflow.events import Origin
from workflow.storage import Database, open_database

__all__ = [
    "CannotFire",
    "Conflict",
    "Database",
    "Engine",
    "HistoryBroken",
    "NoSuchCase",
    "Origin",
    "Refused",
    "Row",
    "RowResult",
    "RulesOf",
    "SchakelError",
    "StoreError",
    "UsageError",
    "open_database",
]
