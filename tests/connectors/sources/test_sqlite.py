"""SQLite files: what declared types make of stored values, and what a file may need or hide."""

import datetime as dt
import os
import random
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from typing_extensions import override

from connectors.base import After, Scan
from connectors.errors import EgressRefused, SourceFailed, SourceUnreachable, TableGone
from connectors.sources.sqlite import SQLiteConnector
from connectors.sources.sqlite.declared_types import kind_of
from connectors.sources.sqlite.file_copy import copy_database
from connectors.sources.sqlite.options import SQLiteOptions
from tests.connectors.contract import (
    ConnectorContract,
    Sample,
    Source,
    context_for,
    read,
)

UTC = dt.UTC


def at(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)


# Column: declared type, Arrow type, then stored value -> value.
Values = list[tuple[Any, Any]]
TYPES: dict[str, tuple[str, pa.DataType, Values]] = {
    "whole": (
        "INTEGER",
        pa.int64(),
        [(-(2**63), -(2**63)), (2**63 - 1, 2**63 - 1), ("7", 7), (3.0, 3)],
    ),
    "tiny": ("unsigned tinyint(1)", pa.int64(), [(255, 255), (-1, -1)]),
    "flag": ("BOOLEAN", pa.bool_(), [(1, True), (0, False), (True, True), ("1", True)]),
    "number": (
        "double precision",
        pa.float64(),
        [(0.1, 0.1), (5, 5.0), (float("inf"), float("inf")), (-5e-324, -5e-324)],
    ),
    "price": (
        "DECIMAL(10, 2)",
        pa.decimal128(10, 2),
        [
            (12.34, Decimal("12.34")),
            (99_999_999, Decimal("99999999.00")),
            ("-0.05", Decimal("-0.05")),
            (1e2, Decimal("100.00")),
        ],
    ),
    "exact": (
        "NUMERIC(38,10)",
        pa.decimal128(38, 10),
        [
            # SQLite keeps 15 digits of a text in such a column, and 19 of an integer.
            ("0.1", Decimal("0.1")),
            (2**53 + 1, Decimal(2**53 + 1)),
        ],
    ),
    "broad": ("DECIMAL(60,0)", pa.decimal256(60, 0), [(2**63 - 1, Decimal(2**63 - 1))]),
    "loose": ("NUMERIC", pa.float64(), [(1.5, 1.5), (2**53, 2.0**53), ("2.50", 2.5)]),
    "day": (
        "DATE",
        pa.date32(),
        [
            ("2024-02-29", dt.date(2024, 2, 29)),
            ("9999-12-31 00:00:00", dt.date(9999, 12, 31)),
            ("0001-01-01", dt.date(1, 1, 1)),
        ],
    ),
    "moment": (
        "datetime(6)",
        pa.timestamp("us"),
        [
            ("2024-02-29 23:59:59.999999", at("2024-02-29 23:59:59.999999")),
            ("2024-02-29T10:00", at("2024-02-29 10:00")),
            ("2024-02-29", at("2024-02-29")),
            ("2024-02-29T10:00:00.5+02:00", at("2024-02-29 08:00:00.5")),
            ("2024-02-29 10:00:00.1234560Z", at("2024-02-29 10:00:00.123456")),
        ],
    ),
    "zoned": (
        "timestamp with time zone",
        pa.timestamp("us", "UTC"),
        [
            ("2024-02-29 10:00:00+05:30", at("2024-02-29 04:30:00+00:00")),
            ("2024-02-29 10:00:00", at("2024-02-29 10:00:00+00:00")),
        ],
    ),
    "hour": (
        "TIME",
        pa.time64("us"),
        [("23:59:59.999999", dt.time(23, 59, 59, 999999)), ("10:00", dt.time(10))],
    ),
    "text": (
        "VARCHAR(255)",
        pa.string(),
        [("", ""), ("it's 漢字 🦆", "it's 漢字 🦆"), ("a\0b", "a\0b"), (7, "7"), (0.5, "0.5")],
    ),
    "folded": ("TEXT COLLATE NOCASE", pa.string(), [("Straße", "Straße"), ("ABC", "ABC")]),
    "uuid": ("UUID", pa.string(), [("a0eebc99", "a0eebc99"), ("123", "123"), (0.1, "0.1")]),
    "json": ("JSON", pa.string(), [('{"a": [1, null]}', '{"a": [1, null]}')]),
    "anything": ("", pa.string(), [("x", "x"), (2**63 - 1, str(2**63 - 1)), (1e100, "1e+100")]),
    "bytes": ("BLOB", pa.binary(), [(b"\0\xff", b"\0\xff"), (b"", b""), ("é", b"\xc3\xa9")]),
    "packed": ("VARBINARY(16)", pa.binary(), [(b"abc", b"abc")]),
}
FULL_ROWS = 6

