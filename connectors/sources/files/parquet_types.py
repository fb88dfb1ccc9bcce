"""Arrow types as Parquet files have them, as tables declare them, and the way from one to the other.

``declared_type`` says what a type of a file becomes in a table, ``join_types`` what the types of two
files become, and ``fit`` brings an array there, exactly or not at all: a cast that may lose something
is done backwards, too, and must give the same values again.
"""

from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from connectors.arrow_batches import storage_of
from connectors.sources.files.text_values import convert_declared

Array: TypeAlias = Any
Type: TypeAlias = Any
"""A ``pa.DataType`` whose own properties (``fields``, ``value_type``, ``scale``) are used."""

UUID_BYTES = 16
_UUID_TEXT_BYTES = 36
_HYPHENS = (8, 13, 18, 23)
_HEX = np.frombuffer(b"0123456789abcdef", np.uint8)
_DECIMAL128_DIGITS = 38
_DECIMAL256_DIGITS = 76
_UNITS = ("s", "ms", "us", "ns")

_PLAIN = {
    pa.large_string(): pa.string(),
    pa.string_view(): pa.string(),
    pa.large_binary(): pa.binary(),
    pa.binary_view(): pa.binary(),
    pa.float16(): pa.float32(),
    pa.date64(): pa.date32(),
    pa.time32("s"): pa.time64("us"),
    pa.time32("ms"): pa.time64("us"),
    pa.timestamp("s"): pa.timestamp("ms"),
}
_INTEGER_DIGITS = {
    pa.int8(): 3,
    pa.int16(): 5,
    pa.int32(): 10,
    pa.int64(): 19,
    pa.uint8(): 3,
    pa.uint16(): 5,
    pa.uint32(): 10,
    pa.uint64(): 20,
}
_SIGNED = (pa.int8(), pa.int16(), pa.int32(), pa.int64())


def declared_type(dtype: Type) -> Type:
    """Return what a type of a file becomes; ``null`` stays, for another file to say what it is."""
    if isinstance(dtype, pa.UuidType):
        return pa.string()
    if isinstance(dtype, pa.BaseExtensionType):
        return declared_type(dtype.storage_type)
    if pa.types.is_dictionary(dtype) or pa.types.is_run_end_encoded(dtype):
        return declared_type(dtype.value_type)
    return map_inner(dtype, declared_type) if pa.types.is_nested(dtype) else _declared_leaf(dtype)


def _declared_leaf(dtype: Type) -> Type:
    if pa.types.is_decimal32(dtype) or pa.types.is_decimal64(dtype):
        return pa.decimal128(dtype.precision, dtype.scale)
    if pa.types.is_timestamp(dtype) and dtype.tz is not None:
        return pa.timestamp("ms" if dtype.unit == "s" else dtype.unit, tz="UTC")
    if pa.types.is_duration(dtype):
        return pa.int64()
    if pa.types.is_fixed_size_binary(dtype) or pa.types.is_interval(dtype):
        return pa.binary()
    return _PLAIN.get(dtype, dtype)


def settled_type(dtype: Type) -> Type:
    """Return a type to declare: where no file said what a column is, it is text, all NULL."""
    if pa.types.is_nested(dtype):
        return map_inner(dtype, settled_type)
    return pa.string() if pa.types.is_null(dtype) else dtype


def map_inner(dtype: Type, change: Any) -> Type:  # noqa: ANN401 - from type to type
    """Return a nested type with its inner types changed, all nullable and of the usual names."""
    if pa.types.is_struct(dtype):
        return pa.struct([pa.field(field.name, change(field.type)) for field in dtype.fields])
    if pa.types.is_map(dtype):
        return pa.map_(change(dtype.key_type), change(dtype.item_type))
    if pa.types.is_fixed_size_list(dtype):
        return pa.list_(change(dtype.value_type), dtype.list_size)
    return pa.list_(change(dtype.value_type))


def join_types(left: Type, right: Type) -> Type | None:
    """Return the narrowest type that holds the values of both exactly; None when there is none.

    Whole numbers meet DOUBLE as DOUBLE: one that has no DOUBLE is an error when it is read.

    >>> join_types(pa.int32(), pa.int64())
    DataType(int64)
    >>> join_types(pa.decimal128(10, 2), pa.decimal128(6, 4))
    Decimal128Type(decimal128(12, 4))
    >>> join_types(pa.string(), pa.int64()) is None
    True
    """
    if left.equals(right) or pa.types.is_null(right):
        return left
    if pa.types.is_null(left):
        return right
    if pa.types.is_nested(left) and pa.types.is_nested(right):
        return _join_nested(left, right)
    if pa.types.is_temporal(left) and pa.types.is_temporal(right):
        return _join_times(left, right)
    if _is_number(left) and _is_number(right):
        return _join_numbers(left, right)
    return None


