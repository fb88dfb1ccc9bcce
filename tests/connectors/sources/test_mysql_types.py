"""Types of MariaDB: what each becomes, how it is followed, and what cannot be kept."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from connectors.base import After, Scan, SourceTable
from connectors.errors import SourceFailed
from connectors.sources.mysql import MariaDBConnector
from connectors.sources.mysql.column_types import GEOMETRIES, arrow_type
from connectors.sources.mysql.options import MySQLOptions
from connectors.sources.mysql.statements import exact_floats
from tests.connectors.contract import Sample, assert_same_rows, context_for, read
from tests.connectors.sources.mariadb_server import MariaDB, mariadb_server
from tests.connectors.sources.mysql_samples import KINDS, LOST, Kind, extreme_rows, make_table


@pytest.fixture(scope="module")
def server() -> Iterator[MariaDB]:
    with mariadb_server() as running:
        yield running


@pytest.fixture(scope="module")
def sample(server: MariaDB) -> Sample:
    return make_table(server, "every type", extreme_rows())


@pytest.fixture
def connector(server: MariaDB, tmp_path: Path) -> Iterator[MariaDBConnector]:
    given = {"user": server.user, "password": server.password, "database": server.database}
    options = MySQLOptions.model_validate({"host": server.host, "port": server.port, **given})
    with MariaDBConnector(options, context_for(tmp_path)) as opened:
        yield opened


@pytest.fixture
def table(connector: MariaDBConnector, sample: Sample) -> SourceTable:
    return connector.describe("tidemill", sample.table)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_each_type_becomes_what_the_table_says(kind: Kind, table: SourceTable) -> None:
    (column,) = table.select([kind.name])
    assert (column.native_type, column.type) == (kind.native, kind.type)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_rows_after_each_value(kind: Kind, connector: MariaDBConnector, sample: Sample) -> None:
    column = sample.rows[kind.name]
    for value in column.drop_null():
        try:
            text = value.cast(pa.string()).as_py()
        except pa.ArrowInvalid:
            continue
        scan = Scan(columns=("id",), after=After(kind.name, text))
        if kind.native in GEOMETRIES:
            with pytest.raises(SourceFailed, match="no order"):
                read(connector, "tidemill", sample.table, scan)
            continue
        expected = sample.rows.filter(pc.greater(column, value)).select(["id"])
        assert_same_rows(read(connector, "tidemill", sample.table, scan), expected)


def test_texts_are_followed_by_their_bytes(server: MariaDB, connector: MariaDBConnector) -> None:
    server.run(
        "CREATE TABLE texts (t varchar(9) CHARACTER SET latin1 COLLATE latin1_german1_ci)",
        "INSERT INTO texts VALUES ('a'), ('A'), ('a '), ('b'), ('B'), ('ä'), ('')",
    )
    for value, expected in [("a", ["a ", "b", "ä"]), ("", ["A", "B", "a", "a ", "b", "ä"])]:
        rows = read(connector, "tidemill", "texts", Scan(after=After("t", value)))
        assert rows["t"].to_pylist() == expected


def test_large_numbers_are_followed_exactly(server: MariaDB, connector: MariaDBConnector) -> None:
    server.run(
        "CREATE TABLE numbers (i bigint, d decimal(20,1))",
        "INSERT INTO numbers SELECT 9007199254740990 + seq, 9007199254740990 + seq / 10"
        " FROM seq_1_to_5",
    )
    rows = read(connector, "tidemill", "numbers", Scan(after=After("i", "9007199254740993")))
    assert rows["i"].to_pylist() == [9007199254740994, 9007199254740995]
    rows = read(connector, "tidemill", "numbers", Scan(after=After("d", "9007199254740990.3")))
    assert rows.num_rows == 2


def test_a_value_to_follow_that_is_none_of_the_type(
    connector: MariaDBConnector, table: SourceTable
) -> None:
    for name, value in [("int", "1 OR 1"), ("date", "0000-00-00"), ("datetime 6", "'; DO 1")]:
        with pytest.raises(SourceFailed, match="no such value"):
            connector.plan_fetch(table, Scan(after=After(name, value)))


def test_a_column_to_follow_that_went_away(connector: MariaDBConnector, table: SourceTable) -> None:
    with pytest.raises(SourceFailed, match="no column"):
        connector.plan_fetch(table, Scan(after=After("none", "1")))


def test_dates_without_a_day_are_counted_and_others_kept(
    server: MariaDB, connector: MariaDBConnector
) -> None:
    connection = server.connect(sql_mode="ALLOW_INVALID_DATES")
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE dates (id int, d date NOT NULL, t datetime(6) NOT NULL)")
        for number, (day, time) in enumerate(
            [
                ("0000-00-00", "0000-00-00 00:00:00"),
                ("2020-00-10", "2020-01-01 23:59:59.999999"),
                ("2020-02-31", "2020-00-00 00:00:00"),
                ("2020-02-29", "2021-02-29 00:00:00"),
                ("0000-01-01", "0000-12-31 12:00:00"),
            ]
        ):
            cursor.execute("INSERT INTO dates VALUES (%s, %s, %s)", (number, day, time))
    connection.close()
    rows = read(connector, "tidemill", "dates")
    assert rows.schema.field("d").nullable
    years = [None, None, None, 2020, 0]
    assert pc.year(rows["d"]).to_pylist() == years
    assert pc.year(rows["t"]).to_pylist() == [None, 2020, None, None, 0]
    assert connector.context.losses.warnings() == [
        f"Column 'd': 3 values {LOST}.",
        f"Column 't': 3 values {LOST}.",
    ]


def test_text_that_is_not_utf8_fails(connector: MariaDBConnector) -> None:
    schema = pa.schema([("x", pa.string())])
    with pytest.raises(SourceFailed):
        list(connector.query("SELECT x'ff' AS x", schema))


def test_a_value_that_does_not_fit_the_plan_fails(connector: MariaDBConnector) -> None:
    unfit: list[tuple[str, pa.DataType]] = [
        ("300", pa.int8()),
        ("1.5", pa.int64()),
        ("1.25", pa.decimal128(3, 1)),
        ("2", pa.bool_()),
        ("'soon'", pa.date32()),
        ("'10:00:00'", pa.time64("us")),
    ]
    for literal, dtype in unfit:
        with pytest.raises(SourceFailed):
            list(connector.query(f"SELECT {literal} AS x", pa.schema([("x", dtype)])))
    required = pa.schema([pa.field("x", pa.int64(), nullable=False)])
    with pytest.raises(SourceFailed, match="NOT NULL"):
        list(connector.query("SELECT NULL AS x", required))


def query(connector: MariaDBConnector, sql: str, dtype: pa.DataType) -> list[Any]:
    schema = pa.schema([("x", dtype)])
    return pa.Table.from_batches(list(connector.query(sql, schema)), schema)["x"].to_pylist()


class TestFloats:
    """The server rounds a FLOAT to six digits when it sends it."""

    @pytest.fixture(autouse=True)
    def floats(self, server: MariaDB) -> None:
        server.run(
            "CREATE OR REPLACE TABLE floats (f float, g varchar(1))",
            "INSERT INTO floats VALUES (16777215, 'a'), (1.2345678e10, 'b'), (NULL, 'c')",
        )

    @pytest.mark.parametrize(
        "sql",
        [
            "SELECT f FROM floats ORDER BY f DESC",
            "SELECT `q`.`f` AS `x` FROM (SELECT * FROM floats) AS `q` ORDER BY `x` DESC",
            "SELECT MAX(f) FROM floats GROUP BY g ORDER BY MAX(f) DESC",
            "WITH c AS (SELECT f FROM floats) SELECT DISTINCT f FROM c ORDER BY 1 DESC LIMIT 9",
        ],
    )
    def test_a_float_of_a_query_is_exact(self, connector: MariaDBConnector, sql: str) -> None:
        assert query(connector, sql, pa.float32()) == [12345677824.0, 16777215.0, None]

    def test_a_query_whose_floats_cannot_be_told_apart_fails(
        self, connector: MariaDBConnector
    ) -> None:
        union = "SELECT f FROM floats UNION ALL SELECT f FROM floats"
        dtype: pa.DataType
        for sql, dtype in ((union, pa.float32()), ("SELECT f FROM floats", pa.float64())):
            with pytest.raises(SourceFailed, match="FLOAT"):
                query(connector, sql, dtype)

    def test_only_a_plain_select_is_rewritten(self) -> None:
        schema = pa.schema([("x", pa.float32())])
        for sql in ("SELECT * FROM t", "SELECT a.* FROM a", "not sql at all", "SELECT f, g FROM t"):
            assert exact_floats(sql, schema) == sql
        assert (
            exact_floats("SELECT f FROM t", pa.schema([("x", pa.float64())])) == "SELECT f FROM t"
        )


def test_what_a_live_query_computes_comes_as_the_plan_says(connector: MariaDBConnector) -> None:
    assert query(connector, "SELECT SUM(seq) FROM seq_1_to_3", pa.int64()) == [6]
    assert query(connector, "SELECT AVG(seq) FROM seq_1_to_2", pa.float64()) == [1.5]
    assert query(connector, "SELECT 1 = 1", pa.bool_()) == [True]
    assert query(connector, "SELECT DATE'2020-01-02'", pa.timestamp("ns"))[0].day == 2
    assert query(connector, "SELECT 'a' AS x WHERE FALSE", pa.string()) == []


@pytest.mark.parametrize(
    ("native", "expected"),
    [
        ("int", pa.int32()),
        ("bigint unsigned", pa.uint64()),
        ("double precision", pa.float64()),
        ("decimal(65,0)", pa.decimal256(65, 0)),
        ("json", pa.string()),
        ("vector(3)", pa.binary()),
        ("geomcollection", pa.binary()),
        ("varchar(9) /*M!100301 COMPRESSED*/", pa.string()),
        ("enum('int unsigned')", pa.string()),
        ("xmltype", pa.string()),
    ],
)
def test_types_as_other_versions_write_them(native: str, expected: pa.DataType) -> None:
    assert arrow_type(native) == expected
