"""DuckLake: catalogs that DuckLake itself wrote, in a DuckDB file, in SQLite and in Postgres."""

import datetime as dt
import json
import math
import random
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pyarrow as pa
import pyarrow.fs
import pyarrow.parquet as pq
import pytest
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
from connectors.options import auth_schema, config_schema, parse_options
from connectors.sources.ducklake import DuckLakeConnector
from connectors.sources.ducklake.catalogs import connection_settings
from connectors.sources.ducklake.columns import LakeColumn
from connectors.sources.ducklake.inlined import struct_text
from connectors.sources.ducklake.options import (
    DuckLakeOptions,
    FileAddress,
    PostgresAddress,
    parse_catalog_url,
)
from tests.connectors.contract import ConnectorContract, Sample, Source, context_for, read
from tests.connectors.sources.ducklake_maker import LakeMaker

PASSWORD = "hunter2 of the lake"
UTC = dt.UTC
FIRST = dt.datetime.fromisoformat("0001-01-01")
STRUCT = pa.struct(
    [("a", pa.int32()), ("b c", pa.string()), ("d", pa.struct([("e", pa.date32())]))]
)
INLINE_ALL = "CALL lake.set_option('data_inlining_row_limit', 100000)"
INLINE_NONE = "CALL lake.set_option('data_inlining_row_limit', 0)"
UUIDS = "ffffffff-ffff-ffff-ffff-ffffffffffff", "00000000-0000-0000-0000-000000000000"


