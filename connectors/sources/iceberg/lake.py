"""The catalog and the tables of one connection: what there is, and which files to read of it.

The trap of pinning: pyiceberg reads a given snapshot in the schema of that snapshot, so that a
column added since would be missing. Here the schema is that of the table, unless the connection
asks for a state in the past.
"""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import time

import pyarrow as pa
from pyiceberg.exceptions import ForbiddenError, NoSuchNamespaceError
from pyiceberg.expressions import AlwaysTrue, BooleanExpression, GreaterThan
from pyiceberg.schema import Schema
from pyiceberg.table import FileScanTask, Table
from pyiceberg.table.snapshots import Snapshot
from pyiceberg.typedef import Identifier
from pyiceberg.types import (
    DateType,
    DecimalType,
    IntegerType,
    LongType,
    NestedField,
    StringType,
    TimestampType,
    TimestamptzType,
)

from connectors.base import After, Scan, SourceContext, SourceTable
from connectors.errors import ConnectorError, SourceFailed, TableGone
from connectors.sources.iceberg.catalogs import open_catalog
from connectors.sources.iceberg.columns import arrow_type, columns_of
from connectors.sources.iceberg.data_files import RowReader, Scalar
from connectors.sources.iceberg.failures import iceberg_errors
from connectors.sources.iceberg.options import IcebergOptions
from connectors.sources.iceberg.parts import IcebergPart

READERS = 8
"""How many tables are described side by side."""


class Lake:
    """An opened catalog."""

    def __init__(self, options: IcebergOptions, context: SourceContext) -> None:
        self._options = options
        self._context = context
        # A server may repeat the secret of an OAuth2 client without its id.
        client = (options.reveal("credential") or "").partition(":")
        self._secrets = (*options.secrets(), client[2])
        with iceberg_errors(self._secrets):
            self._catalog = open_catalog(options, context)

    def check(self) -> None:
        """List something."""
        with iceberg_errors(self._secrets):
            if self._options.namespace is not None:
                self._catalog.list_tables(tuple(self._options.namespace.split(".")))
            else:
                self._catalog.list_namespaces()

    def discover(self) -> Iterator[SourceTable]:
        """Yield every table; one that cannot be read is left out, unless none can."""
        with iceberg_errors(self._secrets), ThreadPoolExecutor(READERS) as pool:
            failure: ConnectorError | None = None
            count = 0
            for found in pool.map(self._describe_or_fail, self._identifiers()):
                if isinstance(found, SourceTable):
                    count += 1
                    yield found
                else:
                    failure = found
            if failure is not None and not count:
                raise failure

    def describe(self, schema: str, name: str) -> SourceTable:
        """Describe one table.

        Raises:
            TableGone: there is none of this name, or it is not in the configured namespace.
        """
        with iceberg_errors(self._secrets):
            return self._described(schema, name, self._load(schema, name))

    def plan(self, table: SourceTable, scan: Scan) -> list[IcebergPart]:
        """Read the manifests of the snapshot and share out its data files.

        Raises:
            SourceFailed: the columns are not the described ones, or rows were deleted by value.
        """
        with iceberg_errors(self._secrets):
            loaded = self._load(table.schema, table.name)
            if self._described(table.schema, table.name, loaded).columns != table.columns:
                raise SourceFailed("The columns of the table changed while it was read")
            snapshot = self._snapshot(loaded)
            fields = {field.name: field for field in self._schema(loaded, snapshot).fields}
            after = None if scan.after is None else _typed(fields, scan.after)
            columns = table.select(scan.columns)
            schema = pa.schema([pa.field(c.name, c.type, c.nullable) for c in columns])
            reader = RowReader(
                io=loaded.io,
                metadata=loaded.metadata,
                fields=tuple(fields[column.name] for column in columns),
                schema=schema,
                after=after,
                batch_bytes=self._context.batch_bytes,
            )
            tasks = [] if snapshot is None else _tasks(loaded, snapshot, after)
            parts_max = 1 if scan.limit is not None else self._context.parts_max
            return [
                IcebergPart(schema=schema, tasks=tuple(some), rows=reader, limit=scan.limit)
                for some in _shared(tasks, parts_max)
            ]

    def open(self, part: IcebergPart) -> Iterator[pa.RecordBatch]:
        """Yield the rows of a part."""
        with iceberg_errors(self._secrets):
            left = part.limit
            for batch in part.rows.read(part.tasks):
                if left is None:
                    yield batch
                    continue
                yield batch.slice(0, left)
                left -= min(left, batch.num_rows)
                if not left:
                    return

    def close(self) -> None:
        """Close connections to the catalog."""
        self._catalog.close()

    def _identifiers(self) -> Iterator[Identifier]:
        """Yield every table. Levels with a dot in their name cannot be told apart: left out."""
        for namespace in self._namespaces(()):
            if any("." in level for level in namespace):
                continue
            try:
                yield from self._catalog.list_tables(namespace)
            except (ForbiddenError, NoSuchNamespaceError):
                if self._options.namespace is not None:
                    raise

    def _namespaces(self, parent: Identifier) -> Iterator[Identifier]:
        if self._options.namespace is not None:
            yield tuple(self._options.namespace.split("."))
            return
        for namespace in self._catalog.list_namespaces(parent):
            # A server that knows no levels may answer with all of them again.
            if namespace[:-1] == parent:
                yield namespace
                yield from self._namespaces(namespace)

    def _describe_or_fail(self, identifier: Identifier) -> SourceTable | ConnectorError:
        *namespace, name = identifier
        try:
            return self.describe(".".join(namespace), name)
        except ConnectorError as error:
            return error

    def _load(self, schema: str, name: str) -> Table:
        if self._options.namespace not in {None, schema}:
            raise TableGone
        return self._catalog.load_table((*schema.split("."), name))

    def _described(self, schema: str, name: str, table: Table) -> SourceTable:
        snapshot = self._snapshot(table)
        columns = self._schema(table, snapshot)
        keys = set(columns.identifier_field_ids)
        rows = None if snapshot is None else _summary(snapshot, "total-records")
        return SourceTable(
            schema=schema,
            name=name,
            columns=columns_of(columns),
            row_estimate=0 if snapshot is None else rows,
            primary_key=tuple(field.name for field in columns.fields if field.field_id in keys),
            comment=table.properties.get("comment"),
        )

    def _snapshot(self, table: Table) -> Snapshot | None:
        snapshot: Snapshot | None
        if self._options.snapshot_id is not None:
            snapshot = table.snapshot_by_id(self._options.snapshot_id)
        elif self._options.as_of is not None:
            moment_ms = int(self._options.as_of.timestamp() * 1000)
            snapshot = table.snapshot_as_of_timestamp(moment_ms)
        else:
            return table.current_snapshot()
        if snapshot is None:
            raise SourceFailed("The table has no such snapshot, or had none yet at that moment")
        return snapshot

    def _schema(self, table: Table, snapshot: Snapshot | None) -> Schema:
        travels = self._options.snapshot_id is not None or self._options.as_of is not None
        if travels and snapshot is not None and snapshot.schema_id is not None:
            return table.schemas()[snapshot.schema_id]
        return table.schema()


