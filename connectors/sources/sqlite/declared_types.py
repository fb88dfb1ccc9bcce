"""Which Arrow type a column has by the type it is declared with, and by nothing else.

SQLite takes any words for a type and enforces little, so no row is looked at: the declared type
decides, the same for an empty table as for a full one. Words that mean nothing here are text.
"""

import re
from collections.abc import Callable
from functools import cache

import pyarrow as pa

from connectors.errors import SourceFailed
from connectors.sources.sqlite.options import DateNumbers
from connectors.sources.sqlite.values import (
    Kind,
    binary,
    boolean,
    date,
    decimal,
    integer,
    real,
    string,
    time_of_day,
    timestamp,
)

DIGITS_MAX = 76
_INTEGER = re.compile(r"\b(TINY|SMALL|MEDIUM|BIG)?INT(EGER)?\d*\b")
_BOOLEAN = re.compile(r"\bBOOL(EAN)?\b")
_REAL = re.compile(r"\b(REAL|DOUBLE|FLOAT\d*)\b")
_DECIMAL = re.compile(r"\b(NUMERIC|DECIMAL|DEC|NUM|NUMBER)\b")
_BINARY = re.compile(r"\b(TINY|MEDIUM|LONG)?BLOB\b|\b(VAR)?BINARY\b|\bBYTEA\b")
_ZONED = re.compile(r"\bTIMESTAMPTZ\b|\bDATETIMEOFFSET\b|\bTIMESTAMP WITH TIME ZONE\b")
_TIMESTAMP = re.compile(r"\b(DATETIME|TIMESTAMP)\d*\b")
_DATE = re.compile(r"\bDATE\b")
_TIME = re.compile(r"\bTIME\b")
_ARGUMENTS = re.compile(r"\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?\)")

_TEXTS = (pa.string(), pa.large_string(), pa.string_view())
_BYTES = (pa.binary(), pa.large_binary(), pa.binary_view())
_NAIVE = (pa.timestamp("us"), pa.timestamp("ns"))
_IN_UTC = (pa.timestamp("us", "UTC"), pa.timestamp("ns", "UTC"))
_OF_ARROW: tuple[tuple[Callable[[pa.DataType], bool], Callable[[], Kind]], ...] = (
    (pa.types.is_integer, integer),
    (pa.types.is_float64, real),
    (pa.types.is_boolean, boolean),
    (lambda arrow: arrow in _TEXTS, lambda: string(is_strict=True)),
    (lambda arrow: arrow in _BYTES, lambda: binary(is_strict=True)),
    (pa.types.is_date32, lambda: date("refuse")),
    (pa.types.is_time64, time_of_day),
    (lambda arrow: arrow in _NAIVE, lambda: timestamp("refuse", zone=None)),
    (lambda arrow: arrow in _IN_UTC, lambda: timestamp("refuse", zone="UTC")),
)


@cache
def kind_of(declared: str, numbers: DateNumbers) -> Kind:
    """Return how values of a column arrive.

    Args:
        declared: its type in the words of its table, ``""`` for none.
        numbers: what numbers in columns of dates are.
    """
    words = " ".join(_ARGUMENTS.sub(" ", declared).upper().split())
    if _DECIMAL.search(words):
        return _decimal(declared)
    if _ZONED.search(words):
        return timestamp(numbers, zone="UTC")
    kinds = (
        (_INTEGER, integer),
        (_BOOLEAN, boolean),
        (_REAL, real),
        (_BINARY, binary),
        (_TIMESTAMP, lambda: timestamp(numbers, zone=None)),
        (_DATE, lambda: date(numbers)),
        (_TIME, time_of_day),
    )
    return next((make() for pattern, make in kinds if pattern.search(words)), string())


def kind_of_arrow(arrow: pa.DataType) -> Kind:
    """Return how values of a query become a type of its plan, or one that is cast to it exactly.

    Raises:
        SourceFailed: SQLite has no such values.
    """
    if pa.types.is_decimal(arrow):
        return decimal(arrow.precision, arrow.scale)
    for is_of, make in _OF_ARROW:
        if is_of(arrow):
            return make()
    raise SourceFailed(f"SQLite has no values of type {arrow}")


def _decimal(declared: str) -> Kind:
    """Without a scale to tell how exact it is, a decimal is what SQLite makes of it: a double."""
    found = _ARGUMENTS.search(declared)
    if found is None:
        return real()
    precision, scale = int(found[1]), int(found[2] or 0)
    if not 0 < precision <= DIGITS_MAX or scale > precision:
        return real()
    return decimal(precision, scale)
