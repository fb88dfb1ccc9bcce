"""MySQL and MariaDB: one connector under two names."""

from connectors.sources.mysql.connector import MariaDBConnector, MySQLConnector

__all__ = ["MariaDBConnector", "MySQLConnector"]
