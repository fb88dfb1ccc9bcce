"""Values of parameters: what psycopg sends becomes one literal, and the literal is the value."""

import datetime as dt
import json
import math
import struct
import uuid
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from datafusion import SessionContext
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg.adapt import PyFormat, Transformer
from psycopg.types.json import Json, Jsonb
from psycopg.types.numeric import Float4, Int2, Int4, Int8

from server.pgwire.errors import PgError
from server.pgwire.parameters import (
    BOOL,
    BYTEA,
    DATE,
    FLOAT8,
    INT2,
    INT4,
    INT8,
    INTERVAL,
    ITEM_TYPES,
    NUMERIC,
    TEXT,
    TIME,
    TIMESTAMP,
    TIMESTAMPTZ,
    UUID,
    literal_of,
)

TEXT_FORMAT, BINARY_FORMAT = PyFormat.TEXT, PyFormat.BINARY
_CONTEXT = SessionContext()
_CONTEXT.sql("SET datafusion.sql_parser.dialect = 'PostgreSQL'")

texts = st.text(st.characters(exclude_characters="\x00", codec="utf-8"))
# Nanoseconds in 64 bits end in the years 1677 and 2262.
moments = st.datetimes(dt.datetime(1700, 1, 1), dt.datetime(2200, 1, 1))  # noqa: DTZ001
decimals = st.decimals(
    min_value=Decimal(-(10**18)), max_value=Decimal(10**18), places=6, allow_nan=False
)
both_formats = pytest.mark.parametrize("how", [TEXT_FORMAT, BINARY_FORMAT], ids=["text", "binary"])
examples = settings(max_examples=60, derandomize=True)


def written(value: Any, how: PyFormat, *, oid: int = 0) -> str:
    """The literal of a value, as psycopg sends it; ``oid`` is what the server found, if it must."""
    transformer = Transformer()
    (data,) = transformer.dump_sequence([value], [how])
    assert transformer.types is not None
    assert transformer.formats is not None
    kept = None if data is None else bytes(data)
    return literal_of(oid or transformer.types[0], int(transformer.formats[0]), kept).text


def evaluated(literal: str) -> Any:
    """What the engine makes of a literal; it must be all that there is."""
    column = _CONTEXT.sql(f"SELECT {literal} AS a").to_arrow_table().column(0)
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp("us", column.type.tz))
    elif pa.types.is_time(column.type):
        column = column.cast(pa.time64("us"))
    (value,) = column.to_pylist()
    return value


def back(value: Any, how: PyFormat, *, oid: int = 0) -> Any:
    return evaluated(written(value, how, oid=oid))


@both_formats
@given(value=texts)
@examples
def test_a_text_stays_itself(how: PyFormat, value: str) -> None:
    assert back(value, how) == value


@both_formats
@given(value=st.integers(-(2**63) + 1, 2**63 - 1))
@examples
def test_a_whole_number_stays_itself(how: PyFormat, value: int) -> None:
    assert back(Int8(value), how) == value
    assert back(value, how) == value


@both_formats
@given(small=st.integers(-(2**15), 2**15 - 1), middle=st.integers(-(2**31), 2**31 - 1))
@examples
def test_small_numbers_stay_themselves(how: PyFormat, small: int, middle: int) -> None:
    assert back(Int2(small), how) == small
    assert back(Int4(middle), how) == middle


@both_formats
@given(value=st.floats())
@examples
def test_a_float_stays_itself(how: PyFormat, value: float) -> None:
    found = back(value, how)
    assert found == value or (math.isnan(found) and math.isnan(value))


@both_formats
@given(value=st.floats(width=32, allow_nan=False))
@examples
def test_a_short_float_stays_itself(how: PyFormat, value: float) -> None:
    found = struct.unpack("!f", struct.pack("!f", back(Float4(value), how)))[0]
    assert found == value


@both_formats
@given(value=decimals)
@examples
def test_a_decimal_stays_itself(how: PyFormat, value: Decimal) -> None:
    assert back(value, how) == value


@given(value=st.binary())
@examples
def test_bytes_stay_themselves(value: bytes) -> None:
    assert back(value, BINARY_FORMAT) == value
    escaped = "".join(f"\\{byte:03o}" for byte in value)
    for text in (f"\\x{value.hex()}", escaped):
        assert evaluated(literal_of(BYTEA, 0, text.encode()).text) == value


