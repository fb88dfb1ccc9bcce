"""Statements through ADBC and through Flight alone: rows, schemas, errors, prepared statements."""

import json
from collections.abc import Callable
from typing import Any

import adbc_driver_manager
import polars
import pyarrow as pa
import pyarrow.flight as fl
import pytest
from adbc_driver_flightsql import dbapi

from catalog.model import RunStatus
from engine.service import queries
from engine.service.context import Caller
from server.flight.commands import (
    ActionClosePreparedStatementRequest,
    ActionCreatePreparedStatementRequest,
    ActionCreatePreparedStatementResult,
    CommandPreparedStatementQuery,
    CommandStatementQuery,
    TicketStatementQuery,
    pack,
    unpack,
)
from tests.flight.running import HEADER, KEEPING, Running, options_of

CARS = b"id,name,price\n1,vw,2.5\n2,bmw,3.5\n3,,\n"


def rows(connection: dbapi.Connection, sql: str, values: Any = None) -> pa.Table:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return cursor.fetch_arrow_table()


def described(sql: str) -> fl.FlightDescriptor:
    return fl.FlightDescriptor.for_command(pack(CommandStatementQuery(sql)))


def test_a_query_answers_with_its_rows(
    server: Running, caller: Caller, connection: dbapi.Connection
) -> None:
    server.load(caller, "Cars", CARS)
    found = rows(connection, "SELECT id, name, price FROM cars ORDER BY id")
    assert found.to_pydict() == {
        "id": [1, 2, 3],
        "name": ["vw", "bmw", None],
        "price": [2.5, 3.5, None],
    }


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1 AS a WHERE false",
        "SELECT 1 AS a, 2 AS a",
        "SHOW TABLES",
        "EXPLAIN SELECT 1",
        "DESCRIBE information_schema.tables",
        "VALUES (1, 'x')",
        "WITH t AS (SELECT 1) SELECT * FROM t",
        "SELECT 1 -- the end",
        "SELECT 1;",
        "  \n SELECT '?', '$1'",
    ],
    ids=[
        "no_rows",
        "twice_the_name",
        "show",
        "explain",
        "describe",
        "values",
        "with",
        "comment",
        "semicolon",
        "quoted_marks",
    ],
)
def test_the_schema_that_is_promised_is_the_one_that_comes(
    server: Running, caller: Caller, sql: str
) -> None:
    client, options = server.client(), options_of(caller)
    info = client.get_flight_info(described(sql), options)
    table = client.do_get(info.endpoints[0].ticket, options).read_all()
    assert table.schema.equals(info.schema)
    assert info.total_records == table.num_rows


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1 AS a, 2 AS a",
        "SELECT arrow_cast('x', 'Utf8View') AS v, now() AS n",
        "SELECT NULL AS n, ARRAY[1] AS l",
        "SELECT arrow_cast('x', 'Dictionary(Int32, Utf8)') AS d",
        "SELECT * FROM cars WHERE false",
        "SELECT id + 1, upper(name) FROM cars -- end",
    ],
    ids=["twice_the_name", "view", "null", "dictionary", "table", "comment"],
)
def test_a_statement_is_described_as_it_answers(server: Running, caller: Caller, sql: str) -> None:
    server.load(caller, "Cars", CARS)
    client, options = server.client(), options_of(caller)
    result: Any = client.get_schema(described(sql), options)  # the stubs know another class
    described_as = result.schema
    info = client.get_flight_info(described(sql), options)
    assert described_as.equals(info.schema)


def test_describing_records_no_run(server: Running, caller: Caller) -> None:
    server.client().get_schema(described("SELECT 1 AS a"), options_of(caller))
    engine = server.door.engine
    assert server.wait(queries.list_runs(engine, caller, limit=10)).items == ()


def test_a_run_is_recorded_with_the_door(
    server: Running, caller: Caller, connection: dbapi.Connection
) -> None:
    assert rows(connection, "SELECT 7 AS seven").num_rows == 1
    (run,) = server.wait(queries.list_runs(server.door.engine, caller, limit=10)).items
    assert (run.door, run.status, run.row_count) == ("flight", RunStatus.SUCCEEDED, 1)
    assert run.result_id is None


def test_run_and_result_are_named(server: Running, caller: Caller) -> None:
    info: Any = server.client().get_flight_info(described("SELECT 1"), options_of(caller))
    named = json.loads(info.app_metadata)
    engine = server.door.engine
    run = server.wait(queries.get_run(engine, caller, named["query_run_id"]))
    assert (run.sql_text, named["result_id"]) == ("SELECT 1", None)


def test_a_result_is_kept_when_asked_for(server: Running, caller: Caller) -> None:
    with server.connect(caller.workspace_id, **KEEPING) as connection:
        check_kept(server, caller, connection)