def _summary(snapshot: Snapshot, name: str) -> int | None:
    text = None if snapshot.summary is None else snapshot.summary.get(name)
    return None if text is None else int(text)


def _typed(fields: Mapping[str, NestedField], after: After) -> tuple[NestedField, Scalar]:
    field = fields[after.column]
    dtype = arrow_type(field.field_type)
    try:
        if pa.types.is_time(dtype):
            return field, pa.scalar(time.fromisoformat(after.value), dtype)
        return field, pa.scalar(after.value).cast(dtype)
    except (ValueError, pa.ArrowNotImplementedError) as error:
        raise SourceFailed(f"Column '{after.column}' cannot be compared with a value") from error


def _tasks(
    table: Table, snapshot: Snapshot, after: tuple[NestedField, Scalar] | None
) -> list[FileScanTask]:
    if _summary(snapshot, "total-equality-deletes"):
        raise SourceFailed("The table has equality deletes, which cannot be applied here")
    wanted = AlwaysTrue() if after is None else _pruning(table.schema(), *after)
    scan = table.scan(row_filter=wanted, snapshot_id=snapshot.snapshot_id)
    return list(scan.plan_files())


def _pruning(schema: Schema, field: NestedField, value: Scalar) -> BooleanExpression:
    """Say which files may hold rows after a value, in the names of today."""
    name = schema.find_column_name(field.field_id)
    if name is None or schema.find_field(name).field_id != field.field_id:
        return AlwaysTrue()
    dtype = field.field_type
    if isinstance(dtype, DateType):
        return GreaterThan(term=name, value=value.cast(pa.int32()).as_py())
    if isinstance(dtype, IntegerType | LongType | TimestampType | TimestamptzType):
        return GreaterThan(term=name, value=value.cast(pa.int64()).as_py())
    if isinstance(dtype, DecimalType | StringType):
        return GreaterThan(term=name, value=value.as_py())
    return AlwaysTrue()


def _shared(tasks: Sequence[FileScanTask], parts_max: int) -> list[list[FileScanTask]]:
    """Share out files by their sizes, to at least one part."""
    parts: list[list[FileScanTask]] = [[] for _ in range(max(1, min(parts_max, len(tasks))))]
    sizes = [0] * len(parts)
    for task in sorted(tasks, key=lambda task: -task.file.file_size_in_bytes):
        smallest = sizes.index(min(sizes))
        parts[smallest].append(task)
        sizes[smallest] += task.file.file_size_in_bytes
    return parts