def quote(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def blob(value: bytes) -> str:
    return "'" + "".join(f"\\x{byte:02X}" for byte in value) + "'::BLOB"


def listed(values: list[str]) -> str:
    return "[" + ", ".join(values) + "]"


def random_text(rng: random.Random, letters: str = "aé'\"\\,[{(=: \n🦆") -> str:
    return "".join(rng.choice(letters) for _ in range(rng.randrange(6)))


def random_time(rng: random.Random) -> dt.datetime:
    return FIRST + dt.timedelta(
        days=rng.randrange(3_000_000), microseconds=rng.randrange(86_400 * 10**6)
    )


Value = tuple[str, Any]


@dataclass(frozen=True)
class Kind:
    """A type: two values that Parquet holds too, extremes that the catalog keeps, random ones.

    Each value is SQL and what must come of it.
    """

    sql: str
    arrow: pa.DataType
    filed: Value
    extremes: tuple[Value, Value]
    random: Callable[[random.Random], Value]


def whole(sql: str, arrow: pa.DataType, low: int, high: int) -> Kind:
    def some(rng: random.Random) -> Value:
        number = rng.randint(low, high)
        return str(number), number

    return Kind(sql, arrow, ("1", 1), ((str(low), low), (str(high), high)), some)


def big(sql: str, low: int, high: int) -> Kind:
    def some(rng: random.Random) -> Value:
        # DuckDB itself rounds larger ones when it writes them to Parquet.
        number = rng.randint(max(low, -(2**53)), 2**53)
        return str(number), Decimal(number)

    ends = ((str(low), Decimal(low)), (str(high), Decimal(high)))
    return Kind(sql, pa.decimal256(39, 0), (str(2**53), Decimal(2**53)), ends, some)


def real(sql: str, arrow: pa.DataType, small: str) -> Kind:
    def some(rng: random.Random) -> Value:
        number = rng.choice([rng.uniform(-1e9, 1e9), 0.5, math.inf, -math.inf])
        value = float(pa.scalar(number, arrow).as_py())
        return f"'{value!r}'", value

    ends = (("'nan'", math.nan), ("'-inf'", -math.inf))
    return Kind(sql, arrow, (small, float(pa.scalar(float(small), arrow).as_py())), ends, some)


def stamp(sql: str, *, zone: dt.tzinfo | None = None, cut: str = "microseconds") -> Kind:
    arrow = pa.timestamp("us", "UTC") if zone else pa.timestamp("us")
    suffix = "+00" if zone else ""

    def value_of(moment: dt.datetime) -> Value:
        if cut == "seconds":
            moment = moment.replace(microsecond=0)
        if cut == "milliseconds":
            moment = moment.replace(microsecond=moment.microsecond // 1000 * 1000)
        return f"'{moment.isoformat(' ')}{suffix}'::{sql}", moment.replace(tzinfo=zone)

    return Kind(
        sql,
        arrow,
        value_of(dt.datetime.fromisoformat("1969-12-31 23:59:59.999")),
        (value_of(FIRST), (f"'infinity'::{sql}", None)),
        lambda rng: value_of(random_time(rng)),
    )


def same(make: Callable[[random.Random], str]) -> Callable[[random.Random], Value]:
    def some(rng: random.Random) -> Value:
        text = make(rng)
        return quote(text), text

    return some


def some_decimal(rng: random.Random) -> Value:
    number = Decimal(rng.randint(-(10**38) + 1, 10**38 - 1)).scaleb(-10)
    return f"'{number:f}'", number


def some_nanos(rng: random.Random) -> Value:
    nanos = rng.randint(-(2**62), 2**62)
    moment = dt.datetime.fromisoformat("1970-01-01") + dt.timedelta(microseconds=nanos // 1000)
    return f"'{moment.isoformat(' ', 'microseconds')}{nanos % 1000:03}'::TIMESTAMP_NS", nanos


def some_day(rng: random.Random) -> Value:
    value = random_time(rng).date()
    return f"'{value}'", value


def some_interval(rng: random.Random) -> Value:
    text = f"{rng.randrange(2, 10**9)} days"
    return f"INTERVAL '{text}'", text


def some_time(rng: random.Random) -> Value:
    value = random_time(rng).time()
    return f"'{value.isoformat()}'", value


def some_zoned_time(rng: random.Random) -> Value:
    text = dt.time(rng.randrange(24), rng.randrange(60), rng.randrange(60)).isoformat() + "+00"
    return quote(text), text


def some_bytes(rng: random.Random) -> Value:
    value = rng.randbytes(rng.randrange(5))
    return blob(value), value


def some_numbers(rng: random.Random) -> Value:
    values = [rng.choice([None, rng.randrange(100)]) for _ in range(rng.randrange(3))]
    return listed(["NULL" if v is None else str(v) for v in values]), values


def some_texts(rng: random.Random) -> Value:
    values = [random_text(rng) for _ in range(rng.randrange(1, 4))]
    return listed([listed([quote(v) for v in values])]), [values]


def some_struct(rng: random.Random) -> Value:
    text, day = random_text(rng, "a'\" ,{🦆"), random_time(rng).date()
    sql = f"{{'a': {len(text)}, 'b c': {quote(text)}, 'd': {{'e': DATE '{day}'}}}}"
    return sql, {"a": len(text), "b c": text, "d": {"e": day}}


def some_structs(rng: random.Random) -> Value:
    values = [{"x": random_text(rng)} for _ in range(rng.randrange(1, 3))]
    return listed([f"{{'x': {quote(v['x'])}}}" for v in values]), values


def some_map(rng: random.Random) -> Value:
    keys = sorted({random_text(rng) for _ in range(rng.randrange(1, 4))})
    numbers = [rng.randrange(9) for _ in keys]
    sql = f"map({listed([quote(key) for key in keys])}, {listed(list(map(str, numbers)))})"
    return sql, list(zip(keys, numbers, strict=True))


KINDS: dict[str, Kind] = {
    "bool": Kind(
        "BOOLEAN",
        pa.bool_(),
        ("true", True),
        (("false", False), ("true", True)),
        lambda rng: ("false", False) if rng.random() < 0.5 else ("true", True),
    ),
    "i8": whole("TINYINT", pa.int8(), -(2**7), 2**7 - 1),
    "i16": whole("SMALLINT", pa.int16(), -(2**15), 2**15 - 1),
    "i32": whole("INTEGER", pa.int32(), -(2**31), 2**31 - 1),
    "i64": whole("BIGINT", pa.int64(), -(2**63), 2**63 - 1),
    "i128": big("HUGEINT", -(2**127), 2**127 - 1),
    "u8": whole("UTINYINT", pa.uint8(), 0, 2**8 - 1),
    "u16": whole("USMALLINT", pa.uint16(), 0, 2**16 - 1),
    "u32": whole("UINTEGER", pa.uint32(), 0, 2**32 - 1),
    "u64": whole("UBIGINT", pa.uint64(), 0, 2**64 - 1),
    "u128": big("UHUGEINT", 0, 2**128 - 1),
    "f32": real("FLOAT", pa.float32(), "3.4028235e38"),
    "f64": real("DOUBLE", pa.float64(), "5e-324"),
    "dec": Kind(
        "DECIMAL(38,10)",
        pa.decimal128(38, 10),
        ("1.5", Decimal("1.5")),
        (
            (f"'{'9' * 28}.{'9' * 10}'", Decimal("9" * 28 + "." + "9" * 10)),
            (f"'-{'9' * 28}.{'9' * 10}'", Decimal("-" + "9" * 28 + "." + "9" * 10)),
        ),
        some_decimal,
    ),
    "date": Kind(
        "DATE",
        pa.date32(),
        ("'9999-12-31'", dt.date(9999, 12, 31)),
        (("'0001-01-01'", dt.date(1, 1, 1)), ("'-infinity'", None)),
        some_day,
    ),
    "time": Kind(
        "TIME",
        pa.time64("us"),
        ("'23:59:59.999999'", dt.time(23, 59, 59, 999999)),
        (("'00:00:00'", dt.time(0)), ("'24:00:00'", None)),
        some_time,
    ),
    "timetz": Kind(
        "TIMETZ",
        pa.string(),
        # Parquet has no offset: DuckDB writes the time in UTC.
        ("'12:00:00.5+02'", "10:00:00.5+00"),
        (("'00:00:00+15:59'", "00:00:00+15:59"), ("'23:59:59.999999-10'", "23:59:59.999999-10")),
        some_zoned_time,
    ),
    "ts": stamp("TIMESTAMP"),
    "ts_s": stamp("TIMESTAMP_S", cut="seconds"),
    "ts_ms": stamp("TIMESTAMP_MS", cut="milliseconds"),
    "ts_ns": Kind(
        "TIMESTAMP_NS",
        pa.timestamp("ns"),
        ("'1969-12-31 23:59:59.999999999'", -1),
        (("'2262-04-11 23:47:16.854775806'", 2**63 - 2), ("'infinity'", None)),
        some_nanos,
    ),
    "tstz": stamp("TIMESTAMPTZ", zone=UTC),
    "interval": Kind(
        "INTERVAL",
        pa.string(),
        ("INTERVAL '14 months 1 day 01:00:00.5'", "1 year 2 months 1 day 01:00:00.5"),
        (
            ("INTERVAL '-1 year 2 days -03:04:05.000006'", "-1 year 2 days -03:04:05.000006"),
            ("INTERVAL '178956970 years'", "178956970 years"),
        ),
        some_interval,
    ),
    "text": Kind(
        "VARCHAR",
        pa.string(),
        ("'it''s \\ \"q\" 🦆'", 'it\'s \\ "q" 🦆'),
        (("''", ""), ("'NULL'", "NULL")),
        same(random_text),
    ),
    "json": Kind(
        "JSON",
        pa.string(),
        ("'{\"a\":   [1, null]}'", '{"a":   [1, null]}'),
        (("'null'", "null"), ("'\"it''s\"'", '"it\'s"')),
        same(lambda rng: json.dumps(random_text(rng))),
    ),
    "blob": Kind(
        "BLOB",
        pa.binary(),
        (blob(b"\x00\xff'\\"), b"\x00\xff'\\"),
        (("''::BLOB", b""), (blob(bytes(range(256))), bytes(range(256)))),
        some_bytes,
    ),
    "uuid": Kind(
        "UUID",
        pa.string(),
        (quote(UUIDS[0]), UUIDS[0]),
        ((quote(UUIDS[1]), UUIDS[1]), (quote(UUIDS[0]), UUIDS[0])),
        same(lambda rng: str(UUID(bytes=rng.randbytes(16)))),
    ),
    "list": Kind(
        "INTEGER[]",
        pa.list_(pa.int32()),
        ("[1, NULL, 3]", [1, None, 3]),
        (("[]", []), ("[NULL]", [None])),
        some_numbers,
    ),
    "texts": Kind(
        "VARCHAR[][]",
        pa.list_(pa.list_(pa.string())),
        ("[['a', 'it''s \\', NULL], NULL]", [["a", "it's \\", None], None]),
        (
            (
                "[['NULL', '', ' ', '\"', 'a,b', '[', '{', 'x: y']]",
                [["NULL", "", " ", '"', "a,b", "[", "{", "x: y"]],
            ),
            ("[[]]", [[]]),
        ),
        some_texts,
    ),
    "struct": Kind(
        'STRUCT(a INTEGER, "b c" VARCHAR, d STRUCT(e DATE))',
        STRUCT,
        (
            "{'a': 1, 'b c': 'it''s \\ x', 'd': {'e': DATE '2020-01-01'}}",
            {"a": 1, "b c": "it's \\ x", "d": {"e": dt.date(2020, 1, 1)}},
        ),
        (
            (
                "{'a': NULL, 'b c': 'it''s \\ \"x\", {y: NULL}', 'd': {'e': DATE '2020-01-01'}}",
                {"a": None, "b c": 'it\'s \\ "x", {y: NULL}', "d": {"e": dt.date(2020, 1, 1)}},
            ),
            ("{'a': NULL, 'b c': NULL, 'd': NULL}", {"a": None, "b c": None, "d": None}),
        ),
        some_struct,
    ),
    "structs": Kind(
        "STRUCT(x VARCHAR)[]",
        pa.list_(pa.struct([("x", pa.string())])),
        ("[{'x': 'it''s'}, NULL]", [{"x": "it's"}, None]),
        (("[{'x': NULL}]", [{"x": None}]), ("[]", [])),
        some_structs,
    ),
    "map": Kind(
        "MAP(VARCHAR, INTEGER)",
        pa.map_(pa.string(), pa.int32()),
        ("map {'a': 1, 'it''s=,}': NULL}", [("a", 1), ("it's=,}", None)]),
        (("map {}", []), ("map {'': 0}", [("", 0)])),
        some_map,
    ),
}

INFINITIES = ("date", "ts", "ts_ms", "ts_ns", "ts_s", "tstz")


def create(table: str) -> str:
    columns = ", ".join(f'"{name}" {kind.sql}' for name, kind in KINDS.items())
    return f"CREATE TABLE {table}(id BIGINT, {columns})"


def insert(table: str, rows: list[list[Value]]) -> str:
    texts = ", ".join("(" + ", ".join(sql for sql, _ in row) + ")" for row in rows)
    return f"INSERT INTO {table} VALUES {texts}"


def expected(rows: list[list[Value]]) -> pa.Table:
    schema = pa.schema([("id", pa.int64()), *((name, kind.arrow) for name, kind in KINDS.items())])
    values = [[row[position][1] for row in rows] for position in range(len(schema))]
    arrays = [pa.array(v, f.type) for v, f in zip(values, schema, strict=True)]
    return pa.Table.from_arrays(arrays, schema=schema)


def full_rows() -> tuple[list[list[Value]], list[list[Value]]]:
    """Rows of Parquet, and rows of the catalog."""
    nulls: list[Value] = [("NULL", None)] * len(KINDS)
    filed = [[("0", 0), *(kind.filed for kind in KINDS.values())], [("1", 1), *nulls]]
    inlined: list[list[Value]] = [
        [("2", 2), *(kind.extremes[0] for kind in KINDS.values())],
        [("3", 3), *(kind.extremes[1] for kind in KINDS.values())],
        [("4", 4), *nulls],
    ]
    return filed, inlined


class LakeSource(Source):
    """A lake with rows in Parquet and rows in its catalog."""

    connector = DuckLakeConnector
    schema = "main"

    def __init__(self, maker: LakeMaker, options: DuckLakeOptions) -> None:
        self.maker = maker
        self._options = options
        filed, inlined = full_rows()
        maker.run(
            create('"full"'),
            create("vacant"),
            INLINE_NONE,
            insert('"full"', filed),
            INLINE_ALL,
            insert('"full"', inlined),
        )
        self._full = Sample("full", expected(filed + inlined))

    @property
    @override
    def options(self) -> DuckLakeOptions:
        return self._options

    @property
    @override
    def full(self) -> Sample:
        return self._full

    @property
    @override
    def empty(self) -> str:
        return "vacant"

    @override
    def random(self, rng: random.Random, rows: int) -> Sample:
        table = f"random_{uuid4().hex}"
        values: list[list[Value]] = [
            [
                (str(number), number),
                *(
                    ("NULL", None) if rng.random() < 0.1 else kind.random(rng)
                    for kind in KINDS.values()
                ),
            ]
            for number in range(rows)
        ]
        half = rows // 2
        self.maker.run(
            create(table),
            INLINE_NONE,
            insert(table, values[:half]),
            INLINE_ALL,
            insert(table, values[half:]),
        )
        return Sample(table, expected(values))

    @override
    def wide(self) -> str:
        make = "INSERT INTO wide SELECT i, repeat(md5(i::VARCHAR), 3125) FROM range({}, {}) t(i)"
        self.maker.run(
            "CREATE OR REPLACE TABLE wide(id BIGINT, text VARCHAR)",
            INLINE_NONE,
            make.format(0, 150),
            INLINE_ALL,
            make.format(150, 200),
        )
        return "wide"

    @override
    def warnings(self) -> list[str]:
        rules = dict.fromkeys(INFINITIES, "of infinity became NULL")
        rules["time"] = "of 24:00:00 became NULL"
        return [f"Column '{name}': 1 value {rules[name]}." for name in sorted(rules)]


@dataclass(frozen=True)
class PostgresPlace:
    """A database of its own for one catalog, and the login that a password protects."""

    url: str
    user: str
    folder: str
    database: str


def _reload(connection: psycopg.Connection[Any]) -> None:
    """Let the server read its rules again, and wait until it has."""
    asked = "SELECT pg_conf_load_time()"
    before = connection.execute(asked).fetchone()
    connection.execute("SELECT pg_reload_conf()")
    while connection.execute(asked).fetchone() == before:
        pass


@pytest.fixture(scope="module")
def postgres_place(postgres_url: str) -> Iterator[PostgresPlace]:
    name, user = f"lake_{uuid4().hex}", f"reader_{uuid4().hex}"
    folder = postgres_url.rpartition("host=")[2]
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        connection.execute(f"CREATE ROLE {user} LOGIN SUPERUSER PASSWORD '{PASSWORD}'")
        found = connection.execute("SHOW hba_file").fetchone()
        assert found is not None
        rules = Path(found[0])
        before = rules.read_text()
        rules.write_text(f"local all {user} scram-sha-256\n{before}")
        _reload(connection)
    yield PostgresPlace(postgres_url.replace("/postgres?", f"/{name}?", 1), user, folder, name)
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        rules.write_text(before)
        _reload(connection)
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
        connection.execute(f"DROP ROLE {user}")


def file_lake(kind: str, folder: Path) -> tuple[LakeMaker, DuckLakeOptions]:
    path = folder / f"lake.{kind}"
    maker = LakeMaker(f"sqlite:{path}" if kind == "sqlite" else str(path), folder / "data")
    return maker, DuckLakeOptions(catalog_url=f"{kind}:{path}")


class FileSource(LakeSource):
    @override
    def unreachable(self) -> DuckLakeOptions:
        return DuckLakeOptions(catalog_url=f"{self.options.catalog_url}.not-there")


@pytest.fixture(scope="module")
def duckdb_source(tmp_path_factory: pytest.TempPathFactory) -> Source:
    return FileSource(*file_lake("duckdb", tmp_path_factory.mktemp("lake")))


@pytest.fixture(scope="module")
def sqlite_source(tmp_path_factory: pytest.TempPathFactory) -> Source:
    return FileSource(*file_lake("sqlite", tmp_path_factory.mktemp("lake")))


class TestDuckDBCatalog(ConnectorContract):
    @pytest.fixture
    def source(self, duckdb_source: Source) -> Source:
        return duckdb_source


class TestSQLiteCatalog(ConnectorContract):
    @pytest.fixture
    def source(self, sqlite_source: Source) -> Source:
        return sqlite_source


class PostgresSource(LakeSource):
    @override
    def unreachable(self) -> DuckLakeOptions:
        return DuckLakeOptions(catalog_url="postgresql://reader@127.0.0.1:1/lake")

    @override
    def refused(self) -> DuckLakeOptions:
        wrong = {"catalog_password": "a wrong password"}
        return DuckLakeOptions(**{**self.options.model_dump(), **wrong})


@pytest.fixture(scope="module")
def postgres_source(
    postgres_place: PostgresPlace, tmp_path_factory: pytest.TempPathFactory
) -> Source:
    place, folder = postgres_place, tmp_path_factory.mktemp("lake")
    login = f"dbname={place.database} user={place.user} host={place.folder}"
    maker = LakeMaker(
        f"postgres:{login} password=''{PASSWORD}''",
        folder / "data",
        "METADATA_SCHEMA 'the lake'",
    )
    return PostgresSource(
        maker,
        DuckLakeOptions(
            catalog_url=f"postgresql://{place.user}@/{place.database}?host={place.folder}",
            catalog_password=PASSWORD,
            metadata_schema="the lake",
        ),
    )


class TestPostgresCatalog(ConnectorContract):
    @pytest.fixture
    def source(self, postgres_source: Source) -> Source:
        return postgres_source


Lake = tuple[LakeMaker, DuckLakeOptions]


@pytest.fixture
def duckdb_lake(tmp_path: Path) -> Lake:
    return file_lake("duckdb", tmp_path)


@pytest.fixture
def sqlite_lake(tmp_path: Path) -> Lake:
    return file_lake("sqlite", tmp_path)


@pytest.fixture(params=["duckdb", "sqlite", "postgres"])
def any_lake(request: pytest.FixtureRequest, tmp_path: Path) -> Lake:
    """An empty lake with each kind of catalog."""
    if request.param != "postgres":
        return file_lake(request.param, tmp_path)
    place: PostgresPlace = request.getfixturevalue("postgres_place")
    schema = f"lake_{uuid4().hex}"
    maker = LakeMaker(
        f"postgres:dbname={place.database} user=postgres host={place.folder}",
        tmp_path / "data",
        f"METADATA_SCHEMA '{schema}'",
    )
    url = f"postgresql://postgres@/{place.database}?host={place.folder}"
    return maker, DuckLakeOptions(catalog_url=url, metadata_schema=schema)


def opened(options: DuckLakeOptions, folder: Path, **changes: Any) -> DuckLakeConnector:
    return DuckLakeConnector(options, context_for(folder, **changes))


def rows_of(options: DuckLakeOptions, folder: Path, table: str) -> list[Any]:
    """The rows of a table, as tuples, in order."""
    with opened(options, folder) as connector:
        found = read(connector, "main", table)
    return sorted(zip(*found.to_pydict().values(), strict=True), key=repr)


def with_changes(options: DuckLakeOptions, **changes: Any) -> DuckLakeOptions:
    return DuckLakeOptions(**{**options.model_dump(), **changes})


def edit(lake: Lake, statement: str) -> None:
    """Change a SQLite catalog behind the back of DuckLake."""
    maker, _ = lake
    path = maker.catalog.removeprefix("sqlite:")
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(statement)


# What happens to a table: rows kept in the catalog and in files, deletes of both, of both kinds,
# merged files with rows of several snapshots, flushed data and rewritten files.
HISTORY = (
    "CREATE TABLE t(id INTEGER, text VARCHAR)",
    INLINE_ALL,
    "INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, 'c')",
    "DELETE FROM t WHERE id = 2",
    INLINE_NONE,
    "INSERT INTO t SELECT i, 'f' || i FROM range(10, 20) r(i)",
    "INSERT INTO t SELECT i, 'f' || i FROM range(20, 30) r(i)",
    "DELETE FROM t WHERE id IN (12, 25)",
    "INSERT INTO t SELECT i, 'f' || i FROM range(30, 40) r(i)",
    "INSERT INTO t SELECT i, 'f' || i FROM range(40, 50) r(i)",
    "CALL ducklake_merge_adjacent_files('lake')",
    "DELETE FROM t WHERE id = 35",
    INLINE_ALL,
    "DELETE FROM t WHERE id = 36",
    "DELETE FROM t WHERE id = 13",
    "UPDATE t SET text = 'updated' WHERE id IN (1, 45)",
    "INSERT INTO t VALUES (60, NULL)",
    "CALL ducklake_flush_inlined_data('lake')",
    "INSERT INTO t VALUES (61, 'z')",
    "DELETE FROM t WHERE id IN (14, 60)",
    "CALL ducklake_rewrite_data_files('lake', delete_threshold => 0)",
    "DELETE FROM t WHERE id = 15",
)


def test_every_snapshot_is_what_ducklake_says_it_is(any_lake: Lake, tmp_path: Path) -> None:
    maker, options = any_lake
    ((newest,),) = maker.run(
        *HISTORY, answers=("SELECT max(snapshot_id)::INT FROM lake.snapshots()",)
    )[0]
    versions = range(1, newest + 1)
    query = "SELECT id, text FROM t AT (VERSION => {})"
    answers = maker.run(answers=tuple(query.format(version) for version in versions))
    for version, answer in zip(versions, answers, strict=True):
        found = rows_of(with_changes(options, snapshot_version=version), tmp_path, "t")
        assert found == sorted(map(tuple, answer), key=repr), f"snapshot {version}"
    assert rows_of(options, tmp_path, "t") == found


EVOLUTION = (
    "CREATE TABLE t(id INTEGER, a INTEGER, s STRUCT(x INTEGER, y VARCHAR), "
    "l STRUCT(p INTEGER)[], m MAP(VARCHAR, STRUCT(v INTEGER)), f FLOAT)",
    "INSERT INTO t SELECT i, i, {'x': i, 'y': 'y' || i}, [{'p': i}, NULL], "
    "map {'k': {'v': i}}, i FROM range(3) r(i)",
    "INSERT INTO t VALUES (NULL, NULL, NULL, NULL, NULL, NULL)",
    "ALTER TABLE t RENAME a TO b",
    "ALTER TABLE t ALTER b TYPE BIGINT",
    "ALTER TABLE t ADD COLUMN day DATE DEFAULT '2020-01-02'",
    "ALTER TABLE t ADD COLUMN text VARCHAR DEFAULT 'it''s \\ NULL'",
    "ALTER TABLE t ADD COLUMN word VARCHAR DEFAULT 'NULL'",
    "ALTER TABLE t ADD COLUMN none INTEGER",
    "ALTER TABLE t ADD COLUMN real DOUBLE DEFAULT 'nan'",
    "ALTER TABLE t ADD COLUMN money DECIMAL(5,2) DEFAULT 1.5",
    "ALTER TABLE t ADD COLUMN s.z INTEGER DEFAULT 9",
    "ALTER TABLE t ADD COLUMN l.element.q VARCHAR",
    "ALTER TABLE t ADD COLUMN m.value.w INTEGER",
    "ALTER TABLE t RENAME s.x TO xx",
    "ALTER TABLE t DROP COLUMN s.y",
    "ALTER TABLE t ALTER f TYPE DOUBLE",
    "ALTER TABLE t DROP COLUMN id",
    "ALTER TABLE t ADD COLUMN id VARCHAR",
    "INSERT INTO t(b, s, id) VALUES (100, {'xx': 1, 'z': 2}, 'new')",
)


@pytest.mark.parametrize("limit", [INLINE_NONE, INLINE_ALL])
def test_columns_are_told_apart_by_id(any_lake: Lake, tmp_path: Path, limit: str) -> None:
    maker, options = any_lake
    maker.run(limit, *EVOLUTION)
    with opened(options, tmp_path) as connector:
        found = read(connector, "main", "t").sort_by("b")
    old: list[dict[str, Any]] = [
        {
            "b": i,
            "s": {"xx": i, "z": 9},
            "l": [{"p": i, "q": None}, None],
            "m": [("k", {"v": i, "w": None})],
            "f": float(i),
            "id": None,
        }
        for i in range(3)
    ]
    new = {"b": 100, "s": {"xx": 1, "z": 2}, "l": None, "m": None, "f": None, "id": "new"}
    nulls = dict.fromkeys(new)
    defaults = {
        "day": dt.date(2020, 1, 2),
        "text": "it's \\ NULL",
        "word": "NULL",
        "none": None,
        "real": math.nan,
        "money": Decimal("1.50"),
    }
    names = sorted(new | defaults)
    rows = [{name: (row | defaults)[name] for name in names} for row in (*old, new, nulls)]
    # In rows to come DuckLake takes this default for none.
    rows[-2]["word"] = None
    assert found.schema.field("b").type == pa.int64()
    assert found.schema.field("f").type == pa.float64()
    assert repr(found.select(names).to_pylist()) == repr(rows)


@pytest.mark.parametrize("limit", [INLINE_NONE, INLINE_ALL])
def test_rows_without_any_wanted_column_are_counted(
    any_lake: Lake, tmp_path: Path, limit: str
) -> None:
    maker, options = any_lake
    maker.run(
        limit,
        "CREATE TABLE t(id INTEGER)",
        "INSERT INTO t SELECT * FROM range(9)",
        "DELETE FROM t WHERE id > 1",
        "ALTER TABLE t ADD COLUMN late VARCHAR DEFAULT 'x'",
        "ALTER TABLE t DROP COLUMN id",
    )
    assert rows_of(options, tmp_path, "t") == [("x",), ("x",)]
    with opened(options, tmp_path) as connector:
        assert read(connector, "main", "t", Scan(limit=1)).num_rows == 1
        assert read(connector, "main", "t", Scan(after=After("late", "w"))).num_rows == 2


def test_a_struct_in_a_catalog_keeps_quotes_and_backslashes(any_lake: Lake, tmp_path: Path) -> None:
    # DuckLake 1.5.5 itself loses them when it reads what it wrote to SQLite or Postgres.
    maker, options = any_lake
    value = (
        r"{'it''s': 'C:\new ''dir''', 't': '2020-01-01 00:00:00+00', 'i': INTERVAL '-1 year 2 days', "
        r"'b': '\xAA\x27\x5C'::BLOB, 'l': ['it''s', '\\', 'CAST('], 'o': {'x': '}, ''y'': '}, "
        f"'u': '{UUIDS[0]}', 'f': 'nan', 'n': {2**127 - 1}}}"
    )
    maker.run(
        'CREATE TABLE t(id INTEGER, s STRUCT("it\'s" VARCHAR, t TIMESTAMPTZ, i INTERVAL, b BLOB, '
        "l VARCHAR[], o STRUCT(x VARCHAR), u UUID, f DOUBLE, n HUGEINT))",
        INLINE_ALL,
        f"INSERT INTO t VALUES (1, {value})",
    )
    ((_, found),) = rows_of(options, tmp_path, "t")
    assert math.isnan(found.pop("f"))
    assert found == {
        "it's": r"C:\new 'dir'",
        "t": dt.datetime(2020, 1, 1, tzinfo=UTC),
        "i": "-1 year 2 days",
        "b": b"\xaa'\\",
        "l": ["it's", r"\\", "CAST("],
        "o": {"x": "}, 'y': "},
        "u": UUIDS[0],
        "n": Decimal(2**127 - 1),
    }


TEXT_STRUCT = LakeColumn(
    1,
    "s",
    "struct",
    nullable=True,
    children=(
        LakeColumn(2, "a", "varchar", nullable=True),
        LakeColumn(3, "b", "varchar", nullable=True),
    ),
)


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        (r"{'a': 'it''s \', 'b': NULL}", r"{'a': 'it\'s \\', 'b': NULL}"),
        (r"{'a': 'C:\n', 'b': 'NULL'}", r"{'a': 'C:\\n', 'b': 'NULL'}"),
        # DuckDB's own text, as later releases store it, stays as it is.
        (r"{'a': it, 'b': 'it\'s \\'}", r"{'a': it, 'b': 'it\'s \\'}"),
        ("{'a': '', 'b': 'x, y'}", "{'a': '', 'b': 'x, y'}"),
    ],
)
def test_the_text_of_a_struct_is_rewritten(text: str, plain: str) -> None:
    assert struct_text(text, TEXT_STRUCT) == plain


@pytest.mark.parametrize(
    "text", [r"{'a': '\\', 'b': NULL}", "{'a': CONCAT('', chr(0)), 'b': NULL}"]
)
def test_the_text_of_a_struct_that_means_two_things_is_an_error(text: str) -> None:
    with pytest.raises(SourceFailed, match="Column 's'"):
        struct_text(text, TEXT_STRUCT)


def test_values_of_types_that_are_not_kept_everywhere(duckdb_lake: Lake, tmp_path: Path) -> None:
    maker, options = duckdb_lake
    maker.run(
        "CREATE TABLE t(id INTEGER, time TIME_NS)",
        INLINE_ALL,
        "INSERT INTO t VALUES (1, '23:59:59.123456789'), (2, '24:00:00')",
        "CREATE TABLE g(id INTEGER, shape GEOMETRY)",
        "INSERT INTO g VALUES (1, 'POINT(1 2)'), (2, NULL)",
    )
    with opened(options, tmp_path) as connector:
        times, shapes = (read(connector, "main", name) for name in "tg")
        assert connector.context.losses.warnings() == [
            "Column 'time': 1 value of 24:00:00 became NULL."
        ]
    assert times["time"].cast(pa.int64()).to_pylist() == [86_399_123_456_789, None]
    point = bytes.fromhex("0101000000000000000000f03f0000000000000040")
    assert shapes["shape"].to_pylist() == [point, None]


VARIANTS = (
    "42::VARIANT",
    "'it''s \"x\" 🦆'::VARIANT",
    "true::VARIANT",
    "9007199254740993::VARIANT",
    "1.10::DECIMAL(38,10)::VARIANT",
    "DATE '2020-01-01'::VARIANT",
    "TIMESTAMP '2020-01-01 01:02:03.5'::VARIANT",
    "TIMESTAMPTZ '2020-01-01 01:02:03+00'::VARIANT",
    "TIME '01:02:03.25'::VARIANT",
    f"UUID '{UUIDS[0]}'::VARIANT",
    r"'\xAA\x00x'::BLOB::VARIANT",
    "[1, NULL, 3]::INTEGER[]::VARIANT",
    "{'b': 1, 'a': {'c': [1.5, 2.5]}, 'd': NULL}::VARIANT",
    "{'b': 'other'}::VARIANT",
    "repeat('long ', 30)::VARIANT",
    "1e300::DOUBLE::VARIANT",
    "NULL",
)


@pytest.mark.parametrize("limit", [INLINE_NONE, INLINE_ALL])
@pytest.mark.parametrize("is_mixed", [True, False])
def test_variants_become_json(
    duckdb_lake: Lake, tmp_path: Path, limit: str, is_mixed: bool
) -> None:
    maker, options = duckdb_lake
    rows = [f"({number}, {value})" for number, value in enumerate(VARIANTS)]
    # In a file of its own a value is shredded into a column of its type.
    groups = [", ".join(rows)] if is_mixed else rows
    (answer,) = maker.run(
        "CREATE TABLE t(id INTEGER, v VARIANT)",
        limit,
        *(f"INSERT INTO t VALUES {group}" for group in groups),
        answers=("SELECT id, v::JSON::VARCHAR FROM t ORDER BY id",),
    )
    texts = dict(rows_of(options, tmp_path, "t"))
    # DuckDB orders the names, and writes 1e300, in two ways itself.
    assert {number: json.loads(text or "null") for number, text in texts.items()} == {
        number: json.loads(text or "null") for number, text in answer
    }
    assert texts[len(VARIANTS) - 1] is None


def test_what_parquet_rounded_is_what_the_file_holds(duckdb_lake: Lake, tmp_path: Path) -> None:
    maker, options = duckdb_lake
    maker.run(
        "CREATE TABLE t(n HUGEINT, i INTERVAL)",
        INLINE_NONE,
        f"INSERT INTO t VALUES ({10**30}, INTERVAL '1 day 00:00:00.001234')",
    )
    # DuckDB writes them as floating point, and intervals in milliseconds.
    assert rows_of(options, tmp_path, "t") == [(Decimal(int(1e30)), "1 day 00:00:00.001")]


def test_files_that_were_added_are_read_by_name(duckdb_lake: Lake, tmp_path: Path) -> None:
    maker, options = duckdb_lake
    folder = tmp_path / "part=a%2Fb" / "n=__HIVE_DEFAULT_PARTITION__"
    folder.mkdir(parents=True)
    foreign = pa.table(
        {
            "I": pa.array([7], pa.int32()),
            "name": pa.array(["x"]).dictionary_encode(),
            "s": [{"k": 1, "more": 2}],
            "l": pa.array([[{"e": 1}]], pa.large_list(pa.struct([("e", pa.int32())]))),
            "m": pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int32())),
            "extra": [True],
        }
    )
    pq.write_table(foreign, tmp_path / "foreign.parquet")
    pq.write_table(foreign.select(["I"]), folder / "foreign.parquet")
    maker.run(
        "CREATE TABLE t(i BIGINT, name VARCHAR, s STRUCT(k BIGINT), l STRUCT(e INTEGER)[], "
        "m MAP(VARCHAR, INTEGER), part VARCHAR, n INTEGER)",
        f"CALL ducklake_add_data_files('lake', 't', '{tmp_path}/foreign.parquet', "
        "allow_missing => true, ignore_extra_columns => true)",
        f"CALL ducklake_add_data_files('lake', 't', '{folder}/foreign.parquet', "
        "allow_missing => true, hive_partitioning => true)",
        "ALTER TABLE t RENAME name TO label",
        "ALTER TABLE t ADD COLUMN late INTEGER DEFAULT 3",
    )
    assert rows_of(options, tmp_path, "t") == [
        (7, "x", {"k": 1}, [{"e": 1}], [("a", 1)], None, None, 3),
        (7, None, None, None, None, "a/b", None, 3),
    ]


