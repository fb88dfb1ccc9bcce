"""Brings what ClickHouse sends to the declared types, at every depth.

ClickHouse's String holds bytes. The invariant: bytes that are no UTF-8 never come out as a string,
not even a damaged one: they are NULL, and counted.
"""

from typing import Any

import pyarrow as pa

from connectors.arrow_batches import Array, Field, storage_of
from connectors.base import Losses
from connectors.errors import SourceFailed

NOT_UTF8 = "of bytes that are no UTF-8 became NULL"


def read_batch(batch: pa.RecordBatch, schema: pa.Schema, losses: Losses) -> pa.RecordBatch:
    """Bring one batch to a schema, column by column, whatever the columns are called.

    Raises:
        SourceFailed: the columns are others than the schema's.
    """
    if batch.num_columns != len(schema):
        raise SourceFailed("The server sent another number of columns than was asked for")
    arrays = []
    for array, field in zip(batch.columns, schema, strict=True):
        try:
            arrays.append(_read(array, field.type, _Column(field.name, losses)))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise SourceFailed(
                f"Column '{field.name}' holds a value that is no {field.type}"
            ) from error
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


class _Column:
    """Counts the losses of one column."""

    def __init__(self, name: str, losses: Losses) -> None:
        self._name = name
        self._losses = losses

    def lose(self, count: int) -> None:
        self._losses.add(self._name, NOT_UTF8, count)


def _read(array: Array, dtype: pa.DataType, column: _Column) -> Array:
    array = storage_of(array)
    if pa.types.is_string(dtype):
        return _text(array, column)
    if isinstance(dtype, pa.ListType):
        return _list(array, dtype, column)
    if isinstance(dtype, pa.MapType):
        return _map(array, dtype, column)
    if isinstance(dtype, pa.StructType):
        return _struct(array, dtype, column)
    return array.cast(dtype)


def _text(array: Array, column: _Column) -> Array:
    raw = array.cast(pa.binary())
    try:
        return raw.cast(pa.string())
    except pa.ArrowInvalid:
        values = [None if value is None else _decoded(value) for value in raw.to_pylist()]
        text = pa.array(values, pa.string())
        column.lose(text.null_count - raw.null_count)
        return text


def _decoded(value: bytes) -> str | None:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return None


def _list(array: Array, dtype: "pa.ListType[Any]", column: _Column) -> Array:
    if not isinstance(array, pa.ListArray):
        raise pa.ArrowInvalid
    values = _read(array.values, dtype.value_type, column)
    lists: Array = pa.ListArray.from_arrays(array.offsets, values, type=dtype, mask=_mask(array))
    return lists


def _map(array: Array, dtype: "pa.MapType[Any, Any]", column: _Column) -> Array:
    if not isinstance(array, pa.MapArray):
        raise pa.ArrowInvalid
    keys = _read(array.keys, dtype.key_type, column)
    if keys.null_count:
        raise pa.ArrowInvalid
    items = _read(array.items, dtype.item_type, column)
    make: Any = pa.MapArray.from_arrays  # its stub lacks keys and items together with a type
    maps: Array = make(array.offsets, keys, items, dtype, mask=_mask(array))
    return maps


def _struct(array: Array, dtype: pa.StructType, column: _Column) -> Array:
    if not isinstance(array, pa.StructArray) or array.type.num_fields != dtype.num_fields:
        raise pa.ArrowInvalid
    fields: list[Field] = [dtype.field(position) for position in range(dtype.num_fields)]
    children = [
        _read(array.field(position), field.type, column) for position, field in enumerate(fields)
    ]
    return pa.StructArray.from_arrays(children, fields=fields, mask=_mask(array))


def _mask(array: Array) -> "Array | None":
    return array.is_null() if array.null_count else None