def fit(array: Array, dtype: Type) -> Array:
    """Bring an array of a file to its declared type.

    Raises:
        ValueError: a value would become another one (``pa.ArrowInvalid`` is one).
        pa.ArrowNotImplementedError: there is no way between the types.
    """
    if isinstance(array.type, pa.UuidType):
        array = _uuid_texts(array.storage)
    array = storage_of(array)
    if array.type.equals(dtype, check_metadata=True):
        return array
    if pa.types.is_null(array.type):
        return pa.nulls(len(array), dtype)
    if pa.types.is_dictionary(array.type) or pa.types.is_run_end_encoded(array.type):
        return fit(array.cast(array.type.value_type), dtype)
    if pa.types.is_nested(dtype) and pa.types.is_nested(array.type):
        return _fit_nested(array, dtype)
    if pa.types.is_string(declared_type(array.type)) and not pa.types.is_string(dtype):
        return convert_declared(array.cast(pa.string()), dtype)
    values = array.cast(dtype)
    if not dtype.equals(declared_type(array.type)):
        _refuse_loss(array, values)
    return values


def _is_number(dtype: Type) -> bool:
    return bool(
        dtype in _INTEGER_DIGITS or pa.types.is_floating(dtype) or pa.types.is_decimal(dtype)
    )


def _join_numbers(left: Type, right: Type) -> Type | None:
    if pa.types.is_floating(left) or pa.types.is_floating(right):
        both_exact = not (pa.types.is_decimal(left) or pa.types.is_decimal(right))
        return pa.float64() if both_exact else None
    if left in _INTEGER_DIGITS and right in _INTEGER_DIGITS:
        return _join_integers(left, right)
    left_digits, left_scale = _digits(left)
    right_digits, right_scale = _digits(right)
    scale = max(left_scale, right_scale)
    precision = max(left_digits, right_digits) + scale
    if precision > _DECIMAL256_DIGITS:
        return None
    is_wide = precision > _DECIMAL128_DIGITS
    return pa.decimal256(precision, scale) if is_wide else pa.decimal128(precision, scale)


def _join_integers(left: Type, right: Type) -> Type:
    wide, narrow = sorted((left, right), key=lambda kind: -kind.bit_width)
    if pa.types.is_signed_integer(wide) == pa.types.is_signed_integer(narrow):
        return wide
    if pa.types.is_signed_integer(wide) and wide.bit_width > narrow.bit_width:
        return wide
    wider = next((kind for kind in _SIGNED if kind.bit_width > wide.bit_width), None)
    return wider or pa.decimal128(_INTEGER_DIGITS[pa.uint64()], 0)


def _digits(dtype: Type) -> tuple[int, int]:
    """Digits before and after the point."""
    if dtype in _INTEGER_DIGITS:
        return _INTEGER_DIGITS[dtype], 0
    return dtype.precision - dtype.scale, dtype.scale


def _join_times(left: Type, right: Type) -> Type | None:
    if pa.types.is_time(left) and pa.types.is_time(right):
        return pa.time64("ns")
    moments = [kind for kind in (left, right) if pa.types.is_timestamp(kind)]
    dates = [kind for kind in (left, right) if pa.types.is_date(kind)]
    if len(moments) + len(dates) < 2 or len({kind.tz for kind in moments}) != 1:  # noqa: PLR2004 - both
        return None
    if dates and moments[0].tz is not None:
        return None
    return pa.timestamp(max((kind.unit for kind in moments), key=_UNITS.index), tz=moments[0].tz)


def _join_nested(left: Type, right: Type) -> Type | None:
    if pa.types.is_struct(left) and pa.types.is_struct(right):
        merged = {field.name: field.type for field in left.fields}
        for field in right.fields:
            joined = join_types(merged.get(field.name, pa.null()), field.type)
            if joined is None:
                return None
            merged[field.name] = joined
        return pa.struct(list(merged.items()))
    if pa.types.is_map(left) and pa.types.is_map(right):
        key = join_types(left.key_type, right.key_type)
        item = join_types(left.item_type, right.item_type)
        return None if key is None or item is None else pa.map_(key, item)
    if _is_list(left) and _is_list(right):
        value = join_types(left.value_type, right.value_type)
        return None if value is None else pa.list_(value)
    return None


