"""One table of every Postgres type: what is written, and what must come of it."""

import datetime
import json
import random
import re
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Context, Decimal
from typing import Any

import psycopg
import pyarrow as pa
from psycopg import sql

UTC = datetime.UTC
MOMENT_MIN = datetime.datetime.fromisoformat("0001-01-01")
INFINITE = "of infinity became NULL"
TOO_LATE = "after the year 294246 became NULL"
NOT_A_NUMBER = "of NaN or infinity became NULL"
AT_24 = "of 24:00 became NULL"
TOO_DEEP = "of several dimensions became NULL"
UTF8 = "añ€𝄞\n\t'\"\\"

Value = tuple[str | None, Any]
"""Text as it is written, and what must arrive; integers stand for moments Python has not."""


@dataclass(frozen=True)
class Case:
    """One type.

    Attributes:
        sql: the type of the column.
        arrow: the declared type.
        values: at least one.
        losses: rules, and how many of ``values`` each is for.
        make: makes random ones; otherwise they are chosen from ``values``.
    """

    sql: str
    arrow: pa.DataType
    values: Sequence[Value]
    losses: dict[str, int] | None = None
    make: Callable[[random.Random], Value] | None = None


def _same(*texts: str) -> list[Value]:
    return [(text, text) for text in texts]


def _integers(bits: int) -> Callable[[random.Random], Value]:
    def make(rng: random.Random) -> Value:
        value = rng.randrange(-(1 << bits - 1), 1 << bits - 1)
        return str(value), value

    return make


def _decimals(digits: int, scale: int) -> Callable[[random.Random], Value]:
    def make(rng: random.Random) -> Value:
        kept = rng.randint(1, digits)
        value = Decimal(rng.randrange(-(10**kept) + 1, 10**kept)).scaleb(-scale, _WIDE)
        return f"{value:f}", value

    return make


def _make_real(rng: random.Random) -> Value:
    value = rng.choice([rng.gauss(0, 1), rng.uniform(-1, 1) * 10.0 ** rng.randint(-300, 300)])
    return repr(value), value


def _make_text(rng: random.Random) -> Value:
    text = "".join(rng.choice("ab 'é€𝄞\"\\,{}\n") for _ in range(rng.randrange(12)))
    return text, text


def _make_bytes(rng: random.Random) -> Value:
    value = rng.randbytes(rng.randrange(9))
    return "\\x" + value.hex(), value


def _make_moment(rng: random.Random) -> datetime.datetime:
    seconds = rng.randrange(315_537_897_600)
    return MOMENT_MIN + datetime.timedelta(seconds=seconds, microseconds=rng.randrange(10**6))


def _make_timestamp(rng: random.Random) -> Value:
    value = _make_moment(rng)
    return value.isoformat(), value


def _make_instant(rng: random.Random) -> Value:
    value = _make_moment(rng).replace(tzinfo=UTC)
    return value.isoformat(), value


def _make_date(rng: random.Random) -> Value:
    value = _make_moment(rng).date()
    return value.isoformat(), value


def _make_time(rng: random.Random) -> Value:
    value = _make_moment(rng).time()
    return value.isoformat(), value


def _make_uuid(rng: random.Random) -> Value:
    text = str(uuid.UUID(int=rng.getrandbits(128)))
    return text, text


def _make_list(rng: random.Random) -> Value:
    values = [rng.choice([None, rng.randrange(99)]) for _ in range(rng.randrange(4))]
    return "{" + ",".join("NULL" if v is None else str(v) for v in values) + "}", values


_WIDE = Context(prec=200)
_at = datetime.datetime.fromisoformat
_TIMESTAMPS: list[Value] = [
    ("2024-02-29 23:59:59.999999", _at("2024-02-29 23:59:59.999999")),
    ("infinity", None),
    ("-infinity", None),
    ("4714-11-24 00:00:00 BC", -210_866_803_200_000_000),
    ("294247-01-10 04:00:54.775807", (1 << 63) - 1),
    ("294247-01-10 04:00:54.775808", None),
    ("294276-12-31 23:59:59.999999", None),
    ("1969-12-31 23:59:59.999999", -1),
]
_DATES: list[Value] = [
    ("2024-02-29", datetime.date(2024, 2, 29)),
    ("infinity", None),
    ("-infinity", None),
    ("4714-11-24 BC", -2_440_588),
    ("5874897-12-31", 2_145_042_905),
]
_BIG = "9" * 36 + ".99"
_LISTS = pa.list_