@both_formats
@given(value=st.dates())
@examples
def test_a_date_stays_itself(how: PyFormat, value: dt.date) -> None:
    assert back(value, how) == value


@both_formats
@given(value=st.times())
@examples
def test_a_time_stays_itself(how: PyFormat, value: dt.time) -> None:
    assert back(value, how) == value


@both_formats
@given(value=moments)
@examples
def test_a_timestamp_stays_itself(how: PyFormat, value: dt.datetime) -> None:
    assert back(value, how) == value


@both_formats
@given(value=moments, hours=st.integers(-12, 14))
@examples
def test_a_moment_with_a_zone_stays_itself(how: PyFormat, value: dt.datetime, hours: int) -> None:
    zoned = value.replace(tzinfo=dt.timezone(dt.timedelta(hours=hours)))
    found = back(zoned, how)
    assert found.replace(tzinfo=found.tzinfo or dt.UTC) == zoned


@pytest.mark.parametrize(
    ("oid", "text", "expected"),
    [
        (DATE, "2024-02-29 +00", dt.date(2024, 2, 29)),
        (DATE, "2024-02-29", dt.date(2024, 2, 29)),
        (DATE, "2024-02-29 23:30:00-05", dt.date(2024, 2, 29)),
        (TIME, "12:34:56-05", dt.time(12, 34, 56)),
        (TIME, "12:34:56.789+05:30", dt.time(12, 34, 56, 789_000)),
        (TIMESTAMP, "2024-02-29 12:34:56.5-05", dt.datetime(2024, 2, 29, 12, 34, 56, 500_000)),  # noqa: DTZ001
        (TIMESTAMP, "2024-02-29T12:34:56Z", dt.datetime(2024, 2, 29, 12, 34, 56)),  # noqa: DTZ001
        (TIMESTAMP, "2024-02-29", dt.datetime(2024, 2, 29)),  # noqa: DTZ001
    ],
)
def test_a_type_without_a_zone_ignores_that_of_a_text(oid: int, text: str, expected: Any) -> None:
    assert evaluated(literal_of(oid, 0, text.encode()).text) == expected


@pytest.mark.parametrize(
    "value",
    [
        dt.timedelta(),
        dt.timedelta(days=3, seconds=4, microseconds=5),
        dt.timedelta(days=-3),
        dt.timedelta(hours=23, microseconds=1),
        dt.timedelta(microseconds=-1),
    ],
    ids=["nothing", "mixed", "days-back", "hours", "one-back"],
)
def test_an_interval_stays_itself(value: dt.timedelta) -> None:
    start = "TIMESTAMP '2024-01-01 00:00:00'"
    moved = evaluated(f"({start} + {written(value, BINARY_FORMAT)})")
    assert moved == dt.datetime(2024, 1, 1) + value  # noqa: DTZ001


@both_formats
@pytest.mark.parametrize("value", [True, False, None])
def test_a_truth_stays_itself(how: PyFormat, value: bool | None) -> None:
    assert back(value, how) is value


@both_formats
def test_a_uuid_and_json_are_texts(how: PyFormat) -> None:
    value = uuid.UUID(int=2**100 + 7)
    assert back(value, how) == str(value)
    for document in (Json({"a": "it's"}), Jsonb({"a": "it's"})):
        assert json.loads(back(document, how)) == {"a": "it's"}


@both_formats
@pytest.mark.parametrize(
    "value",
    [
        [1, 2, 3],
        [1, None, -3],
        ["a", "b c", "it's", 'x"y', "\\", "{,}", "NULL", "null", "", None],
        [[1, 2], [3, 4]],
        [True, False],
        [1.5, -2.5],
        [dt.date(2024, 2, 29), None],
        [Decimal("1.50"), Decimal("-2.25")],
    ],
    ids=["ints", "nulls", "texts", "nested", "bools", "floats", "dates", "decimals"],
)
def test_an_array_stays_itself(how: PyFormat, value: list[Any]) -> None:
    oid = 1009 if "a" in value else 0  # of a list of texts psycopg does not say it
    assert back(value, how, oid=oid) == value