def test_names_need_not_be_plain(any_lake: Lake, tmp_path: Path) -> None:
    maker, options = any_lake
    table = '"a b\'"."T ""x%s.é"'
    maker.run(
        'CREATE SCHEMA "a b\'"',
        f'CREATE TABLE {table}("c.d" INTEGER, c STRUCT(d INTEGER), "%""" INTEGER)',
        f"COMMENT ON TABLE {table} IS 'it is a table'",
        INLINE_ALL,
        f"INSERT INTO {table} VALUES (1, {{'d': 2}}, 3)",
        INLINE_NONE,
        f"INSERT INTO {table} VALUES (4, {{'d': 5}}, 6)",
        "CREATE VIEW v AS SELECT 1",
    )
    with opened(options, tmp_path) as connector:
        (found,) = connector.discover()
        assert (found.schema, found.name) == ("a b'", 'T "x%s.é')
        assert (found.comment, found.row_estimate) == ("it is a table", 2)
        types = [column.native_type for column in found.columns]
        assert types == ["int32", "struct<d: int32>", "int32"]
        assert read(connector, found.schema, found.name).to_pylist() == [
            {"c.d": 1, "c": {"d": 2}, '%"': 3},
            {"c.d": 4, "c": {"d": 5}, '%"': 6},
        ]
        dotted = read(connector, found.schema, found.name, Scan(columns=("c.d",)))
        assert dotted.to_pylist() == [{"c.d": 1}, {"c.d": 4}]