SCALARS: dict[str, Case] = {
    "boolean": Case("boolean", pa.bool_(), [("t", True), ("f", False), (None, None)]),
    "smallint": Case(
        "smallint", pa.int16(), [("-32768", -32768), ("32767", 32767)], make=_integers(16)
    ),
    "integer": Case(
        "integer", pa.int32(), [("-2147483648", -(1 << 31)), (None, None)], make=_integers(32)
    ),
    "bigint": Case(
        "bigint",
        pa.int64(),
        [("-9223372036854775808", -(1 << 63)), ("9223372036854775807", (1 << 63) - 1)],
        make=_integers(64),
    ),
    "real": Case(
        "real", pa.float32(), [("1.5", 1.5), ("-infinity", float("-inf")), ("NaN", float("nan"))]
    ),
    "double precision": Case(
        "double precision",
        pa.float64(),
        [("5e-324", 5e-324), ("1.7976931348623157e308", 1.7976931348623157e308), ("-0", -0.0)],
        make=_make_real,
    ),
    "numeric(12,2)": Case(
        "numeric(12,2)",
        pa.decimal128(12, 2),
        [
            ("-9999999999.99", Decimal("-9999999999.99")),
            ("0.01", Decimal("0.01")),
            ("NaN", None),
            (None, None),
        ],
        {NOT_A_NUMBER: 1},
        _decimals(12, 2),
    ),
    "numeric(38,2)": Case(
        "numeric(38,2)", pa.decimal128(38, 2), [(_BIG, Decimal(_BIG))], make=_decimals(38, 2)
    ),
    "numeric(76,38)": Case(
        "numeric(76,38)",
        pa.decimal256(76, 38),
        [("-" + "9" * 38 + "." + "9" * 38, Decimal("-" + "9" * 38 + "." + "9" * 38))],
        make=_decimals(76, 38),
    ),
    "numeric(5)": Case("numeric(5)", pa.decimal128(5, 0), [("-99999", Decimal(-99999))]),
    "numeric(77,0)": Case("numeric(77,0)", pa.string(), _same("9" * 77, "NaN")),
    "numeric": Case(
        "numeric",
        pa.string(),
        _same("NaN", "1.500", "0.00000000000000000001", "1" + "0" * 200, "-1"),
    ),
    "numeric(3,-2)": Case(
        "numeric(3,-2)", pa.decimal128(5, 0), [("12345", Decimal(12300)), ("-99900", -99900)]
    ),
    "numeric(2,4)": Case("numeric(2,4)", pa.decimal128(4, 4), [("0.0099", Decimal("0.0099"))]),
    "money": Case(
        "money", pa.decimal128(19, 2), [("-92233720368547758.08", Decimal("-92233720368547758.08"))]
    ),
    "text": Case("text", pa.string(), [*_same("", UTF8), (None, None)], make=_make_text),
    "varchar(9)": Case("varchar(9)", pa.string(), _same("", "é€𝄞")),
    "char(5)": Case("char(5)", pa.string(), [("ab", "ab"), ("  c  ", "  c")]),
    '"char"': Case('"char"', pa.string(), _same("x")),
    "name": Case("name", pa.string(), _same("n" * 63)),
    "bytea": Case(
        "bytea", pa.binary(), [("\\x00ff10", b"\x00\xff\x10"), ("\\x", b"")], make=_make_bytes
    ),
    "date": Case("date", pa.date32(), _DATES, {INFINITE: 2}, _make_date),
    "time": Case(
        "time",
        pa.time64("us"),
        [("23:59:59.999999", datetime.time(23, 59, 59, 999999)), ("24:00", None), ("0:00", 0)],
        {AT_24: 1},
        _make_time,
    ),
    "time(0)": Case("time(0)", pa.time64("us"), [("12:00:00", datetime.time(12))]),
    "time with time zone": Case(
        "time with time zone", pa.string(), _same("23:59:59.999999-15:59:59", "24:00:00+02")
    ),
    "timestamp": Case(
        "timestamp", pa.timestamp("us"), _TIMESTAMPS, {INFINITE: 2, TOO_LATE: 2}, _make_timestamp
    ),
    "timestamptz": Case(
        "timestamptz",
        pa.timestamp("us", "UTC"),
        [
            ("2024-02-29 23:59:59.999999+02", _at("2024-02-29 21:59:59.999999")),
            ("infinity", None),
            ("294247-01-10 04:00:54.775808+00", None),
            ("4714-11-24 00:00:00+00 BC", -210_866_803_200_000_000),
        ],
        {INFINITE: 1, TOO_LATE: 1},
        _make_instant,
    ),
    "interval": Case(
        "interval",
        pa.string(),
        _same("1 year 2 mons -3 days +04:05:06.789012", "-178000000 years", "00:00:00"),
    ),
    "uuid": Case(
        "uuid", pa.string(), _same("00000000-0000-0000-0000-000000000000"), make=_make_uuid
    ),
    "json": Case("json", pa.string(), _same('{"b": 1,  "a": [1e400]}', "null")),
    "jsonb": Case(
        "jsonb", pa.string(), [('{"b":1,"a":"é𝄞"}', '{"a": "é𝄞", "b": 1}'), ("null", "null")]
    ),
    "oid": Case("oid", pa.int64(), [("4294967295", (1 << 32) - 1)]),
    "regclass": Case("regclass", pa.string(), _same("pg_class")),
    "xid8": Case("xid8", pa.string(), _same("18446744073709551615")),
    "tid": Case("tid", pa.string(), _same("(4294967295,65535)")),
    "pg_lsn": Case("pg_lsn", pa.string(), _same("FFFFFFFF/FFFFFFFF")),
    "bit(3)": Case("bit(3)", pa.string(), _same("101")),
    "varbit": Case("varbit", pa.string(), _same("", "0101")),
    "inet": Case("inet", pa.string(), _same("192.168.0.1", "10.0.0.0/8", "::1")),
    "cidr": Case("cidr", pa.string(), _same("10.0.0.0/8", "::1/128")),
    "macaddr": Case("macaddr", pa.string(), _same("08:00:2b:01:02:03")),
    "macaddr8": Case("macaddr8", pa.string(), _same("08:00:2b:01:02:03:04:05")),
    "int4range": Case("int4range", pa.string(), _same("[1,5)", "empty", "(,)")),
    "numrange": Case("numrange", pa.string(), _same("[1.50,2.5)")),
    "tstzrange": Case(
        "tstzrange", pa.string(), _same('["2024-01-01 00:00:00+00","2024-01-02 00:00:00+00")')
    ),
    "int4multirange": Case("int4multirange", pa.string(), _same("{[1,3),[5,9)}")),
    "point": Case("point", pa.string(), _same("(0.1,-1e+300)")),
    "line": Case("line", pa.string(), _same("{1,2,3}")),
    "lseg": Case("lseg", pa.string(), _same("[(0,0),(1,1)]")),
    "box": Case("box", pa.string(), _same("(1,1),(0,0)")),
    "path": Case("path", pa.string(), _same("[(0,0),(1,1)]")),
    "polygon": Case("polygon", pa.string(), _same("((0,0),(1,1),(2,0))")),
    "circle": Case("circle", pa.string(), _same("<(0,0),1.5>")),
    "tsvector": Case("tsvector", pa.string(), _same("'a':1 'b':2")),
    "tsquery": Case("tsquery", pa.string(), _same("'a' & 'b'")),
    "jsonpath": Case("jsonpath", pa.string(), _same('$."a"[*]')),
    "int2vector": Case("int2vector", pa.string(), _same("1 2 3")),
    "mood": Case("mood", pa.string(), _same("very happy", "sad")),
    "price": Case("price", pa.decimal128(8, 3), [("1.5", Decimal("1.500"))]),
    "cheap": Case("cheap", pa.decimal128(8, 3), [("2", Decimal("2.000"))]),
    "pair": Case("pair", pa.string(), _same('(1,"a b")')),
}
"""Types that are no arrays, of a server without extensions."""

