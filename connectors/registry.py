"""Every source type, by its name in the API; modules are imported when they are first asked for."""

import importlib
import importlib.util
from collections.abc import Iterator
from types import MappingProxyType
from typing import Any

from connectors.base import Connector
from connectors.drivers import missing_driver
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

# Packages of the extras: what must be there before a connection of the type is made.
_EXTRAS: MappingProxyType[str, tuple[str, str]] = MappingProxyType(
    {
        "bigquery": ("google.cloud.bigquery", "bigquery"),
        "clickhouse": ("clickhouse_connect", "clickhouse"),
        "delta": ("deltalake", "delta"),
        "snowflake": ("adbc_driver_snowflake", "snowflake"),
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


def check_driver(source_type: str) -> None:
    """Make sure, without importing it, that the driver of a source type is installed.

    Raises:
        DriverMissing: it is not; the message has the command that installs it.
    """
    module, extra = _EXTRAS.get(source_type, (None, None))
    if module is not None and not _is_installed(module):
        raise missing_driver(extra)


def _is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # of a parent
        return False