def test_a_time_chooses_the_snapshot(any_lake: Lake, tmp_path: Path) -> None:
    maker, options = any_lake
    query = (
        "SELECT strftime(max(snapshot_time), '%Y-%m-%dT%H:%M:%S.%f+00:00') FROM lake.snapshots()"
    )
    (((time,),),) = maker.run(
        "CREATE TABLE t(id INTEGER)", "INSERT INTO t VALUES (1)", answers=(query,)
    )
    maker.run("INSERT INTO t VALUES (2)")
    moment = dt.datetime.fromisoformat(time)
    assert rows_of(with_changes(options, as_of=moment), tmp_path, "t") == [(1,)]
    assert rows_of(options, tmp_path, "t") == [(1,), (2,)]
    before = with_changes(options, as_of=moment - dt.timedelta(days=1))
    with pytest.raises(SourceFailed, match="no snapshot as old"), opened(before, tmp_path) as it:
        it.check()
    unknown = with_changes(options, snapshot_version=99)
    with pytest.raises(SourceFailed, match="no snapshot 99"), opened(unknown, tmp_path) as it:
        it.check()


def test_a_table_that_was_dropped_or_renamed_is_gone(duckdb_lake: Lake, tmp_path: Path) -> None:
    maker, options = duckdb_lake
    maker.run(
        "CREATE TABLE a(id INTEGER)",
        "CREATE TABLE b(id INTEGER)",
        "DROP TABLE a",
        "ALTER TABLE b RENAME TO c",
    )
    with opened(options, tmp_path) as connector:
        assert [table.name for table in connector.discover()] == ["c"]
        for name in "ab":
            with pytest.raises(TableGone):
                connector.describe("main", name)


