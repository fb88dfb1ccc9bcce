"""Brings values of one plain DuckLake type to its Arrow type, whatever they are held as.

They are held as Parquet has them, or as :attr:`LakeColumn.exported_type` left DuckDB. What Arrow
has no value for (an infinite date, 24 o'clock) becomes NULL and is counted.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from connectors.arrow_batches import storage_of
from connectors.base import Losses
from connectors.errors import SourceFailed
from connectors.sources.ducklake.columns import LakeColumn
from connectors.sources.ducklake.variant import variant_texts

Array: TypeAlias = "pa.Array[Any]"

_INT32_MAX = (1 << 31) - 1
_INT64_MAX = (1 << 63) - 1
_DAY_S = 86_400
_UNITS_PER_S = MappingProxyType({"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9})
_MONTHS_PER_YEAR = 12
_UUID_BYTES = 16
_UUID_HYPHENS = (8, 13, 18, 23)
_INTERVAL_BYTES = 12


@dataclass(frozen=True, slots=True)
class Place:
    """Where values are: the column they count as, and where losses are counted."""

    column: str
    losses: Losses


def shape_leaf(array: Array, column: LakeColumn, place: Place) -> Array:
    """Bring values to the declared type of a column that is not nested.

    Raises:
        SourceFailed: a value does not fit.
    """
    rule = _RULES.get(column.type)
    array = storage_of(array)
    if rule is not None:
        array = rule(array, place)
    return cast_safely(array, column.arrow_type, place)


def cast_safely(array: Array, dtype: pa.DataType, place: Place) -> Array:
    """Cast an array; raises SourceFailed for a value that does not fit."""
    if array.type == dtype:
        return array
    try:
        return array.cast(dtype)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise SourceFailed(f"Column '{place.column}' holds a value that is no {dtype}") from error


def _finite(array: Array, place: Place) -> Array:
    if pa.types.is_date32(array.type):
        odd = _is_one_of(array, [_INT32_MAX, -_INT32_MAX], pa.int32())
    elif pa.types.is_timestamp(array.type):
        odd = _is_one_of(array, [_INT64_MAX, -_INT64_MAX], pa.int64())
    else:
        return array
    return _without(array, odd, "of infinity became NULL", place)


def _within_a_day(array: Array, place: Place) -> Array:
    if not pa.types.is_time64(array.type):
        return array
    midnight = _DAY_S * _UNITS_PER_S[array.type.unit]
    odd = _is_one_of(array, [midnight], pa.int64())
    return _without(array, odd, "of 24:00:00 became NULL", place)


def _is_one_of(array: Array, numbers: list[int], held_as: Any) -> pa.BooleanArray:  # noqa: ANN401 - any integer type
    return pc.is_in(array.view(held_as), value_set=pa.array(numbers, held_as))


def _without(array: Array, odd: pa.BooleanArray, rule: str, place: Place) -> Array:
    if not odd.true_count:
        return array
    place.losses.add(place.column, rule, odd.true_count)
    rest: Array = pc.if_else(odd, pa.scalar(None, array.type), array)
    return rest


def _time_with_zone(array: Array, _: Place) -> Array:
    if not pa.types.is_time64(array.type):
        return array
    # Parquet keeps them in UTC, as DuckLake itself shows them then.
    micros = array.view(pa.int64()).to_pylist()
    return _texts(micros, lambda value: f"{_clock(value)}+00")


def _uuid(array: Array, _: Place) -> Array:
    if not pa.types.is_fixed_size_binary(array.type) or array.type.byte_width != _UUID_BYTES:
        return array
    raw = b"".join(value or bytes(_UUID_BYTES) for value in array.to_pylist())
    digits = np.frombuffer(raw.hex().encode(), np.uint8).reshape(len(array), 2 * _UUID_BYTES)
    width = digits.shape[1] + len(_UUID_HYPHENS)
    texts = np.full((len(array), width), ord("-"), np.uint8)
    texts[:, [at for at in range(width) if at not in _UUID_HYPHENS]] = digits
    offsets = np.arange(len(array) + 1, dtype=np.int32) * width
    made = pa.StringArray.from_buffers(
        len(array), pa.py_buffer(offsets.tobytes()), pa.py_buffer(texts.tobytes())
    )
    known: Array = pc.if_else(array.is_null(), pa.scalar(None, pa.string()), made)
    return known


def _interval(array: Array, _: Place) -> Array:
    if not pa.types.is_fixed_size_binary(array.type) or array.type.byte_width != _INTERVAL_BYTES:
        return array
    return _texts(array.to_pylist(), _interval_text)


def _big_number(array: Array, place: Place) -> Array:
    if not pa.types.is_floating(array.type):
        return array
    # DuckDB writes numbers of 128 bits to Parquet as floating point.
    try:
        numbers = [None if v is None else Decimal(int(v)) for v in array.to_pylist()]
    except (ValueError, OverflowError) as error:
        raise SourceFailed(f"Column '{place.column}' holds a value that is no number") from error
    return pa.array(numbers, pa.decimal256(39, 0))


def _variant(array: Array, place: Place) -> Array:
    if not pa.types.is_struct(array.type):
        return array
    return pa.array(variant_texts(array, place.column), pa.string())


_RULES: Mapping[str, Callable[[Array, Place], Array]] = MappingProxyType(
    {
        "date": _finite,
        "timestamp": _finite,
        "timestamp_us": _finite,
        "timestamp_ms": _finite,
        "timestamp_s": _finite,
        "timestamp_ns": _finite,
        "timestamptz": _finite,
        "time": _within_a_day,
        "time_ns": _within_a_day,
        "timetz": _time_with_zone,
        "uuid": _uuid,
        "interval": _interval,
        "int128": _big_number,
        "uint128": _big_number,
        "variant": _variant,
    }
)


def _texts(values: list[Any], text_of: Callable[[Any], str]) -> Array:
    return pa.array([None if v is None else text_of(v) for v in values], pa.string())


def _clock(micros: int) -> str:
    seconds, fraction = divmod(micros, 10**6)
    text = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return f"{text}.{fraction:06}".rstrip("0") if fraction else text


def _interval_text(raw: bytes) -> str:
    months, days, millis = np.frombuffer(raw, "<u4").tolist()
    counts = (
        (months // _MONTHS_PER_YEAR, "year"),
        (months % _MONTHS_PER_YEAR, "month"),
        (days, "day"),
    )
    words = [f"{count} {unit}{'' if count == 1 else 's'}" for count, unit in counts if count]
    if millis or not words:
        words.append(_clock(millis * 1000))
    return " ".join(words)
