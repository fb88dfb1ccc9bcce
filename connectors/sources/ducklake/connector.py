"""The DuckLake connector: one snapshot is chosen, planned and read.

The invariant: a plan holds all that the catalog says of its snapshot. The rows the catalog keeps
itself are copied aside while it is looked at, because flushing them moves them into files that the
plan does not know; data files are only ever added.
"""

import heapq
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar
from uuid import uuid4

import pyarrow as pa
import pyarrow.compute as pc
from typing_extensions import override

from connectors.arrow_batches import bounded, conform_batch
from connectors.base import (
    After,
    Capabilities,
    Connector,
    Losses,
    Part,
    Scan,
    SourceColumn,
    SourceContext,
    SourceTable,
)
from connectors.errors import SourceFailed
from connectors.sources.ducklake.catalogs import CatalogReader, open_catalog
from connectors.sources.ducklake.columns import LakeColumn
from connectors.sources.ducklake.data_files import Held, partition_texts, read_data_file
from connectors.sources.ducklake.faults import typed_errors
from connectors.sources.ducklake.inlined import TextCaster
from connectors.sources.ducklake.lake import DataFile, Lake, LakeTable
from connectors.sources.ducklake.leaves import Array, Place, shape_leaf
from connectors.sources.ducklake.options import DuckLakeOptions
from connectors.sources.ducklake.shapes import (
    Constants,
    FieldIds,
    fill,
    ids_of_columns,
    nulls,
    shape,
)
from connectors.sources.ducklake.storage import Storage

_ROW_ID = LakeColumn(-1, "row_id", "int64", nullable=False)
"""Read with all rows of the catalog, so that those without a wanted column are still counted."""


@dataclass(frozen=True, slots=True)
class PlannedFile:
    """A data file, and values of columns that it does not hold."""

    file: DataFile
    constants: Constants


@dataclass(frozen=True, slots=True)
class Spool:
    """Rows of the catalog that were copied to an Arrow file."""

    path: Path
    ids: tuple[FieldIds, ...]


@dataclass(frozen=True, slots=True)
class LakePart(Part):
    """Some data files of a snapshot, and perhaps rows of the catalog.

    Attributes:
        columns: those of the schema, and one more when ``after`` asks for another.
        constants: initial defaults of columns that are not held.
    """

    snapshot: int
    columns: tuple[LakeColumn, ...]
    constants: Constants
    files: tuple[PlannedFile, ...]
    spools: tuple[Spool, ...]
    after: After | None
    limit: int | None