def test_a_plan_survives_what_happens_after_it(any_lake: Lake, tmp_path: Path) -> None:
    maker, options = any_lake
    maker.run("CREATE TABLE t(id INTEGER)", INLINE_ALL, "INSERT INTO t VALUES (1), (2)")
    with opened(options, tmp_path) as connector:
        parts = connector.plan_fetch(connector.describe("main", "t"), Scan())
        maker.run("DELETE FROM t WHERE id = 1", "CALL ducklake_flush_inlined_data('lake')")
        found = [batch.to_pydict() for part in parts for batch in connector.open(part)]
    assert found == [{"id": [1, 2]}]


def test_columns_that_changed_since_they_were_described_are_an_error(
    duckdb_lake: Lake, tmp_path: Path
) -> None:
    maker, options = duckdb_lake
    maker.run("CREATE TABLE t(a INTEGER, b INTEGER)")
    with opened(options, tmp_path) as connector:
        before = connector.describe("main", "t")
        maker.run("ALTER TABLE t DROP a", "ALTER TABLE t ALTER b TYPE BIGINT")
        for name in "ab":
            with pytest.raises(SourceFailed, match=f"'{name}' has changed"):
                connector.plan_fetch(before, Scan(columns=(name,)))


def test_a_column_that_is_not_null_is_declared_so(duckdb_lake: Lake, tmp_path: Path) -> None:
    maker, options = duckdb_lake
    maker.run(
        "CREATE TABLE t(id INTEGER NOT NULL, day DATE NOT NULL)",
        "INSERT INTO t VALUES (1, 'infinity')",
    )
    with opened(options, tmp_path) as connector:
        # A day may be infinite, which becomes NULL.
        assert [field.nullable for field in read(connector, "main", "t").schema] == [False, True]


