"""A table with a column of every type that a result can have, and what clients make of its values."""

import datetime as dt
from decimal import Decimal
from typing import Any

_DAY = dt.date(2024, 2, 29)
_MOMENT = dt.datetime(2024, 2, 29, 12, 34, 56, 789012)  # noqa: DTZ001 - it has no zone
_BEFORE = dt.datetime(1969, 12, 31, 23, 59, 59)  # noqa: DTZ001 - it has no zone
_NOON = dt.datetime(2024, 7, 1, 12, tzinfo=dt.UTC)
_TEXT = "héllo 'quoted' \"x\" \\ , {}\t\n"

COLUMNS: dict[str, tuple[str, int, Any]] = {
    "a_bool": ("TRUE", 16, True),
    "an_int8": ("arrow_cast(-7, 'Int8')", 21, -7),
    "a_uint8": ("arrow_cast(200, 'UInt8')", 21, 200),
    "an_int16": ("arrow_cast(-300, 'Int16')", 21, -300),
    "a_uint16": ("arrow_cast(60000, 'UInt16')", 23, 60_000),
    "an_int32": ("arrow_cast(-70000, 'Int32')", 23, -70_000),
    "a_uint32": ("arrow_cast(4000000000, 'UInt32')", 20, 4_000_000_000),
    "an_int64": ("-9000000000000000000", 20, -9_000_000_000_000_000_000),
    "a_uint64": ("arrow_cast('18446744073709551615', 'UInt64')", 1700, Decimal(2**64 - 1)),
    "a_float16": ("arrow_cast(1.5, 'Float16')", 700, 1.5),
    "a_float32": ("arrow_cast(0.25, 'Float32')", 700, 0.25),
    "a_float64": ("0.1", 701, 0.1),
    "a_nan": ("CAST('NaN' AS DOUBLE)", 701, float("nan")),
    "an_infinity": ("CAST('-Infinity' AS DOUBLE)", 701, float("-inf")),
    "a_decimal": ("arrow_cast('-12345.678', 'Decimal128(10,3)')", 1700, Decimal("-12345.678")),
    "a_long_decimal": (
        "arrow_cast('123456789012345678901234567890123456789.01', 'Decimal256(50,2)')",
        1700,
        Decimal("123456789012345678901234567890123456789.01"),
    ),
    "a_text": ("'" + _TEXT.replace("'", "''") + "'", 25, _TEXT),
    "a_view": ("arrow_cast('view', 'Utf8View')", 25, "view"),
    "a_word": ("arrow_cast('word', 'Dictionary(Int32, Utf8)')", 25, "word"),
    "an_empty_text": ("''", 25, ""),
    "some_bytes": ("X'00ff10'", 17, b"\x00\xff\x10"),
    "two_bytes": ("arrow_cast(X'0102', 'FixedSizeBinary(2)')", 17, b"\x01\x02"),
    "a_date": ("DATE '2024-02-29'", 1082, _DAY),
    "an_old_date": ("DATE '0044-03-15'", 1082, dt.date(44, 3, 15)),
    "a_time": (
        "arrow_cast('12:34:56.789012', 'Time64(Microsecond)')",
        1083,
        dt.time(12, 34, 56, 789012),
    ),
    "a_timestamp": ("TIMESTAMP '2024-02-29 12:34:56.789012'", 1114, _MOMENT),
    "a_second": ("arrow_cast('1969-12-31T23:59:59', 'Timestamp(Second, None)')", 1114, _BEFORE),
    "an_instant": (
        "arrow_cast('2024-07-01T12:00:00Z', 'Timestamp(Microsecond, Some(\"UTC\"))')",
        1184,
        _NOON,
    ),
    "a_duration": (
        "arrow_cast(arrow_cast(3661000000, 'Int64'), 'Duration(Microsecond)')",
        1186,
        dt.timedelta(seconds=3661),
    ),
    "a_struct": ("named_struct('x', 1, 'y', 'z')", 114, {"x": 1, "y": "z"}),
    "a_map": ("MAP(['k'], [1])", 114, {"k": 1}),
}
"""By name: its SQL, the OID of its type in Postgres, and its value in Python."""

ARRAYS: dict[str, tuple[str, int, Any]] = {
    "some_ints": ("[1, NULL, -3]", 1016, [1, None, -3]),
    "some_texts": (
        "['a', 'b c', NULL, 'x\"y', '', 'NULL']",
        1009,
        ["a", "b c", None, 'x"y', "", "NULL"],
    ),
    "some_dates": ("[DATE '2024-02-29']", 1182, [_DAY]),
    "ints_in_lists": ("[[1, 2], [3, 4]]", 1016, [[1, 2], [3, 4]]),
}
"""The same of the lists."""

ALL_TYPES = {**COLUMNS, **ARRAYS}

_WRITTEN = ", ".join(f"{sql} AS {name}" for name, (sql, _, _) in ALL_TYPES.items())
_ABSENT = ", ".join(f"CASE WHEN n = 1 THEN {name} END AS {name}" for name in ALL_TYPES)

ALL_TYPES_SQL = f"""
SELECT n, {_ABSENT} FROM (SELECT {_WRITTEN}) CROSS JOIN (VALUES (1), (2)) AS v(n)
"""
"""Two rows: ``n`` 1 has the values, 2 has nothing but NULL."""


def agree(value: Any, expected: Any) -> bool:
    """Whether values are equal and of one type; NaN equals itself."""
    return repr(value) == repr(expected) and type(value) is type(expected)
