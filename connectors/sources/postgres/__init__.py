"""PostgreSQL, Amazon Redshift and CockroachDB."""

from connectors.sources.postgres.connector import (
    CockroachConnector,
    PostgresConnector,
    RedshiftConnector,
)
from connectors.sources.postgres.options import PostgresOptions

__all__ = ["CockroachConnector", "PostgresConnector", "PostgresOptions", "RedshiftConnector"]
