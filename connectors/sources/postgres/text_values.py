"""The types of servers that write every value as text: no binary COPY, no arrays of Arrow.

The invariant is the one of :mod:`.column_types`: the same declared types, with two exceptions that
lose nothing: arrays and shapes stay the text the server writes. These servers compare text by its
bytes, as Arrow does.
"""

from dataclasses import replace
from functools import lru_cache
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from connectors.arrow_batches import Array
from connectors.errors import SourceFailed
from connectors.sources.postgres.column_types import (
    AS_TEXT,
    BY_BYTES,
    DISTINCT_TYPES_MAX,
    ColumnType,
    NativeType,
    query_type,
    scalar_type,
)
from connectors.sources.postgres.decode import DATE_INFINITIES, DAY_END, TIMESTAMP_INFINITIES

_HEX_MARK = "\\x"
_FALSE_TRUE = pa.array(["f", "t"])
_TO_TEXT = "::text"


@lru_cache(maxsize=DISTINCT_TYPES_MAX)
def text_column_type(native: NativeType) -> ColumnType:
    """Return the way of a type when every value comes as text."""
    known = AS_TEXT if native.element is not None else scalar_type(native)
    if pa.types.is_list(known.arrow) or native.name in {"geometry", "geography", "inet"}:
        known = AS_TEXT
    order = known.order and known.order.removesuffix(BY_BYTES)
    return replace(known, select=known.select.removesuffix(_TO_TEXT), order=order)


def text_query_type(dtype: pa.DataType) -> ColumnType:
    """Return how a column of a query is brought to the type a plan gave it.

    Raises:
        SourceFailed: it is a type that text is not read as.
    """
    if pa.types.is_nested(dtype):
        raise SourceFailed(f"A query of this source has no columns of {dtype}")
    known = query_type(dtype)
    select = known.select.removesuffix(_TO_TEXT)
    return replace(known, select=select, wire=known.wire or dtype)


def values_of_text(array: Array, dtype: pa.DataType, column: str) -> Array:
    """Read values from the text a server writes, as the driver's binary values would be.

    Args:
        array: of binary, as received.
        dtype: wanted.
        column: name for messages.

    Raises:
        SourceFailed: a text is no such value.
    """
    try:
        text = array.cast(pa.string())
        if pa.types.is_boolean(dtype):
            return _booleans(text)
        if pa.types.is_binary(dtype):
            return _bytes(text)
        if pa.types.is_temporal(dtype):
            return _moments(text, dtype)
        return text.cast(dtype)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, ValueError) as error:
        raise SourceFailed(f"Column '{column}' holds a value that is no {dtype}") from error


def _booleans(text: Array) -> Array:
    place = pc.index_in(text, value_set=_FALSE_TRUE)
    if place.null_count != text.null_count:
        raise ValueError("neither t nor f")
    return place.cast(pa.bool_())


def _bytes(text: Array) -> Array:
    values = (None if v is None else v.removeprefix(_HEX_MARK) for v in text.to_pylist())
    return pa.array([None if v is None else bytes.fromhex(v) for v in values], pa.binary())


def _moments(text: Array, dtype: pa.DataType) -> Array:
    try:
        return _plain_moments(text, dtype)
    except pa.ArrowInvalid:
        return _moments_and_words(text, dtype)


def _plain_moments(text: Array, dtype: pa.DataType) -> Array:
    if not pa.types.is_time(dtype):
        return text.cast(dtype)
    # Arrow reads no times by themselves.
    days: Any = pc.replace_substring_regex(text, pattern="^", replacement="1970-01-01 ")
    moments: Array = days.cast(pa.timestamp("us")).cast(dtype)
    return moments


def _moments_and_words(text: Array, dtype: pa.DataType) -> Array:
    """Read words as the numbers that binary values have for them."""
    words = _words(dtype)
    found = pc.index_in(text, value_set=pa.array(list(words)))
    plain = pc.if_else(pc.is_valid(found), pa.scalar(None, pa.string()), text)
    numbers = pa.array(words.values(), pa.int64()).take(found)
    width = pa.int32() if pa.types.is_date32(dtype) else pa.int64()
    moments: Array = pc.coalesce(numbers.cast(width).view(dtype), _plain_moments(plain, dtype))
    return moments


def _words(dtype: pa.DataType) -> dict[str, int]:
    if pa.types.is_time(dtype):
        return {"24:00:00": DAY_END}
    numbers = DATE_INFINITIES if pa.types.is_date32(dtype) else TIMESTAMP_INFINITIES
    return dict(zip(("infinity", "-infinity"), numbers, strict=True))
