"""The whole schema of the catalog: whoever compares or creates it needs every table to be known."""

from catalog import index_tables, tables
from catalog.metadata import metadata

__all__ = ["index_tables", "metadata", "tables"]
