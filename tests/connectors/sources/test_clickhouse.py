"""ClickHouse: the contract, every type with its extremes, logging in, and answers that break off.

The engine is the real one, see ``clickhouse_server``.
"""

import math
import random
import string
import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Context, Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from sqlglot import exp
from typing_extensions import override

from connectors.base import After, Scan
from connectors.errors import (
    EgressRefused,
    OptionsInvalid,
    SourceFailed,
    SourceRefused,
    SourceUnreachable,
    TableGone,
)
from connectors.options import parse_options
from connectors.sources.clickhouse import ClickHouseConnector
from connectors.sources.clickhouse.column_types import read_of
from connectors.sources.clickhouse.options import ClickHouseOptions
from tests.connectors.contract import (
    ConnectorContract,
    Sample,
    Source,
    assert_same_rows,
    context_for,
    read,
)
from tests.connectors.sources.clickhouse_server import PASSWORDS, TOKEN, Server, running

SCHEMA = "shop"
LOSS = "of bytes that are no UTF-8 became NULL"
TOKYO = ZoneInfo("Asia/Tokyo")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LETTERS = string.ascii_letters + "äß漢🌊 '\"\\`{}%,\t\n\0"
STAMP = pa.timestamp("us", "UTC")
STAMP_NS = pa.timestamp("ns", "UTC")
POINT = pa.struct([("1", pa.float64()), ("2", pa.float64())])


@dataclass(frozen=True)
class Given:
    """A value in both worlds: ClickHouse's text of it, None for NULL, and what Arrow has."""

    text: str | None
    value: Any


@dataclass(frozen=True)
class Case:
    """A type: its Arrow type, three values of it, and how random ones are made."""

    native: str
    arrow: pa.DataType
    values: tuple[Given, Given, Given]
    make: Callable[[random.Random], Given]
    nullable: bool = False

    @property
    def name(self) -> str:
        return f"c {self.native}"[:60]


def of(value: Any) -> Given:
    """A value whose text is what Python writes."""
    return Given(None if value is None else str(value), value)


def as_text(value: Any) -> Given:
    """A value that arrives as its text."""
    return Given(str(value), str(value))


def quoted(text: str) -> str:
    return exp.Literal.string(text).sql(dialect="clickhouse")


def text_of(rng: random.Random) -> str:
    return "".join(rng.choices(LETTERS, k=rng.randrange(20)))


def integers(native: str, arrow: pa.DataType, *, bits: int, signed: bool) -> Case:
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    give: Callable[[int], Given] = of
    if pa.types.is_string(arrow):
        give = as_text
    elif pa.types.is_decimal(arrow):

        def give(number: int) -> Given:
            return Given(str(number), Decimal(number))

    return Case(
        native, arrow, (give(low), give(high), give(7)), lambda rng: give(rng.randint(low, high))
    )


def floats(native: str, arrow: pa.DataType, tiny: float, huge: float) -> Case:
    def give(value: float) -> Given:
        return Given(str(value), value)

    def make(rng: random.Random) -> Given:
        # Eighths are exact in every float.
        return give(rng.choice([math.nan, -math.inf, -0.0, rng.randint(-99, 99) / 8]))

    return Case(native, arrow, (give(-math.inf), give(huge), give(tiny)), make)


def decimals(precision: int, scale: int) -> Case:
    arrow = (pa.decimal128 if precision <= 38 else pa.decimal256)(precision, scale)
    top = 10**precision - 1

    def give(digits: int) -> Given:
        return of(Decimal(digits).scaleb(-scale, CONTEXT))

    return Case(
        f"Decimal({precision}, {scale})",
        arrow,
        (give(-top), give(top), give(0)),
        lambda rng: give(rng.randint(-top, top)),
    )