ARRAYS: dict[str, Case] = {
    "integer[]": Case(
        "integer[]",
        _LISTS(pa.int32()),
        [
            ("{1,NULL,3}", [1, None, 3]),
            ("{}", []),
            ("{{1,2},{3,4}}", None),
            ("[5:6]={1,2}", [1, 2]),
            ("[0:1]={1,2}", [1, 2]),
            (None, None),
        ],
        {TOO_DEEP: 1},
        _make_list,
    ),
    "integer[][]": Case(
        "integer[][]", pa.string(), _same("{{1,2},{3,NULL}}", "{1}", "{}", "[5:6]={1,2}")
    ),
    "boolean[]": Case("boolean[]", _LISTS(pa.bool_()), [("{t,f,NULL}", [True, False, None])]),
    "smallint[]": Case("smallint[]", _LISTS(pa.int16()), [("{-32768}", [-32768])]),
    "bigint[]": Case("bigint[]", _LISTS(pa.int64()), [("{1}", [1])]),
    "oid[]": Case("oid[]", _LISTS(pa.int64()), [("{4294967295}", [(1 << 32) - 1])]),
    "real[]": Case("real[]", _LISTS(pa.float32()), [("{1.5,NULL}", [1.5, None])]),
    "double precision[]": Case(
        "double precision[]", _LISTS(pa.float64()), [("{5e-324}", [5e-324])]
    ),
    "numeric(12,2)[]": Case(
        "numeric(12,2)[]",
        _LISTS(pa.decimal128(12, 2)),
        [("{1.5,NaN,NULL}", [Decimal("1.50"), None, None]), (None, None)],
        {NOT_A_NUMBER: 1},
    ),
    "numeric[]": Case("numeric[]", _LISTS(pa.string()), [("{1.50,NaN}", ["1.50", "NaN"])]),
    "money[]": Case("money[]", _LISTS(pa.decimal128(19, 2)), [("{1.5}", [Decimal("1.50")])]),
    "text[]": Case(
        "text[]", _LISTS(pa.string()), [('{"a,b",NULL,"NULL",𝄞}', ["a,b", None, "NULL", "𝄞"])]
    ),
    "varchar(3)[]": Case("varchar(3)[]", _LISTS(pa.string()), [("{abc}", ["abc"])]),
    "char(3)[]": Case("char(3)[]", _LISTS(pa.string()), [("{a}", ["a"])]),
    "bytea[]": Case("bytea[]", _LISTS(pa.binary()), [('{"\\\\x00ff"}', [b"\x00\xff"])]),
    "date[]": Case(
        "date[]",
        _LISTS(pa.date32()),
        [("{2024-02-29,infinity}", [datetime.date(2024, 2, 29), None])],
        {INFINITE: 1},
    ),
    "time[]": Case(
        "time[]",
        _LISTS(pa.time64("us")),
        [("{24:00,12:00}", [None, datetime.time(12)])],
        {AT_24: 1},
    ),
    "timestamp[]": Case(
        "timestamp[]",
        _LISTS(pa.timestamp("us")),
        [("{-infinity,2024-01-01}", [None, _at("2024-01-01")])],
        {INFINITE: 1},
    ),
    "timestamptz[]": Case(
        "timestamptz[]",
        _LISTS(pa.timestamp("us", "UTC")),
        [("{2024-01-01 00:00:00+00}", [datetime.datetime(2024, 1, 1, tzinfo=UTC)])],
    ),
    "uuid[]": Case(
        "uuid[]",
        _LISTS(pa.string()),
        [("{00000000-0000-0000-0000-000000000000}", ["00000000-0000-0000-0000-000000000000"])],
    ),
    "inet[]": Case("inet[]", _LISTS(pa.string()), [("{10.0.0.1}", ["10.0.0.1"])]),
    "jsonb[]": Case("jsonb[]", _LISTS(pa.string()), [('{"{\\"a\\": 1}"}', [json.dumps({"a": 1})])]),
    "interval[]": Case("interval[]", _LISTS(pa.string()), [("{1 day}", ["1 day"])]),
    "mood[]": Case("mood[]", _LISTS(pa.string()), [('{"very happy"}', ["very happy"])]),
    "pair[]": Case("pair[]", _LISTS(pa.string()), [('{"(1,a)"}', ["(1,a)"])]),
    "prices": Case("prices", _LISTS(pa.decimal128(8, 3)), [("{1}", [Decimal("1.000")])]),
    "matrix": Case("matrix", pa.string(), _same("{{1,2},{3,4}}")),
}
"""Arrays, and domains over arrays."""

