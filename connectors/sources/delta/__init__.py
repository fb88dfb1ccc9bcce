"""Delta Lake tables in a folder of this machine or of S3."""

from connectors.sources.delta.connector import DeltaConnector
from connectors.sources.delta.options import DeltaOptions

__all__ = ["DeltaConnector", "DeltaOptions"]