def stamps(native: str, scale: int, zone: Any, low: int, high: int) -> Case:
    """DateTime and DateTime64; ``low`` and ``high`` are ticks of the scale since 1970."""
    tick = 10**scale

    def give(ticks: int) -> Given:
        seconds, fraction = divmod(ticks, tick)
        clock = (EPOCH + timedelta(seconds=seconds)).astimezone(zone)
        text = f"{clock:%Y-%m-%d %H:%M:%S}" + (f".{fraction:0{scale}}" if scale else "")
        return Given(text, ticks * (10**9 if scale > 6 else 10**6) // tick)

    return Case(
        native,
        STAMP_NS if scale > 6 else STAMP,
        (give(low), give(high), give(1_600_000_000 * tick + tick // 3)),
        lambda rng: give(rng.randint(max(low, 0), high)),
    )


def days(native: str, low: date, high: date) -> Case:
    span = (high - low).days
    return Case(
        native,
        pa.date32(),
        (of(low), of(high), of(date(2000, 2, 29))),
        lambda rng: of(low + timedelta(days=rng.randint(0, span))),
    )


def texts(native: str, *values: str, make: Callable[[random.Random], str]) -> Case:
    """A type that arrives as its text, which is ASCII."""
    one, two, three = (as_text(value) for value in values)
    return Case(native, pa.string(), (one, two, three), lambda rng: as_text(make(rng)))


def nullable(case: Case, native: str | None = None) -> Case:
    null = Given(None, None)
    return Case(
        native or f"Nullable({case.native})",
        case.arrow,
        (null, *case.values[1:]),
        lambda rng: rng.choice([null, case.make(rng)]),
        nullable=True,
    )


def listed(case: Case, native: str | None = None, *, quotes: bool = False) -> Case:
    """Lists of a case's values."""

    def give(values: list[Given]) -> Given:
        shown = ["NULL" if v.text is None else quoted(v.text) if quotes else v.text for v in values]
        return Given(f"[{','.join(shown)}]", [v.value for v in values])

    return Case(
        native or f"Array({case.native})",
        pa.list_(case.arrow),
        (give([]), give(list(case.values)), give([case.values[2]])),
        lambda rng: give([case.make(rng) for _ in range(rng.randrange(4))]),
    )


def bytes_text(value: bytes) -> str:
    """How TSV writes any bytes; ``inserted`` leaves these escapes alone."""
    return "".join(f"{HEX}{byte:02x}" for byte in value)


CONTEXT = Context(prec=80)
HEX = "\ue000"
"""Stands for the backslash and x of an escape."""


def fixed_string(native: str = "FixedString(4)") -> Case:
    def give(value: bytes) -> Given:
        return Given(bytes_text(value), value.ljust(4, b"\0"))

    return Case(
        native,
        pa.binary(),
        (give(b""), give(b"\xff\xfe\x00\xff"), give(b"abc")),
        lambda rng: give(rng.randbytes(rng.randrange(5))),
    )


def state_of_sum() -> Case:
    def give(number: int) -> Given:
        state = number.to_bytes(8, "little", signed=True)
        return Given(bytes_text(state), state)

    return Case(
        "AggregateFunction(sum, Int64)",
        pa.binary(),
        (give(0), give(-1), give(258)),
        lambda rng: give(rng.randint(-99, 99)),
    )


def points() -> Case:
    def give(x: float, y: float) -> Given:
        return Given(f"({x},{y})", {"1": x, "2": y})

    return Case(
        "Point",
        POINT,
        (give(0.0, 0.0), give(-1.5, 1e300), give(13.25, 52.5)),
        lambda rng: give(rng.randint(-99, 99) / 4, rng.randint(-99, 99) / 4),
    )


def addresses(native: str, kind: type[IPv4Address] | type[IPv6Address], bits: int) -> Case:
    def make(rng: random.Random) -> str:
        return str(kind(rng.getrandbits(bits)))

    return texts(native, str(kind(0)), str(kind((1 << bits) - 1)), str(kind(42)), make=make)


def uuids() -> Case:
    highest = uuid.UUID(int=(1 << 128) - 1)
    return texts(
        "UUID",
        str(uuid.UUID(int=0)),
        str(highest),
        "61f0c404-5cb3-11e7-907b-a6006ad3dba0",
        make=lambda rng: str(uuid.UUID(int=rng.getrandbits(128))),
    )


def clocks(native: str, fraction: str) -> Case:
    def make(rng: random.Random) -> str:
        return f"{rng.randrange(100):02}:{rng.randrange(60):02}:{rng.randrange(60):02}{fraction}"

    return texts(
        native, f"-999:59:59{fraction}", f"999:59:59{fraction}", f"12:34:56{fraction}", make=make
    )


STRING = Case(
    "String",
    pa.string(),
    (as_text(""), Given(bytes_text(b"caf\xe9\xff"), None), as_text("tab\t, line\n, \\N, '漢🌊\0")),
    lambda rng: as_text(text_of(rng)),
    nullable=True,
)
ENUM = Case(
    "Enum8('' = -128, 'it\\'s, (ok)' = 0, '漢' = 127)",
    pa.string(),
    (as_text(""), as_text("it's, (ok)"), as_text("漢")),
    lambda rng: as_text(rng.choice(["", "it's, (ok)", "漢"])),
    nullable=True,
)


def tuple_of(number: int | None, letters: list[str]) -> Given:
    identity = str(uuid.UUID(int=number or 0))
    shown = "NULL" if number is None else number
    value = None if number is None else Decimal(number)
    return Given(
        f"('{identity}',{shown},{letters})", {"id": identity, "a b": value, "tick`,(": letters}
    )


def pair_of(number: int, text: str) -> Given:
    return Given(f"({number},{quoted(text)})", {"1": number, "2": text})


def map_of(text: str) -> Given:
    return Given(f"{{{quoted(text)}:NULL}}", [(text, None)])


def vector_of(x: float, y: float) -> Given:
    return Given(f"[{x},{y}]", [x, y])


NAMED_TUPLE = Case(
    "Tuple(id UUID, `a b` Nullable(Int128), `tick\\`,(` Array(Enum8('x' = 1)))",
    pa.struct(
        [("id", pa.string()), ("a b", pa.decimal256(39, 0)), ("tick`,(", pa.list_(pa.string()))]
    ),
    (tuple_of(0, []), tuple_of((1 << 127) - 1, ["x", "x"]), tuple_of(None, ["x"])),
    lambda rng: tuple_of(rng.getrandbits(120), []),
)
PLAIN_TUPLE = Case(
    "Tuple(UInt8, LowCardinality(String))",
    pa.struct([("1", pa.uint8()), ("2", pa.string())]),
    (pair_of(0, ""), pair_of(255, "漢"), pair_of(1, "it's")),
    lambda rng: pair_of(7, text_of(rng)),
)
MAP = Case(
    "Map(LowCardinality(String), Nullable(DateTime('Asia/Tokyo')))",
    pa.map_(pa.string(), STAMP),
    (
        Given("{}", []),
        Given("{'a':NULL,'漢':'1970-01-01 09:00:01'}", [("a", None), ("漢", 1_000_000)]),
        Given("{'it\\'s':'1970-01-01 09:00:00'}", [("it's", 0)]),
    ),
    lambda rng: map_of(text_of(rng)),
)
JSON = Case(
    "JSON",
    pa.string(),
    (
        as_text("{}"),
        as_text('{"a":9007199254740993,"b":[1.5,"x",null],"c":{"d":"漢🌊"}}'),
        as_text('{"k":true}'),
    ),
    lambda rng: as_text(f'{{"a":{rng.randrange(1 << 62)},"b":"{rng.randrange(99)}x"}}'),
    nullable=True,
)
VARIANT = Case(
    "Variant(Array(UInt8), Int64, String)",
    pa.string(),
    (Given(None, None), as_text("[1,2]"), as_text("it's")),
    lambda rng: as_text(rng.randint(-99, 99)),
    nullable=True,
)
DYNAMIC = Case(
    "Dynamic",
    pa.string(),
    (Given(None, None), as_text("2024-02-29"), as_text("it's")),
    lambda rng: as_text(rng.randint(-99, 99)),
    nullable=True,
)
GEOMETRY = Case(
    "Geometry",
    pa.string(),
    (as_text("(1,2)"), as_text("[(1,2),(3,4)]"), as_text("(0,0)")),
    lambda rng: as_text(f"({rng.randint(-9, 9)},{rng.randint(-9, 9)})"),
    nullable=True,
)
QBIT = Case(
    "QBit(Float32, 2)",
    pa.list_(pa.float32()),
    (vector_of(0, 0), vector_of(-1.5, 1e30), vector_of(1, 2)),
    lambda rng: vector_of(rng.randint(-99, 99) / 8, 1.0),
)
EMPTY_TUPLE = texts("Tuple()", "()", "()", "()", make=lambda rng: "()")
INTEGER = integers("Int64", pa.int64(), bits=64, signed=True)
SHORT = integers("Int8", pa.int8(), bits=8, signed=True)
POINTS = listed(points(), "Ring")

CASES = (
    SHORT,
    integers("Int16", pa.int16(), bits=16, signed=True),
    integers("Int32", pa.int32(), bits=32, signed=True),
    INTEGER,
    integers("Int128", pa.decimal256(39, 0), bits=128, signed=True),
    integers("Int256", pa.string(), bits=256, signed=True),
    integers("UInt8", pa.uint8(), bits=8, signed=False),
    integers("UInt16", pa.uint16(), bits=16, signed=False),
    integers("UInt32", pa.uint32(), bits=32, signed=False),
    integers("UInt64", pa.uint64(), bits=64, signed=False),
    integers("UInt128", pa.decimal256(39, 0), bits=128, signed=False),
    integers("UInt256", pa.string(), bits=256, signed=False),
    floats("Float32", pa.float32(), 1.401298464324817e-45, 3.4028234663852886e38),
    floats("Float64", pa.float64(), 5e-324, 1.7976931348623157e308),
    floats("BFloat16", pa.float32(), 0.5, 1.5),
    decimals(9, 2),
    decimals(18, 18),
    decimals(38, 10),
    decimals(76, 20),
    Case(
        "Bool",
        pa.bool_(),
        (Given("true", True), Given("false", False), Given("true", True)),
        lambda rng: rng.choice([Given("true", True), Given("false", False)]),
    ),
    STRING,
    fixed_string(),
    fixed_string("LowCardinality(FixedString(4))"),
    uuids(),
    days("Date", date(1970, 1, 1), date(2149, 6, 6)),
    days("Date32", date(1900, 1, 1), date(2299, 12, 31)),
    stamps("DateTime", 0, UTC, 0, (1 << 32) - 1),
    stamps("DateTime('Asia/Tokyo')", 0, TOKYO, 0, (1 << 32) - 1),
    stamps("DateTime64(0)", 0, UTC, -2208988800, 10413791999),
    stamps("DateTime64(3, 'Asia/Tokyo')", 3, TOKYO, 1, 10413759599999),
    stamps("DateTime64(6)", 6, UTC, -2208988800 * 10**6, 10413791999999999),
    stamps("DateTime64(7)", 7, UTC, -2208988800 * 10**7, 92233720368547758),
    stamps("DateTime64(9, 'UTC')", 9, UTC, -2208988800 * 10**9, (1 << 63) - 1),
    clocks("Time", ""),
    clocks("Time64(9)", ".123456789"),
    ENUM,
    Case(
        "Enum16('a' = -32768, 'b' = 32767)",
        pa.string(),
        (as_text("a"), as_text("b"), as_text("a")),
        lambda rng: as_text(rng.choice("ab")),
        nullable=True,
    ),
    addresses("IPv4", IPv4Address, 32),
    addresses("IPv6", IPv6Address, 128),
    nullable(INTEGER),
    nullable(uuids()),
    nullable(STRING, "LowCardinality(Nullable(String))"),
    Case(
        "LowCardinality(String)",
        pa.string(),
        (as_text(""), as_text("b"), as_text("漢")),
        lambda rng: as_text(rng.choice("ab")),
        nullable=True,
    ),
    nullable(stamps("DateTime64(6)", 6, UTC, 0, 10413791999999999)),
    listed(nullable(uuids()), quotes=True),
    listed(SHORT),
    listed(listed(integers("Int128", pa.decimal256(39, 0), bits=128, signed=True))),
    listed(days("Date", date(1970, 1, 1), date(2149, 6, 6)), quotes=True),
    NAMED_TUPLE,
    PLAIN_TUPLE,
    EMPTY_TUPLE,
    MAP,
    JSON,
    VARIANT,
    DYNAMIC,
    points(),
    POINTS,
    listed(points(), "LineString"),
    listed(POINTS, "Polygon"),
    listed(POINTS, "MultiLineString"),
    listed(listed(POINTS, "Polygon"), "MultiPolygon"),
    GEOMETRY,
    state_of_sum(),
    Case(
        "SimpleAggregateFunction(max, Int64)",
        pa.int64(),
        INTEGER.values,
        INTEGER.make,
    ),
    QBIT,
)


def create(server: Server, table: str) -> None:
    columns = ", ".join(f"{identifier(case.name)} {case.native}" for case in CASES)
    server.run(
        f"CREATE TABLE {SCHEMA}.{identifier(table)} (id Int64, {columns})"
        " ENGINE = MergeTree ORDER BY id"
    )


def identifier(name: str) -> str:
    return exp.to_identifier(name, quoted=True).sql(dialect="clickhouse")


def insert(server: Server, table: str, rows: list[list[Given]]) -> pa.Table:
    """Insert rows with ids from 0, and return what must be read."""
    lines = [
        "\t".join([str(number), *(tsv(c, given.text) for c, given in zip(CASES, row, strict=True))])
        for number, row in enumerate(rows)
    ]
    server.run(f"INSERT INTO {SCHEMA}.{identifier(table)} FORMAT TSV\n" + "\n".join(lines) + "\n")
    fields: list[Any] = [pa.field("id", pa.int64(), nullable=False)]
    fields += [pa.field(case.name, case.arrow, case.nullable) for case in CASES]
    arrays: list[Any] = [pa.array(range(len(rows)), pa.int64())]
    arrays += [
        pa.array([row[position].value for row in rows], case.arrow)
        for position, case in enumerate(CASES)
    ]
    return pa.Table.from_arrays(arrays, schema=pa.schema(fields))


def tsv(case: Case, text: str | None) -> str:
    if text is None:
        return "\\N"
    if not pa.types.is_nested(case.arrow):
        # Literals inside arrays, maps and tuples are escaped already.
        text = text.replace("\\", "\\\\")
    for plain, escaped in (("\t", "\\t"), ("\n", "\\n"), ("\0", "\\0")):
        text = text.replace(plain, escaped)
    return text.replace(HEX, "\\x")


class ClickHouseSource(Source):
    connector = ClickHouseConnector
    schema = SCHEMA

    def __init__(self, server: Server) -> None:
        self.server = server
        self.tables = 0
        for setting in ("time_time64", "qbit", "nullable_tuple"):
            server.run(f"SET allow_experimental_{setting}_type = 1")
        server.run("SET allow_suspicious_low_cardinality_types = 1")
        server.run("SET allow_suspicious_variant_types = 1")
        server.run(f"CREATE DATABASE {SCHEMA}")
        create(server, "full \"ö'`\\")
        create(server, "empty")
        rows = [[case.values[row] for case in CASES] for row in range(3)]
        self._full = insert(server, self.full_name, rows)
        server.run(
            f"CREATE TABLE {SCHEMA}.wide (id Int64, s String) ENGINE = MergeTree ORDER BY id AS"
            " SELECT number, randomPrintableASCII(100000) FROM numbers(200)"
        )

    full_name = "full \"ö'`\\"

    @property
    @override
    def options(self) -> ClickHouseOptions:
        return ClickHouseOptions(
            host="127.0.0.1",
            port=self.server.port,
            secure=False,
            user="analyst",
            password=PASSWORDS["analyst"],
        )

    @property
    @override
    def full(self) -> Sample:
        return Sample(self.full_name, self._full)

    @property
    @override
    def empty(self) -> str:
        return "empty"

    @override
    def random(self, rng: random.Random, rows: int) -> Sample:
        self.tables += 1
        table = f"random_{self.tables}"
        create(self.server, table)
        made = [[case.make(rng) for case in CASES] for _ in range(rows)]
        return Sample(table, insert(self.server, table, made))

    @override
    def wide(self) -> str:
        return "wide"

    @override
    def unreachable(self) -> ClickHouseOptions:
        return self.options.model_copy(update={"port": 1})

    @override
    def refused(self) -> ClickHouseOptions:
        return ClickHouseOptions(**{**self.options.model_dump(), "password": "wr0ng-Passw0rd"})

    @override
    def warnings(self) -> list[str]:
        lossy = ("LowCardinality(Nullable(String))", "String")
        return [f"Column 'c {native}': 1 value {LOSS}." for native in lossy]

    @override
    def where(self) -> str:
        return '"id" < 1'

    @override
    def query(self) -> tuple[str, pa.Table]:
        wanted = ["id", "c UUID", "c DateTime", "c Decimal(9, 2)", "c Int128", f"c {MAP.native}"]
        names = [name[:60] for name in wanted]
        selected = ", ".join(identifier(name) for name in names)
        sql = (
            f"SELECT {selected} FROM {SCHEMA}.{identifier(self.full_name)} WHERE id > 0 ORDER BY id"
        )
        return sql, self._full.select(names).slice(1)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    if find_spec("chdb") is None:
        pytest.skip("install the engine: pip install chdb")
    with running(tmp_path_factory.mktemp("clickhouse")) as started:
        yield started


@pytest.fixture(scope="module")
def shop(server: Server) -> ClickHouseSource:
    return ClickHouseSource(server)


class TestClickHouse(ConnectorContract):
    @pytest.fixture
    def source(self, shop: ClickHouseSource) -> ClickHouseSource:
        return shop


def described(native: str) -> tuple[str, pa.DataType, bool]:
    found = read_of(native, strings=pa.string())
    return found.target, found.arrow, found.nullable


@pytest.mark.parametrize(
    ("native", "target", "arrow", "is_nullable"),
    [
        ("IntervalDay", "Int64", pa.int64(), False),
        ("Nullable(Nothing)", "Nullable(String)", pa.string(), True),
        ("Array(Nothing)", "Array(Nullable(String))", pa.list_(pa.string()), False),
        ("QBit(Float64, 3)", "Array(Float64)", pa.list_(pa.float64()), False),
        ("JSON(max_dynamic_paths=8, a.b UInt8, SKIP REGEXP '\\'(')", "String", pa.string(), True),
        ("Dynamic(max_types=5)", "Nullable(String)", pa.string(), True),
        ("SomethingNew(1, 'x')", "Nullable(String)", pa.string(), True),
        (
            "Tuple(\n    a Int8,\n    b Tuple(\n        c String))",
            'Tuple("a" Int8, "b" Tuple("c" String))',
            pa.struct([("a", pa.int8()), ("b", pa.struct([("c", pa.string())]))]),
            False,
        ),
        (
            "Nested(a UInt8, b Nullable(Date))",
            'Array(Tuple("a" UInt8, "b" Nullable(Date32)))',
            pa.list_(pa.struct([("a", pa.uint8()), ("b", pa.date32())])),
            False,
        ),
        (
            "AggregateFunction(quantiles(0.5, 0.9), Float64)",
            "String",
            pa.binary(),
            False,
        ),
    ],
)
def test_types_that_no_table_holds_by_itself(
    native: str, target: str, arrow: pa.DataType, is_nullable: bool
) -> None:
    assert described(native) == (target, arrow, is_nullable)


def test_columns_of_views_may_have_types_that_no_table_has(
    shop: ClickHouseSource, tmp_path: Path
) -> None:
    shop.server.run(
        f"CREATE VIEW {SCHEMA}.odd AS SELECT 1 AS id, toIntervalDay(-3) AS days, NULL AS nothing,"
        " [] AS none, [tuple()] AS empty, CAST((1, 'a'), 'Nullable(Tuple(x Int8, y Enum8(\\'a\\' = 1)))')"
        " AS pair, CAST([(1, 'a')], 'Nested(k Int8, v LowCardinality(String))') AS pairs"
    )
    with ClickHouseConnector(shop.options, context_for(tmp_path)) as connector:
        assert connector.describe(SCHEMA, "odd").kind == "view"
        rows = read(connector, SCHEMA, "odd")
    assert rows.to_pylist() == [
        {
            "id": 1,
            "days": -3,
            "nothing": None,
            "none": [],
            "empty": ["()"],
            "pair": {"x": 1, "y": "a"},
            "pairs": [{"k": 1, "v": "a"}],
        }
    ]


def test_bytes_that_are_no_text_are_kept_on_request(shop: ClickHouseSource, tmp_path: Path) -> None:
    options = shop.options.model_copy(update={"strings": "binary"})
    with ClickHouseConnector(options, context_for(tmp_path)) as connector:
        scan = Scan(columns=("id", STRING.name))
        rows = read(connector, SCHEMA, shop.full_name, scan)
        assert rows[STRING.name].to_pylist()[:2] == [b"", b"caf\xe9\xff"]
        assert not rows.schema.field(STRING.name).nullable
        assert not connector.context.losses.warnings()


def test_bytes_that_are_no_text_are_counted_at_every_depth(
    shop: ClickHouseSource, tmp_path: Path
) -> None:
    shop.server.run(
        f"CREATE VIEW {SCHEMA}.deep AS SELECT 1 AS id, [unhex('ff'), 'a', unhex('fe')] AS list,"
        " (1, unhex('ff')) AS pair, map('k', unhex('ff')) AS map,"
        " [[(unhex('ff'), NULL)]] AS deeper"
    )
    with ClickHouseConnector(shop.options, context_for(tmp_path)) as connector:
        rows = read(connector, SCHEMA, "deep")
        losses = connector.context.losses.warnings()
    assert rows.drop(["id"]).to_pylist() == [
        {
            "list": [None, "a", None],
            "pair": {"1": 1, "2": None},
            "map": [("k", None)],
            "deeper": [[{"1": None, "2": None}]],
        }
    ]
    assert losses == [
        f"Column 'deeper': 1 value {LOSS}.",
        f"Column 'list': 2 values {LOSS}.",
        f"Column 'map': 1 value {LOSS}.",
        f"Column 'pair': 1 value {LOSS}.",
    ]


def test_a_key_that_is_no_text_is_an_error(shop: ClickHouseSource, tmp_path: Path) -> None:
    shop.server.run(f"CREATE VIEW {SCHEMA}.keys AS SELECT 1 AS id, map(unhex('ff'), 1) AS map")
    with (
        ClickHouseConnector(shop.options, context_for(tmp_path)) as connector,
        pytest.raises(SourceFailed, match="'map'"),
    ):
        read(connector, SCHEMA, "keys")


def test_a_time_that_nanoseconds_cannot_hold_is_an_error(
    shop: ClickHouseSource, tmp_path: Path
) -> None:
    shop.server.run(
        f"CREATE VIEW {SCHEMA}.late AS SELECT 1 AS id,"
        " CAST('2262-05-01 00:00:00', 'DateTime64(7)') AS at"
    )
    with (
        ClickHouseConnector(shop.options, context_for(tmp_path)) as connector,
        pytest.raises(SourceFailed, match="overflow"),
    ):
        read(connector, SCHEMA, "late")


@pytest.mark.parametrize("how", ["plain", "tagged", "mute"])
def test_an_answer_that_breaks_off_is_an_error_and_no_short_table(
    shop: ClickHouseSource, tmp_path: Path, how: str
) -> None:
    shop.server.run(
        f"CREATE VIEW {SCHEMA}.breaks_{how} AS"
        " SELECT number AS id, throwIf(number = 2900000, 'too late') AS ok FROM numbers(3000000)"
        " SETTINGS max_threads = 1"
    )
    with ClickHouseConnector(shop.options, context_for(tmp_path)) as connector:
        (part,) = connector.plan_fetch(connector.describe(SCHEMA, f"breaks_{how}"), Scan())
        stream = connector.open(part)
        assert next(stream).num_rows
        with pytest.raises(SourceFailed, match="broke off" if how == "mute" else "too late"):
            list(stream)
        connector.check()


def test_a_user_who_may_change_no_setting_can_read(
    tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> None:
    with running(tmp_path_factory.mktemp("readonly")) as server:
        source = ClickHouseSource(server)
        server.run("SET output_format_arrow_string_as_string = 0")
        server.run("SET output_format_arrow_low_cardinality_as_dictionary = 1")
        server.run("SET output_format_arrow_fixed_string_as_fixed_byte_array = 0")
        server.run("SET readonly = 1")
        with ClickHouseConnector(source.options, context_for(tmp_path)) as connector:
            rows = read(connector, SCHEMA, source.full_name)
            assert_same_rows(rows, source.full.rows)
            sql, expected = source.query()
            batches = list(connector.query(sql, expected.schema))
            assert_same_rows(pa.Table.from_batches(batches, expected.schema), expected)
            value = expected["c DateTime"].cast(pa.string())[0].as_py()
            after = Scan(columns=("id",), after=After("c DateTime", value))
            assert not read(connector, SCHEMA, source.full_name, after).num_rows


COMPARED = [
    case.name
    for case in CASES
    if not pa.types.is_nested(case.arrow)
    and not pa.types.is_floating(case.arrow)
    and not pa.types.is_boolean(case.arrow)
    and not pa.types.is_binary(case.arrow)
    and case is not STRING  # one of its values is NULL only here
]


@pytest.mark.parametrize("name", COMPARED)
def test_after_follows_the_order_of_the_arrow_values(
    shop: ClickHouseSource, tmp_path: Path, name: str
) -> None:
    every = shop.full.rows.select(["id", name])
    with ClickHouseConnector(shop.options, context_for(tmp_path)) as connector:
        for value in every[name].drop_null().unique():
            larger = [
                row["id"]
                for row in every.to_pylist()
                if row[name] is not None and row[name] > value.as_py()
            ]
            text = pa.array([value.as_py()], value.type).cast(pa.string())[0].as_py()
            scan = Scan(columns=("id",), after=After(name, text))
            assert read(connector, SCHEMA, shop.full_name, scan)["id"].to_pylist() == larger


def test_a_condition_is_about_the_column_and_not_what_is_selected_of_it(
    shop: ClickHouseSource, tmp_path: Path
) -> None:
    scan = Scan(columns=("id", "c DateTime"), where="toTypeName(\"c DateTime\") = 'DateTime'")
    with ClickHouseConnector(shop.options, context_for(tmp_path)) as connector:
        assert read(connector, SCHEMA, shop.full_name, scan).num_rows == 3


def test_only_what_can_be_read_is_discovered(shop: ClickHouseSource, tmp_path: Path) -> None:
    shop.server.run("CREATE DATABASE hidden")
    shop.server.run(
        "CREATE TABLE hidden.t (a Int8 COMMENT 'x', b Int8 EPHEMERAL, c Int8 ALIAS a + 1,"
        " n Nested(x Int8, y String)) ENGINE = MergeTree ORDER BY a COMMENT 'all of it'"
    )
    shop.server.run("INSERT INTO hidden.t (a) VALUES (1), (2)")
    shop.server.run(
        "CREATE MATERIALIZED VIEW hidden.m ENGINE = MergeTree ORDER BY a AS SELECT a FROM hidden.t"
    )
    with ClickHouseConnector(shop.options, context_for(tmp_path)) as connector:
        assert {table.schema for table in connector.discover()} == {SCHEMA, "hidden"}
    options = shop.options.model_copy(update={"database": "hidden"})
    with ClickHouseConnector(options, context_for(tmp_path)) as connector:
        view, table = connector.discover()
        rows = read(connector, "hidden", "t")
    assert (view.name, view.kind) == ("m", "view")
    assert (table.kind, table.row_estimate, table.comment) == ("table", 2, "all of it")
    assert rows.to_pylist() == [
        {"a": 1, "c": 2, "n.x": [], "n.y": []},
        {"a": 2, "c": 3, "n.x": [], "n.y": []},
    ]


def test_an_unknown_database_is_refused(shop: ClickHouseSource, tmp_path: Path) -> None:
    options = shop.options.model_copy(update={"database": "nowhere"})
    with (
        pytest.raises(SourceRefused, match="nowhere"),
        ClickHouseConnector(options, context_for(tmp_path)) as connector,
    ):
        connector.check()


def test_a_table_that_went_since_is_gone(shop: ClickHouseSource, tmp_path: Path) -> None:
    shop.server.run(f"CREATE TABLE {SCHEMA}.brief (id Int64) ENGINE = Memory")
    with ClickHouseConnector(shop.options, context_for(tmp_path)) as connector:
        (part,) = connector.plan_fetch(connector.describe(SCHEMA, "brief"), Scan())
        shop.server.run(f"DROP TABLE {SCHEMA}.brief")
        with pytest.raises(TableGone):
            list(connector.open(part))


@pytest.mark.parametrize(
    "login",
    [
        {"user": "analyst", "password": PASSWORDS["analyst"]},
        {"token": TOKEN},
        {},
        {"user": "default", "password": ""},
    ],
)
def test_ways_to_log_in(shop: ClickHouseSource, tmp_path: Path, login: dict[str, str]) -> None:
    options = ClickHouseOptions(host="127.0.0.1", port=shop.server.port, secure=False, **login)
    with ClickHouseConnector(options, context_for(tmp_path)) as connector:
        connector.check()


def test_a_bare_secret_is_the_password_and_two_credentials_are_one_too_many() -> None:
    options = parse_options(ClickHouseOptions, {"host": "ch.example"}, "s3cret")
    assert options.reveal("password") == "s3cret"
    assert options.effective_port == 8443
    assert ClickHouseOptions(host="ch.example", secure=False).effective_port == 8123
    with pytest.raises(OptionsInvalid, match="not both"):
        parse_options(ClickHouseOptions, {"host": "x"}, '{"password": "a", "token": "b"}')


def test_tls_verifies_the_name_while_the_address_is_connected_to(
    shop: ClickHouseSource, tmp_path: Path
) -> None:
    trusted = ClickHouseOptions(
        host="localhost", port=shop.server.tls_port, ca_cert=shop.server.certificate
    )
    with ClickHouseConnector(trusted, context_for(tmp_path)) as connector:
        connector.check()
    for changes in ({"ca_cert": None}, {"host": "127.0.0.1"}, {"port": shop.server.port}):
        options = trusted.model_copy(update=changes)
        with (
            pytest.raises(SourceUnreachable, match="TLS failed"),
            ClickHouseConnector(options, context_for(tmp_path)) as connector,
        ):
            connector.check()


def test_a_certificate_that_is_none_is_an_option_that_cannot_be_meant(tmp_path: Path) -> None:
    options = ClickHouseOptions(host="127.0.0.1", ca_cert="no PEM")
    with (
        pytest.raises(OptionsInvalid),
        ClickHouseConnector(options, context_for(tmp_path)) as connector,
    ):
        connector.check()


def test_private_addresses_are_judged_before_anything_is_sent(
    shop: ClickHouseSource, tmp_path: Path
) -> None:
    context = context_for(tmp_path, allow_private=False)
    with (
        pytest.raises(EgressRefused),
        ClickHouseConnector(shop.options, context) as connector,
    ):
        connector.check()


def test_proxies_of_the_environment_are_not_used(
    shop: ClickHouseSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with ClickHouseConnector(shop.options, context_for(tmp_path)) as connector:
        connector.check()


class NoClickHouse(BaseHTTPRequestHandler):
    status: int

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        body = b"<html>hello</html>"
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    @override
    def log_message(self, *arguments: Any) -> None:
        """Keep quiet."""


@pytest.mark.parametrize("status", [200, 302, 401, 404, 500, 503])
def test_what_is_no_clickhouse_is_an_error_of_ours(tmp_path: Path, status: int) -> None:
    handler = type("Handler", (NoClickHouse,), {"status": status})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        options = ClickHouseOptions(host="127.0.0.1", port=server.server_port, secure=False)
        with (
            pytest.raises(SourceRefused if status == 401 else SourceUnreachable),
            ClickHouseConnector(options, context_for(tmp_path)) as connector,
        ):
            connector.check()
        server.shutdown()