def check_kept(server: Running, caller: Caller, connection: dbapi.Connection) -> None:
    assert rows(connection, "SELECT 7 AS seven").num_rows == 1
    engine = server.door.engine
    (run,) = server.wait(queries.list_runs(engine, caller, limit=10)).items
    assert (run.door, run.status, run.sql_text) == (
        "flight",
        RunStatus.SUCCEEDED,
        "SELECT 7 AS seven",
    )
    assert rows(connection, f"SELECT * FROM results.{run.result_id}").to_pylist() == [{"seven": 7}]


def test_polars_reads(connection: dbapi.Connection) -> None:
    frame = polars.read_database("SELECT 1 AS a, 'x' AS b", connection)
    assert frame.rows() == [(1, "x")]


@pytest.mark.parametrize(
    ("sql", "kind", "sentence"),
    [
        ("SELECT nope", "ProgrammingError", "No field named nope"),
        ("SELEC 1", "ProgrammingError", "SQL parse error: expected a statement, found 'SELEC'"),
        ("-- nothing", "ProgrammingError", "SQL query cannot be empty"),
        ("DROP TABLE cars", "ProgrammingError", "Only one read-only statement is allowed"),
        ("SELECT 1; SELECT 2", "ProgrammingError", "Only one statement per request"),
        ("SELECT * FROM gone", "ProgrammingError", "table 'datasets.main.gone' not found"),
        ("SELECT 1 / 0", "ProgrammingError", "Divide by zero"),
        ("SELECT 1,\n  FROM x", "ProgrammingError", "Line: 2"),
        ("SELECT CAST('x' AS INT)", "ProgrammingError", "Cannot cast string 'x'"),
    ],
    ids=["column", "word", "empty", "drop", "two", "table", "zero", "syntax", "cast"],
)
def test_a_mistake_is_one_sentence(
    connection: dbapi.Connection, sql: str, kind: str, sentence: str
) -> None:
    with connection.cursor() as cursor, pytest.raises(adbc_driver_manager.Error) as raised:
        cursor.execute(sql)
    assert type(raised.value).__name__ == kind
    assert raised.value.status_code is adbc_driver_manager.AdbcStatusCode.INVALID_ARGUMENT
    text = str(raised.value)
    assert sentence in text
    assert_untraceable(text, raised.value.details)


def assert_untraceable(text: str, details: Any) -> None:
    """No error may show where our code is, or that it is Python."""
    shown = text + "".join(value.decode("utf-8", "replace") for _, value in details)
    for word in ("Traceback", ".py", "File ", "server/flight", "site-packages"):
        assert word not in shown, shown
    assert "Python" not in text


def test_a_client_of_flight_alone_gets_errors_by_their_kind(
    server: Running, caller: Caller
) -> None:
    client, options = server.client(), options_of(caller)
    with pytest.raises(pa.ArrowInvalid, match="No field named nope") as raised:
        client.get_flight_info(described("SELECT nope"), options)
    assert "Traceback" not in str(raised.value)
    with pytest.raises(pa.ArrowKeyError, match="ticket is not known"):
        client.do_get(fl.Ticket(pack(TicketStatementQuery(b"gone"))), options).read_all()
    with pytest.raises(pa.ArrowNotImplementedError, match="is not supported"):
        client.get_flight_info(fl.FlightDescriptor.for_path("a"), options)


@pytest.mark.parametrize(
    "call",
    [
        lambda client, options: list(client.list_flights(options=options)),
        lambda client, options: client.do_exchange(fl.FlightDescriptor.for_command(b""), options)[
            1
        ].read_chunk(),
        lambda client, options: list(client.do_action(fl.Action("Unknown", b""), options)),
    ],
    ids=["list_flights", "do_exchange", "unknown_action"],
)
def test_what_flight_sql_has_not_is_unimplemented(
    server: Running, caller: Caller, call: Callable[..., object]
) -> None:
    with pytest.raises(pa.ArrowNotImplementedError) as raised:
        call(server.client(), options_of(caller))
    assert "Traceback" not in str(raised.value)


def test_an_update_is_refused(connection: dbapi.Connection) -> None:
    with (
        connection.cursor() as cursor,
        pytest.raises(adbc_driver_manager.Error, match="Tidemill only reads"),
    ):
        cursor.executescript("SELECT 1")


def test_a_query_stopped_by_its_limit_times_out(server: Running, caller: Caller) -> None:
    engine = server.door.engine
    before = engine.settings
    engine.settings = before.model_copy(update={"query_timeout_s": 0.3})
    try:
        with (
            server.connect(caller.workspace_id) as connection,
            connection.cursor() as cursor,
            pytest.raises(adbc_driver_manager.Error, match="ran longer") as raised,
        ):
            cursor.execute(ENDLESS)
        assert raised.value.status_code is adbc_driver_manager.AdbcStatusCode.TIMEOUT
    finally:
        engine.settings = before


ENDLESS = (
    "SELECT count(*) FROM generate_series(1, 1000000) AS a, generate_series(1, 1000000) AS b "
    "WHERE a.value + b.value = 3"
)


