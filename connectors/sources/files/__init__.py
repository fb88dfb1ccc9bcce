"""Folders and bucket prefixes of Parquet, CSV and JSON files as tables."""

from connectors.sources.files.connector import FilesConnector

__all__ = ["FilesConnector"]