CASES: dict[str, Case] = SCALARS | ARRAYS

VECTOR_CASES: dict[str, Case] = {
    "vector(2)": Case(
        "vector(2)",
        _LISTS(pa.float32()),
        [("[0.1,-2]", [pa.scalar(0.1, pa.float32()).as_py(), -2.0]), (None, None)],
    ),
    "halfvec(2)": Case("halfvec(2)", _LISTS(pa.float32()), [("[0.5,-2]", [0.5, -2.0])]),
    "sparsevec(5)": Case("sparsevec(5)", pa.string(), _same("{1:0.5}/5")),
    "vector[]": Case("vector[]", _LISTS(pa.string()), [('{"[1,2]"}', ["[1,2]"])]),
}
CONTRIB_CASES: dict[str, Case] = {
    "xml": Case("xml", pa.string(), _same("<a>é</a>")),
    "hstore": Case("hstore", pa.string(), _same('"a"=>"1", "b"=>NULL')),
    "citext": Case("citext", pa.string(), _same("Añ")),
    "ltree": Case("ltree", pa.string(), _same("a.b")),
    "citext[]": Case("citext[]", _LISTS(pa.string()), [("{A,b}", ["A", "b"])]),
}
TEXT_ARRAY_CASES: dict[str, Case] = {
    "integer[]": Case(
        "integer[]", pa.string(), _same("{1,NULL,3}", "{{1,2},{3,4}}", "[5:6]={1,2}")
    ),
    "text[]": Case("text[]", pa.string(), _same('{"a,b",NULL}')),
}
"""Arrays where every value comes as the text of the server."""

