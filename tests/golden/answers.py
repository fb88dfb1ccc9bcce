"""What the two engines answer, as values that can be compared: numbers by value, texts exactly.

A value becomes a pair of its kind and itself, so that ``1``, ``'1'`` and ``true`` differ, as do a date, a
timestamp and one with a time zone. An interval is its months, days and microseconds.
"""

import datetime
import decimal
import math
import re
from typing import Any

import psycopg
import pyarrow as pa
from psycopg.abc import Buffer
from psycopg.adapt import Loader
from psycopg.types.string import TextLoader
from typing_extensions import override

_RELATIVE = 1e-9
_DAY_MICROS = 86_400_000_000
_UNITS = {"year": 12, "years": 12, "mon": 1, "mons": 1}
_PARTS = re.compile(r"([+-]?\d+) (year|mon|day)s?")
_CLOCK = re.compile(r"([+-]?)(\d+):(\d\d):(\d\d)(?:\.(\d+))?$")
# Types whose values have no class of their own: they are compared as text.
_AS_TEXT = ("json", "jsonb", "uuid", "name", "regtype", "xid", "oid", "inet")


class _IntervalLoader(Loader):
    """Intervals as months, days and microseconds: psycopg's own has no months."""

    @override
    def load(self, data: Buffer) -> pa.MonthDayNano:
        text = bytes(data).decode()
        months = days = micros = 0
        for number, unit in _PARTS.findall(text):
            if unit == "day":
                days += int(number)
            else:
                months += int(number) * _UNITS[unit]
        if clock := _CLOCK.search(text):
            sign, hours, minutes, seconds, fraction = clock.groups()
            total = (int(hours) * 60 + int(minutes)) * 60 + int(seconds)
            micros = total * 1_000_000 + int((fraction or "0").ljust(6, "0"))
            micros = -micros if sign == "-" else micros
        return _interval(months, days, micros)


def read_as_values(connection: psycopg.Connection[Any]) -> None:
    """Let a connection answer what can be compared."""
    connection.adapters.register_loader("interval", _IntervalLoader)
    for name in _AS_TEXT:
        connection.adapters.register_loader(name, TextLoader)


def rows_of_postgres(rows: list[tuple[Any, ...]]) -> list[list[Any]]:
    """Make what psycopg answered comparable."""
    return [[_comparable(value) for value in row] for row in rows]


def rows_of_table(table: pa.Table) -> list[list[Any]]:
    """Make what the engine answered comparable."""
    columns = [_values(column) for column in table.columns]
    if not columns:
        return [[] for _ in range(table.num_rows)]
    return [[_comparable(value) for value in row] for row in zip(*columns, strict=True)]


def is_same(left: list[list[Any]], right: list[list[Any]], *, ordered: bool) -> bool:
    """Whether two answers have the same rows."""
    if len(left) != len(right):
        return False
    if not ordered:
        left, right = sorted(left, key=_rank), sorted(right, key=_rank)
    return all(
        len(one) == len(other) and all(map(_is_equal, one, other))
        for one, other in zip(left, right, strict=True)
    )


def _values(column: Any) -> list[Any]:
    """Read a column; Python has no nanoseconds, Postgres neither, and durations are intervals."""
    if pa.types.is_duration(column.type):
        micros = column.cast(pa.duration("us"), safe=False).cast(pa.int64()).to_pylist()
        return [None if value is None else _span(value) for value in micros]
    values: list[Any] = column.cast(_in_microseconds(column.type), safe=False).to_pylist()
    return values


def _interval(months: int, days: int, micros: int) -> pa.MonthDayNano:
    # The stubs have three arguments, pyarrow has one.
    make: Any = pa.MonthDayNano
    made: pa.MonthDayNano = make([months, days, micros * 1000])
    return made


def _span(micros: int) -> pa.MonthDayNano:
    """A duration as the interval that Postgres subtracts timestamps to."""
    sign = -1 if micros < 0 else 1
    days, rest = divmod(abs(micros), _DAY_MICROS)
    return _interval(0, sign * days, sign * rest)


def _in_microseconds(dtype: pa.DataType) -> pa.DataType:
    if pa.types.is_timestamp(dtype):
        return pa.timestamp("us", dtype.tz)
    if pa.types.is_time(dtype):
        return pa.time64("us")
    if pa.types.is_list(dtype) or pa.types.is_large_list(dtype):
        return pa.list_(_in_microseconds(dtype.value_type))
    return dtype


def _comparable(value: Any) -> Any:
    """Return a value as its kind and itself."""
    if isinstance(value, list):
        return ("list", [_comparable(item) for item in value])
    if isinstance(value, dict):
        return ("row", [_comparable(item) for item in value.values()])
    if isinstance(value, tuple) and not isinstance(value, pa.MonthDayNano):
        return ("row", [_comparable(item) for item in value])
    if isinstance(value, bool) or value is None:
        return (type(value).__name__, value)
    if isinstance(value, (int, float, decimal.Decimal)):
        return ("number", value)
    return _comparable_object(value)


def _comparable_object(value: Any) -> Any:
    if isinstance(value, datetime.datetime) and value.tzinfo is not None:
        return ("timestamptz", value.astimezone(datetime.UTC))
    if isinstance(value, pa.MonthDayNano):
        return ("interval", (value.months, value.days, value.nanoseconds // 1000))
    return (type(value).__name__, value)


def _is_equal(left: Any, right: Any) -> bool:
    if left[0] != right[0]:
        return False
    if left[0] in ("list", "row"):
        return len(left[1]) == len(right[1]) and all(map(_is_equal, left[1], right[1]))
    if left[0] == "number":
        return _is_equal_number(left[1], right[1])
    return bool(left[1] == right[1])


def _is_equal_number(left: Any, right: Any) -> bool:
    if isinstance(left, int) and isinstance(right, int):
        return left == right
    if math.isnan(left) or math.isnan(right):
        return math.isnan(left) and math.isnan(right)
    return math.isclose(left, right, rel_tol=_RELATIVE, abs_tol=1e-12)


def _rank(row: list[Any]) -> str:
    """Order rows so that those of both engines meet."""
    return repr([_rounded(value) for value in row])


def _rounded(value: Any) -> Any:
    kind, content = value
    if kind in ("list", "row"):
        return (kind, [_rounded(item) for item in content])
    return (kind, f"{float(content):.6g}") if kind == "number" else value