class DuckLakeConnector(Connector[DuckLakeOptions, LakePart]):
    """DuckLake: a catalog in Postgres, SQLite or DuckDB; Parquet on local disks or S3."""

    source_type: ClassVar[str] = "ducklake"
    label: ClassVar[str] = "DuckLake"
    options_type: ClassVar[type[DuckLakeOptions]] = DuckLakeOptions
    capabilities: ClassVar[Capabilities] = Capabilities(has_parts=True, is_incremental=True)

    def __init__(self, options: DuckLakeOptions, context: SourceContext) -> None:
        super().__init__(options, context)
        self._storage = Storage(options, context)

    @override
    def check(self) -> None:
        with self._open_lake() as (_, lake):
            self._storage.check(lake.data_path)

    @override
    def discover(self) -> Iterator[SourceTable]:
        with self._open_lake() as (_, lake):
            tables, columns = lake.tables(), lake.columns()
        for table in tables:
            yield _described(table, columns.get(table.id, ()))

    @override
    def describe(self, schema: str, table: str) -> SourceTable:
        with self._open_lake() as (_, lake):
            found = lake.table(schema, table)
            return _described(found, lake.columns(found).get(found.id, ()))

    @override
    def plan_fetch(self, table: SourceTable, scan: Scan) -> Sequence[LakePart]:
        with self._open_lake() as (reader, lake):
            found = lake.table(table.schema, table.name)
            known = {column.name: column for column in lake.columns(found).get(found.id, ())}
            columns = _columns_to_read(table, scan, known)
            files = lake.files(found)
            if scan.after is not None:
                newest = lake.largest_values(found, known[scan.after.column])
                files = _files_after(files, newest, known[scan.after.column], scan.after)
            with TextCaster() as caster:
                planned = [self._planned(file, columns, caster) for file in files]
                constants = self._defaults(columns, caster)
            spools = tuple(self._spools(reader, lake, found, columns))
        count = 1 if scan.limit is not None else self.context.parts_max
        return [
            LakePart(
                schema=pa.schema(
                    [pa.field(c.name, c.type, c.nullable) for c in table.select(scan.columns)]
                ),
                snapshot=lake.snapshot,
                columns=columns,
                constants=constants,
                files=share,
                spools=() if position else spools,
                after=scan.after,
                limit=scan.limit,
            )
            for position, share in enumerate(_shares(planned, count))
        ]

    @override
    def open(self, part: LakePart) -> Iterator[pa.RecordBatch]:
        with typed_errors(self.options):
            left = part.limit
            for held, constants in self._held(part):
                rows = self._rows_after(part, held, constants)
                if left is not None:
                    rows = rows.slice(0, left)
                    left -= rows.num_rows
                batch = self._shaped(part, Held(rows, held.ids), constants)
                yield from bounded(conform_batch(batch, part.schema), self.context.batch_bytes)
                if left == 0:
                    return

    @contextmanager
    def _open_lake(self) -> Iterator[tuple[CatalogReader, Lake]]:
        with typed_errors(self.options), open_catalog(self.options, self.context) as reader:
            yield reader, Lake(reader, self.options)

    def _planned(
        self, file: DataFile, columns: Sequence[LakeColumn], caster: TextCaster
    ) -> PlannedFile:
        texts = partition_texts(file)
        values = {c.id: texts[c.id] for c in columns if c.id in texts}
        constants = {
            column.id: self._constant(values[column.id], column, column.name, caster)
            for column in columns
            if column.id in values
        }
        return PlannedFile(file, constants)

    def _defaults(self, columns: Sequence[LakeColumn], caster: TextCaster) -> Constants:
        return MappingProxyType(
            {
                inner.id: self._constant(inner.initial_default, inner, column.name, caster)
                for column in columns
                for inner in column.walk()
                if inner.initial_default is not None and not inner.children
            }
        )

    def _constant(
        self, text: str | None, column: LakeColumn, name: str, caster: TextCaster
    ) -> Array:
        if text is None:
            return nulls(1, column)
        place = Place(name, self.context.losses)
        return shape_leaf(caster.cast_one(text, column), column, place)

    def _spools(
        self,
        reader: CatalogReader,
        lake: Lake,
        table: LakeTable,
        columns: Sequence[LakeColumn],
    ) -> Iterator[Spool]:
        wanted = {column.id for column in columns}
        for inlined in lake.inlined_tables(table):
            held = (_ROW_ID, *(column for column in inlined.columns if column.id in wanted))
            rows = reader.inlined_rows(inlined.name, held, lake.is_visible)
            path = self.context.scratch / f"inlined-{uuid4().hex}.arrow"
            if _copy(rows, path):
                yield Spool(path, ids_of_columns(held))

    def _held(self, part: LakePart) -> Iterator[tuple[Held, Constants]]:
        for spool in part.spools:
            with pa.OSFile(str(spool.path), "rb") as file:
                for batch in pa.ipc.open_stream(file):
                    yield Held(batch, spool.ids), part.constants
        for planned in part.files:
            constants = {**part.constants, **planned.constants}
            for held in read_data_file(
                self._storage,
                planned.file,
                part.columns,
                snapshot=part.snapshot,
                batch_bytes=self.context.batch_bytes,
            ):
                yield held, constants

    def _rows_after(self, part: LakePart, held: Held, constants: Constants) -> pa.RecordBatch:
        if part.after is None:
            return held.rows
        (column,) = [c for c in part.columns if c.name == part.after.column]
        # Losses of rows that are left out are none of the reader's.
        values = _value_of(column, held, constants, Losses())
        return held.rows.filter(pc.greater(values, _scalar(part.after.value, column)))

    def _shaped(self, part: LakePart, held: Held, constants: Constants) -> pa.RecordBatch:
        columns = part.columns[: len(part.schema)]
        arrays = [_value_of(c, held, constants, self.context.losses) for c in columns]
        return pa.RecordBatch.from_arrays(arrays, names=[c.name for c in columns])


