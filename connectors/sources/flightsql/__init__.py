"""The Arrow Flight SQL source."""

from connectors.sources.flightsql.connector import FlightSqlConnector

__all__ = ["FlightSqlConnector"]
