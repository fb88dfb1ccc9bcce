"""The files connector: tables are folders, a snapshot is a listing, a part is some of its files.

Every column is nullable, because only reading all rows would tell. A table that cannot be made sense
of does not hide the others: it is discovered without columns, and its comment says why; describing it
raises the reason.
"""

import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.compute as pc
from typing_extensions import override

from connectors.arrow_batches import bounded
from connectors.base import (
    Capabilities,
    Connector,
    Scan,
    SourceColumn,
    SourceContext,
    SourceTable,
)
from connectors.errors import EgressRefused, SourceFailed, SourceRefused, TableGone
from connectors.sources.files.column_types import parse_type
from connectors.sources.files.csv_files import CsvReader
from connectors.sources.files.json_files import JsonReader
from connectors.sources.files.layout import TableFiles, arrange, find_table, list_tables
from connectors.sources.files.options import FileFormat, FilesOptions
from connectors.sources.files.parquet_files import ParquetReader
from connectors.sources.files.plan import FilesPart, plan_parts
from connectors.sources.files.reader import EachFile, FileReader, Found, Unit, no_columns
from connectors.sources.files.stores import File, Store, open_store

LOOKERS = 4
"""Files that are looked at side by side."""
PARTITION_TYPE = "partition"

_READERS: dict[FileFormat, type[FileReader]] = {
    "parquet": ParquetReader,
    "csv": CsvReader,
    "json": JsonReader,
}


class FilesConnector(Connector[FilesOptions, FilesPart]):
    """A folder of this machine, or a prefix of an S3 bucket."""

    source_type = "files"
    label = "Files"
    options_type = FilesOptions
    capabilities: ClassVar[Capabilities] = Capabilities(has_parts=True, is_incremental=True)

    def __init__(self, options: FilesOptions, context: SourceContext) -> None:
        super().__init__(options, context)
        self._store: Store = open_store(options, context)

    @override
    def check(self) -> None:
        self._store.check()

    @override
    def discover(self) -> Iterator[SourceTable]:
        listed = list(list_tables(self._store, self.options))
        with ThreadPoolExecutor(LOOKERS) as pool:
            try:
                looked = pool.map(lambda table: self._discovered(*table), listed)
                yield from (table for table in looked if table is not None)
            finally:
                pool.shutdown(cancel_futures=True)

    @override
    def describe(self, schema: str, table: str) -> SourceTable:
        files = self._table_files(schema, table)
        with ThreadPoolExecutor(LOOKERS) as pool:
            return self._described(table, files, pool.map)

    @override
    def plan_fetch(self, table: SourceTable, scan: Scan) -> Sequence[FilesPart]:
        files = self._table_files(table.schema, table.name)
        overridden = frozenset(self._overrides(table.name))
        return plan_parts(table, scan, files, self._reader(files), overridden, self.context)

    @override
    def open(self, part: FilesPart) -> Iterator[pa.RecordBatch]:
        left = math.inf if part.limit is None else part.limit
        for unit in part.units:
            for read in part.reader.batches(unit, part.wanted):
                for batch in bounded(_finished(read, unit, part), self.context.batch_bytes):
                    if batch.num_rows >= left:
                        yield batch.slice(0, int(left))
                        return
                    left -= batch.num_rows
                    yield batch

    def _table_files(self, schema: str, table: str) -> TableFiles:
        files = None
        if schema == self.options.schema_name:
            files = arrange(find_table(self._store, self.options, table), self.options)
        if files is None:
            raise TableGone(f"There is no table '{table}' in the schema '{schema}'")
        return files

    def _discovered(self, name: str, listed: Sequence[File]) -> SourceTable | None:
        try:
            files = arrange(listed, self.options)
            return None if files is None else self._described(name, files, map)
        except (SourceFailed, SourceRefused, EgressRefused) as error:
            return SourceTable(
                self.options.schema_name, name, (), comment=f"Cannot be read: {error}"
            )

    def _described(self, name: str, files: TableFiles, each: EachFile) -> SourceTable:
        overrides = self._overrides(name)
        listed = [file.file for file in files.files]
        found = self._reader(files).look(listed, each, frozenset(overrides))
        columns = _columns(found, files, overrides, self._declared(name))
        if not columns:
            raise SourceFailed(f"The files of '{name}' hold no rows and no names of columns")
        return SourceTable(self.options.schema_name, name, columns, row_estimate=found.row_count)

    def _reader(self, files: TableFiles) -> FileReader:
        reader = _READERS[files.format]
        return reader(self._store, self.options, self.context.batch_bytes)

    def _declared(self, table: str) -> dict[str, pa.DataType]:
        """Types the user gave as ``table.column``, which may name columns not seen yet."""
        prefix = f"{table}."
        return {
            name.removeprefix(prefix): parse_type(text)
            for name, text in self.options.column_types.items()
            if name.startswith(prefix)
        }

    def _overrides(self, table: str) -> dict[str, pa.DataType]:
        """Types the user gave to columns of a table, if it has them."""
        types = {name: parse_type(text) for name, text in self.options.column_types.items()}
        return types | self._declared(table)


def _columns(
    found: Found,
    files: TableFiles,
    overrides: dict[str, pa.DataType],
    declared: dict[str, pa.DataType],
) -> tuple[SourceColumn, ...]:
    """Columns of the files, then declared ones no file has shown yet, then the partitions.

    A partition column stands for one of the same name in the files, as writers may repeat it there.
    """
    keys = files.partition_keys
    columns = [
        SourceColumn(field.name, overrides.get(field.name, field.type), True, native)
        for field, native in zip(found.schema, found.native_types, strict=True)
        if field.name not in keys
    ]
    unseen = [name for name in declared if name not in {*found.schema.names, *keys}]
    columns += [SourceColumn(name, declared[name], True, "declared") for name in unseen]
    columns += [
        SourceColumn(key, overrides.get(key, files.partition_type(key)), True, PARTITION_TYPE)
        for key in keys
    ]
    return tuple(columns)


def _finished(read: Any, unit: Unit, part: FilesPart) -> pa.RecordBatch:  # noqa: ANN401 - a batch
    """Bring a batch of a file into the schema of its part: rows filtered, partitions put in."""
    if part.wanted.after is not None:
        name, value = part.wanted.after
        read = read.filter(pc.greater(read.column(name), value))
    if not len(part.schema):
        return no_columns(read.num_rows)
    partitions = part.partitions[unit.file.path]
    arrays = [
        pa.repeat(partitions[name], read.num_rows) if name in partitions else read.column(name)
        for name in part.schema.names
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=part.schema)
