"""BigQuery, through its REST interface."""

from connectors.sources.bigquery.connector import BigQueryConnector
from connectors.sources.bigquery.options import BigQueryOptions

__all__ = ["BigQueryConnector", "BigQueryOptions"]
