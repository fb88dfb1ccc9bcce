"""The ClickHouse source, over its HTTP interface."""

from connectors.sources.clickhouse.connector import ClickHouseConnector

__all__ = ["ClickHouseConnector"]
