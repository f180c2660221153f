"""Where cases are kept: SQLite or PostgreSQL, through SQLAlchemy Core's language and the drivers themselves."""

from workflow.storage.database import Database, open_database

__all__ = ["Database", "open_database"]