def _is_list(dtype: Type) -> bool:
    return not (pa.types.is_struct(dtype) or pa.types.is_map(dtype) or pa.types.is_union(dtype))


def _refuse_loss(array: Array, values: Array) -> None:
    """Refuse values whose way back does not end where it began; NaN is NaN."""
    same = pc.equal(values.cast(array.type), array)
    if pa.types.is_floating(array.type):
        same = pc.or_(same, pc.is_nan(array))
    if not pc.all(same, min_count=0).as_py():
        raise ValueError(f"a value of {array.type} is no {values.type}")


def _fit_nested(array: Array, dtype: Type) -> Array:
    if pa.types.is_struct(dtype) and pa.types.is_struct(array.type):
        return _fit_struct(array, dtype)
    if pa.types.is_fixed_size_list(dtype) and pa.types.is_fixed_size_list(array.type):
        size = dtype.list_size
        values = array.values.slice(array.offset * size, len(array) * size)
        fixed_lists: Any = pa.FixedSizeListArray
        inner = fit(values, dtype.value_type)
        return fixed_lists.from_arrays(inner, type=dtype, mask=array.is_null())
    if pa.types.is_map(dtype) != pa.types.is_map(array.type) or pa.types.is_struct(dtype):
        raise pa.ArrowNotImplementedError(f"no way from {array.type} to {dtype}")
    if pa.types.is_list_view(array.type) or pa.types.is_large_list_view(array.type):
        array = _list_of_view(array)
    elif not pa.types.is_map(dtype):
        array = array.cast(pa.list_(array.type.value_type))
    return _fit_list(array, dtype)


def _fit_struct(array: Array, dtype: Type) -> Array:
    names = [field.name for field in array.type.fields]
    unknown = set(names) - {field.name for field in dtype.fields}
    if unknown:
        raise ValueError(f"the field '{min(unknown)}' is not in {dtype}")
    children = [
        fit(array.field(names.index(field.name)), field.type)
        if field.name in names
        else pa.nulls(len(array), field.type)
        for field in dtype.fields
    ]
    return pa.StructArray.from_arrays(children, fields=dtype.fields, mask=array.is_null())


def _fit_list(array: Array, dtype: Type) -> Array:
    # A slice shares the values of all its neighbours: only its own are converted.
    start, end = array.offsets[0].as_py(), array.offsets[-1].as_py()
    offsets = pc.subtract(array.offsets, pa.scalar(start, pa.int32()))
    mask = array.is_null()
    if pa.types.is_map(dtype):
        keys = fit(array.keys.slice(start, end - start), dtype.key_type)
        items = fit(array.items.slice(start, end - start), dtype.item_type)
        maps: Any = pa.MapArray
        return maps.from_arrays(offsets, keys, items, type=dtype, mask=mask)
    values = fit(array.values.slice(start, end - start), dtype.value_type)
    return pa.ListArray.from_arrays(offsets, values, type=dtype, mask=mask)


def _list_of_view(array: Array) -> Array:
    """Lay the values of list views out in order; Arrow's own cast makes invalid lists (26.0)."""
    sizes = pc.if_else(array.is_valid(), array.sizes, pa.scalar(0, array.sizes.type))
    ends = pc.cumulative_sum(sizes).cast(pa.int32())
    offsets = pa.concat_arrays([pa.array([0], pa.int32()), ends])
    return pa.ListArray.from_arrays(offsets, array.flatten(), mask=array.is_null())


def _uuid_texts(array: Array) -> Array:
    """Write 16 bytes as the usual 36 characters."""
    count = len(array)
    if array.null_count == count:
        return pa.nulls(count, pa.string())
    filled = pc.fill_null(array, pa.scalar(bytes(UUID_BYTES), array.type))
    start = filled.offset * UUID_BYTES
    data = np.frombuffer(filled.buffers()[1], np.uint8)[start : start + count * UUID_BYTES]
    digits = np.stack([_HEX[data >> 4], _HEX[data & 15]], axis=1).reshape(count, -1)
    texts = np.full((count, _UUID_TEXT_BYTES), ord("-"), np.uint8)
    texts[:, np.isin(np.arange(_UUID_TEXT_BYTES), _HYPHENS, invert=True)] = digits
    offsets = np.arange(count + 1, dtype=np.int32) * _UUID_TEXT_BYTES
    written = pa.StringArray.from_buffers(
        count, pa.py_buffer(offsets.tobytes()), pa.py_buffer(texts.tobytes())
    )
    return pc.if_else(array.is_null(), pa.scalar(None, pa.string()), written)