NEW_VALUES: dict[str, Callable[[random.Random], Any]] = {
    "whole": lambda rng: rng.randrange(-(2**63), 2**63),
    "number": lambda rng: rng.uniform(-1e300, 1e300),
    "text": lambda rng: "".join(rng.choice("aé漢🦆' \n\"") for _ in range(rng.randrange(20))),
    "bytes": lambda rng: rng.randbytes(rng.randrange(20)),
}


def random_cell(rng: random.Random, name: str) -> tuple[Any, Any]:
    """A NULL, one of the listed values, or a new one."""
    if rng.random() < 0.1:
        return None, None
    if name in NEW_VALUES:
        value = NEW_VALUES[name](rng)
        return value, value
    if name == "price":
        cents = rng.randrange(-(10**10) + 1, 10**10)
        return cents / 100, Decimal(cents).scaleb(-2)
    if name == "moment":
        moment = at("0001-01-01") + dt.timedelta(microseconds=rng.randrange(3 * 10**17))
        return moment.isoformat(rng.choice("T ")), moment
    return rng.choice(TYPES[name][2])


def declared() -> pa.Schema:
    fields = [pa.field(name, arrow) for name, (_, arrow, _) in TYPES.items()]
    return pa.schema([pa.field("id", pa.int64(), nullable=False), *fields])


def full_cells() -> list[list[tuple[Any, Any]]]:
    return [
        [
            listed[number] if number < len(listed) else (None, None)
            for _, _, listed in TYPES.values()
        ]
        for number in range(FULL_ROWS)
    ]


def table_of(cells: list[list[tuple[Any, Any]]]) -> pa.Table:
    rows = [[value for _, value in row] for row in cells]
    schema = declared()
    arrays = [pa.array(range(len(rows)), pa.int64())]
    arrays += [
        pa.array([row[place] for row in rows], field.type)
        for place, field in enumerate(list(schema)[1:])
    ]
    return pa.Table.from_arrays(arrays, schema=schema)