VECTOR_TYPES = "CREATE EXTENSION vector;"
CONTRIB_TYPES = "CREATE EXTENSION hstore; CREATE EXTENSION citext; CREATE EXTENSION ltree;"
TYPES = """
CREATE TYPE mood AS ENUM ('sad', 'very happy');
CREATE DOMAIN price AS numeric(8,3) CHECK (VALUE >= 0);
CREATE DOMAIN cheap AS price CHECK (VALUE < 10);
CREATE TYPE pair AS (a integer, b text);
CREATE DOMAIN prices AS price[];
CREATE DOMAIN matrix AS integer[][];
"""


def readable_cases(cases: dict[str, Case]) -> dict[str, Case]:
    """Leave out the moments that have no text Arrow reads: before the year 1 or after 9999."""
    kept = {}
    for name, case in cases.items():
        values = [v for v in case.values if not re.search(r"^\d{5,}-\d\d-|BC$", v[0] or "")]
        losses = {rule: count for rule, count in (case.losses or {}).items() if rule != TOO_LATE}
        kept[name] = replace(case, values=values, losses=losses)
    return kept


def array_of(values: Sequence[Any], dtype: pa.DataType) -> "pa.Array[Any]":
    """Integers among moments are their number of days or microseconds."""
    if not pa.types.is_temporal(dtype) or not any(isinstance(value, int) for value in values):
        return pa.array(values, dtype)
    width = pa.int32() if pa.types.is_date32(dtype) else pa.int64()
    plain = [v if isinstance(v, int) else pa.scalar(v, dtype).cast(width).as_py() for v in values]
    return pa.array(plain, width).view(dtype)


def make_table(
    connection: psycopg.Connection,
    table: str,
    cases: dict[str, Case],
    rows: Sequence[Sequence[str | None]],
) -> None:
    """Create a table ``id, c0, c1 …`` with a column for each case."""
    columns = [
        sql.SQL("{} {}").format(sql.Identifier(f"c{place}"), sql.SQL(case.sql))
        for place, case in enumerate(cases.values())
    ]
    connection.execute(
        sql.SQL("CREATE TABLE {} (id integer PRIMARY KEY, {})").format(
            sql.Identifier(table), sql.SQL(", ").join(columns)
        )
    )
    places = sql.SQL(", ").join(sql.SQL("%s::text::") + sql.SQL(c.sql) for c in cases.values())
    with connection.cursor() as cursor:
        cursor.executemany(
            sql.SQL("INSERT INTO {} VALUES (%s, {})").format(sql.Identifier(table), places),
            [(number, *row) for number, row in enumerate(rows)],
        )


def expected_table(cases: dict[str, Case], rows: Sequence[Sequence[Any]]) -> pa.Table:
    """What must come of the table of :func:`make_table`."""
    schema = pa.schema(
        [
            pa.field("id", pa.int32(), nullable=False),
            *(pa.field(f"c{place}", case.arrow) for place, case in enumerate(cases.values())),
        ]
    )
    arrays = [
        array_of([row[place] for row in rows], case.arrow)
        for place, case in enumerate(cases.values())
    ]
    return pa.Table.from_arrays([pa.array(range(len(rows)), pa.int32()), *arrays], schema=schema)


def full_rows(cases: dict[str, Case]) -> list[list[Value]]:
    """All values of all types, each at least once and NULL after the last."""
    count = max(len(case.values) for case in cases.values()) + 1
    return [
        [case.values[row] if row < len(case.values) else (None, None) for case in cases.values()]
        for row in range(count)
    ]


def random_rows(rng: random.Random, cases: dict[str, Case], count: int) -> list[list[Value]]:
    def value(case: Case) -> Value:
        if rng.random() < 0.1:
            return None, None
        if case.make is None or rng.random() < 0.1:
            return rng.choice(case.values)
        return case.make(rng)

    return [[value(case) for case in cases.values()] for _ in range(count)]


def full_warnings(cases: dict[str, Case]) -> list[str]:
    """What reading :func:`full_rows` warns of."""
    found = [
        (f"c{place}", rule, count)
        for place, case in enumerate(cases.values())
        for rule, count in (case.losses or {}).items()
    ]
    return [
        f"Column '{column}': {count} value{'s' if count > 1 else ''} {rule}."
        for column, rule, count in sorted(found)
    ]
