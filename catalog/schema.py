"""The whole schema of the catalog: whoever compares or creates it needs every table to be known."""

from catalog import document_tables, index_tables, tables
from catalog.metadata import metadata

__all__ = ["document_tables", "index_tables", "metadata", "tables"]