def run(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


class SQLiteFile(Source):
    """A file with a table of every type."""

    connector = SQLiteConnector
    schema = "main"

    def __init__(self, path: Path) -> None:
        self.path = path
        self.create("full", full_cells())
        self.create("empty", [])
        run(
            path,
            "CREATE TABLE wide (i INTEGER PRIMARY KEY, s TEXT)",
            "INSERT INTO wide WITH RECURSIVE r(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM r"
            " WHERE i < 200) SELECT i, printf('%100000s', i) FROM r",
        )

    def create(self, table: str, cells: list[list[tuple[Any, Any]]]) -> None:
        columns = ", ".join(f'"{name}" {native}' for name, (native, _, _) in TYPES.items())
        places = ", ".join("?" * (len(TYPES) + 1))
        with closing(sqlite3.connect(self.path)) as connection, connection:
            connection.execute(f'CREATE TABLE "{table}" (id INTEGER PRIMARY KEY, {columns})')
            connection.executemany(
                f'INSERT INTO "{table}" VALUES ({places})',
                [[number, *(stored for stored, _ in row)] for number, row in enumerate(cells)],
            )

    @property
    @override
    def options(self) -> SQLiteOptions:
        return SQLiteOptions(path=str(self.path))

    @property
    @override
    def full(self) -> Sample:
        return Sample("full", table_of(full_cells()))

    @property
    @override
    def empty(self) -> str:
        return "empty"

    @override
    def random(self, rng: random.Random, rows: int) -> Sample:
        cells = [[random_cell(rng, name) for name in TYPES] for _ in range(rows)]
        name = f"random {rng.random()}"
        self.create(name, cells)
        return Sample(name, table_of(cells))

    @override
    def wide(self) -> str:
        return "wide"

    @override
    def unreachable(self) -> SQLiteOptions:
        return SQLiteOptions(path=str(self.path.with_name("missing.db")))

    @override
    def where(self) -> str:
        return (
            """(`full`.`moment` >= CAST('2024-02-29T23:59:59.999999' AS TEXT)) AND `full`.`flag`"""
        )

    @override
    def query(self) -> tuple[str, pa.Table]:
        sql = (
            "SELECT `full`.`folded` AS `f`, max(`full`.`moment`) AS `m`, count(1) AS `n`,"
            " max(`full`.`price`) AS `p` FROM `main`.`full` WHERE `full`.`day` >="
            " CAST('2024-01-01' AS DATE) AND `full`.`price` > 12.33 GROUP BY `full`.`folded`"
            " ORDER BY `m` DESC NULLS FIRST"
        )
        columns: dict[str, tuple[pa.DataType, list[Any]]] = {
            "f": (pa.string(), ["Straße", "ABC"]),
            "m": (pa.timestamp("us"), [at("2024-02-29 23:59:59.999999"), at("2024-02-29 10:00")]),
            "n": (pa.int64(), [1, 1]),
            "p": (pa.decimal128(10, 2), [Decimal("12.34"), Decimal("99999999.00")]),
        }
        rows = {name: pa.array(values, arrow) for name, (arrow, values) in columns.items()}
        return sql, pa.table(rows)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> SQLiteFile:
    return SQLiteFile(tmp_path_factory.mktemp("sqlite") / "shop.db")


class TestSQLite(ConnectorContract):
    @pytest.fixture
    def source(self, file: SQLiteFile) -> SQLiteFile:
        return file


@pytest.fixture
def connector(file: SQLiteFile, tmp_path: Path) -> Iterator[SQLiteConnector]:
    with SQLiteConnector(file.options, context_for(tmp_path)) as opened:
        yield opened


def open_path(path: Path, folder: Path, **options: Any) -> SQLiteConnector:
    return SQLiteConnector(SQLiteOptions(path=str(path), **options), context_for(folder))


def rows_of(connector: SQLiteConnector, sql: str, **columns: pa.DataType) -> list[tuple[Any, ...]]:
    schema = pa.schema([pa.field(name, dtype) for name, dtype in columns.items()])
    table = pa.Table.from_batches(connector.query(sql, schema), schema)
    return [tuple(row.values()) for row in table.to_pylist()]


def column_of(path: Path, declared: str, *values: Any) -> Path:
    """A file with one table, ``t``, of one column, ``c``, beside its key."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(f"CREATE TABLE t (id INTEGER PRIMARY KEY, c {declared})")
        connection.executemany("INSERT INTO t (c) VALUES (?)", [(value,) for value in values])
    return path


class TestTypes:
    @pytest.mark.parametrize(
        ("declared", "arrow"),
        [
            ("int", pa.int64()),
            ("UNSIGNED BIG INT", pa.int64()),
            ("INT8", pa.int64()),
            ("POINT", pa.string()),
            ("INTERVAL", pa.string()),
            ("bool", pa.bool_()),
            ("FLOAT(53)", pa.float64()),
            ("DOUBLE PRECISION", pa.float64()),
            ("decimal", pa.float64()),
            ("NUM", pa.float64()),
            ("NUMBER( 12 , 3 )", pa.decimal128(12, 3)),
            ("DECIMAL(5)", pa.decimal128(5, 0)),
            ("DECIMAL(39,39)", pa.decimal256(39, 39)),
            ("DECIMAL(100,2)", pa.float64()),
            ("DECIMAL(2,3)", pa.float64()),
            ("date", pa.date32()),
            ("DATETIME", pa.timestamp("us")),
            ("TIMESTAMP(6)", pa.timestamp("us")),
            ("TIMESTAMP (3) WITH TIME ZONE", pa.timestamp("us", "UTC")),
            ("timestamptz", pa.timestamp("us", "UTC")),
            ("time", pa.time64("us")),
            ("LONGBLOB", pa.binary()),
            ("NVARCHAR(100)", pa.string()),
            ("STRING", pa.string()),
            ("ANY", pa.string()),
            ("", pa.string()),
        ],
    )
    def test_the_declared_words_decide(self, declared: str, arrow: pa.DataType) -> None:
        assert kind_of(declared, "refuse").arrow == arrow

    MISFITS = (
        ("INTEGER", "many", "text"),
        ("INTEGER", 1.5, "a real number"),
        ("INTEGER", b"1", "a blob"),
        ("BOOLEAN", 2, "an integer"),
        ("BOOLEAN", "yes", "text"),
        ("REAL", "n/a", "text"),
        ("NUMERIC", 2**53 + 1, "an integer"),
        ("DECIMAL(5,2)", 1.005, "a real number"),
        ("DECIMAL(5,2)", 1000, "an integer"),
        ("DECIMAL(5,2)", "1_0", "text"),
        ("DECIMAL(5,2)", float("inf"), "a real number"),
        ("DATE", "", "text"),
        ("DATE", "2024-02-30", "text"),
        ("DATE", "0000-00-00", "text"),
        ("DATE", "2024-02-29 00:00:01", "text"),
        ("DATE", "20240229", "an integer"),
        ("DATE", 1_709_164_800, "an integer"),
        ("DATETIME", "2024-02-29 10:00:00.1234567", "text"),
        ("DATETIME", "now", "text"),
        ("DATETIME", "29.02.2024", "text"),
        ("DATETIME", 2_460_369.5, "a real number"),
        ("TIME", "24:00:00", "text"),
        ("TIME", "10:00+02:00", "text"),
        ("TEXT", b"caf\xc3\xa9", "a blob"),
        ("", b"x", "a blob"),
        ("BLOB", 1, "an integer"),
    )

    @pytest.mark.parametrize(("declared", "value", "stored"), MISFITS)
    @pytest.mark.parametrize("where", [None, "1 = 1"])
    def test_a_value_that_does_not_fit_is_an_error_that_names_its_column(
        self, tmp_path: Path, declared: str, value: Any, stored: str, where: str | None
    ) -> None:
        path = column_of(tmp_path / "t.db", declared, None, value)
        with open_path(path, tmp_path) as connector:
            with pytest.raises(SourceFailed) as caught:
                read(connector, "main", "t", Scan(where=where))
            assert "Column 'c'" in str(caught.value)
            assert f"holds {stored}" in str(caught.value)
            assert "'text_columns'" in str(caught.value)
            assert not value or str(value) not in str(caught.value)

    @pytest.mark.parametrize(("declared", "value", "stored"), MISFITS)
    @pytest.mark.parametrize("where", [None, "c IS NULL OR c >= ''"])
    def test_as_text_every_value_can_be_read(
        self, tmp_path: Path, declared: str, value: Any, stored: str, where: str | None
    ) -> None:
        path = column_of(tmp_path / "t.db", declared, value, None)
        with open_path(path, tmp_path, text_columns=["t.c"]) as connector:
            found = read(connector, "main", "t", Scan(where=where))["c"]
        text = f"X'{value.hex().upper()}'" if isinstance(value, bytes) else str(value)
        assert found.type == pa.string()
        assert found.to_pylist() == [text, None]

    @pytest.mark.parametrize("named", ["t.c", "t.*", "*"])
    def test_text_columns_are_named_alone_or_by_a_star(self, tmp_path: Path, named: str) -> None:
        path = column_of(tmp_path / "t.db", "DATE", "soon")
        with open_path(path, tmp_path, text_columns=[named]) as connector:
            (table,) = connector.discover()
            assert table.columns[1].type == pa.string()
            assert table == connector.describe("main", "t")

    def test_a_late_value_of_another_type_is_not_lost(self, tmp_path: Path) -> None:
        path = column_of(tmp_path / "t.db", "INTEGER", *[None] * 1000, *range(1000), 2.5)
        with open_path(path, tmp_path) as connector, pytest.raises(SourceFailed, match="real"):
            read(connector, "main", "t")

    @pytest.mark.parametrize(
        ("numbers", "value", "moment"),
        [
            ("unix", 1_709_200_800, "2024-02-29 10:00"),
            ("unix", 1_709_200_800.25, "2024-02-29 10:00:00.25"),
            ("unix", -1, "1969-12-31 23:59:59"),
            ("unix_ms", 1_709_200_800_123, "2024-02-29 10:00:00.123"),
            ("julian", 2_460_369.916666667, "2024-02-29 10:00"),
            ("julian", 2_440_588, "1970-01-01 12:00"),
            ("unix", "2024-02-29", "2024-02-29"),
        ],
    )
    def test_numbers_of_dates_are_what_the_option_says(
        self, tmp_path: Path, numbers: str, value: Any, moment: str
    ) -> None:
        path = column_of(tmp_path / "t.db", "DATETIME", value, None)
        with open_path(path, tmp_path, date_numbers=numbers) as connector:
            assert read(connector, "main", "t")["c"].to_pylist() == [at(moment), None]
            after = After("c", str(at(moment) - dt.timedelta(microseconds=1)))
            assert read(connector, "main", "t", Scan(after=after)).num_rows == 1
            after = After("c", str(at(moment)))
            assert read(connector, "main", "t", Scan(after=after)).num_rows == 0

    def test_a_number_of_a_date_is_at_midnight(self, tmp_path: Path) -> None:
        path = column_of(tmp_path / "t.db", "DATE", 86_400, 86_401)
        with open_path(path, tmp_path, date_numbers="unix") as connector:
            first = read(connector, "main", "t", Scan(where="id = 1"))
            assert first["c"].to_pylist() == [dt.date(1970, 1, 2)]
            with pytest.raises(SourceFailed, match="'c'"):
                read(connector, "main", "t")

    def test_text_that_is_not_utf8_is_an_error_or_escaped_and_counted(self, tmp_path: Path) -> None:
        path = column_of(tmp_path / "t.db", "TEXT", "fine")
        run(path, "INSERT INTO t (c) VALUES (CAST(X'636166E9' AS TEXT))")
        message = "Column 'c' holds text that is not UTF-8"
        with open_path(path, tmp_path) as strict, pytest.raises(SourceFailed, match=message):
            read(strict, "main", "t")
        for where in (None, "id < 3"):
            with open_path(path, tmp_path, text_columns=["t.c"]) as connector:
                found = read(connector, "main", "t", Scan(where=where))
                assert found["c"].to_pylist() == ["fine", "caf\\xe9"]
                assert connector.context.losses.warnings() == [
                    "Column 'c': 1 value of text that is not UTF-8 have escapes."
                ]

    def test_a_file_in_utf16_is_read(self, tmp_path: Path) -> None:
        path = tmp_path / "t.db"
        run(
            path,
            "PRAGMA encoding = 'UTF-16'",
            "CREATE TABLE t (c TEXT)",
            "INSERT INTO t VALUES ('漢🦆')",
        )
        with open_path(path, tmp_path) as connector:
            assert read(connector, "main", "t").to_pylist() == [{"c": "漢🦆"}]


class TestDiscovery:
    def test_tables_and_views_of_all_kinds(self, tmp_path: Path) -> None:
        path = tmp_path / "kinds.db"
        run(
            path,
            "CREATE TABLE strict (a INT, b ANY, c REAL NOT NULL) STRICT",
            "CREATE TABLE pairs (k TEXT, j INT, v, PRIMARY KEY (j, k)) WITHOUT ROWID",
            "CREATE TABLE made (a INT, b INT AS (a * 2), c INT NOT NULL AS (a + 1) STORED)",
            "CREATE TABLE falling (i INTEGER PRIMARY KEY DESC, x)",
            'CREATE TABLE "od""d \'name" ("a ""b" "my type", "ß" VARCHAR)',
            "CREATE VIEW sums AS SELECT a, count(*) AS n, max(b) FROM made GROUP BY a",
            "CREATE VIEW broken AS SELECT * FROM nowhere",
            "CREATE VIRTUAL TABLE words USING fts5(title, body)",
            "CREATE VIRTUAL TABLE boxes USING rtree(id, x1, x2)",
            "CREATE INDEX made_a ON made (a)",
            "INSERT INTO made (a) VALUES (1), (2)",
            "INSERT INTO pairs VALUES ('x', 1, 2.5)",
            "INSERT INTO falling VALUES (NULL, 1)",
            'INSERT INTO "od""d \'name" VALUES (1, \'é\')',
            "INSERT INTO words VALUES ('a title', 'a body')",
            "INSERT INTO boxes VALUES (1, 0.5, 1.5)",
            "ANALYZE",
        )
        with open_path(path, tmp_path) as connector:
            tables = {table.name: table for table in connector.discover()}
            assert [(t.name, t.kind) for t in tables.values()] == [
                ("boxes", "table"),
                ("falling", "table"),
                ("made", "table"),
                ("od\"d 'name", "table"),
                ("pairs", "table"),
                ("strict", "table"),
                ("sums", "view"),
                ("words", "table"),
            ]
            assert tables["pairs"].primary_key == ("j", "k")
            assert tables["made"].row_estimate == 2
            nullable = {n: [c.nullable for c in t.columns] for n, t in tables.items()}
            assert nullable["strict"] == [True, True, False]
            assert nullable["pairs"] == [False, False, True]
            assert nullable["made"] == [True, True, False]
            assert nullable["falling"] == [True, True]
            found = {name: read(connector, "main", name).to_pylist() for name in tables}
        assert found == {
            "boxes": [{"id": 1, "x1": 0.5, "x2": 1.5}],
            "falling": [{"i": None, "x": "1"}],
            "made": [{"a": 1, "b": 2, "c": 2}, {"a": 2, "b": 4, "c": 3}],
            "od\"d 'name": [{'a "b': "1", "ß": "é"}],
            "pairs": [{"k": "x", "j": 1, "v": "2.5"}],
            "strict": [],
            "sums": [{"a": 1, "n": "1", "max(b)": "2"}, {"a": 2, "n": "1", "max(b)": "4"}],
            "words": [{"title": "a title", "body": "a body"}],
        }

    def test_a_broken_view_and_another_schema_are_gone(
        self, connector: SQLiteConnector, file: SQLiteFile
    ) -> None:
        for schema, table in (("temp", "full"), ("main", "FULL"), ("main", "sqlite_schema")):
            with pytest.raises(TableGone):
                connector.describe(schema, table)

    def test_an_empty_file_is_an_empty_database(self, tmp_path: Path) -> None:
        path = tmp_path / "empty.db"
        path.touch()
        with open_path(path, tmp_path) as connector:
            connector.check()
            assert list(connector.discover()) == []


COMPARED = [name for name in TYPES if name not in {"exact", "broad", "bytes", "packed"}]


class TestConditions:
    @pytest.mark.parametrize("name", COMPARED)
    def test_rows_after_the_text_of_a_value_are_those_that_are_greater(
        self, connector: SQLiteConnector, file: SQLiteFile, name: str
    ) -> None:
        values = file.full.rows[name].drop_null().combine_chunks()
        for place, text in enumerate(values.cast(pa.string()).to_pylist()):
            assert text is not None
            scan = Scan(columns=("id", name), after=After(name, text))
            found = read(connector, "main", "full", scan)[name].to_pylist()
            # Text is ordered by its bytes, and so is Python's by its characters.
            limit = values[place].as_py()
            greater = [value for value in values.to_pylist() if value > limit]
            assert sorted(map(str, found)) == sorted(map(str, greater))

    def test_what_has_too_many_digits_is_not_compared(self, connector: SQLiteConnector) -> None:
        table = connector.describe("main", "full")
        with pytest.raises(SourceFailed, match="digits"):
            connector.plan_fetch(table, Scan(after=After("exact", "1")))

    @pytest.mark.parametrize(
        ("where", "ids"),
        [
            ("`full`.`folded` = 'abc'", []),
            ("`full`.`folded` = 'ABC'", [1]),
            ("`full`.`folded` LIKE 'a%'", []),
            ("`full`.`folded` LIKE 'A%'", [1]),
            ("`full`.`day` >= CAST('2024-02-29' AS DATE)", [0, 1]),
            ("`full`.`day` BETWEEN CAST('2024-01-01' AS DATE) AND '2024-12-31'", [0]),
            ("`full`.`day` IN ('0001-01-01', CAST('2024-02-29' AS DATE))", [0, 2]),
            ("`full`.`moment` = CAST('2024-02-29 10:00:00' AS TEXT)", [1]),
            ("`full`.`moment` < CAST('2024-02-29T08:00:00.500001' AS TEXT)", [2, 3]),
            ("`full`.`zoned` > CAST('2024-02-29T04:30:00+00:00' AS TEXT)", [1]),
            ("`full`.`hour` > '10:00:00'", [0]),
            ("`full`.`moment` = `full`.`moment`", [0, 1, 2, 3, 4]),
            ("`full`.`price` > 12.34", [1, 3]),
            ("`full`.`price` = -0.05", [2]),
            ("(`full`.`flag`) OR NOT `full`.`flag`", [0, 1, 2, 3]),
            ("`full`.`flag` = TRUE", [0, 2, 3]),
            ("`full`.`loose` = 2.5", [2]),
            ("`full`.`uuid` > '1'", [0, 1]),
            ("`full`.`bytes` = X'C3A9'", [2]),
            ("`full`.`day` IS NULL AND `full`.`whole` IS NOT NULL", [3]),
            ("`full`.`whole` IN (7, 3)", [2, 3]),
        ],
    )
    def test_conditions_mean_what_the_types_say(
        self, connector: SQLiteConnector, where: str, ids: list[int]
    ) -> None:
        found = read(connector, "main", "full", Scan(columns=("id",), where=where))
        assert found["id"].to_pylist() == ids

    @pytest.mark.parametrize(
        "where",
        [
            "strftime('%Y', `full`.`day`) = '2024'",
            "`full`.`day` + 1 > 2",
            "`full`.`day` > 2020",
            "`full`.`day` > CAST('soon' AS DATE)",
            "`full`.`moment` > `full`.`day`",
            "`full`.`moment` || 'x' = 'y'",
            "`full`.`price` * 2 > 1",
            "`full`.`price` > '12'",
            "`full`.`exact` > 1",
            "`full`.`day`",
            "`full`.`day` IS '2024-02-29'",
            "id IN (SELECT id FROM empty)",
            "1 = 1; DROP TABLE full",
            "1 = 1 UNION SELECT 1",
            "((",
            "nonsense(1)",
            "no_such_column = 1",
            "load_extension('x') IS NULL",
        ],
    )
    def test_what_sqlite_would_get_wrong_is_refused(
        self, connector: SQLiteConnector, where: str
    ) -> None:
        with pytest.raises(SourceFailed):
            read(connector, "main", "full", Scan(where=where))


class TestQueries:
    @pytest.mark.parametrize(
        ("sql", "rows"),
        [
            ("SELECT count(*) AS n FROM `full`", [(6,)]),
            ("SELECT count(`full`.`day`) AS n FROM `full`", [(3,)]),
            ("SELECT count(DISTINCT `f`.`day`) AS n FROM main.`full` AS `f`", [(3,)]),
            ("SELECT sum(`full`.`tiny`) AS n FROM `full`", [(254,)]),
            ("WITH a AS (SELECT id FROM full) SELECT count(*) AS n FROM a", [(6,)]),
            ("SELECT a.id AS n FROM full AS a JOIN full AS b ON a.id = b.whole LIMIT 1", [(3,)]),
            ("SELECT id AS n FROM full ORDER BY moment DESC NULLS LAST LIMIT 1", [(0,)]),
        ],
    )
    def test_queries_run_over_values_as_they_arrive(
        self, connector: SQLiteConnector, sql: str, rows: list[tuple[Any, ...]]
    ) -> None:
        assert rows_of(connector, sql, n=pa.int64()) == rows

    def test_a_name_is_looked_up_in_the_table_it_belongs_to(self, tmp_path: Path) -> None:
        path = column_of(tmp_path / "t.db", "DATE", "2024-02-29")
        run(
            path,
            "CREATE TABLE u (c TEXT, d DATE)",
            "INSERT INTO u VALUES ('2024-02-29', '2024-02-29')",
        )
        with open_path(path, tmp_path) as connector:
            joined = "SELECT count(*) AS n FROM t JOIN u ON t.c = u."
            assert rows_of(connector, f"{joined}d", n=pa.int64()) == [(1,)]
            with pytest.raises(SourceFailed, match="'c'"):
                rows_of(connector, f"{joined}c", n=pa.int64())

    def test_columns_come_in_the_types_of_the_plan(self, connector: SQLiteConnector) -> None:
        sql = "SELECT id, flag, price, day, moment, zoned, hour, text, bytes FROM full LIMIT 1"
        names = ("flag", "price", "day", "moment", "zoned", "hour", "text", "bytes")
        (row,) = rows_of(connector, sql, id=pa.int32(), **{name: TYPES[name][1] for name in names})
        assert row == (0, *(TYPES[name][2][0][1] for name in names))

    @pytest.mark.parametrize(
        "sql",
        [
            "SELECT sum(price) AS n FROM full",
            "SELECT max(day) AS n FROM full HAVING max(day) > '2024-01-01'",
            "SELECT n FROM (SELECT count(day) AS n FROM full)",
            "SELECT count(*) AS n FROM full AS a JOIN full AS b ON a.day = b.moment",
            "SELECT 'x' AS n",
            "SELECT 1.5 AS n",
            "SELECT 1, 2",
            "SELECT text AS n FROM full",
            "SELECT 1 AS n FROM sqlite_schema",
            "SELECT 1 AS n FROM pragma_table_list",
            "SELECT 1 AS n FROM json_each('[1]')",
            "SELECT 1 AS n FROM other.full",
            "SELECT nonsense AS n FROM full",
            "SELECT load_extension('x') AS n",
            "PRAGMA user_version",
            "ATTACH ':memory:' AS other",
            "DELETE FROM full",
            "SELECT 1 AS n; SELECT 2",
            "",
        ],
    )
    def test_anything_else_is_refused(self, connector: SQLiteConnector, sql: str) -> None:
        with pytest.raises(SourceFailed):
            rows_of(connector, sql, n=pa.int64())


@contextmanager
def as_nobody() -> Iterator[None]:
    """Lose the right of the superuser to write everywhere."""
    if os.geteuid() == 0:
        os.seteuid(65534)
        try:
            yield
        finally:
            os.seteuid(0)
    else:
        yield


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that every user can reach, unlike those of pytest."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)
        Path(name).chmod(0o755)


class TestFiles:
    def test_a_file_outside_the_folders_is_refused(self, file: SQLiteFile, tmp_path: Path) -> None:
        context = replace(context_for(tmp_path), local_files=(tmp_path,))
        with SQLiteConnector(file.options, context) as connector, pytest.raises(EgressRefused):
            connector.check()

    @pytest.mark.parametrize("content", [b"hello", random.Random(1).randbytes(9000)])
    def test_another_file_is_no_database(self, tmp_path: Path, content: bytes) -> None:
        path = tmp_path / "other.db"
        path.write_bytes(content)
        with open_path(path, tmp_path) as connector, pytest.raises(SourceFailed, match="not a SQL"):
            connector.check()

    def test_a_damaged_file_fails(self, file: SQLiteFile, tmp_path: Path) -> None:
        path = tmp_path / "cut.db"
        whole = file.path.read_bytes()
        path.write_bytes(whole[: len(whole) // 2])
        with open_path(path, tmp_path) as connector, pytest.raises(SourceFailed, match="damaged"):
            read(connector, "main", "wide")

    def test_a_folder_is_no_database(self, tmp_path: Path) -> None:
        with open_path(tmp_path, tmp_path) as connector:
            with pytest.raises((SourceUnreachable, SourceFailed)) as caught:
                connector.check()
            assert str(tmp_path) not in str(caught.value)

    def test_a_locked_file_is_unreachable(self, tmp_path: Path) -> None:
        path = column_of(tmp_path / "t.db", "INTEGER", 1)
        context = replace(context_for(tmp_path), connect_timeout_s=0.01)
        with closing(sqlite3.connect(path, isolation_level=None)) as writer:
            writer.execute("BEGIN EXCLUSIVE")
            with SQLiteConnector(SQLiteOptions(path=str(path)), context) as connector:
                with pytest.raises(SourceUnreachable, match="locked"):
                    connector.check()
                writer.execute("ROLLBACK")
                connector.check()

    def test_a_file_is_never_changed(self, file: SQLiteFile, connector: SQLiteConnector) -> None:
        before = file.path.read_bytes()
        list(connector.discover())
        read(connector, "main", "full")
        assert file.path.read_bytes() == before

    def test_the_log_of_a_writer_is_read(self, tmp_path: Path) -> None:
        path = column_of(tmp_path / "t.db", "INTEGER", 1)
        with closing(sqlite3.connect(path)) as writer, open_path(path, tmp_path) as connector:
            writer.execute("PRAGMA journal_mode = WAL")
            writer.execute("INSERT INTO t (c) VALUES (2)")
            writer.commit()
            assert path.with_name("t.db-wal").stat().st_size
            writer.execute("INSERT INTO t (c) VALUES (3)")
            assert read(connector, "main", "t")["c"].to_pylist() == [1, 2]

    @pytest.mark.parametrize("is_logged", [True, False])
    def test_a_database_with_a_log_is_read_in_a_folder_that_is_not_ours(
        self, folder: Path, is_logged: bool
    ) -> None:
        data, ours = folder / "data", folder / "ours"
        data.mkdir()
        ours.mkdir()
        ours.chmod(0o777)
        live = column_of(folder / "live.db", "INTEGER", 1)
        with closing(sqlite3.connect(live)) as writer:
            writer.execute("PRAGMA journal_mode = WAL")
            writer.execute("INSERT INTO t (c) VALUES (2)")
            writer.commit()
            if not is_logged:
                writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            for suffix in ("", "-wal") if is_logged else ("",):
                name = f"live.db{suffix}"
                (data / name).write_bytes((folder / name).read_bytes())
                (data / name).chmod(0o444)
        data.chmod(0o555)
        with as_nobody(), open_path(data / "live.db", ours) as connector:
            assert read(connector, "main", "t")["c"].to_pylist() == [1, 2]
        assert (
            sorted(path.name for path in data.iterdir())
            == ["live.db", "live.db-wal"][: 1 + is_logged]
        )
        data.chmod(0o755)

    def test_what_a_writer_left_half_done_is_undone(self, tmp_path: Path) -> None:
        path = column_of(tmp_path / "t.db", "TEXT", *["x" * 1000] * 100)
        left = tmp_path / "left"
        left.mkdir()
        with closing(sqlite3.connect(path, isolation_level=None)) as writer:
            writer.execute("PRAGMA cache_size = 1")
            writer.execute("PRAGMA cache_spill = 1")
            writer.execute("BEGIN")
            writer.execute("UPDATE t SET c = 'changed'")
            for name in ("t.db", "t.db-journal"):
                (left / name).write_bytes((tmp_path / name).read_bytes())
            writer.execute("ROLLBACK")
        assert b"changed" in (left / "t.db").read_bytes()
        with open_path(left / "t.db", tmp_path) as connector:
            assert set(read(connector, "main", "t")["c"].to_pylist()) == {"x" * 1000}

    def test_a_copy_is_one_state(self, tmp_path: Path) -> None:
        path = column_of(tmp_path / "t.db", "INTEGER", 1)
        folder = tmp_path / "copy"
        folder.mkdir()
        with closing(sqlite3.connect(path)) as writer:
            writer.execute("PRAGMA journal_mode = WAL")
            writer.execute("INSERT INTO t (c) VALUES (2)")
            writer.commit()
            copy = copy_database(path, folder)
        with closing(sqlite3.connect(copy)) as reader:
            assert reader.execute("SELECT count(*) FROM t").fetchone() == (2,)

    def test_tables_are_read_side_by_side(
        self, file: SQLiteFile, connector: SQLiteConnector
    ) -> None:
        with ThreadPoolExecutor(4) as threads:
            found = list(threads.map(lambda _: read(connector, "main", "full"), range(8)))
        assert all(rows.num_rows == FULL_ROWS for rows in found)
