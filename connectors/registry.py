"""Every source type, by its name in the API; modules are imported when they are first asked for."""

import importlib
from collections.abc import Iterator
from types import MappingProxyType
from typing import Any

from connectors.base import Connector
from connectors.errors import OptionsInvalid

AnyConnector = type[Connector[Any, Any]]

_CLASSES: MappingProxyType[str, str] = MappingProxyType(
    {
        "bigquery": "connectors.sources.bigquery:BigQueryConnector",
        "clickhouse": "connectors.sources.clickhouse:ClickHouseConnector",
        "cockroachdb": "connectors.sources.postgres:CockroachConnector",
        "delta": "connectors.sources.delta:DeltaConnector",
        "duckdb": "connectors.sources.duckdb:DuckDBConnector",
        "ducklake": "connectors.sources.ducklake:DuckLakeConnector",
        "files": "connectors.sources.files:FilesConnector",
        "flightsql": "connectors.sources.flightsql:FlightSqlConnector",
        "iceberg": "connectors.sources.iceberg:IcebergConnector",
        "mariadb": "connectors.sources.mysql:MariaDBConnector",
        "motherduck": "connectors.sources.duckdb:MotherDuckConnector",
        "mysql": "connectors.sources.mysql:MySQLConnector",
        "postgres": "connectors.sources.postgres:PostgresConnector",
        "redshift": "connectors.sources.postgres:RedshiftConnector",
        "snowflake": "connectors.sources.snowflake:SnowflakeConnector",
        "sqlite": "connectors.sources.sqlite:SQLiteConnector",
    }
)


def source_types() -> Iterator[str]:
    """Yield the names of all source types, in order."""
    yield from _CLASSES


def connector_class(source_type: str) -> AnyConnector:
    """Return the connector of a source type.

    Raises:
        OptionsInvalid: there is none of this name.
    """
    place = _CLASSES.get(source_type)
    if place is None:
        known = ", ".join(_CLASSES)
        raise OptionsInvalid(f"Unknown source type '{source_type}'. Known: {known}")
    module, _, name = place.partition(":")
    found: AnyConnector = getattr(importlib.import_module(module), name)
    return found
