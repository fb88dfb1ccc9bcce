"""Snowflake, through the ADBC driver."""

from connectors.sources.snowflake.connector import SnowflakeConnector
from connectors.sources.snowflake.options import SnowflakeOptions

__all__ = ["SnowflakeConnector", "SnowflakeOptions"]
