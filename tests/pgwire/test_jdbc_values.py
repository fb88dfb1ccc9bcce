"""Values by the JDBC driver of Postgres: what comes of each type, and parameters of each class of Java."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.pgwire.all_types import ALL_TYPES
from tests.pgwire.jvm import MODES, Java, JavaClass, Jdbc, Kept, Made, one

RUNS = 3
# What getObject makes of each column, and getString of those whose text is another.
OBJECTS: dict[str, tuple[str, str]] = {
    "a_bool": ("Boolean", "true"),
    "an_int8": ("Integer", "-7"),
    "a_uint8": ("Integer", "200"),
    "an_int16": ("Integer", "-300"),
    "a_uint16": ("Integer", "60000"),
    "an_int32": ("Integer", "-70000"),
    "a_uint32": ("Long", "4000000000"),
    "an_int64": ("Long", "-9000000000000000000"),
    "a_uint64": ("BigDecimal", "18446744073709551615"),
    "a_float16": ("Float", "1.5"),
    "a_float32": ("Float", "0.25"),
    "a_float64": ("Double", "0.1"),
    "a_nan": ("Double", "NaN"),
    "an_infinity": ("Double", "-Infinity"),
    "a_decimal": ("BigDecimal", "-12345.678"),
    "a_long_decimal": ("BigDecimal", "123456789012345678901234567890123456789.01"),
    "a_text": ("String", ALL_TYPES["a_text"][2]),
    "a_view": ("String", "view"),
    "a_word": ("String", "word"),
    "an_empty_text": ("String", ""),
    "some_bytes": ("byte[]", "00ff10"),
    "two_bytes": ("byte[]", "0102"),
    "a_date": ("Date", "2024-02-29"),
    "an_old_date": ("Date", "0044-03-15"),
    "a_time": ("Time", "12:34:56"),
    "a_timestamp": ("Timestamp", "2024-02-29 12:34:56.789012"),
    "a_second": ("Timestamp", "1969-12-31 23:59:59.0"),
    "an_instant": ("Timestamp", "2024-07-01 12:00:00.0"),
    "a_duration": ("PGInterval", "0 years 0 mons 0 days 1 hours 1 mins 1.0 secs"),
    "a_struct": ("PGobject", '{"x":1,"y":"z"}'),
    "a_map": ("PGobject", '{"k":1}'),
    "some_ints": ("PgArray", "[1, null, -3]"),
    "some_texts": ("PgArray", '[a, b c, null, x"y, , NULL]'),
    "some_dates": ("PgArray", "[2024-02-29]"),
    "ints_in_lists": ("PgArray", "[[1, 2], [3, 4]]"),
}
STRINGS = {
    "a_bool": "t",
    "some_bytes": "\\x00ff10",
    "two_bytes": "\\x0102",
    "a_time": "12:34:56.789012",
    "a_second": "1969-12-31 23:59:59",
    "an_instant": "2024-07-01 12:00:00+00",
    "a_duration": "01:01:01",
    "some_ints": "{1,NULL,-3}",
    "some_texts": '{a,"b c",NULL,"x\\"y","","NULL"}',
    "some_dates": "{2024-02-29}",
    "ints_in_lists": "{{1,2},{3,4}}",
}


def test_every_type_arrives_as_its_object(in_mode: Kept) -> None:
    statement = in_mode.prepareStatement(f"SELECT {', '.join(OBJECTS)} FROM all_types ORDER BY n")
    assert OBJECTS.keys() == ALL_TYPES.keys()
    for _ in range(RUNS):
        first, second = statement.executeQuery().objects()
        assert dict(zip(OBJECTS, map(tuple, first), strict=True)) == OBJECTS
        assert set(second) == {None}


def test_every_type_arrives_as_its_text(jdbc: Jdbc) -> None:
    statement = jdbc.connect(**MODES["text"]).createStatement()
    names = list(OBJECTS)
    first, second = statement.executeQuery(
        f"SELECT {', '.join(names)} FROM all_types ORDER BY n"
    ).strings()
    expected = {name: STRINGS.get(name, OBJECTS[name][1]) for name in names}
    assert dict(zip(names, first, strict=True)) == expected
    assert set(second) == {None}


@pytest.mark.parametrize(
    ("column", "type_name", "shown"),
    [
        ("a_date", "time.LocalDate", "2024-02-29"),
        ("a_time", "time.LocalTime", "12:34:56.789012"),
        ("a_timestamp", "time.LocalDateTime", "2024-02-29T12:34:56.789012"),
        ("an_instant", "time.OffsetDateTime", "2024-07-01T12:00Z"),
        ("an_int8", "lang.Integer", -7),
        ("an_int64", "math.BigInteger", "-9000000000000000000"),
        ("a_float64", "lang.Double", "0.1"),
        ("a_text", "lang.String", ALL_TYPES["a_text"][2]),
    ],
)
def test_a_value_arrives_as_the_class_that_is_asked_for(
    in_mode: Kept, column: str, type_name: str, shown: Any
) -> None:
    statement = in_mode.prepareStatement(f"SELECT {column} FROM all_types ORDER BY n")
    wanted = JavaClass(f"java.{type_name}")
    for _ in range(RUNS):
        found = statement.executeQuery()
        assert found.next()
        value = found.getObject(1, wanted)
        assert value in (shown, [type_name.partition(".")[2], shown])
        assert found.next()
        assert found.getObject(1, wanted) is None


PARAMETERS: dict[str, tuple[str, str, tuple[Any, ...], list[str] | None]] = {
    "int": ("setInt", "int4", (70_000,), ["Integer", "70000"]),
    "short": ("setShort", "int2", (-3,), ["Integer", "-3"]),
    "long": ("setLong", "int8", (-9 * 10**18,), ["Long", "-9000000000000000000"]),
    "text": ("setString", "text", ("a 'q' \\ ?\t$1 é",), ["String", "a 'q' \\ ?\t$1 é"]),
    "decimal": (
        "setBigDecimal",
        "numeric(20, 3)",
        (Made("java.math.BigDecimal", "-12345.678"),),
        ["BigDecimal", "-12345.678"],
    ),
    "double": ("setDouble", "float8", (0.1,), ["Double", "0.1"]),
    "float": ("setFloat", "float4", (0.25,), ["Float", "0.25"]),
    "truth": ("setBoolean", "bool", (True,), ["Boolean", "true"]),
    "bytes": ("setBytes", "bytea", (b"\x00\xff",), ["byte[]", "00ff"]),
    "local date": (
        "setObject",
        "date",
        (Made("java.time.LocalDate", "2024-02-29"),),
        ["Date", "2024-02-29"],
    ),
    "local time": (
        "setObject",
        "time",
        (Made("java.time.LocalTime", "12:34:56"),),
        ["Time", "12:34:56"],
    ),
    "local moment": (
        "setObject",
        "timestamp",
        (Made("java.time.LocalDateTime", "2024-02-29T12:34:56.789012"),),
        ["Timestamp", "2024-02-29 12:34:56.789012"],
    ),
    "moment": (
        "setObject",
        "timestamptz",
        (Made("java.time.OffsetDateTime", "2024-07-01T14:00+02:00"),),
        ["Timestamp", "2024-07-01 12:00:00.0"],
    ),
    "sql date": ("setDate", "date", (Made("java.sql.Date", "2024-02-29"),), ["Date", "2024-02-29"]),
    "sql time": ("setTime", "time", (Made("java.sql.Time", "12:34:56"),), ["Time", "12:34:56"]),
    "sql moment": (
        "setTimestamp",
        "timestamp",
        (Made("java.sql.Timestamp", "2024-02-29 12:34:56.789012"),),
        ["Timestamp", "2024-02-29 12:34:56.789012"],
    ),
    "uuid": (
        "setObject",
        "text",
        (Made("java.util.UUID", "00000000-0000-0000-0000-000000000007"),),
        ["String", "00000000-0000-0000-0000-000000000007"],
    ),
    "no int": ("setNull", "int4", (4,), None),
    "no text": ("setNull", "text", (12,), None),
    "no moment": ("setNull", "timestamp", (93,), None),
    "nothing": ("setObject", "text", (None,), None),
}
"""By name: how it is set, the type it is cast to, what is set, and what comes back."""
# In simple mode the driver writes values into the text: bytes as ``?``, and dates with a zone.
NOT_IN_TEXTS = {"bytes", "sql date", "sql time"}


@pytest.mark.parametrize(
    ("mode", "name"),
    [
        (mode, name)
        for mode in MODES
        for name in PARAMETERS
        if mode != "simple" or name not in NOT_IN_TEXTS
    ],
)
def test_a_parameter_comes_back(in_mode: Kept, name: str) -> None:
    setter, kind, values, expected = PARAMETERS[name]
    statement = in_mode.prepareStatement(f"SELECT ?::{kind} AS v")
    for _ in range(RUNS):
        getattr(statement, setter)(1, *values)
        assert statement.executeQuery().objects() == [[expected]]


@pytest.mark.parametrize("mode", ["text", "binary", "extendedForPrepared"])
@pytest.mark.parametrize(
    ("kind", "items", "shown"),
    [
        ("int4", [1, None, -3], "[1, null, -3]"),
        ("int8", [Made("java.lang.Long", "9000000000000000000")], "[9000000000000000000]"),
        ("float8", [0.5, None], "[0.5, null]"),
        ("bool", [True, False], "[true, false]"),
        ("text", ["a", None, "NULL", "", 'b "c"'], '[a, null, NULL, , b "c"]'),
    ],
    ids=lambda value: value if isinstance(value, str) and value.isalnum() else "",
)
def test_an_array_comes_back(in_mode: Kept, kind: str, items: list[Any], shown: str) -> None:
    statement = in_mode.prepareStatement(f"SELECT ?::{kind}[] AS v")
    for _ in range(RUNS):
        statement.setArray(1, in_mode.createArrayOf(kind, items))
        assert statement.executeQuery().objects() == [[["PgArray", shown]]]


@pytest.mark.parametrize(
    ("condition", "setter", "values", "count"),
    [
        ("id = ?", "setInt", (5,), 1),
        ("id <= ?", "setLong", (5,), 5),
        ("half = ?", "setDouble", (0.5,), 1),
        ("half < ?", "setBigDecimal", (Made("java.math.BigDecimal", "1.5"),), 2),
        ("name = ?", "setString", ("row 4",), 1),
        ("name LIKE ?", "setString", ("row 499%",), 11),
        ("id BETWEEN ? AND ?", "setInt", (3, 9), 7),
        ("id IN (?, ?, ?)", "setInt", (3, 4, 6000), 2),
        ("? IS NULL OR id = 1", "setString", (None,), 5000),
    ],
)
def test_a_parameter_takes_the_type_of_its_place(
    in_mode: Kept, condition: str, setter: str, values: tuple[Any, ...], count: int
) -> None:
    statement = in_mode.prepareStatement(f"SELECT count(*) FROM items WHERE {condition}")
    for _ in range(RUNS):
        for number, value in enumerate(values, start=1):
            getattr(statement, setter)(number, value)
        assert statement.executeQuery().objects() == [[["Long", str(count)]]]


@pytest.fixture
def new_york(java: Java) -> Iterator[None]:
    zones = java.static("java.util.TimeZone")
    before = zones.getDefault()
    zones.setDefault(zones.getTimeZone("America/New_York"))
    yield
    zones.setDefault(before)


@pytest.mark.usefixtures("new_york")
@pytest.mark.parametrize("mode", ["text", "binary"])
@pytest.mark.parametrize(
    ("column", "setter", "value", "shown"),
    [
        ("a_date", "setDate", Made("java.sql.Date", "2024-02-29"), "2024-02-29"),
        ("a_second", "setTimestamp", Made("java.sql.Timestamp", "1969-12-31 23:59:59"), None),
        ("an_instant", "setTimestamp", Made("java.sql.Timestamp", "2024-07-01 08:00:00"), None),
        (
            "an_instant",
            "setObject",
            Made("java.time.OffsetDateTime", "2024-07-01T14:00+02:00"),
            None,
        ),
    ],
    ids=["date", "timestamp", "timestamptz", "offset"],
)
def test_the_zone_of_the_client_moves_instants_only(
    in_mode: Kept, column: str, setter: str, value: Made, shown: str | None
) -> None:
    statement = in_mode.prepareStatement(f"SELECT {column} FROM all_types WHERE {column} = ?")
    for _ in range(RUNS):
        getattr(statement, setter)(1, value)
        ((found,),) = statement.executeQuery().objects()
        if setter == "setObject":
            assert found == ["Timestamp", "2024-07-01 08:00:00.0"]
        else:
            assert found[1] == (shown or f"{value.text}.0")


def test_rows_are_binary_once_a_statement_is_prepared(jdbc: Jdbc) -> None:
    statement = jdbc.connect(prepareThreshold=2).prepareStatement(
        "SELECT a_time FROM all_types WHERE n = ?"
    )
    found = []
    for _ in range(4):
        statement.setInt(1, 1)
        ((text,),) = statement.executeQuery().strings()
        found.append(text)
    # Of a binary time the driver shows milliseconds.
    assert (found[0], found[-1]) == ("12:34:56.789012", "12:34:56.789")


def test_columns_of_an_answer_are_described(in_mode: Kept) -> None:
    sql = "SELECT id, name AS label, half, half::numeric(10, 2) AS n, ARRAY[id] AS l FROM items"
    statement = in_mode.prepareStatement(f"{sql} WHERE id = 1")
    described = statement.getMetaData()
    asked_for = ("getColumnLabel", "getColumnType", "getColumnTypeName", "getColumnClassName")
    found = [
        [getattr(described, name)(number) for name in asked_for]
        for number in range(1, described.getColumnCount() + 1)
    ]
    assert found == [
        ["id", -5, "int8", "java.lang.Long"],
        ["label", 12, "text", "java.lang.String"],
        ["half", 8, "float8", "java.lang.Double"],
        ["n", 2, "numeric", "java.math.BigDecimal"],
        ["l", 2003, "_int8", "java.sql.Array"],
    ]
    assert [described.getPrecision(4), described.getScale(4)] == [10, 2]
    assert described.isSigned(1)
    assert not described.isAutoIncrement(1)


def test_parameters_of_a_statement_are_described(by_jdbc: Kept) -> None:
    statement = by_jdbc.prepareStatement("SELECT half FROM items WHERE id = ? AND name = ?")
    described = statement.getParameterMetaData()
    assert [described.getParameterTypeName(n) for n in (1, 2)] == ["int8", "text"]
    assert statement.getMetaData().getColumnTypeName(1) == "float8"


def test_json_is_read_as_what_it_is(by_jdbc: Kept) -> None:
    kind, text = one(by_jdbc, "SELECT a_struct FROM all_types WHERE n = 1")
    assert kind == "PGobject"
    assert json.loads(text) == {"x": 1, "y": "z"}
