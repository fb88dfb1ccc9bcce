"""Brings any Arrow type to one that Parquet and DataFusion both hold, exactly and at every depth.

The invariant: :func:`plain_type` alone decides; :func:`plain_array` gives arrays of just that type.
The trap: the layouts (views, dictionaries, runs) are the server's choice for every answer, so an
array is looked at as it comes, not as the table was described.
"""

import uuid
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from connectors.arrow_batches import Array, storage_of

UNREADABLE = frozenset({"month_interval", "day_time_interval"})
"""Types, as their text, of which pyarrow can make no array: the server must send text."""
_DECIMAL128_DIGITS = 38
_DECIMAL256_DIGITS = 76
_SECOND_NS = 1_000_000_000


def plain_type(dtype: Any) -> pa.DataType:  # noqa: ANN401 - the stubs have no class with a value_type
    """Return the type in which values of a type arrive.

    >>> plain_type(pa.list_(pa.dictionary(pa.int8(), pa.string_view())))
    ListType(list<item: string>)
    """
    if isinstance(dtype, pa.BaseExtensionType):
        return _plain_extension(dtype)
    if pa.types.is_dictionary(dtype) or pa.types.is_run_end_encoded(dtype):
        return plain_type(dtype.value_type)
    if _is_list(dtype):
        return pa.list_(plain_type(dtype.value_type))
    if isinstance(dtype, pa.MapType):
        return pa.map_(plain_type(dtype.key_type), plain_type(dtype.item_type))
    if isinstance(dtype, pa.StructType) and dtype.num_fields:
        fields = (dtype.field(position) for position in range(dtype.num_fields))
        return pa.struct([pa.field(field.name, plain_type(field.type)) for field in fields])
    return _plain_scalar(dtype)


def plain_array(array: Array) -> Array:
    """Return an array's values in the plain type of its type.

    Raises:
        pa.ArrowInvalid: a value does not fit: a date64 with a time, a timestamp out of range.
    """
    dtype = array.type
    if isinstance(dtype, pa.BaseExtensionType):
        return _plain_extension_array(array)
    if isinstance(array, pa.DictionaryArray):
        return plain_array(array.dictionary_decode())
    if isinstance(array, pa.RunEndEncodedArray):
        return _plain_runs(array)
    if _is_list(dtype) or pa.types.is_nested(dtype):
        return _plain_nested(array)
    if pa.types.is_interval(dtype):
        return _texts(array, _iso_duration)
    return array.cast(plain_type(dtype))


def _plain_runs(array: Any) -> Array:  # noqa: ANN401 - the stub lacks its ends
    """Repeat the values of runs; pyarrow's own ``run_end_decode`` knows no views and nothing nested."""
    rows = np.arange(array.offset, array.offset + len(array))
    runs = np.searchsorted(array.run_ends.to_numpy(), rows, side="right")
    return plain_array(array.values).take(pa.array(runs, pa.int64()))


def _plain_nested(array: Any) -> Array:  # noqa: ANN401 - the stubs have no class of all lists
    dtype = array.type
    target: Any = plain_type(dtype)
    if pa.types.is_string(target):
        return _texts(array, lambda value: orjson.dumps(value, default=str).decode())
    mask = array.is_null() if array.null_count else None
    if pa.types.is_struct(dtype):
        children = [plain_array(array.field(position)) for position in range(dtype.num_fields)]
        return pa.StructArray.from_arrays(children, fields=list(target), mask=mask)
    made: Array
    if pa.types.is_map(dtype):
        make: Any = pa.MapArray.from_arrays  # its stub lacks keys and items together with a type
        offsets = pa.array(array.offsets.to_numpy(), pa.int32())
        made = make(offsets, plain_array(array.keys), plain_array(array.items), target, mask=mask)
    else:
        offsets, values = _plain_items(array)
        made = pa.ListArray.from_arrays(offsets, values, type=target, mask=mask)
    return made