def test_a_failure_after_the_first_rows_ends_the_stream_with_its_sentence(
    connection: dbapi.Connection,
) -> None:
    sql = (
        "SELECT 10 / (2000000 - value) AS x, repeat('x', 30) AS t FROM generate_series(1, 3000000)"
    )
    with connection.cursor() as cursor:
        cursor.execute(sql)
        with pytest.raises(adbc_driver_manager.Error, match="Divide by zero") as raised:
            cursor.fetch_arrow_table()
        assert_untraceable(str(raised.value), raised.value.details)


def test_a_prepared_statement_runs_again_with_other_values(connection: dbapi.Connection) -> None:
    with connection.cursor() as cursor:
        for value in (1, 2, 3):
            cursor.execute("SELECT $1 * 10 AS v", (value,))
            assert cursor.fetchone() == (value * 10,)


def test_a_prepared_statement_knows_its_parameters_and_columns(
    server: Running, caller: Caller, connection: dbapi.Connection
) -> None:
    server.load(caller, "Cars", CARS)
    with connection.cursor() as cursor:
        parameters = cursor.adbc_prepare("SELECT id, name FROM cars WHERE id = ? AND name = ?")
        assert parameters is not None
        assert parameters.names == ["$1", "$2"]
        schema = cursor.adbc_execute_schema("SELECT id, name FROM cars WHERE id = ?")
        assert schema.names == ["id", "name"]


@pytest.mark.parametrize(
    ("values", "sentence"),
    [((), "no values are bound"), ((1,), "has 2 parameters, but 1"), ((1, 2, 3), "but 3 values")],
    ids=["none", "few", "many"],
)
def test_as_many_values_as_parameters_are_needed(
    connection: dbapi.Connection, values: tuple[int, ...], sentence: str
) -> None:
    with pytest.raises(adbc_driver_manager.Error, match=sentence):
        rows(connection, "SELECT $1, $2", values)


def test_several_rows_of_values_are_refused(connection: dbapi.Connection) -> None:
    with (
        connection.cursor() as cursor,
        pytest.raises(adbc_driver_manager.Error, match="one row of values at a time"),
    ):
        cursor.execute("SELECT $1", pa.record_batch({"a": [1, 2]}))


def test_a_closed_prepared_statement_is_not_found(server: Running, caller: Caller) -> None:
    client, options = server.client(), options_of(caller)
    request = pack(ActionCreatePreparedStatementRequest("SELECT 1 AS a"))
    (made,) = client.do_action(fl.Action("CreatePreparedStatement", request), options)
    result = unpack(ActionCreatePreparedStatementResult, made.body.to_pybytes())
    handle = result.prepared_statement_handle
    descriptor = fl.FlightDescriptor.for_command(pack(CommandPreparedStatementQuery(handle)))
    info = client.get_flight_info(descriptor, options)
    assert client.do_get(info.endpoints[0].ticket, options).read_all().to_pylist() == [{"a": 1}]
    close = pack(ActionClosePreparedStatementRequest(handle))
    assert list(client.do_action(fl.Action("ClosePreparedStatement", close), options)) == []
    with pytest.raises(pa.ArrowKeyError, match="prepared statement is not known"):
        client.get_flight_info(descriptor, options)


def test_names_are_looked_up_where_headers_say(server: Running, caller: Caller) -> None:
    headers = {
        f"{HEADER}x-default-catalog": "hotdata",
        f"{HEADER}x-default-schema": "information_schema",
    }
    with server.connect(caller.workspace_id, **headers) as connection:
        assert connection.adbc_current_catalog == "hotdata"
        found = rows(connection, "SELECT DISTINCT table_catalog AS c FROM tables")
        assert {"c": "hotdata"} in found.to_pylist()


def test_a_session_remembers_catalog_and_schema(server: Running, caller: Caller) -> None:
    cookies = {"adbc.flight.sql.rpc.with_cookie_middleware": "true"}
    with server.connect(caller.workspace_id, **cookies) as connection:
        assert connection.adbc_current_catalog == "datasets"
        connection.adbc_current_catalog = "hotdata"
        connection.adbc_current_db_schema = "information_schema"
        assert connection.adbc_current_catalog == "hotdata"
        assert connection.adbc_current_db_schema == "information_schema"
        assert rows(connection, "SELECT * FROM schemata").num_rows > 0
        with pytest.raises(adbc_driver_manager.Error, match="invalid name"):
            connection.adbc_connection.set_options(
                **{"adbc.flight.sql.session.option.colour": "red"}
            )
        connection.adbc_connection.set_options(
            **{"adbc.flight.sql.session.optionbool.keep_results": "true"}
        )
        assert rows(connection, "SELECT 8 AS eight").num_rows == 1
        (run, *_) = server.wait(queries.list_runs(server.door.engine, caller, limit=1)).items
        assert run.result_id is not None
        connection.adbc_current_db_schema = ""
        assert connection.adbc_current_db_schema == "main"
    with server.connect(caller.workspace_id, **cookies) as connection:
        assert connection.adbc_current_catalog == "datasets"
