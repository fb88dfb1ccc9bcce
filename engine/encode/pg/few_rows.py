"""Messages of a handful of rows of plain types, made value by value.

A kernel costs microseconds however small the column, so for the answer of a point lookup the
columnar way costs more than the query's own work. Same bytes, by the same rules; anything unusual (a
nested type, a year beyond 9999, an exponent, another zone than UTC, a long text) is left to the
columnar way.
"""

import datetime as dt
import struct
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import pyarrow as pa
from pyarrow import lib

from engine.encode.pg.pg_types import PgType
from engine.encode.pg.temporal import EPOCH_DAYS, EPOCH_US
from engine.encode.pg.zones import UTC_NAMES
from engine.encode.strings import Array

ROWS_MAX = 8

_TEXT_BYTES_MAX = 1 << 20
_PLAIN_FROM, _PLAIN_BELOW = 1e-4, 1e15
_UNIX_DAY = 719_163
_EPOCH = dt.datetime(1970, 1, 1)  # noqa: DTZ001 - the clock that is shown
_YEAR_1_US = -62_135_596_800_000_000
_YEAR_10000_US = 253_402_300_800_000_000
_LENGTH_AND_COUNT = 6
_NEGATIVE = 0x4000
_NULL_FIELD = b"\xff\xff\xff\xff"
_FACTOR_US = {"s": 1_000_000, "ms": 1_000, "us": 1}
_float8 = struct.Struct(">d").pack
_float4 = struct.Struct(">f").pack
_int4 = struct.Struct(">i").pack
_int8 = struct.Struct(">q").pack
_length = _int4


class _Unusual(Exception):
    """A value that is left to the columnar way."""


def few_rows_messages(
    tag: bytes,
    batch: pa.RecordBatch,
    types: Sequence[PgType],
    formats: Sequence[int],
    time_zone: str,
) -> bytes | None:
    """Return one message a row, or None when this is not for few rows of plain types.

    Args:
        tag: `D` for DataRow, `d` for rows of COPY in the binary format.
        batch: any.
        types: what each column is announced as.
        formats: 0 (text) or 1 (binary) for each column.
        time_zone: in which timestamps with a time zone are shown.
    """
    if not 1 <= batch.num_rows <= ROWS_MAX:
        return None
    try:
        columns = [
            _fields(column, kind, code, time_zone)
            for column, kind, code in zip(batch.columns, types, formats, strict=True)
        ]
    except _Unusual:
        return None
    sent = []
    for fields in zip(*columns, strict=True) if columns else [()] * batch.num_rows:
        body = b"".join(fields)
        size = _length(_LENGTH_AND_COUNT + len(body))
        sent.append(b"".join((tag, size, len(columns).to_bytes(2, "big"), body)))
    return b"".join(sent)


def _fields(column: Array, kind: PgType, code: int, time_zone: str) -> list[bytes]:
    """Return each value with its length."""
    type_id = column.type.id
    if type_id == lib.Type_TIMESTAMP:
        values, write = _timestamps(column, code, time_zone)
    elif type_id in _INTEGERS and code:
        values, write = column.to_pylist(), _integer(kind)
    elif type_id in _TEXTS and kind.name != "jsonb":
        values, write = column.to_pylist(), _text
    else:
        found = _WRITERS[code].get(type_id)
        if found is None:
            raise _Unusual
        is_date = type_id == lib.Type_DATE32
        values, write = (column.view(pa.int32()) if is_date else column).to_pylist(), found
    fields = []
    for value in values:
        if value is None:
            fields.append(_NULL_FIELD)
        else:
            data = write(value)
            fields.append(_length(len(data)) + data)
    return fields