def _plain_items(array: Any) -> tuple[pa.Int32Array, Array]:  # noqa: ANN401 - as above
    """Return offsets and values of any kind of list.

    Views and lists of a fixed size are gathered by hand: pyarrow's cast of a view leaves a buffer
    too short (26.0.1), and its ``flatten`` knows no extension types.
    """
    values = plain_array(array.values)
    if pa.types.is_list(array.type) or pa.types.is_large_list(array.type):
        return pa.array(array.offsets.to_numpy(), pa.int32()), values
    lengths = pc.list_value_length(array).fill_null(0).to_numpy(zero_copy_only=False)
    if pa.types.is_fixed_size_list(array.type):
        starts = (array.offset + np.arange(len(array))) * array.type.list_size
    else:
        starts = array.offsets.to_numpy()
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    rows = np.repeat(starts - offsets[:-1], lengths) + np.arange(offsets[-1])
    return pa.array(offsets, pa.int32()), values.take(pa.array(rows, pa.int64()))


def _plain_extension(dtype: pa.BaseExtensionType) -> pa.DataType:
    if isinstance(dtype, pa.UuidType):
        return pa.string()
    if isinstance(dtype, pa.Bool8Type):
        return pa.bool_()
    return plain_type(dtype.storage_type)


def _plain_extension_array(array: Array) -> Array:
    if isinstance(array.type, pa.UuidType):
        return _texts(storage_of(array), lambda value: str(uuid.UUID(bytes=value)))
    return plain_array(storage_of(array)).cast(plain_type(array.type))


def _plain_scalar(dtype: Any) -> pa.DataType:  # noqa: ANN401 - the stubs have no class with a unit
    if pa.types.is_timestamp(dtype):
        zone = None if dtype.tz is None else "UTC"
        return pa.timestamp("ns", zone) if dtype.unit == "ns" else pa.timestamp("us", zone)
    if pa.types.is_time(dtype):
        return pa.time64("ns") if dtype.unit == "ns" else pa.time64("us")
    if pa.types.is_decimal(dtype):
        return _plain_decimal(dtype.precision, dtype.scale)
    for is_kind, plain in (
        (_is_text, pa.string()),
        (_is_bytes, pa.binary()),
        (pa.types.is_float16, pa.float32()),
        (pa.types.is_date64, pa.date32()),
        (pa.types.is_duration, pa.int64()),
    ):
        if is_kind(dtype):
            return plain
    plain_already: pa.DataType = dtype
    return plain_already


def _plain_decimal(precision: int, scale: int) -> pa.DataType:
    if scale < 0:
        # Parquet has no negative scale; the zeros that it stands for are written out.
        precision, scale = min(precision - scale, _DECIMAL256_DIGITS), 0
    make = pa.decimal128 if precision <= _DECIMAL128_DIGITS else pa.decimal256
    return make(precision, scale)


def _is_list(dtype: pa.DataType) -> bool:
    return (
        pa.types.is_list(dtype)
        or pa.types.is_large_list(dtype)
        or pa.types.is_fixed_size_list(dtype)
        or pa.types.is_list_view(dtype)
        or pa.types.is_large_list_view(dtype)
    )


def _is_text(dtype: pa.DataType) -> bool:
    """Text, and what is written as text: nothing, intervals, unions and structs without fields."""
    return (
        pa.types.is_large_string(dtype)
        or pa.types.is_string_view(dtype)
        or pa.types.is_null(dtype)
        or pa.types.is_interval(dtype)
        or str(dtype) in UNREADABLE
        or pa.types.is_union(dtype)
        or pa.types.is_struct(dtype)
    )


def _is_bytes(dtype: pa.DataType) -> bool:
    return (
        pa.types.is_large_binary(dtype)
        or pa.types.is_binary_view(dtype)
        or pa.types.is_fixed_size_binary(dtype)
    )


def _texts(array: Array, text_of: Any) -> Array:  # noqa: ANN401 - a function of any value
    values = array.to_pylist()
    return pa.array([None if v is None else text_of(v) for v in values], pa.string())


def _iso_duration(interval: pa.MonthDayNano) -> str:
    """Write an interval as of ISO 8601, with a sign at each of its three parts.

    >>> _iso_duration(pa.MonthDayNano([1, -2, -3_000_000_004]))
    'P1M-2DT-3.000000004S'
    """
    sign = "-" if interval.nanoseconds < 0 else ""
    seconds, fraction = divmod(abs(interval.nanoseconds), _SECOND_NS)
    return f"P{interval.months}M{interval.days}DT{sign}{seconds}.{fraction:09}S"