def _described(table: LakeTable, columns: Sequence[LakeColumn]) -> SourceTable:
    return SourceTable(
        schema=table.schema,
        name=table.name,
        columns=tuple(
            SourceColumn(c.name, c.arrow_type, c.arrow_nullable, c.native_type) for c in columns
        ),
        row_estimate=table.row_estimate,
        comment=table.comment,
    )


def _columns_to_read(
    table: SourceTable, scan: Scan, known: Mapping[str, LakeColumn]
) -> tuple[LakeColumn, ...]:
    chosen = list(table.select(scan.columns))
    if scan.after is not None and scan.after.column not in {column.name for column in chosen}:
        chosen += table.select([scan.after.column])
    for column in chosen:
        found = known.get(column.name)
        if found is None or found.arrow_type != column.type:
            raise SourceFailed(f"The column '{column.name}' has changed since it was described")
        if not found.is_known:
            raise SourceFailed(
                f"The column '{column.name}' has the type '{found.native_type}', not supported"
            )
    return tuple(known[column.name] for column in chosen)


def _files_after(
    files: Sequence[DataFile], largest: Mapping[int, str], column: LakeColumn, after: After
) -> list[DataFile]:
    """Leave out files that hold no value above another, where the catalog can tell."""
    dtype = column.arrow_type
    if not (pa.types.is_integer(dtype) or pa.types.is_date(dtype) or pa.types.is_timestamp(dtype)):
        return list(files)
    value = _scalar(after.value, column)

    def may_be_above(file: DataFile) -> bool:
        try:
            highest = pa.scalar(largest.get(file.id), pa.string()).cast(dtype)
        except pa.ArrowInvalid:
            return True
        return not highest.is_valid or pc.greater(highest, value).as_py() is True

    return [file for file in files if may_be_above(file)]


def _shares(files: Sequence[PlannedFile], count: int) -> list[tuple[PlannedFile, ...]]:
    """Spread files over at most so many shares of about the same size; at least one share."""
    shares: list[list[PlannedFile]] = [[] for _ in range(max(1, min(count, len(files))))]
    loads = [(0, position) for position in range(len(shares))]
    for planned in sorted(files, key=lambda planned: -planned.file.size_bytes):
        load, position = heapq.heappop(loads)
        shares[position].append(planned)
        heapq.heappush(loads, (load + planned.file.size_bytes, position))
    return [tuple(share) for share in shares]


def _copy(batches: Iterator[pa.RecordBatch], path: Path) -> bool:
    """Write batches to an Arrow file; returns whether there were rows."""
    first = next((batch for batch in batches if batch.num_rows), None)
    if first is None:
        return False
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, first.schema) as writer:
        writer.write_batch(first)
        for batch in batches:
            writer.write_batch(batch)
    return True


def _value_of(column: LakeColumn, held: Held, constants: Constants, losses: Losses) -> Array:
    for position, ids in enumerate(held.ids):
        if ids.id == column.id:
            array = held.rows.column(position)
            return shape(array, ids, column, constants, Place(column.name, losses))
    return fill(column, held.rows.num_rows, constants)


def _scalar(text: str, column: LakeColumn) -> "pa.Scalar[pa.DataType]":
    try:
        return pa.scalar(text).cast(column.arrow_type)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise SourceFailed(f"'{text}' is no value of the column '{column.name}'") from error