def _timestamps(
    column: Array, code: int, time_zone: str
) -> tuple[list[Any], Callable[[Any], bytes]]:
    factor = _FACTOR_US.get(column.type.unit)
    has_zone = column.type.tz is not None
    if factor is None or (has_zone and not code and time_zone not in UTC_NAMES):
        raise _Unusual
    suffix = "+00" if has_zone else ""

    def write(tick: int) -> bytes:
        micros = tick * factor
        if not _YEAR_1_US <= micros < _YEAR_10000_US:
            raise _Unusual
        if code:
            return _int8(micros - EPOCH_US)
        text = (_EPOCH + dt.timedelta(microseconds=micros)).isoformat(" ")
        return ((text.rstrip("0") if "." in text else text) + suffix).encode()

    return column.view(pa.int64()).to_pylist(), write


def _integer(kind: PgType) -> Callable[[int], bytes]:
    if kind.name == "numeric":
        return _numeric
    size, is_signed = kind.size, kind.name != "oid"
    return lambda value: value.to_bytes(size, "big", signed=is_signed)


def _text(value: str) -> bytes:
    data = value.encode()
    if len(data) > _TEXT_BYTES_MAX:
        raise _Unusual
    return data


def _float_text(value: float) -> bytes:
    if value and not _PLAIN_FROM <= abs(value) < _PLAIN_BELOW:
        raise _Unusual
    return repr(value).removesuffix(".0").encode()


def _date_text(days: int) -> bytes:
    try:
        return dt.date.fromordinal(days + _UNIX_DAY).isoformat().encode()
    except (ValueError, OverflowError) as error:
        raise _Unusual from error


def _date_binary(days: int) -> bytes:
    if not 1 <= days + _UNIX_DAY <= dt.date.max.toordinal():
        raise _Unusual
    return _int4(days - EPOCH_DAYS)


def _decimal_text(value: Decimal) -> bytes:
    # A negative scale would be shown as an exponent.
    return format(value, "f").encode()


def _numeric(value: Decimal | int) -> bytes:
    """As `numeric_binary` has it, of the digits on both sides of the point."""
    whole, _, fraction = format(value, "f" if isinstance(value, Decimal) else "").partition(".")
    whole = whole.removeprefix("-")
    digits = whole.zfill(-(-len(whole) // 4) * 4) + fraction.ljust(-(-len(fraction) // 4) * 4, "0")
    groups = [int(digits[at : at + 4]) for at in range(0, len(digits), 4)]
    first = next((index for index, group in enumerate(groups) if group), len(groups))
    while groups and not groups[-1]:
        groups.pop()
    groups = groups[first:]
    weight = -(-len(whole) // 4) - 1 - first if groups else 0
    sign = _NEGATIVE if value < 0 else 0
    return struct.pack(f">hhHH{len(groups)}h", len(groups), weight, sign, len(fraction), *groups)


_INTEGERS = frozenset(
    (
        *(lib.Type_INT8, lib.Type_INT16, lib.Type_INT32, lib.Type_INT64),
        *(lib.Type_UINT8, lib.Type_UINT16, lib.Type_UINT32, lib.Type_UINT64),
    )
)
_TEXTS = frozenset((lib.Type_STRING, lib.Type_LARGE_STRING, lib.Type_STRING_VIEW))
_DECIMALS = frozenset(
    (pa.decimal32(1).id, pa.decimal64(1).id, lib.Type_DECIMAL128, lib.Type_DECIMAL256)
)
# By format code and type id: a type's own hash is slow.
_WRITERS: tuple[dict[int, Callable[[Any], bytes]], ...] = (
    {
        lib.Type_BOOL: lambda value: b"t" if value else b"f",
        **dict.fromkeys(_INTEGERS, lambda value: b"%d" % value),
        lib.Type_DOUBLE: _float_text,
        lib.Type_DATE32: _date_text,
        **dict.fromkeys(_DECIMALS, _decimal_text),
    },
    {
        lib.Type_BOOL: lambda value: b"\x01" if value else b"\x00",
        lib.Type_DOUBLE: _float8,
        lib.Type_FLOAT: _float4,
        lib.Type_DATE32: _date_binary,
        **dict.fromkeys(_DECIMALS, _numeric),
    },
)