def test_files_are_spread_over_the_parts(duckdb_lake: Lake, tmp_path: Path) -> None:
    maker, options = duckdb_lake
    inserts = [f"INSERT INTO t SELECT * FROM range({i * 100}, {i * 100 + 50})" for i in range(5)]
    maker.run(
        "CREATE TABLE t(id BIGINT)", INLINE_NONE, *inserts, INLINE_ALL, "INSERT INTO t VALUES (-1)"
    )
    with opened(options, tmp_path, parts_max=3) as connector:
        table = connector.describe("main", "t")
        parts = connector.plan_fetch(table, Scan())
        assert sorted(len(part.files) for part in parts) == [1, 2, 2]
        assert [len(part.spools) for part in parts] == [1, 0, 0]
        found = [v for part in parts for b in connector.open(part) for v in b["id"].to_pylist()]
        assert sorted(v for v in found if v is not None) == [
            -1,
            *(i * 100 + j for i in range(5) for j in range(50)),
        ]
        assert len(connector.plan_fetch(table, Scan(limit=60))) == 1
        after = connector.plan_fetch(table, Scan(after=After("id", "349")))
        assert sum(len(part.files) for part in after) == 1


def test_rows_after_a_value_of_a_column_that_is_not_wanted(
    duckdb_lake: Lake, tmp_path: Path
) -> None:
    maker, options = duckdb_lake
    maker.run(
        "CREATE TABLE t(id INTEGER, moment TIMESTAMPTZ, day DATE)",
        INLINE_NONE,
        "INSERT INTO t SELECT i, TIMESTAMPTZ '2020-01-01 00:00:00+00' + i * INTERVAL 1 HOUR, "
        "CASE WHEN i < 5 THEN 'infinity'::DATE ELSE '2020-01-01' END FROM range(10) r(i)",
    )
    with opened(options, tmp_path) as connector:
        scan = Scan(columns=("id", "day"), after=After("moment", "2020-01-01 06:00:00.000000Z"))
        assert read(connector, "main", "t", scan)["id"].to_pylist() == [7, 8, 9]
        # What is left out is no loss.
        assert connector.context.losses.warnings() == []
        with pytest.raises(SourceFailed, match="no value of the column 'moment'"):
            read(connector, "main", "t", Scan(after=After("moment", "yesterday")))


