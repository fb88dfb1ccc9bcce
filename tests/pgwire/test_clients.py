"""Libraries above the protocol: pg8000, SQLAlchemy, pandas, Polars and ADBC."""

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import adbc_driver_postgresql.dbapi as adbc
import pandas as pd
import pg8000.dbapi
import pg8000.native
import polars as pl
import psycopg
import pyarrow as pa
import pytest
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from tests.pgwire.running import DATABASE, HOST, USER, PgServer
from tests.server.running import TOKEN

FIRST_ROWS = [(1, "row 1", 0.5), (2, "row 2", 1.0), (3, "row 3", 1.5)]
FIRST = "SELECT id, name, half FROM items WHERE id < 4 ORDER BY id"
VALUES = (
    "SELECT a_bool, an_int64, a_decimal, a_text, a_date, a_timestamp FROM all_types WHERE n = 1"
)
_TEXT = "héllo 'quoted' \"x\" \\ , {}\t\n"


class Base(DeclarativeBase):
    """The tables of these tests."""


class Item(Base):
    """A row of ``items``."""

    __tablename__ = "items"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    half: Mapped[float]


def login(server: PgServer) -> dict[str, Any]:
    """Who comes, as pg8000 wants to know it."""
    return {
        "user": USER,
        "password": TOKEN,
        "host": HOST,
        "port": server.port,
        "database": DATABASE,
    }


@pytest.fixture(params=["postgresql+psycopg", "postgresql+pg8000"], ids=["psycopg", "pg8000"])
def database(server: PgServer, request: pytest.FixtureRequest) -> Iterator[sa.Engine]:
    engine = sa.create_engine(server.url(request.param))
    yield engine
    engine.dispose()


@pytest.fixture
def arrow(server: PgServer) -> Iterator[Any]:
    with adbc.connect(server.url()) as connection:
        yield connection


def test_pg8000_asks_with_parameters(server: PgServer) -> None:
    connection = pg8000.dbapi.connect(**login(server))
    try:
        cursor = connection.cursor()
        cursor.execute(
            "SELECT * FROM items WHERE id < %s AND name LIKE %s ORDER BY id", (4, "row%")
        )
        assert [tuple(row) for row in cursor.fetchall()] == FIRST_ROWS
        cursor.execute(VALUES)
        (found,) = cursor.fetchall()
        assert tuple(found)[:5] == (
            True,
            -9_000_000_000_000_000_000,
            Decimal("-12345.678"),
            _TEXT,
            dt.date(2024, 2, 29),
        )
        connection.rollback()
    finally:
        connection.close()


def test_pg8000_natively(server: PgServer) -> None:
    connection = pg8000.native.Connection(**login(server))
    try:
        found = connection.run("SELECT name FROM items WHERE id = :id", id=5)
        assert found == [["row 5"]]
        assert [column["name"] for column in connection.columns or ()] == ["name"]
        prepared = connection.prepare("SELECT id FROM items WHERE name = :name")
        assert prepared.run(name="row 6") == [[6]]
        prepared.close()
        with pytest.raises(pg8000.native.DatabaseError) as caught:
            connection.run("SELECT * FROM absent")
        assert caught.value.args[0]["C"] == "42P01"
        assert connection.run("SELECT 1") == [[1]]
    finally:
        connection.close()


def test_sqlalchemy_selects(database: sa.Engine) -> None:
    items = sa.table("items", sa.column("id"), sa.column("name"), sa.column("half"))
    chosen = sa.select(items).where(items.c.id < 4, items.c.name.like("row%")).order_by(items.c.id)
    with database.connect() as connection:
        assert [tuple(row) for row in connection.execute(chosen)] == FIRST_ROWS
        text = sa.text("SELECT name FROM items WHERE id = :id")
        assert connection.execute(text, {"id": 7}).scalar() == "row 7"
        counted = sa.select(sa.func.count()).select_from(items)
        assert connection.execute(counted).scalar() == 5000


def test_sqlalchemy_looks_at_tables(database: sa.Engine) -> None:
    found = sa.inspect(database)
    assert found.default_schema_name == "main"
    assert "main" in found.get_schema_names()
    assert {"items", "all_types"} <= set(found.get_table_names())
    assert {"items", "all_types"} <= set(found.get_table_names("main"))
    columns = {column["name"]: str(column["type"]) for column in found.get_columns("items")}
    assert columns == {"id": "BIGINT", "name": "TEXT", "half": "DOUBLE PRECISION"}
    assert found.get_pk_constraint("items")["constrained_columns"] == []
    assert found.get_foreign_keys("items") == []
    assert found.get_indexes("items") == []
    assert found.get_view_names() == []
    assert found.has_table("items")
    assert not found.has_table("absent")


