"""JSON of a handful of rows of plain types, value by value.

A kernel costs a few microseconds however small the column, so for the answer of a point lookup the
columnar way costs more than the query's own work. Same JSON, by the same rules; anything unusual (a
nested type, a zone, a year beyond 9999, a long text) is left to the columnar way.
"""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any

import orjson
import pyarrow as pa
from pyarrow import lib

ROWS_MAX = 8

_TEXT_CHARS_MAX = 1 << 20
_THOUSAND = 1000

_Write = Callable[[Any], object]


def few_rows_text(part: pa.RecordBatch) -> bytes | None:
    """Return ``,[cell,cell]`` for each row, or None when this is not for few rows of plain types.

    NaN and the infinities are written as ``null``.
    """
    if not 1 <= part.num_rows <= ROWS_MAX or not part.num_columns:
        return None
    columns = []
    text_chars = 0
    for column in part.columns:
        values = _cells(column)
        if values is None:
            return None
        if column.type.id in _TEXTS:
            text_chars += sum(len(value) for value in values if value)
            if text_chars > _TEXT_CHARS_MAX:
                return None
        columns.append(values)
    return b"," + orjson.dumps(list(zip(*columns, strict=True)))[1:-1]


def _cells(column: "pa.Array[Any]") -> list[Any] | None:
    """Values as orjson writes them by our rules; None when there are no such values."""
    kind = column.type
    if kind.id not in _WRITERS or (kind.id == lib.Type_TIMESTAMP and not _is_plain(kind)):
        return None
    try:
        values: list[Any] = column.to_pylist()
    except (ValueError, OverflowError):  # beyond what Python's dates can hold
        return None
    write = _WRITERS[kind.id]
    if write is None:
        return values
    return [None if value is None else write(value) for value in values]


def _is_plain(kind: "pa.TimestampType[Any, Any]") -> bool:
    return kind.tz is None and kind.unit != "ns"


def _exact(value: Decimal) -> orjson.Fragment:
    return orjson.Fragment(format(value, "f"))


def _instant_text(value: datetime) -> str:
    if not value.microsecond:
        return value.isoformat(timespec="seconds")
    if value.microsecond % _THOUSAND:
        return value.isoformat(timespec="microseconds")
    return value.isoformat(timespec="milliseconds")


_TEXTS = frozenset([lib.Type_STRING, lib.Type_LARGE_STRING, lib.Type_STRING_VIEW])
_INTEGERS = (
    *(lib.Type_INT8, lib.Type_INT16, lib.Type_INT32, lib.Type_INT64),
    *(lib.Type_UINT8, lib.Type_UINT16, lib.Type_UINT32, lib.Type_UINT64),
)
_DECIMALS = (lib.Type_DECIMAL128, lib.Type_DECIMAL256)
# What orjson already writes by our rules needs no function. By id: a type's own hash is slow.
_WRITERS: dict[int, _Write | None] = {
    **dict.fromkeys((*_INTEGERS, *_TEXTS, lib.Type_BOOL, lib.Type_DOUBLE, lib.Type_DATE32)),
    **dict.fromkeys(_DECIMALS, _exact),
    lib.Type_TIMESTAMP: _instant_text,
}