def test_data_on_s3(s3_endpoint: str, duckdb_lake: Lake, tmp_path: Path) -> None:
    maker, options = duckdb_lake
    maker.run(
        "CREATE TABLE t(id INTEGER)",
        INLINE_NONE,
        "INSERT INTO t SELECT * FROM range(9)",
        "DELETE FROM t WHERE id > 1",
    )
    bucket = f"lake-{uuid4().hex}"
    s3 = pyarrow.fs.S3FileSystem(
        endpoint_override=s3_endpoint.removeprefix("http://"),
        scheme="http",
        access_key="key",
        secret_key="secret",
        allow_bucket_creation=True,
    )
    s3.create_dir(bucket)
    pyarrow.fs.copy_files(
        str(maker.data_path),
        f"{bucket}/data",
        source_filesystem=pyarrow.fs.LocalFileSystem(),
        destination_filesystem=s3,
    )
    shutil.rmtree(maker.data_path)
    remote = with_changes(
        options,
        data_path=f"s3://{bucket}/data/",
        s3_endpoint=s3_endpoint,
        s3_region="us-east-1",
        s3_access_key_id="key",
        s3_secret_access_key="secret",
    )
    with opened(remote, tmp_path) as connector:
        connector.check()
    assert rows_of(remote, tmp_path, "t") == [(0,), (1,)]
    s3.delete_dir_contents(f"{bucket}/data")
    with pytest.raises(SourceFailed):
        rows_of(remote, tmp_path, "t")
    with pytest.raises(EgressRefused), opened(remote, tmp_path, allow_private=False) as connector:
        connector.check()


@pytest.fixture
def damaged(sqlite_lake: Lake) -> Lake:
    """A lake with one file, and a file of deletes, whose catalog is about to be edited."""
    maker, _ = sqlite_lake
    maker.run(
        "CREATE TABLE t(id INTEGER)",
        INLINE_NONE,
        "INSERT INTO t SELECT * FROM range(9)",
        "DELETE FROM t WHERE id > 1",
    )
    return sqlite_lake


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("UPDATE ducklake_metadata SET value = '7.5' WHERE key = 'version'", "version '7.5'"),
        ("DELETE FROM ducklake_metadata WHERE key = 'version'", "version 'None'"),
        ("UPDATE ducklake_data_file SET encryption_key = 'AAAA'", "encrypted"),
        ("UPDATE ducklake_delete_file SET encryption_key = 'AAAA'", "encrypted"),
        ("UPDATE ducklake_delete_file SET format = 'puffin'", "'puffin'"),
        ("UPDATE ducklake_data_file SET file_format = 'vortex'", "'vortex'"),
        ("UPDATE ducklake_column SET column_type = 'hologram'", "'hologram', not supported"),
        ("UPDATE ducklake_data_file SET path = 'not-there.parquet'", "is missing"),
        ("UPDATE ducklake_data_file SET mapping_id = 5", "maps a data file"),
        ("UPDATE ducklake_data_file SET partial_max = 99", "of which snapshots"),
        ("DELETE FROM ducklake_snapshot", "no snapshot"),
        ("DROP TABLE ducklake_metadata", "no DuckLake catalog in the schema 'main'"),
        ("DROP TABLE ducklake_schema", "ducklake_schema"),
    ],
)
def test_what_is_not_understood_is_an_error(
    damaged: Lake, tmp_path: Path, statement: str, message: str
) -> None:
    edit(damaged, statement)
    with pytest.raises(SourceFailed, match=message):
        rows_of(damaged[1], tmp_path, "t")


def test_inlined_columns_that_the_catalog_forgot_are_an_error(
    sqlite_lake: Lake, tmp_path: Path
) -> None:
    maker, options = sqlite_lake
    maker.run(
        "CREATE TABLE t(a INTEGER, b INTEGER)",
        INLINE_ALL,
        "INSERT INTO t VALUES (1, 2)",
        "ALTER TABLE t RENAME b TO c",
    )
    assert rows_of(options, tmp_path, "t") == [(1, 2)]
    edit(sqlite_lake, "DELETE FROM ducklake_column WHERE column_name = 'b'")
    with pytest.raises(SourceFailed, match="which columns its inlined data have"):
        rows_of(options, tmp_path, "t")


@pytest.mark.parametrize("content", [b"", b"PAR1 but no more"])
def test_a_data_file_that_is_no_parquet_is_an_error(
    damaged: Lake, tmp_path: Path, content: bytes
) -> None:
    maker, options = damaged
    for path in maker.data_path.rglob("*.parquet"):
        path.write_bytes(content)
    with pytest.raises(SourceFailed):
        rows_of(options, tmp_path, "t")


def test_a_data_file_without_field_ids_is_an_error(damaged: Lake, tmp_path: Path) -> None:
    maker, options = damaged
    for path in maker.data_path.rglob("*.parquet"):
        if "delete" not in path.name:
            pq.write_table(pa.table({"id": pa.array([1], pa.int32())}), path)
    with pytest.raises(SourceFailed, match="which columns its fields are"):
        rows_of(options, tmp_path, "t")


def test_a_catalog_leads_to_no_other_file(damaged: Lake, tmp_path: Path) -> None:
    for path, is_relative in (("/etc/passwd", 0), ("../" * 20 + "etc/passwd", 1)):
        edit(
            damaged,
            f"UPDATE ducklake_data_file SET path = '{path}', path_is_relative = {is_relative}",
        )
        with pytest.raises(EgressRefused):
            rows_of(damaged[1], tmp_path, "t")
    for path in ("'https://example.com/x.parquet'", "'/x' || char(0) || 'y'"):
        edit(damaged, f"UPDATE ducklake_data_file SET path = {path}, path_is_relative = 0")
        with pytest.raises(SourceFailed, match="at a place that cannot be read"):
            rows_of(damaged[1], tmp_path, "t")


def test_where_files_may_be_is_checked(duckdb_lake: Lake, tmp_path: Path) -> None:
    maker, options = duckdb_lake
    maker.run("CREATE TABLE t(id INTEGER)")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    with pytest.raises(EgressRefused), opened(options, tmp_path, local_files=(elsewhere,)) as it:
        it.check()
    for data_path, error in (("/etc", EgressRefused), ("gs://bucket/x", OptionsInvalid)):
        other = with_changes(options, data_path=data_path)
        with pytest.raises(error), opened(other, tmp_path) as connector:
            connector.check()


