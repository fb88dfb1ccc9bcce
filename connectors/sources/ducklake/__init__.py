"""DuckLake as a source, read from its SQL catalog and its Parquet files without DuckDB's extension.

The parts: ``options`` (where the catalog is), ``catalogs`` (its three kinds of database), ``lake``
(what the catalog says of one snapshot), ``columns`` (types), ``inlined`` (rows kept in the catalog),
``data_files`` (rows kept in Parquet), ``shapes`` and ``leaves`` (both brought to the declared types).
"""

from connectors.sources.ducklake.connector import DuckLakeConnector

__all__ = ["DuckLakeConnector"]
