"""DuckDB files: every type, what is lost, what is locked, and a writer in another process."""

import datetime as dt
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import datafusion
import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typing_extensions import override

from connectors.base import After, Scan
from connectors.errors import (
    DriverMissing,
    EgressRefused,
    OptionsInvalid,
    SourceFailed,
    SourceRefused,
    SourceUnreachable,
    TableGone,
)
from connectors.options import auth_schema, parse_options
from connectors.sources.duckdb import DuckDBConnector, MotherDuckConnector
from connectors.sources.duckdb.file_copy import copy_database
from connectors.sources.duckdb.options import DuckDBOptions, MotherDuckOptions
from tests.connectors.contract import (
    ConnectorContract,
    Sample,
    Source,
    context_for,
    read,
)

HUGE = 10**38 - 1
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def us(text: str) -> int:
    """Microseconds of a timestamp: the unit of a column that holds years a datetime cannot."""
    moment = dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)
    return (moment - EPOCH) // dt.timedelta(microseconds=1)


# Column: DuckDB type, Arrow type, then SQL -> value. Every row of the full table takes the next
# value of each list, and NULL after its end.
Values = list[tuple[str, Any]]
TYPES: dict[str, tuple[str, pa.DataType, Values]] = {
    "bool": ("BOOLEAN", pa.bool_(), [("true", True), ("false", False)]),
    "i8": ("TINYINT", pa.int8(), [("-128", -128), ("127", 127)]),
    "i16": ("SMALLINT", pa.int16(), [("-32768", -32768), ("32767", 32767)]),
    "i32": ("INTEGER", pa.int32(), [("-2147483648", -(2**31)), ("2147483647", 2**31 - 1)]),
    "i64": (
        "BIGINT",
        pa.int64(),
        [("-9223372036854775808", -(2**63)), ("9223372036854775807", 2**63 - 1)],
    ),
    "u8": ("UTINYINT", pa.uint8(), [("255", 255)]),
    "u16": ("USMALLINT", pa.uint16(), [("65535", 65535)]),
    "u32": ("UINTEGER", pa.uint32(), [("4294967295", 2**32 - 1)]),
    "u64": ("UBIGINT", pa.uint64(), [("18446744073709551615", 2**64 - 1)]),
    "huge": (
        "HUGEINT",
        pa.decimal128(38, 0),
        [
            (str(HUGE), Decimal(HUGE)),
            (str(-HUGE), Decimal(-HUGE)),
            (str(2**127 - 1), None),
            (str(-(10**38)), None),
        ],
    ),
    "uhuge": (
        "UHUGEINT",
        pa.string(),
        [(str(2**128 - 1), str(2**128 - 1)), ("0", "0")],
    ),
    "big": ("BIGNUM", pa.string(), [(f"'{10**60}'", str(10**60)), ("'-1'", "-1")]),
    "dec": (
        "DECIMAL(38,10)",
        pa.decimal128(38, 10),
        [("'9999999999999999999999999999.9999999999'", Decimal("9" * 28 + "." + "9" * 10))],
    ),
    "dec4": ("DECIMAL(4,1)", pa.decimal128(4, 1), [("-999.9", Decimal("-999.9"))]),
    "f32": ("FLOAT", pa.float32(), [("'nan'", float("nan")), ("'-inf'", float("-inf"))]),
    "f64": (
        "DOUBLE",
        pa.float64(),
        [("'nan'", float("nan")), ("'inf'", float("inf")), ("5e-324", 5e-324)],
    ),
    "text": (
        "VARCHAR",
        pa.string(),
        [("''", ""), ("'it''s 漢字 🦆'", "it's 漢字 🦆"), ("'a' || chr(0) || 'b'", "a\0b")],
    ),
    "folded": (
        "VARCHAR COLLATE NOCASE.NOACCENT",
        pa.string(),
        [("'É'", "É"), ("'abc'", "abc"), ("'ABC'", "ABC")],
    ),
    "blob": ("BLOB", pa.binary(), [("'\\x00\\xFF'::BLOB", b"\x00\xff"), ("''::BLOB", b"")]),
    "bits": ("BIT", pa.string(), [("'0101'", "0101")]),
    "uuid": (
        "UUID",
        pa.string(),
        [
            ("'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
            ("'00000000-0000-0000-0000-000000000000'", "00000000-0000-0000-0000-000000000000"),
        ],
    ),
    "mood": ("ENUM('sad', 'it''s ok')", pa.string(), [("'it''s ok'", "it's ok")]),
    "json": ("JSON", pa.string(), [("""'{"a": [1, null]}'""", '{"a": [1, null]}')]),
    "date": (
        "DATE",
        pa.date32(),
        [
            ("'9999-12-31'", dt.date(9999, 12, 31)),
            ("'infinity'", None),
            ("'0001-01-01'", dt.date(1, 1, 1)),
            ("'-infinity'", None),
        ],
    ),
    "time": (
        "TIME",
        pa.time64("us"),
        [("'23:59:59.999999'", dt.time(23, 59, 59, 999999)), ("'24:00:00'", None)],
    ),
    "timens": (
        "TIME_NS",
        pa.time64("ns"),
        [("'23:59:59.999999999'", 86_399_999_999_999), ("'24:00:00'", None)],
    ),
    "timetz": ("TIMETZ", pa.string(), [("'23:59:59.5+15:59'", "23:59:59.5+15:59")]),
    "ts": (
        "TIMESTAMP",
        pa.timestamp("us"),
        [
            ("'infinity'", None),
            ("'-infinity'", None),
            ("'0001-01-01'", us("0001-01-01")),
            ("'294247-01-10 04:00:54.775806'", 2**63 - 2),
        ],
    ),
    "ts_s": (
        "TIMESTAMP_S",
        pa.timestamp("us"),
        [("'2020-01-01 00:00:01'", us("2020-01-01 00:00:01")), ("'infinity'", None)],
    ),
    "ts_ms": (
        "TIMESTAMP_MS",
        pa.timestamp("us"),
        [("'2020-01-01 00:00:00.123'", us("2020-01-01 00:00:00.123")), ("'infinity'", None)],
    ),
    "ts_ns": (
        "TIMESTAMP_NS",
        pa.timestamp("ns"),
        [("'2262-04-11 23:47:16.854775806'", 2**63 - 2), ("'infinity'", None)],
    ),
    "tstz": (
        "TIMESTAMPTZ",
        pa.timestamp("us", "UTC"),
        [
            ("'2020-06-01 12:00:00.123456+02'", us("2020-06-01 10:00:00.123456")),
            ("'infinity'", None),
        ],
    ),
    "tstz_ns": (
        "TIMESTAMPTZ_NS",
        pa.timestamp("ns", "UTC"),
        [("'1970-01-01 00:00:00.123456789+00'", 123_456_789), ("'infinity'", None)],
    ),
    "span": (
        "INTERVAL",
        pa.string(),
        [("'1 year 2 months -3 days 04:05:06.7'", "1 year 2 months -3 days 04:05:06.7")],
    ),
    "list": ("INTEGER[]", pa.list_(pa.int32()), [("[1, NULL, 3]", [1, None, 3]), ("[]", [])]),
    "lists": ("UUID[][]", pa.list_(pa.list_(pa.string())), [("[[], NULL]", [[], None])]),
    "array": (
        "FLOAT[3]",
        pa.list_(pa.float32()),
        [("[1, NULL, 3]", [1.0, None, 3.0]), ("NULL", None)],
    ),
    "arrays": (
        "INTEGER[2][2]",
        pa.list_(pa.list_(pa.int32())),
        [("[[1, 2], NULL]", [[1, 2], None])],
    ),
    "spans": ("INTERVAL[]", pa.list_(pa.string()), [("['1 day', NULL]", ["1 day", None])]),
    "dates": (
        "DATE[]",
        pa.list_(pa.date32()),
        [("['2020-01-01', 'infinity', '-infinity']", [dt.date(2020, 1, 1), None, None])],
    ),
    "struct": (
        'STRUCT(a INTEGER, "b ""c" VARCHAR)',
        pa.struct([("a", pa.int32()), ('b "c', pa.string())]),
        [("row(1, 'x')", {"a": 1, 'b "c': "x"}), ("row(NULL, NULL)", {"a": None, 'b "c': None})],
    ),
    "deep": (
        "STRUCT(h HUGEINT[], m MAP(VARCHAR, STRUCT(d DATE)))[]",
        pa.list_(
            pa.struct(
                [
                    ("h", pa.list_(pa.decimal128(38, 0))),
                    ("m", pa.map_(pa.string(), pa.struct([("d", pa.date32())]))),
                ]
            )
        ),
        [
            (
                f"[NULL, {{'h': [1, {2**127 - 1}], 'm': MAP {{'k': {{'d': 'infinity'}}}}}}]",
                [None, {"h": [Decimal(1), None], "m": [("k", {"d": None})]}],
            )
        ],
    ),
    "tuple": (
        "TUPLE(INTEGER, UUID)",
        pa.struct([("element1", pa.int32()), ("element2", pa.string())]),
        [("row(1, NULL)", {"element1": 1, "element2": None})],
    ),
    "map": (
        "MAP(VARCHAR, INTEGER)",
        pa.map_(pa.string(), pa.int32()),
        [("MAP {'a': 1, 'b': NULL}", [("a", 1), ("b", None)]), ("MAP {}", [])],
    ),
    "keys": (
        "MAP(TIMESTAMP, INTERVAL)",
        pa.map_(pa.string(), pa.string()),
        [("MAP {'infinity': '1 day'}", [("infinity", "1 day")])],
    ),
    "union": (
        "UNION(i INTEGER, s VARCHAR, tag DATE)",
        pa.struct(
            [("tag_", pa.string()), ("i", pa.int32()), ("s", pa.string()), ("tag", pa.date32())]
        ),
        [
            ("union_value(i := 1)", {"tag_": "i", "i": 1, "s": None, "tag": None}),
            ("union_value(s := NULL)", {"tag_": "s", "i": None, "s": None, "tag": None}),
        ],
    ),
    "geo": (
        "GEOMETRY",
        pa.binary(),
        [("'POINT(1 2)'", bytes.fromhex("0101000000000000000000f03f0000000000000040"))],
    ),
    "variant": (
        "VARIANT",
        pa.string(),
        [("1", "1"), ("'x'", '"x"'), ("{'a': [1.5, NULL]}", '{"a":[1.5,null]}')],
    ),
    "nothing": ('"NULL"', pa.string(), []),
}
FULL_ROWS = 6
INFINITE = "of infinity became NULL"
MIDNIGHT = "of 24:00:00 became NULL"
DIGITS = "of more than 38 digits became NULL"
LOSSES = {
    "huge": [(DIGITS, 2)],
    "date": [(INFINITE, 2)],
    "time": [(MIDNIGHT, 1)],
    "timens": [(MIDNIGHT, 1)],
    "ts": [(INFINITE, 2)],
    "ts_s": [(INFINITE, 1)],
    "ts_ms": [(INFINITE, 1)],
    "ts_ns": [(INFINITE, 1)],
    "tstz": [(INFINITE, 1)],
    "tstz_ns": [(INFINITE, 1)],
    "dates": [(INFINITE, 2)],
    "deep": [(DIGITS, 1), (INFINITE, 1)],
}


def random_cell(rng: random.Random, name: str) -> tuple[str, Any]:
    """A NULL, one of the listed values, or a new one."""
    _, arrow, listed = TYPES[name]
    if not listed or rng.random() < 0.1:
        return "NULL", None
    if pa.types.is_integer(arrow):
        signed = pa.types.is_signed_integer(arrow)
        value = rng.getrandbits(arrow.bit_width) - (1 << arrow.bit_width - 1 if signed else 0)
        return str(value), value
    new = NEW_VALUES.get(name)
    return rng.choice(listed) if new is None else new(rng)


def new_text(rng: random.Random) -> tuple[str, str]:
    text = "".join(rng.choice("aé漢🦆' \n\"") for _ in range(rng.randrange(20)))
    return "'" + text.replace("'", "''") + "'", text


def new_float(rng: random.Random) -> tuple[str, float]:
    value = rng.uniform(-1e300, 1e300)
    return repr(value), value


def new_huge(rng: random.Random) -> tuple[str, Decimal]:
    value = rng.randrange(-HUGE, HUGE)
    return str(value), Decimal(value)


def new_timestamp(rng: random.Random) -> tuple[str, int]:
    value = us("0001-01-01") + rng.randrange(3 * 10**17)
    return f"'{(EPOCH + dt.timedelta(microseconds=value)).replace(tzinfo=None)}'", value


NEW_VALUES: dict[str, Callable[[random.Random], tuple[str, Any]]] = {
    "text": new_text,
    "f64": new_float,
    "huge": new_huge,
    "ts": new_timestamp,
}


def table_of(rows: list[list[Any]]) -> pa.Table:
    """The expected rows; integers stand for what Python's own types cannot hold."""
    schema = declared()
    arrays = [pa.array(range(len(rows)), pa.int64())]
    arrays += [
        pa.array([row[place] for row in rows], field.type)
        for place, field in enumerate(list(schema)[1:])
    ]
    return pa.Table.from_arrays(arrays, schema=schema)


def full_cells() -> list[list[tuple[str, Any]]]:
    return [
        [
            listed[number] if number < len(listed) else ("NULL", None)
            for _, _, listed in TYPES.values()
        ]
        for number in range(FULL_ROWS)
    ]


def declared() -> pa.Schema:
    fields = [pa.field(name, arrow) for name, (_, arrow, _) in TYPES.items()]
    return pa.schema([pa.field("id", pa.int64(), nullable=False), *fields])


def schema_of(**columns: pa.DataType) -> pa.Schema:
    return pa.schema([pa.field(name, dtype) for name, dtype in columns.items()])


class DuckDBFile(Source):
    """A file with a table of every type."""

    connector = DuckDBConnector
    schema = "main"

    def __init__(self, path: Path) -> None:
        self.path = path
        self.create("full", full_cells())
        self.create("empty", [])
        self.run("CREATE TABLE wide AS SELECT i, repeat('x', 100000) AS s FROM range(200) AS r(i)")

    def run(self, *statements: str) -> None:
        with duckdb.connect(str(self.path)) as connection:
            for statement in statements:
                connection.execute(statement)

    def create(self, table: str, rows: list[list[tuple[str, Any]]]) -> None:
        columns = ", ".join(f'"{name}" {native}' for name, (native, _, _) in TYPES.items())
        inserts = [
            f'INSERT INTO "{table}" VALUES ({number}, {", ".join(sql for sql, _ in row)})'
            for number, row in enumerate(rows)
        ]
        self.run(
            "BEGIN",
            f'CREATE TABLE "{table}" (id BIGINT PRIMARY KEY, {columns})',
            *inserts,
            "COMMIT",
        )

    @property
    @override
    def options(self) -> DuckDBOptions:
        return DuckDBOptions(path=str(self.path))

    @property
    @override
    def full(self) -> Sample:
        return Sample("full", table_of([[value for _, value in row] for row in full_cells()]))

    @property
    @override
    def empty(self) -> str:
        return "empty"

    @override
    def random(self, rng: random.Random, rows: int) -> Sample:
        cells = [[random_cell(rng, name) for name in TYPES] for _ in range(rows)]
        name = f"random {rng.random()}"
        self.create(name, cells)
        return Sample(name, table_of([[value for _, value in row] for row in cells]))

    @override
    def wide(self) -> str:
        return "wide"

    @override
    def unreachable(self) -> DuckDBOptions:
        return DuckDBOptions(path=str(self.path.with_name("missing.duckdb")))

    @override
    def warnings(self) -> list[str]:
        return sorted(
            f"Column '{column}': {count} value{'s' if count > 1 else ''} {rule}."
            for column, losses in LOSSES.items()
            for rule, count in losses
        )

    @override
    def where(self) -> str:
        return """"uuid" LIKE 'a0eebc99%' AND "full"."span" IS NOT NULL"""

    @override
    def query(self) -> tuple[str, pa.Table]:
        sql = (
            'SELECT "f"."id" + 1 AS "next", "f"."mood" AS "m", sum("f"."i32") AS "s"'
            ' FROM "main"."full" AS "f" WHERE "f"."mood" > \'is\' GROUP BY 1, 2 ORDER BY 1'
        )
        schema = schema_of(next=pa.int64(), m=pa.string(), s=pa.int64())
        return sql, pa.table([[1], ["it's ok"], [-(2**31)]], schema=schema)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> DuckDBFile:
    return DuckDBFile(tmp_path_factory.mktemp("duckdb") / "sales.duckdb")


class TestDuckDB(ConnectorContract):
    @pytest.fixture
    def source(self, file: DuckDBFile) -> DuckDBFile:
        return file


@pytest.fixture
def connector(file: DuckDBFile, tmp_path: Path) -> Iterator[DuckDBConnector]:
    with DuckDBConnector(file.options, context_for(tmp_path)) as opened:
        yield opened


def open_path(path: Path, folder: Path, **options: Any) -> DuckDBConnector:
    return DuckDBConnector(DuckDBOptions(path=str(path), **options), context_for(folder))


def rows_of(connector: DuckDBConnector, sql: str, schema: pa.Schema) -> list[Any]:
    table = pa.Table.from_batches(connector.query(sql, schema), schema)
    return [tuple(row.values()) for row in table.to_pylist()]


class TestParquet:
    def written(self, connector: DuckDBConnector, path: Path, scan: Scan = Scan()) -> pa.Schema:  # noqa: B008 - frozen
        (part,) = connector.plan_fetch(connector.describe("main", "full"), scan)
        assert connector.write_parquet(part, path) is not None
        return part.schema

    def test_datafusion_and_pyarrow_read_the_declared_types(
        self, connector: DuckDBConnector, tmp_path: Path
    ) -> None:
        path = tmp_path / "full.parquet"
        schema = self.written(connector, path)
        context = datafusion.SessionContext()
        context.sql("SET datafusion.execution.parquet.schema_force_view_types = false")
        for found in (context.read_parquet(str(path)).schema(), pq.read_schema(path)):
            assert found.names == schema.names
            assert [(f.name, f.type) for f in found] == [(f.name, f.type) for f in schema]

    def test_losses_are_counted_as_in_a_stream(
        self, connector: DuckDBConnector, file: DuckDBFile, tmp_path: Path
    ) -> None:
        self.written(connector, tmp_path / "full.parquet")
        assert connector.context.losses.warnings() == file.warnings()

    def test_only_losses_of_the_rows_and_columns_of_the_scan_are_counted(
        self, connector: DuckDBConnector, tmp_path: Path
    ) -> None:
        scan = Scan(columns=("id", "ts", "huge"), where="id >= 1", limit=2)
        self.written(connector, tmp_path / "full.parquet", scan)
        assert connector.context.losses.warnings() == [
            f"Column 'huge': 1 value {DIGITS}.",
            f"Column 'ts': 1 value {INFINITE}.",
        ]

    def test_what_does_not_fit_into_memory_is_left_to_the_stream(
        self, file: DuckDBFile, tmp_path: Path
    ) -> None:
        path = tmp_path / "wide.parquet"
        context = context_for(tmp_path, memory_bytes=96 << 20)
        with DuckDBConnector(DuckDBOptions(path=str(file.path)), context) as connector:
            (part,) = connector.plan_fetch(connector.describe("main", "wide"), Scan())
            assert connector.write_parquet(part, path) is None
            assert not path.exists()
            assert sum(batch.num_rows for batch in connector.open(part)) == 200


class TestDiscovery:
    def test_tables_and_views_come_with_what_the_catalog_knows(self, tmp_path: Path) -> None:
        path = tmp_path / "shop.db"
        DuckDBFile.run(
            self_at(path),
            'CREATE SCHEMA "my ""shop"',
            """CREATE TABLE "my ""shop"."Orders" (id INTEGER, line INTEGER, note VARCHAR NOT NULL,
               "at" TIMESTAMP NOT NULL, twice INTEGER GENERATED ALWAYS AS (id * 2),
               PRIMARY KEY (line, id))""",
            """INSERT INTO "my ""shop"."Orders" VALUES (1, 2, 'x', 'infinity')""",
            """COMMENT ON TABLE "my ""shop"."Orders" IS 'what was sold'""",
            """CREATE VIEW "many" AS SELECT count(*) AS n FROM "my ""shop"."Orders" """,
            "CREATE VIEW hosts AS SELECT * FROM read_text('/etc/hostname')",
        )
        with open_path(path, tmp_path) as connector:
            tables = list(connector.discover())
            assert [(t.schema, t.name, t.kind) for t in tables] == [
                ("main", "hosts", "view"),
                ("main", "many", "view"),
                ('my "shop', "Orders", "table"),
            ]
            orders = tables[2]
            assert orders.primary_key == ("line", "id")
            assert orders.comment == "what was sold"
            assert orders.row_estimate == 1
            assert [(c.name, c.native_type, c.nullable) for c in orders.columns] == [
                ("id", "INTEGER", False),
                ("line", "INTEGER", False),
                ("note", "VARCHAR", False),
                ("at", "TIMESTAMP", True),
                ("twice", "INTEGER", True),
            ]
            rows = read(connector, 'my "shop', "Orders").to_pylist()
            assert rows == [{"id": 1, "line": 2, "note": "x", "at": None, "twice": 2}]
            assert read(connector, "main", "many").to_pylist() == [{"n": 1}]
            with pytest.raises(SourceFailed, match="disabled by configuration"):
                read(connector, "main", "hosts")

    def test_names_differ_by_case_only_when_described(self, connector: DuckDBConnector) -> None:
        with pytest.raises(TableGone):
            connector.describe("main", "FULL")
        with pytest.raises(TableGone):
            connector.describe("other", "full")

    @pytest.mark.parametrize("name", ["memory.db", "temp.db", "main", "a 'b\".c.duckdb"])
    def test_a_file_may_have_any_name(self, tmp_path: Path, name: str) -> None:
        path = tmp_path / name
        DuckDBFile.run(self_at(path), "CREATE TABLE t AS SELECT 1 AS n")
        with open_path(path, tmp_path) as connector:
            assert read(connector, "main", "t").to_pylist() == [{"n": 1}]
            assert rows_of(connector, "SELECT n FROM t", pa.schema([("n", pa.int32())])) == [(1,)]


def is_compared(name: str) -> bool:
    """Whether Arrow has a text for the values: not for bytes, nor for the year 294247."""
    _, arrow, listed = TYPES[name]
    return bool(listed) and not (pa.types.is_nested(arrow) or arrow == pa.binary() or name == "ts")


class TestConditions:
    def test_an_infinite_timestamp_is_after_nothing(self, connector: DuckDBConnector) -> None:
        scan = Scan(columns=("id",), after=After("ts", "2000-01-01 00:00:00"))
        assert read(connector, "main", "full", scan)["id"].to_pylist() == [3]

    @pytest.mark.parametrize("name", [n for n in TYPES if is_compared(n)])
    def test_the_text_of_every_value_is_understood(
        self, connector: DuckDBConnector, file: DuckDBFile, name: str
    ) -> None:
        """No row is after the greatest value, when the value is sent as Arrow writes it."""
        texts = file.full.rows[name].drop_null().cast(pa.string()).to_pylist()
        found = [
            read(connector, "main", "full", Scan(columns=(name,), after=After(name, text))).num_rows
            for text in texts
            if text is not None
        ]
        assert min(found) == 0


class TestQueries:
    def test_rows_keep_the_order_of_the_query(self, connector: DuckDBConnector) -> None:
        ids = pa.schema([("id", pa.int64()), ("tz", pa.timestamp("us", "UTC"))])
        sql = 'SELECT id, tstz FROM "main"."full" ORDER BY id DESC'
        assert [row[0] for row in rows_of(connector, sql, ids)] == list(reversed(range(FULL_ROWS)))

    def test_values_are_as_declared(self, connector: DuckDBConnector) -> None:
        schema = pa.schema([("n", pa.int64())])
        for condition, count in (
            ("isfinite(ts) IS NULL", 4),
            ("huge IS NOT NULL", 2),
            ("uuid LIKE '%a11'", 1),
            ("mood < 'sad'", 1),
            ("folded = 'e'", 0),
            ("folded = 'ABC'", 1),
            ("folded < 'abc'", 1),
        ):
            sql = f'SELECT count(*) AS n FROM "full" WHERE {condition}'
            assert rows_of(connector, sql, schema) == [(count,)], condition

    def test_sums_come_in_the_type_of_the_plan(self, connector: DuckDBConnector) -> None:
        schema = schema_of(s=pa.int64(), u=pa.string(), d=pa.decimal128(38, 2))
        sql = 'SELECT sum(i32) AS s, uuid() AS u, 1.25 AS d FROM "full" -- the last line'
        assert rows_of(connector, sql, schema)[0][0] == -1

    def test_a_value_beyond_the_type_of_the_plan_is_an_error(
        self, connector: DuckDBConnector
    ) -> None:
        with pytest.raises(SourceFailed, match="'s'"):
            rows_of(connector, "SELECT 300 AS s", pa.schema([("s", pa.int8())]))
        with pytest.raises(SourceFailed, match="number of columns"):
            rows_of(connector, "SELECT 1, 2", pa.schema([("s", pa.int8())]))

    @pytest.mark.parametrize(
        "sql",
        [
            "SELECT 1; SELECT 2",
            "CREATE TABLE t (i INTEGER)",
            "COPY (SELECT 1) TO '{folder}/out.csv'",
            "ATTACH '{folder}/other.db'",
            "SET enable_external_access = true",
            "SET memory_limit = '100GB'",
            "SELECT * FROM read_text('/etc/hostname')",
            "SELECT * FROM '/etc/hostname.csv'",
            "SELECT * FROM glob('/*')",
            "SELECT * FROM read_csv('http://127.0.0.1/')",
            "SELECT nonsense",
            "",
        ],
    )
    def test_nothing_but_the_file_can_be_read(
        self, connector: DuckDBConnector, tmp_path: Path, sql: str
    ) -> None:
        sql = sql.format(folder=tmp_path)
        with pytest.raises(SourceFailed):
            list(connector.query(sql, pa.schema([("n", pa.int64())])))

    def test_a_condition_cannot_read_files_even_where_parquet_is_written(
        self, connector: DuckDBConnector, tmp_path: Path
    ) -> None:
        scan = Scan(where="(SELECT count(*) FROM read_text('/etc/hostname')) > 0")
        (part,) = connector.plan_fetch(connector.describe("main", "full"), scan)
        with pytest.raises(SourceFailed, match="disabled by configuration"):
            list(connector.open(part))
        with pytest.raises(SourceFailed, match="disabled by configuration"):
            connector.write_parquet(part, tmp_path / "out.parquet")


class TestFiles:
    def test_a_file_outside_the_folders_is_refused(self, file: DuckDBFile, tmp_path: Path) -> None:
        context = replace(context_for(tmp_path), local_files=(tmp_path,))
        with pytest.raises(EgressRefused), DuckDBConnector(file.options, context) as connector:
            connector.check()

    @pytest.mark.parametrize(
        "content",
        [b"", b"hello", b"SQLite format 3\x00" + bytes(5000), random.Random(1).randbytes(9000)],
    )
    def test_another_file_is_no_database(self, tmp_path: Path, content: bytes) -> None:
        path = tmp_path / "other.db"
        path.write_bytes(content)
        with open_path(path, tmp_path) as connector, pytest.raises(SourceFailed) as caught:
            connector.check()
        assert str(caught.value) == "The file is not a DuckDB database"

    @pytest.mark.parametrize("share", [0.01, 0.3])
    def test_a_file_that_is_cut_off_fails(
        self, file: DuckDBFile, tmp_path: Path, share: float
    ) -> None:
        path = tmp_path / "cut.db"
        whole = file.path.read_bytes()
        path.write_bytes(whole[: int(len(whole) * share)])
        with open_path(path, tmp_path) as connector, pytest.raises(SourceFailed) as caught:
            read(connector, "main", "wide")
        assert str(tmp_path) not in str(caught.value)

    def test_a_folder_is_no_database(self, tmp_path: Path) -> None:
        with open_path(tmp_path, tmp_path) as connector, pytest.raises(SourceUnreachable) as caught:
            connector.check()
        assert str(tmp_path) not in str(caught.value)

    def test_an_encrypted_file_is_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "secret.db"
        with duckdb.connect(":memory:") as writer:
            writer.execute("SET force_mbedtls_unsafe = true")
            writer.execute(f"ATTACH '{path}' AS s (ENCRYPTION_KEY 'abc')")
            writer.execute("CREATE TABLE s.t (i INTEGER)")
        with open_path(path, tmp_path) as connector, pytest.raises(SourceRefused):
            connector.check()

    def test_the_log_of_a_writer_that_died_is_read(self, tmp_path: Path) -> None:
        path = tmp_path / "died.db"
        with Writer(path, COMMIT_ONCE) as writer:
            writer.kill()
        assert path.with_name("died.db.wal").stat().st_size
        with open_path(path, tmp_path) as connector:
            assert read(connector, "main", "t").num_rows == 10


COMMIT_ONCE = """
db.execute("CREATE TABLE t AS SELECT range AS i FROM range(10)")
print("ready", flush=True)
sys.stdin.read()
"""
COMMIT_ALWAYS = """
db.execute("CREATE TABLE head (n BIGINT); INSERT INTO head VALUES (0)")
print("ready", flush=True)
n = 0
while not select.select([sys.stdin], [], [], random.choice([0, 0.01, 0.2]))[0]:
    n += 1
    rows = random.choice([10, 1000, 200_000])
    db.execute("BEGIN")
    db.execute(f"UPDATE head SET n = {n}")
    db.execute(
        f"CREATE OR REPLACE TABLE bulk{n % 2} AS"
        f" SELECT {n} AS n, i, hash(i + {n}) AS h FROM range({rows}) AS r(i)"
    )
    db.execute("COMMIT")
    if random.random() < 0.2:
        db.execute("CHECKPOINT")
"""


class Writer:
    """Another process that has the file open for writing."""

    def __init__(self, path: Path, program: str) -> None:
        code = f"import duckdb, random, select, sys\ndb = duckdb.connect({str(path)!r})\n{program}"
        self.process = subprocess.Popen(
            [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == b"ready\n"

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def __enter__(self) -> "Writer":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.communicate()


class TestWriters:
    def test_tables_are_read_side_by_side(self, connector: DuckDBConnector) -> None:
        with ThreadPoolExecutor(4) as threads:
            found = list(threads.map(lambda _: read(connector, "main", "full"), range(8)))
        assert all(rows.num_rows == FULL_ROWS for rows in found)

    def test_a_file_that_is_open_for_writing_is_unreachable(self, tmp_path: Path) -> None:
        path = tmp_path / "open.db"
        with Writer(path, COMMIT_ONCE), open_path(path, tmp_path) as connector:
            with pytest.raises(SourceUnreachable, match="'snapshot'") as caught:
                connector.check()
            assert "PID" not in str(caught.value)

    def test_a_snapshot_is_read_with_what_is_in_the_log(self, tmp_path: Path) -> None:
        path = tmp_path / "open.db"
        out = tmp_path / "out.parquet"
        with Writer(path, COMMIT_ONCE), open_path(path, tmp_path, snapshot=True) as connector:
            assert path.with_name("open.db.wal").stat().st_size
            table = connector.describe("main", "t")
            (part,) = connector.plan_fetch(table, Scan())
            assert sum(batch.num_rows for batch in connector.open(part)) == 10
            assert connector.write_parquet(part, out) == 10

    def test_every_snapshot_is_one_state(self, tmp_path: Path) -> None:
        path = tmp_path / "busy.db"
        folder = tmp_path / "copy"
        folder.mkdir()
        with Writer(path, COMMIT_ALWAYS):
            copies = 0
            for _ in range(20):
                try:
                    copy = copy_database(path, folder)
                except SourceFailed:
                    continue
                copies += 1
                with duckdb.connect(str(copy), read_only=True) as reader:
                    tables = [name for (name,) in reader.execute("SHOW TABLES").fetchall()]
                    ((head,),) = reader.execute("SELECT n FROM head").fetchall()
                    found = [
                        reader.execute(
                            "SELECT max(n), count(DISTINCT n), count(DISTINCT i) = count(*),"
                            f" count_if(h <> hash(i + n)) FROM {table}"
                        ).fetchall()[0]
                        for table in tables
                        if table != "head"
                    ]
                    assert [row[1:] for row in found] == [(1, True, 0)] * len(found)
                    assert head == max((row[0] for row in found), default=0)
        assert copies


def self_at(path: Path) -> DuckDBFile:
    """A file without the tables of the contract."""
    file = object.__new__(DuckDBFile)
    file.path = path
    return file


class TestMotherDuck:
    def test_the_token_is_the_credential(self) -> None:
        options = parse_options(MotherDuckOptions, {"database": "my_db"}, "secret-token")
        assert options.reveal("token") == "secret-token"
        schema = auth_schema(MotherDuckOptions)
        assert schema is not None
        assert schema["required"] == ["token"]

    @pytest.mark.parametrize("database", ["a?saas_mode=false", "", "a'b", "a/b", "a;b"])
    def test_a_database_is_a_plain_name(self, database: str) -> None:
        with pytest.raises(OptionsInvalid):
            parse_options(MotherDuckOptions, {"database": database}, "t")

    def test_a_token_is_needed(self, tmp_path: Path) -> None:
        options = MotherDuckOptions(database="my_db")
        with (
            MotherDuckConnector(options, context_for(tmp_path)) as connector,
            pytest.raises(OptionsInvalid),
        ):
            connector.check()

    def test_without_its_extension_it_says_what_to_install(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HOME", str(tmp_path))
        options = parse_options(MotherDuckOptions, {"database": "my_db"}, "secret-token")
        with (
            MotherDuckConnector(options, context_for(tmp_path)) as connector,
            pytest.raises(DriverMissing, match="INSTALL motherduck"),
        ):
            connector.check()