def test_data_may_have_moved(duckdb_lake: Lake, tmp_path: Path) -> None:
    maker, options = duckdb_lake
    maker.run("CREATE TABLE t(id INTEGER)", INLINE_NONE, "INSERT INTO t VALUES (1)")
    maker.data_path.rename(tmp_path / "moved")
    with pytest.raises(SourceFailed, match="missing"):
        rows_of(options, tmp_path, "t")
    moved = with_changes(options, data_path=str(tmp_path / "moved"))
    assert rows_of(moved, tmp_path, "t") == [(1,)]


@pytest.mark.parametrize("kind", ["duckdb", "sqlite"])
def test_a_file_that_is_no_catalog_is_an_error(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "text"
    path.write_text("no database at all" * 1000)
    options = DuckLakeOptions(catalog_url=f"{kind}:{path}")
    with pytest.raises(SourceFailed), opened(options, tmp_path) as connector:
        connector.check()


def test_a_catalog_file_in_use_is_unreachable(duckdb_lake: Lake, tmp_path: Path) -> None:
    maker, options = duckdb_lake
    maker.run("CREATE TABLE t(id INTEGER)")
    script = (
        f"import duckdb; c = duckdb.connect({maker.catalog!r}); print('open', flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "open\n"
        with (
            pytest.raises(SourceUnreachable, match="in use") as caught,
            opened(options, tmp_path) as connector,
        ):
            connector.check()
        assert str(holder.pid) not in str(caught.value)
        holder.communicate("\n")


def test_a_postgres_that_is_private_is_refused(postgres_source: LakeSource, tmp_path: Path) -> None:
    tcp = with_changes(postgres_source.options, catalog_url="postgresql://reader@127.0.0.1:1/lake")
    for options in (postgres_source.options, tcp):
        with pytest.raises(EgressRefused), opened(options, tmp_path, allow_private=False) as it:
            it.check()


def test_a_database_without_a_catalog_says_so(postgres_source: LakeSource, tmp_path: Path) -> None:
    options = postgres_source.options
    with (
        pytest.raises(SourceFailed, match="no DuckLake catalog in the schema 'public'"),
        opened(with_changes(options, metadata_schema=None), tmp_path) as connector,
    ):
        connector.check()
    unknown = with_changes(options, catalog_url=options.catalog_url.replace("/lake_", "/no_lake_"))
    with pytest.raises(SourceRefused), opened(unknown, tmp_path) as connector:
        connector.check()


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("duckdb:/a/b.ducklake", FileAddress("duckdb", "/a/b.ducklake")),
        ("sqlite:///a b.db", FileAddress("sqlite", "/a b.db")),
        ("postgresql://me@db/lake", PostgresAddress("db", 5432, "me", "lake", "prefer")),
        (
            "postgres://me%40x@[::1]:5433/la%20ke?sslmode=verify-full",
            PostgresAddress("::1", 5433, "me@x", "la ke", "verify-full"),
        ),
        ("postgresql://me:@/lake?host=/run", PostgresAddress("/run", 5432, "me", "lake", "prefer")),
    ],
)
def test_addresses_of_catalogs(url: str, address: PostgresAddress | FileAddress) -> None:
    assert parse_catalog_url(url) == address


@pytest.mark.parametrize(
    "url",
    [
        "mysql://me@db/lake",
        "duckdb:relative.ducklake",
        "postgresql://me:hunter2@db/lake",
        "postgresql://db/lake",
        "postgresql://me@db",
        "postgresql://me@db/lake?options=-c%20x",
        "postgresql://me@db/lake?sslmode=maybe",
        "postgresql://me@db:port/lake",
        "/a/b.ducklake",
    ],
)
def test_what_is_no_address_of_a_catalog(url: str) -> None:
    with pytest.raises(OptionsInvalid, match=r"catalog_url|password stands inside") as caught:
        parse_options(DuckLakeOptions, {"catalog_url": url}, None)
    assert "hunter2" not in str(caught.value)


def test_a_name_of_a_server_is_verified_and_an_address_connected(tmp_path: Path) -> None:
    address = PostgresAddress("localhost", 5433, "me", "lake", "verify-full")
    options = DuckLakeOptions(catalog_url="postgresql://me@localhost:5433/lake")
    settings = connection_settings(address, options, context_for(tmp_path))
    count = len(settings["hostaddr"].split(","))
    assert set(settings["hostaddr"].split(",")) <= {"127.0.0.1", "::1"}
    assert settings["host"] == ",".join(["localhost"] * count)
    assert settings["port"] == ",".join(["5433"] * count)
    assert (settings["sslmode"], settings["sslrootcert"]) == ("verify-full", "system")
    # No password is no reason to look for one of this server's own.
    assert settings["password"] == ""
    assert not Path(settings["passfile"]).exists()


def test_a_secret_is_a_password_or_a_document() -> None:
    config = {"catalog_url": "postgresql://me@db/lake", "s3_region": "eu-west-1"}
    bare = parse_options(DuckLakeOptions, config, "hunter2")
    assert bare.reveal("catalog_password") == "hunter2"
    secret = {
        "catalog_password": "hunter2",
        "s3_access_key_id": "AKIA",
        "s3_secret_access_key": "s3cret",
    }
    document = parse_options(DuckLakeOptions, config, json.dumps(secret))
    assert set(document.secrets()) == set(secret.values())
    assert document.s3.s3_access_key_id == "AKIA"
    assert document.s3.reveal("s3_secret_access_key") == "s3cret"
    assert config_schema(DuckLakeOptions)["required"] == ["catalog_url"]
    forms = (auth_schema(DuckLakeOptions) or {})["oneOf"]
    assert [form["required"] for form in forms] == [
        ["catalog_password"],
        ["s3_access_key_id", "s3_secret_access_key"],
    ]


@pytest.mark.parametrize(
    "extra",
    [
        {"snapshot_version": 1, "as_of": "2026-01-01T00:00:00Z"},
        {"as_of": "2026-01-01T00:00:00"},
        {"snapshot_version": -1},
    ],
)
def test_one_snapshot_is_asked_for(extra: dict[str, Any]) -> None:
    with pytest.raises(OptionsInvalid):
        parse_options(DuckLakeOptions, {"catalog_url": "sqlite:/a", **extra}, None)


def test_deletes_that_may_not_be_read_are_an_error(
    postgres_place: PostgresPlace, tmp_path: Path
) -> None:
    place, schema = postgres_place, f"lake_{uuid4().hex}"
    maker = LakeMaker(
        f"postgres:dbname={place.database} user=postgres host={place.folder}",
        tmp_path / "data",
        f"METADATA_SCHEMA '{schema}'",
    )
    maker.run("CREATE TABLE t(id INTEGER)", INLINE_NONE, "INSERT INTO t VALUES (1), (2)")
    role = f"poor_{uuid4().hex}"
    with psycopg.connect(place.url, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {role} LOGIN")
        connection.execute(f"GRANT USAGE ON SCHEMA {schema} TO {role}")
        connection.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {role}")
    options = DuckLakeOptions(
        catalog_url=f"postgresql://{role}@/{place.database}?host={place.folder}",
        metadata_schema=schema,
    )
    assert rows_of(options, tmp_path, "t") == [(1,), (2,)]
    # The table of deletes is made now, after the grant.
    maker.run(INLINE_ALL, "DELETE FROM t WHERE id = 1")
    with pytest.raises(SourceRefused, match="permission denied"):
        rows_of(options, tmp_path, "t")
    with psycopg.connect(place.url, autocommit=True) as connection:
        connection.execute(f"DROP OWNED BY {role}")
        connection.execute(f"DROP ROLE {role}")
