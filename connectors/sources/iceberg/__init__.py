"""Apache Iceberg tables of a REST, Glue or SQL catalog."""

from connectors.sources.iceberg.connector import IcebergConnector
from connectors.sources.iceberg.options import IcebergOptions

__all__ = ["IcebergConnector", "IcebergOptions"]
