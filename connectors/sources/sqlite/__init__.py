"""SQLite files."""

from connectors.sources.sqlite.connector import SQLiteConnector

__all__ = ["SQLiteConnector"]
