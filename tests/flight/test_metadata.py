"""What clients ask about the server and its tables, against what is really there."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.flight as fl
import pytest
from adbc_driver_flightsql import dbapi

from engine.service import tables as table_service
from engine.service.context import Caller
from server.flight.commands import (
    CommandGetCrossReference,
    CommandGetDbSchemas,
    CommandGetExportedKeys,
    CommandGetImportedKeys,
    CommandGetPrimaryKeys,
    CommandGetSqlInfo,
    CommandGetTables,
    CommandGetXdbcTypeInfo,
    pack,
)
from server.flight.metadata import FOREIGN_KEYS, PRIMARY_KEYS
from tests.flight.running import KEEPING, Running, connect_sqlite, options_of

VIEWS = ["columns", "indexes", "schemata", "tables"]


@pytest.fixture
def tables(server: Running, caller: Caller) -> Caller:
    """A workspace with two datasets."""
    server.load(caller, "Cars", b"id,name,built\n1,vw,2020-01-02\n")
    server.load(caller, "Car S", b"x\n1\n")
    return caller


def objects(connection: dbapi.Connection, **filters: Any) -> dict[str, Any]:
    """Catalogs, schemas, tables and columns as nested dicts; None where the depth ends."""
    found = connection.adbc_get_objects(**filters).read_all().to_pylist()
    return {catalog["catalog_name"]: schemas_of(catalog["catalog_db_schemas"]) for catalog in found}


def schemas_of(schemas: Any) -> Any:
    if schemas is None:
        return None
    return {each["db_schema_name"]: tables_of(each["db_schema_tables"]) for each in schemas}


def tables_of(found: Any) -> Any:
    if found is None:
        return None
    return {
        each["table_name"]: None
        if each["table_columns"] is None
        else [column["column_name"] for column in each["table_columns"]]
        for each in found
    }


def read(server: Running, caller: Caller, command: object) -> pa.Table:
    with server.client() as client:
        descriptor = fl.FlightDescriptor.for_command(pack(command))
        info = client.get_flight_info(descriptor, options_of(caller))
        table = client.do_get(info.endpoints[0].ticket, options_of(caller)).read_all()
    assert table.schema.equals(info.schema, check_metadata=True)
    return table


def test_catalogs(tables: Caller, connection: dbapi.Connection) -> None:
    assert objects(connection, depth="catalogs") == {"datasets": None, "hotdata": None}


def test_schemas(tables: Caller, connection: dbapi.Connection) -> None:
    assert objects(connection, depth="db_schemas") == {
        "datasets": {"information_schema": None, "main": None},
        "hotdata": {"information_schema": None, "results": None},
    }


def test_tables(tables: Caller, connection: dbapi.Connection) -> None:
    views = dict.fromkeys(VIEWS)
    assert objects(connection, depth="tables") == {
        "datasets": {"information_schema": views, "main": {"car_s": None, "cars": None}},
        "hotdata": {"information_schema": views, "results": {}},
    }


def test_columns(tables: Caller, connection: dbapi.Connection) -> None:
    found = objects(connection, depth="all", table_name_filter="cars")
    assert found["datasets"]["main"] == {"cars": ["id", "name", "built"]}


def test_a_result_has_its_columns(
    server: Running, tables: Caller, connection: dbapi.Connection
) -> None:
    with server.connect(tables.workspace_id, **KEEPING) as keeping, keeping.cursor() as cursor:
        cursor.execute("SELECT DATE '2020-01-01' AS day, 'x' AS word")
        cursor.fetchall()
    found = objects(connection, depth="all", db_schema_filter="results")
    ((name, columns),) = found["hotdata"]["results"].items()
    assert columns == ["day", "word"]
    schema = connection.adbc_get_table_schema(
        name, catalog_filter="hotdata", db_schema_filter="results"
    )
    assert schema.field("day").type == pa.date32()


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({"table_name_filter": "cars"}, ["cars"]),
        ({"table_name_filter": "car_"}, ["cars"]),
        ({"table_name_filter": "car\\_s"}, ["car_s"]),
        ({"table_name_filter": "car%"}, ["car_s", "cars"]),
        ({"table_name_filter": "CARS"}, []),
        ({"table_name_filter": ""}, []),
        ({"db_schema_filter": "ma%", "table_name_filter": "%"}, ["car_s", "cars"]),
        ({"db_schema_filter": "nothing"}, None),
        ({"catalog_filter": "datasets", "table_types_filter": ["TABLE"]}, ["car_s", "cars"]),
        ({"table_types_filter": ["VIEW"]}, []),
        ({"table_types_filter": ["SYSTEM TABLE"]}, []),
    ],
    ids=[
        "name",
        "one_char",
        "escaped",
        "pattern",
        "case",
        "empty",
        "both",
        "no_schema",
        "type",
        "views",
        "no_type",
    ],
)
def test_filters_of_objects(
    tables: Caller, connection: dbapi.Connection, filters: dict[str, Any], found: list[str] | None
) -> None:
    seen = objects(connection, depth="tables", **filters)["datasets"].get("main")
    assert (None if seen is None else sorted(seen)) == found


@pytest.mark.parametrize(
    ("command", "found"),
    [
        (CommandGetTables(catalog="datasets"), {"cars", "car_s", *VIEWS}),
        (CommandGetTables(catalog="hotdata"), set(VIEWS)),
        (CommandGetTables(catalog="data%"), set()),
        (CommandGetTables(catalog=""), set()),
        (
            CommandGetTables(table_types=("TABLE", "VIEW"), table_name_filter_pattern="c%s"),
            {"cars", "car_s", "columns"},
        ),
    ],
    ids=["catalog", "other_catalog", "no_pattern", "without_catalog", "types"],
)
def test_filters_of_tables(
    server: Running, tables: Caller, command: CommandGetTables, found: set[str]
) -> None:
    assert set(read(server, tables, command)["table_name"].to_pylist()) == found


def test_tables_come_in_order(server: Running, tables: Caller) -> None:
    found = read(server, tables, CommandGetTables())
    keys = list(zip(*(found.column(index).to_pylist() for index in range(3)), strict=True))
    assert keys == sorted(keys)


def test_schemas_by_catalog_and_pattern(server: Running, tables: Caller) -> None:
    command = CommandGetDbSchemas(catalog="hotdata", db_schema_filter_pattern="res%")
    assert read(server, tables, command).to_pylist() == [
        {"catalog_name": "hotdata", "db_schema_name": "results"}
    ]


def test_the_schema_of_a_table(tables: Caller, connection: dbapi.Connection) -> None:
    schema = connection.adbc_get_table_schema("cars")
    assert dict(zip(schema.names, schema.types, strict=True)) == {
        "id": pa.int64(),
        "name": pa.string(),
        "built": pa.date32(),
    }


def test_the_schema_of_every_listed_table_is_what_a_query_answers(
    server: Running, tables: Caller, connection: dbapi.Connection
) -> None:
    found = read(server, tables, CommandGetTables(include_schema=True))
    for row in found.to_pylist():
        listed = pa.ipc.read_schema(pa.py_buffer(row["table_schema"]))
        name = ".".join(row[each] for each in found.schema.names[:3])
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT * FROM {name}")
            answered = cursor.fetch_arrow_table().schema
        assert answered.names == listed.names
        # The reader of Parquet hands out texts as views.
        plain = [pa.string() if t == pa.string_view() else t for t in answered.types]
        assert plain == listed.types


def test_remote_tables_are_listed_and_described_without_being_copied(
    server: Running, caller: Caller, connection: dbapi.Connection, tmp_path: Path
) -> None:
    connect_sqlite(
        server,
        caller,
        tmp_path / "lite.sqlite",
        "CREATE TABLE cars (id INTEGER, name TEXT)",
        "INSERT INTO cars VALUES (1, 'vw')",
    )
    found = objects(connection, depth="all")
    assert found["lite"] == {"main": {"cars": ["id", "name"]}}
    with connection.cursor() as cursor:
        described = cursor.adbc_execute_schema("SELECT name, id + 1 AS n FROM lite.main.cars")
        assert described.names == ["name", "n"]
        asked = table_service.list_tables(
            server.door.engine,
            caller,
            connection_id=None,
            schema=None,
            table=None,
            include_columns=False,
            limit=None,
            cursor=None,
        )
        (listed,) = server.wait(asked).items
        assert not listed.synced
        cursor.execute("SELECT name, id + 1 AS n FROM lite.main.cars")
        answered = cursor.fetch_arrow_table()
    assert answered.to_pylist() == [{"name": "vw", "n": 2}]
    assert answered.schema.names == described.names


def test_types_of_tables(connection: dbapi.Connection) -> None:
    assert connection.adbc_get_table_types() == ["TABLE", "VIEW"]


def test_the_server_says_what_it_is(connection: dbapi.Connection) -> None:
    info = connection.adbc_get_info()
    assert info["vendor_name"] == "Tidemill"
    assert info["vendor_arrow_version"] == pa.__version__


def test_information_by_number(server: Running, caller: Caller) -> None:
    every = read(server, caller, CommandGetSqlInfo()).to_pylist()
    numbers = [row["info_name"] for row in every]
    assert numbers == sorted(numbers)
    some = read(server, caller, CommandGetSqlInfo((504, 3, 9_999))).to_pylist()
    assert some == [{"info_name": 3, "value": True}, {"info_name": 504, "value": '"'}]


def test_types_by_number(server: Running, caller: Caller) -> None:
    every = read(server, caller, CommandGetXdbcTypeInfo())
    keys = list(zip(every["data_type"].to_pylist(), every["type_name"].to_pylist(), strict=True))
    assert keys == sorted(keys)
    moments = read(server, caller, CommandGetXdbcTypeInfo(93))
    assert moments["type_name"].to_pylist() == ["TIMESTAMP", "TIMESTAMP WITH TIME ZONE"]


@pytest.mark.parametrize(
    ("command", "schema"),
    [
        (CommandGetPrimaryKeys(table="cars"), PRIMARY_KEYS),
        (CommandGetExportedKeys(table="cars"), FOREIGN_KEYS),
        (CommandGetImportedKeys(table="cars"), FOREIGN_KEYS),
        (CommandGetCrossReference(pk_table="cars", fk_table="cars"), FOREIGN_KEYS),
    ],
    ids=["primary", "exported", "imported", "cross"],
)
def test_there_are_no_keys(
    server: Running, tables: Caller, command: object, schema: pa.Schema
) -> None:
    found = read(server, tables, command)
    assert found.num_rows == 0
    assert found.schema.equals(schema)
