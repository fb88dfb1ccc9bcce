"""The Iceberg connector. All that needs pyiceberg is in ``lake`` and loaded with the first use."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

import pyarrow as pa
from typing_extensions import override

from connectors.base import Capabilities, Connector, Scan, SourceContext, SourceTable
from connectors.drivers import load_driver
from connectors.sources.iceberg.options import IcebergOptions
from connectors.sources.iceberg.parts import IcebergPart

if TYPE_CHECKING:
    from connectors.sources.iceberg.lake import Lake


class IcebergConnector(Connector[IcebergOptions, IcebergPart]):
    """Apache Iceberg tables."""

    source_type: ClassVar[str] = "iceberg"
    label: ClassVar[str] = "Apache Iceberg"
    options_type: ClassVar[type[IcebergOptions]] = IcebergOptions
    capabilities: ClassVar[Capabilities] = Capabilities(has_parts=True, is_incremental=True)

    def __init__(self, options: IcebergOptions, context: SourceContext) -> None:
        super().__init__(options, context)
        self._driver = load_driver("connectors.sources.iceberg.lake")
        self._lake: Lake | None = None

    @override
    def check(self) -> None:
        self._open_lake().check()

    @override
    def discover(self) -> Iterator[SourceTable]:
        """Yield every table; one that cannot be read is left out, unless none can."""
        yield from self._open_lake().discover()

    @override
    def describe(self, schema: str, table: str) -> SourceTable:
        return self._open_lake().describe(schema, table)

    @override
    def plan_fetch(self, table: SourceTable, scan: Scan) -> list[IcebergPart]:
        return self._open_lake().plan(table, scan)

    @override
    def open(self, part: IcebergPart) -> Iterator[pa.RecordBatch]:
        yield from self._open_lake().open(part)

    @override
    def close(self) -> None:
        if self._lake is not None:
            self._lake.close()
            self._lake = None

    def _open_lake(self) -> "Lake":
        if self._lake is None:
            self._lake = self._driver.Lake(self.options, self.context)
        return self._lake
