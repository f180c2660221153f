"""Schakel's engine: cases on an explicit, persisted state machine, with a history that can be replayed and proved.

>>> from workflow import Engine, open_database
>>> engine = Engine(open_database("sqlite:////var/lib/schakel/schakel.db"), definition)  # doctest: +SKIP
"""

from workflow.engine import Engine
from workflow.errors import Conflict, NoSuchCase, Refused, SchakelError, StoreError, UsageError
from workflow.events import Origin
from workflow.storage import Database, open_database

__all__ = [
    "Conflict",
    "Database",
    "Engine",
    "NoSuchCase",
    "Origin",
    "Refused",
    "SchakelError",
    "StoreError",
    "UsageError",
    "open_database",
]