@given(value=texts)
@examples
def test_a_text_of_any_type_is_one_literal_or_refused(value: str) -> None:
    known = (0, TEXT, BOOL, BYTEA, INT2, INT4, INT8, FLOAT8, NUMERIC, DATE, TIME, TIMESTAMP)
    for oid in (*known, TIMESTAMPTZ, INTERVAL, UUID, *ITEM_TYPES):
        try:
            literal = literal_of(oid, 0, value.encode())
        except PgError as error:
            assert error.sqlstate in {"22P02", "22003", "22021"}  # noqa: PT017
        else:
            assert is_one_value(literal.text)


@given(data=st.binary(max_size=40))
@examples
def test_bytes_of_any_type_are_one_literal_or_refused(data: bytes) -> None:
    for oid in (
        0,
        TEXT,
        BOOL,
        INT2,
        INT8,
        FLOAT8,
        NUMERIC,
        DATE,
        TIME,
        TIMESTAMPTZ,
        INTERVAL,
        UUID,
    ):
        try:
            literal = literal_of(oid, 1, data)
        except PgError as error:
            assert error.sqlstate in {"22P03", "22003", "22021"}  # noqa: PT017
        else:
            assert is_one_value(literal.text)


def is_one_value(literal: str) -> bool:
    """Whether a plan of it projects one expression: what it holds may still be no value."""
    try:
        frame = _CONTEXT.sql(f"SELECT {literal} AS a")
    except Exception as error:  # noqa: BLE001 - the message tells which
        return "ParserError(" not in str(error) and "SQL error" not in str(error)
    return frame.schema().names == ["a"]


HOSTILE = ["'", "';--", "' OR 'x'='x", "\\'", "$1", "/*", "*/", "--", "E'\\''", "''''", "\n'", ";"]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_text_stays_one_text(text: str) -> None:
    assert evaluated(literal_of(TEXT, 0, text.encode()).text) == text
    assert evaluated(literal_of(TEXT, 1, text.encode()).text) == text
    assert evaluated(literal_of(0, 0, text.encode()).text) == text


@pytest.mark.parametrize("oid", [BOOL, INT8, FLOAT8, NUMERIC, BYTEA, UUID])
@pytest.mark.parametrize("text", ["1; DROP", "1 OR TRUE", "1--", "(SELECT 1)", "", "x'", "é"])
def test_what_is_no_value_of_its_type_is_refused(oid: int, text: str) -> None:
    if oid == BYTEA and text != "é":
        assert evaluated(literal_of(oid, 0, text.encode()).text) == text.encode()
        return
    if oid == BYTEA:
        return
    with pytest.raises(PgError) as caught:
        literal_of(oid, 0, text.encode())
    assert caught.value.sqlstate == "22P02"


@pytest.mark.parametrize(
    ("oid", "data"),
    [
        (BOOL, b""),
        (INT2, b"\x00"),
        (INT8, b"\x00" * 9),
        (FLOAT8, b"\x00" * 4),
        (NUMERIC, b"\x00\x01"),
        (NUMERIC, struct.pack("!HhHHH", 1, 0, 0, 0, 10_000)),
        (NUMERIC, struct.pack("!HhHHH", 1, 30_000, 0, 0, 1)),
        (DATE, struct.pack("!i", 2**31 - 1)),
        (UUID, b"\x00" * 15),
        (1016, struct.pack("!iii", 7, 0, INT8)),
        (1016, struct.pack("!iiiii", 1, 0, INT8, 2**31 - 1, 1)),
        (1016, struct.pack("!iiiiii", 1, 0, INT8, 1, 1, 100)),
    ],
    ids=range(12),
)
def test_bytes_that_are_no_value_are_refused(oid: int, data: bytes) -> None:
    with pytest.raises(PgError) as caught:
        literal_of(oid, 1, data)
    assert caught.value.sqlstate == "22P03"


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "1e200"])
def test_a_numeric_that_cannot_be_is_refused(text: str) -> None:
    with pytest.raises(PgError) as caught:
        literal_of(NUMERIC, 0, text.encode())
    assert caught.value.sqlstate == "22003"


def test_a_nul_is_in_no_text() -> None:
    for code in (0, 1):
        with pytest.raises(PgError) as caught:
            literal_of(TEXT, code, b"a\x00b")
        assert caught.value.sqlstate == "22021"


def test_a_negative_number_does_not_become_a_comment() -> None:
    assert evaluated(f"1 -{literal_of(INT8, 0, b'-1').text}") == 2
