"""JSON of a handful of rows of plain types, value by value.

A kernel costs a few microseconds however small the column, so for the answer of a point lookup the
columnar way costs more than the query's own work. Same JSON, by the same rules; anything unusual (a
nested type, a zone, a year beyond 9999) is left to the columnar way.
"""

import math
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any

import orjson
import pyarrow as pa

ROWS_MAX = 8

_INTEGERS = (pa.int8(), pa.int16(), pa.int32(), pa.int64())
_UNSIGNED = (pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64())
_TEXTS = (pa.string(), pa.large_string())
_INSTANTS = (pa.timestamp("s"), pa.timestamp("ms"), pa.timestamp("us"))
_THOUSAND = 1000


def few_rows_text(part: pa.RecordBatch) -> bytes | None:
    """Return ``,[cell,cell]`` for each row, or None when this is not for few rows of plain types."""
    if part.num_rows > ROWS_MAX or not part.num_columns:
        return None
    columns = []
    for column in part.columns:
        write = _writer(column.type)
        if write is None:
            return None
        try:
            values = column.to_pylist()
        except (ValueError, OverflowError):  # beyond what Python's dates can hold
            return None
        columns.append(["null" if value is None else write(value) for value in values])
    return "".join(f",[{','.join(row)}]" for row in zip(*columns, strict=True)).encode()


def _writer(kind: pa.DataType) -> Callable[[Any], str] | None:
    if pa.types.is_decimal(kind):
        return _decimal_text
    return _WRITERS.get(kind)


def _bool_text(value: bool) -> str:
    return "true" if value else "false"


def _float_text(value: float) -> str:
    return orjson.dumps(value).decode() if math.isfinite(value) else "null"


def _decimal_text(value: Decimal) -> str:
    return format(value, "f")


def _string_text(value: str) -> str:
    return orjson.dumps(value).decode()


def _instant_text(value: datetime) -> str:
    if not value.microsecond:
        text = value.isoformat(timespec="seconds")
    elif value.microsecond % _THOUSAND:
        text = value.isoformat(timespec="microseconds")
    else:
        text = value.isoformat(timespec="milliseconds")
    return f'"{text}"'


_WRITERS: dict[pa.DataType, Callable[[Any], str]] = {
    **dict.fromkeys(_INTEGERS + _UNSIGNED, str),
    **dict.fromkeys(_TEXTS, _string_text),
    **dict.fromkeys(_INSTANTS, _instant_text),
    pa.bool_(): _bool_text,
    pa.float64(): _float_text,
    pa.date32(): lambda value: f'"{value.isoformat()}"',
}
