"""DuckDB files, and databases at MotherDuck."""

from connectors.sources.duckdb.connector import DuckDBConnector, MotherDuckConnector

__all__ = ["DuckDBConnector", "MotherDuckConnector"]
