"""Parquet as batches of types the engine stores.

The embedded schema wins. The rows are written again rather than copied: that proves that every
page can be read, and gives every dataset the same layout. Dictionaries become their values,
extension types their storage, and views and large offsets the plain kind, a column of nulls text;
names are made unique.

The trap: a few bytes of dictionary or run-length pages decode to gigabytes, so batches start
small and the decoded bytes are bounded like those of a compressed file.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from engine.datasets.arrow_values import Column, Type
from engine.datasets.column_names import unique_names
from engine.datasets.errors import LoadError

FIRST_BATCH_ROWS = 64
BATCH_ROWS_MAX = 65_536
BATCH_BYTES = 16 << 20
DECODED_FREE_BYTES = 4 << 30
"""Decoded values may take this many bytes at any ratio …"""
DECODED_RATIO_MAX = 200
"""… and beyond it at most this many times the size of the file."""
READ_AHEAD_BYTES = 1 << 20
_AS_STORAGE: Any = {"arrow_extensions_enabled": False}
"""Extension types are read as what they are stored in; the stubs do not know this option."""


@dataclass(frozen=True, slots=True)
class ParquetInput:
    """An open Parquet file and the schema its rows are stored in."""

    file: pq.ParquetFile
    schema: pa.Schema
    size_bytes: int

    @property
    def row_count(self) -> int:
        """Rows the file says it has."""
        return int(self.file.metadata.num_rows)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Read all rows.

        Raises:
            LoadError: a page is damaged, or the values are far larger than the file.
        """
        allowed_bytes = max(DECODED_FREE_BYTES, DECODED_RATIO_MAX * self.size_bytes)
        rows = FIRST_BATCH_ROWS
        for group in range(self.file.metadata.num_row_groups):
            for batch in _guarded(self._stored_batches(rows, group)):
                yield batch
                allowed_bytes -= batch.nbytes
                if allowed_bytes < 0:
                    raise LoadError("The Parquet data expands beyond the allowed size")
                row_bytes = max(1, batch.nbytes // max(1, batch.num_rows))
                rows = max(1, min(BATCH_ROWS_MAX, BATCH_BYTES // row_bytes))

    def _stored_batches(self, rows: int, group: int) -> Iterator[pa.RecordBatch]:
        for batch in self.file.iter_batches(rows, row_groups=[group], use_threads=False):
            yield _stored(batch, self.schema)


def open_parquet(path: Path) -> ParquetInput:
    """Open a file.

    Raises:
        LoadError: it is not Parquet, is encrypted, or has no columns.
    """
    try:
        file = pq.ParquetFile(path, pre_buffer=False, buffer_size=READ_AHEAD_BYTES, **_AS_STORAGE)
        schema = file.schema_arrow
    except (pa.ArrowException, OSError, ValueError) as exc:
        raise LoadError("Parse error: not a Parquet file, or a damaged one") from exc
    if not len(schema):
        raise LoadError("No data found in the input")
    names = unique_names(schema.names)
    fields = [pa.field(name, _stored_type(f.type)) for name, f in zip(names, schema, strict=True)]
    return ParquetInput(file, pa.schema(fields), path.stat().st_size)


def _guarded(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    try:
        yield from batches
    except (pa.ArrowException, OSError, ValueError) as exc:
        raise LoadError("Parse error: the Parquet file is damaged") from exc


_PLAIN_TYPES = {
    pa.null(): pa.string(),
    pa.large_string(): pa.string(),
    pa.string_view(): pa.string(),
    pa.large_binary(): pa.binary(),
    pa.binary_view(): pa.binary(),
    pa.float16(): pa.float32(),
}


def _stored_type(dtype: Type) -> Type:
    if isinstance(dtype, pa.BaseExtensionType):
        return _stored_type(dtype.storage_type)
    if pa.types.is_dictionary(dtype):
        return _stored_type(dtype.value_type)
    if pa.types.is_decimal32(dtype) or pa.types.is_decimal64(dtype):
        return pa.decimal128(dtype.precision, dtype.scale)
    return _stored_nested(dtype) if pa.types.is_nested(dtype) else _PLAIN_TYPES.get(dtype, dtype)


def _stored_nested(dtype: Type) -> Type:
    if pa.types.is_struct(dtype):
        return pa.struct([pa.field(f.name, _stored_type(f.type)) for f in dtype.fields])
    if pa.types.is_map(dtype):
        return pa.map_(_stored_type(dtype.key_type), _stored_type(dtype.item_type))
    if pa.types.is_fixed_size_list(dtype):
        return pa.list_(_stored_type(dtype.value_type), dtype.list_size)
    return pa.list_(_stored_type(dtype.value_type))


def _stored(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    columns = [
        column if column.type.equals(field.type) else _storage(column).cast(field.type)
        for column, field in zip(batch.columns, schema, strict=True)
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _storage(column: Column) -> Column:
    return column.storage if isinstance(column, pa.ExtensionArray) else column