def test_sqlalchemy_reflects_a_table(database: sa.Engine) -> None:
    items = sa.Table("items", sa.MetaData(), autoload_with=database, schema="main")
    assert "id" in items.columns
    with database.connect() as connection:
        first = connection.execute(sa.select(items.c.id).order_by(items.c.id).limit(1)).scalar()
    assert first == 1


def test_a_session_of_sqlalchemy_reads_objects(database: sa.Engine) -> None:
    with Session(database) as session:
        found = session.scalars(sa.select(Item).where(Item.id <= 3).order_by(Item.id)).all()
        assert [(item.id, item.name, item.half) for item in found] == FIRST_ROWS
        one = session.get(Item, 9)
        assert one is not None
        assert one.name == "row 9"


def test_sqlalchemy_streams(server: PgServer) -> None:
    engine = sa.create_engine(server.url("postgresql+psycopg"))
    with engine.connect().execution_options(stream_results=True) as connection:
        answer = connection.execute(sa.text("SELECT id FROM items ORDER BY id"))
        sizes = [len(part) for part in answer.partitions(1500)]
    engine.dispose()
    assert sizes == [1500, 1500, 1500, 500]


def test_pandas_reads(server: PgServer) -> None:
    engine = sa.create_engine(server.url("postgresql+psycopg"))
    frame = pd.read_sql(FIRST, engine)
    assert list(frame.itertuples(index=False, name=None)) == FIRST_ROWS
    chunks = pd.read_sql(
        sa.text("SELECT * FROM items WHERE id > :id"), engine, params={"id": 1000}, chunksize=1500
    )
    assert [len(chunk) for chunk in chunks] == [1500, 1500, 1000]
    engine.dispose()


def test_pandas_reads_by_adbc(arrow: Any) -> None:
    frame = pd.read_sql(FIRST, arrow)
    assert list(frame.itertuples(index=False, name=None)) == FIRST_ROWS


def test_polars_reads(server: PgServer) -> None:
    with psycopg.connect(server.conninfo()) as connection:
        assert pl.read_database(FIRST, connection).rows() == FIRST_ROWS
    frame = pl.read_database_uri(FIRST, server.url(), engine="adbc")
    assert frame.rows() == FIRST_ROWS
    assert frame.schema == {"id": pl.Int64, "name": pl.String, "half": pl.Float64}


def test_adbc_fetches_arrow(arrow: Any) -> None:
    with arrow.cursor() as cursor:
        cursor.execute(FIRST)
        table = cursor.fetch_arrow_table()
    assert table.schema.types == [pa.int64(), pa.string(), pa.float64()]
    assert [tuple(row.values()) for row in table.to_pylist()] == FIRST_ROWS


def test_adbc_fetches_every_type_it_knows(arrow: Any) -> None:
    with arrow.cursor() as cursor:
        cursor.execute("SELECT * FROM all_types ORDER BY n")
        first, second = cursor.fetch_arrow_table().to_pylist()
    assert first["a_uint32"] == 4_000_000_000
    assert first["some_bytes"] == b"\x00\xff\x10"
    assert first["a_timestamp"] == dt.datetime(2024, 2, 29, 12, 34, 56, 789012)  # noqa: DTZ001
    assert first["an_instant"] == dt.datetime(2024, 7, 1, 12, tzinfo=dt.UTC)
    assert first["some_ints"] == [1, None, -3]
    assert first["a_decimal"] == "-12345.678"
    assert {value for name, value in second.items() if name != "n"} == {None}


def test_adbc_without_copy(arrow: Any) -> None:
    with arrow.cursor(adbc_stmt_kwargs={"adbc.postgresql.use_copy": "false"}) as cursor:
        cursor.execute(FIRST)
        assert cursor.fetchall() == FIRST_ROWS


def test_adbc_looks_at_tables(arrow: Any) -> None:
    schema = arrow.adbc_get_table_schema("items")
    assert dict(zip(schema.names, schema.types, strict=True)) == {
        "id": pa.int64(),
        "name": pa.string(),
        "half": pa.float64(),
    }
    assert {"table"} <= set(arrow.adbc_get_table_types())
    found = arrow.adbc_get_objects(depth="all", table_name_filter="items").read_all().to_pylist()
    tables = [
        (schema["db_schema_name"], table["table_name"], len(table["table_columns"]))
        for catalog in found
        for schema in catalog["catalog_db_schemas"] or ()
        for table in schema["db_schema_tables"] or ()
    ]
    assert tables == [("main", "items", 3)]


def test_an_error_comes_through_adbc(arrow: Any) -> None:
    with arrow.cursor() as cursor, pytest.raises(adbc.ProgrammingError, match="absent"):
        cursor.execute("SELECT * FROM absent")
