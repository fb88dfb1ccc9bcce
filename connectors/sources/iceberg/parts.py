"""What a planned piece of an Iceberg table holds; apart, so that it loads no driver."""

from dataclasses import dataclass
from typing import Any

from connectors.base import Part


@dataclass(frozen=True, slots=True)
class IcebergPart(Part):
    """Some data files of one snapshot.

    Attributes:
        tasks: pyiceberg's scan tasks: a data file each, with its delete files.
        rows: a :class:`connectors.sources.iceberg.data_files.RowReader` for them.
        limit: rows at most.
    """

    tasks: tuple[Any, ...]
    rows: Any
    limit: int | None
