"""Parquet: schemas from footers, rows by row group.

Two files of a table may differ in a column only as far as one type holds both exactly. A row group
is never read at once: the reader goes through it in batches, of a size that the first rows tell,
because sizes in a footer say nothing about values from a dictionary.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import islice
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from typing_extensions import override

from connectors.errors import SourceFailed
from connectors.sources.files.parquet_types import declared_type, fit, join_types, settled_type
from connectors.sources.files.reader import (
    EachFile,
    FileReader,
    Found,
    Unit,
    Wanted,
    no_columns,
    spread,
)
from connectors.sources.files.stores import File
from connectors.sources.files.text_values import explained

FOOTERS_MAX = 64
"""Footers that are read of a table; all of them when it has no more files."""
PROBE_ROWS = 64
BATCH_ROWS_MAX = 65_536
READ_AHEAD_BYTES = 1 << 20

ParquetFile: TypeAlias = Any
"""A ``pq.ParquetFile``; the stubs know neither all its options nor its statistics."""


class ParquetReader(FileReader):
    """Reads Parquet."""

    @override
    def look(
        self, files: Sequence[File], each: EachFile, overridden: frozenset[str] = frozenset()
    ) -> Found:
        looked = spread(files, FOOTERS_MAX)
        types: dict[str, pa.DataType] = {}
        native: dict[str, str] = {}
        seen: dict[str, File] = {}
        row_count = 0
        for file, (schema, rows) in zip(looked, each(self._footer, looked), strict=True):
            row_count += rows
            for field in schema:
                joined = join_types(types.get(field.name, pa.null()), declared_type(field.type))
                if joined is None and field.name in overridden:
                    joined = types[field.name]
                if joined is None:
                    raise SourceFailed(
                        f"Column '{field.name}' is {native[field.name]} in"
                        f" '{seen[field.name].path}' and {field.type} in '{file.path}': declare a"
                        " type that holds both with column_types"
                    )
                if not pa.types.is_null(field.type) or field.name not in native:
                    seen[field.name], native[field.name] = file, str(field.type)
                types[field.name] = joined
        fields = [pa.field(name, settled_type(dtype)) for name, dtype in types.items()]
        is_all = len(looked) == len(files)
        return Found(pa.schema(fields), tuple(native.values()), row_count if is_all else None)

    @override
    def split(self, file: File, pieces: int) -> list[Unit]:
        with self._opened(file) as parquet:
            meta = parquet.metadata
            sizes = [meta.row_group(i).total_byte_size for i in range(meta.num_row_groups)]
        share = max(1, sum(sizes)) / pieces
        units: list[Unit] = []
        first, size = 0, 0
        for group, group_size in enumerate(sizes):
            size += group_size
            if size >= share or group == len(sizes) - 1:
                weight = file.size_bytes * size // max(1, sum(sizes))
                units.append(Unit(file, weight, range(first, group + 1)))
                first, size = group + 1, 0
        return units or [Unit(file, file.size_bytes)]

    @override
    def batches(self, unit: Unit, wanted: Wanted) -> Iterator[pa.RecordBatch]:
        with self._opened(unit.file) as parquet:
            names = parquet.schema_arrow.names
            wanted.refuse_unknown(unit.file, names)
            present = [name for name in wanted.names if name in names]
            chosen = unit.row_groups or range(parquet.metadata.num_row_groups)
            row_bytes, first_row = 0, 1
            for group in range(chosen.stop):
                rows = parquet.metadata.row_group(group).num_rows
                if group in chosen and _may_hold_after(parquet, group, wanted.after):
                    told = _row_bytes_told(parquet, group, present)
                    if not row_bytes and rows > PROBE_ROWS:
                        (probe,) = islice(_group_batches(parquet, group, present, PROBE_ROWS), 1)
                        row_bytes = _row_bytes(_fitted(probe, unit.file, wanted, first_row))
                    size = self.batch_bytes // max(1, row_bytes, told)
                    size = max(1, min(BATCH_ROWS_MAX, size))
                    row = first_row
                    for batch in _group_batches(parquet, group, present, size):
                        fitted = _fitted(batch, unit.file, wanted, row)
                        row_bytes = max(row_bytes, _row_bytes(fitted))
                        row += batch.num_rows
                        yield fitted
                first_row += rows

    def _footer(self, file: File) -> tuple[pa.Schema, int]:
        with self._opened(file) as parquet:
            return parquet.schema_arrow, parquet.metadata.num_rows

    @contextmanager
    def _opened(self, file: File) -> Iterator[ParquetFile]:
        with self.store.reading(file) as stream:
            open_file: Any = pq.ParquetFile
            parquet: ParquetFile = open_file(
                stream,
                pre_buffer=False,
                buffer_size=READ_AHEAD_BYTES,
                arrow_extensions_enabled=True,
            )
            names = parquet.schema_arrow.names
            if len(set(names)) < len(names):
                twice = next(name for name in names if names.count(name) > 1)
                raise SourceFailed(f"'{file.path}' has two columns of the name '{twice}'")
            yield parquet


def _group_batches(
    parquet: ParquetFile, group: int, names: list[str], rows: int
) -> Iterator[pa.RecordBatch]:
    yield from parquet.iter_batches(rows, row_groups=[group], columns=names, use_threads=False)


def _row_bytes(batch: pa.RecordBatch) -> int:
    return int(batch.nbytes // max(1, batch.num_rows))


def _row_bytes_told(parquet: ParquetFile, group: int, names: list[str]) -> int:
    meta = parquet.metadata.row_group(group)
    columns = [meta.column(i) for i in range(meta.num_columns)]
    told = sum(
        column.total_uncompressed_size
        for column in columns
        if any(column.path_in_schema.startswith(name) for name in names)
    )
    return int(told // max(1, meta.num_rows))


def _fitted(batch: Any, file: File, wanted: Wanted, first_row: int) -> pa.RecordBatch:  # noqa: ANN401 - a batch
    arrays = [
        explained(
            batch.column(field.name),
            partial(fit, dtype=field.type),
            place=f"'{file.path}', column '{field.name}'",
            first_row=first_row,
            kind=str(field.type),
        )
        if field.name in batch.schema.names
        else pa.nulls(batch.num_rows, field.type)
        for field in wanted.schema
    ]
    if not arrays:
        return no_columns(batch.num_rows)
    return pa.RecordBatch.from_arrays(arrays, schema=wanted.schema)


def _may_hold_after(
    parquet: ParquetFile, group: int, after: "tuple[str, pa.Scalar[Any]] | None"
) -> bool:
    """Whether a row group may hold a greater value, by its statistics.

    Only types whose physical numbers or bytes are in the order of their values are judged.
    """
    name, value = after or ("", None)
    if value is None or name not in parquet.schema_arrow.names:
        return True
    dtype = parquet.schema_arrow.field(name).type
    meta = parquet.metadata.row_group(group)
    for column in (meta.column(i) for i in range(meta.num_columns)):
        if column.path_in_schema == name and _is_judged(column, dtype, value.type):
            try:
                largest = _scalar_of(column.statistics.max_raw, dtype).cast(value.type)
            except pa.ArrowException:
                return True
            return bool(pc.greater(largest, value).as_py())
    return True


def _is_judged(column: Any, dtype: pa.DataType, wanted: pa.DataType) -> bool:  # noqa: ANN401 - its metadata
    if column.statistics is None or not column.statistics.has_min_max:
        return False
    if pa.types.is_string(dtype) or pa.types.is_string(wanted):
        return dtype.equals(wanted)
    is_ordered = (
        pa.types.is_signed_integer(dtype)
        or pa.types.is_date32(dtype)
        or pa.types.is_timestamp(dtype)
    )
    return is_ordered and column.physical_type in {"INT32", "INT64"}


def _scalar_of(raw: Any, dtype: pa.DataType) -> Any:  # noqa: ANN401 - int or bytes; a scalar
    if pa.types.is_string(dtype):
        return pa.scalar(raw, pa.binary())
    physical = pa.int32() if pa.types.is_date32(dtype) else pa.int64()
    return pa.scalar(raw, physical).cast(dtype)
