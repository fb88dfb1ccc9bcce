"""psycopg 3 against a running server: every way it has to ask and to read."""

import asyncio
import datetime as dt
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from psycopg import errors, sql
from psycopg.rows import dict_row

from tests.patience import PATIENCE_S
from tests.pgwire.all_types import ALL_TYPES, agree
from tests.pgwire.running import PgServer

ENDLESS = "SELECT count(*) FROM generate_series(1, 1000000000) a(x), generate_series(1, 1000) b(y)"
FIRST_ROWS = [(1, "row 1", 0.5), (2, "row 2", 1.0), (3, "row 3", 1.5)]
binary_or_not = pytest.mark.parametrize("binary", [False, True], ids=["text", "binary"])


@contextmanager
def cancelled_soon(connection: psycopg.Connection, *, safe: bool) -> Iterator[None]:
    """Cancel again and again until the block is over: the first may come before the query."""
    is_over = threading.Event()

    def cancel() -> None:
        while not is_over.wait(0.05):
            if safe:
                connection.cancel_safe(timeout=PATIENCE_S)
            else:
                connection.cancel()

    canceller = threading.Thread(target=cancel)
    canceller.start()
    try:
        yield
    finally:
        is_over.set()
        canceller.join()


@pytest.mark.parametrize("name", ALL_TYPES)
@binary_or_not
def test_every_type_arrives_as_its_python_value(
    connection: psycopg.Connection, name: str, binary: bool
) -> None:
    _, oid, expected = ALL_TYPES[name]
    cursor = connection.cursor(binary=binary)
    cursor.execute(f"SELECT {name} FROM all_types ORDER BY n")
    (value,), (absent,) = cursor.fetchall()
    assert agree(value, expected)
    assert absent is None
    assert cursor.description is not None
    assert cursor.description[0].name == name
    assert cursor.description[0].type_code == oid


@binary_or_not
def test_rows_and_names_of_columns(connection: psycopg.Connection, binary: bool) -> None:
    cursor = connection.cursor(binary=binary, row_factory=dict_row)
    cursor.execute('SELECT id, name AS "Na me", half FROM items ORDER BY id LIMIT 1')
    assert cursor.fetchall() == [{"id": 1, "Na me": "row 1", "half": 0.5}]
    assert cursor.statusmessage == "SELECT 1"
    assert cursor.rowcount == 1


def test_a_decimal_says_its_precision_and_scale(connection: psycopg.Connection) -> None:
    cursor = connection.execute("SELECT a_decimal FROM all_types")
    assert cursor.description is not None
    assert (cursor.description[0].precision, cursor.description[0].scale) == (10, 3)


@binary_or_not
def test_parameters_find_their_rows(connection: psycopg.Connection, binary: bool) -> None:
    query = "SELECT * FROM items WHERE id < %s AND name LIKE %s ORDER BY id"
    cursor = connection.cursor(binary=binary)
    assert cursor.execute(query, (4, "row%")).fetchall() == FIRST_ROWS
    assert cursor.execute(query, ("4", "row%")).fetchall() == FIRST_ROWS
    assert cursor.execute(query, (None, "row%")).fetchall() == []


@pytest.mark.parametrize(
    "text", ["'", "';--", "\\", "$1", "/* */", "a\nb", "🐟", "%s", '"', "' OR 'x' = 'x"]
)
def test_a_hostile_text_stays_a_text(connection: psycopg.Connection, text: str) -> None:
    assert connection.execute("SELECT %s AS a", (text,)).fetchone() == (text,)
    assert connection.execute("SELECT id FROM items WHERE name = %s", (text,)).fetchall() == []
    composed = sql.SQL("SELECT {}").format(sql.Literal(text))
    assert connection.execute(composed).fetchone() == (text,)


def test_a_statement_is_prepared_once_and_used_often(connection: psycopg.Connection) -> None:
    query = "SELECT name FROM items WHERE id = %s"
    for number in range(1, 12):
        found = connection.execute(query, (number,), prepare=True).fetchone()
        assert found == (f"row {number}",)
    connection.execute("DEALLOCATE ALL")
    assert connection.execute("SELECT 1").fetchone() == (1,)


def test_a_pipeline_answers_in_order_and_goes_on_after_an_error(
    connection: psycopg.Connection,
) -> None:
    with connection.pipeline():
        cursors = [connection.execute("SELECT %s::bigint", (n,)) for n in range(20)]
    assert [cursor.fetchone() for cursor in cursors] == [(n,) for n in range(20)]
    with pytest.raises(errors.UndefinedTable), connection.pipeline():
        connection.execute("SELECT * FROM absent")
    assert connection.execute("SELECT 2").fetchone() == (2,)


def test_many_executions_keep_every_answer(connection: psycopg.Connection) -> None:
    cursor = connection.cursor()
    numbers = [3, 1, 4, 1, 5]
    cursor.executemany(
        "SELECT name FROM items WHERE id = %s", [(n,) for n in numbers], returning=True
    )
    found = []
    for answer in cursor.results():
        found += answer.fetchall()
    assert found == [(f"row {n}",) for n in numbers]


def test_a_stream_gives_row_after_row(connection: psycopg.Connection) -> None:
    query = "SELECT id FROM items ORDER BY id"
    assert list(connection.cursor().stream(query)) == [(n,) for n in range(1, 5001)]
    assert list(connection.cursor().stream(query, binary=True))[-1] == (5000,)


@binary_or_not
def test_a_server_cursor_is_read_in_portions(connection: psycopg.Connection, binary: bool) -> None:
    with connection.transaction(), connection.cursor("portions", binary=binary) as cursor:
        cursor.execute("SELECT id, half FROM items WHERE id > 10 ORDER BY id")
        assert cursor.fetchone() == (11, 5.5)
        assert cursor.fetchmany(2) == [(12, 6.0), (13, 6.5)]
        cursor.scroll(5)
        assert cursor.fetchone() == (19, 9.5)
        assert len(cursor.fetchall()) == 5000 - 19
        assert cursor.fetchone() is None


def test_a_server_cursor_is_iterated(connection: psycopg.Connection) -> None:
    with connection.transaction(), connection.cursor("iterated") as cursor:
        cursor.itersize = 700
        cursor.execute("SELECT id FROM items ORDER BY id")
        assert [number for (number,) in cursor] == list(range(1, 5001))


def test_a_held_cursor_outlives_its_transaction(connection: psycopg.Connection) -> None:
    with connection.cursor("held", withhold=True) as cursor:
        with connection.transaction():
            cursor.execute("SELECT id FROM items ORDER BY id")
        assert cursor.fetchmany(2) == [(1,), (2,)]


def test_a_cursor_goes_forward_only(connection: psycopg.Connection) -> None:
    with (
        pytest.raises(errors.FeatureNotSupported),
        connection.transaction(),
        connection.cursor("back", scrollable=True) as cursor,
    ):
        cursor.execute("SELECT 1")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("", b"1\trow 1\n2\trow 2\n"),
        ("(FORMAT csv, HEADER)", b"id,name\n1,row 1\n2,row 2\n"),
        ("(FORMAT csv, DELIMITER ';', FORCE_QUOTE (name))", b'1;"row 1"\n2;"row 2"\n'),
        ("CSV HEADER", b"id,name\n1,row 1\n2,row 2\n"),
    ],
    ids=["text", "csv", "csv-options", "csv-old"],
)
def test_copy_writes_rows(connection: psycopg.Connection, options: str, expected: bytes) -> None:
    query = f"COPY (SELECT id, name FROM items WHERE id < 3 ORDER BY id) TO STDOUT {options}"
    with connection.cursor().copy(query) as copy:
        assert b"".join(bytes(part) for part in copy) == expected


def test_copy_of_a_table_gives_all_its_rows(connection: psycopg.Connection) -> None:
    cursor = connection.cursor()
    with cursor.copy("COPY items TO STDOUT") as copy:
        assert sum(1 for _ in copy.rows()) == 5000


def test_a_binary_copy_is_read_by_its_types(connection: psycopg.Connection) -> None:
    with connection.cursor().copy(
        "COPY (SELECT id, name, half FROM items WHERE id < 4 ORDER BY id) TO STDOUT (FORMAT binary)"
    ) as copy:
        copy.set_types(["int8", "text", "float8"])
        assert list(copy.rows()) == FIRST_ROWS


def test_copy_into_the_server_is_refused(connection: psycopg.Connection) -> None:
    with (
        pytest.raises(errors.ReadOnlySqlTransaction),
        connection.cursor().copy("COPY items FROM STDIN"),
    ):
        pass
    assert connection.execute("SELECT 1").fetchone() == (1,)


def test_an_error_ends_a_transaction_but_not_its_savepoint(connection: psycopg.Connection) -> None:
    with connection.transaction():
        with pytest.raises(errors.UndefinedColumn), connection.transaction():
            connection.execute("SELECT absent FROM items")
        assert connection.execute("SELECT 1").fetchone() == (1,)
    connection.execute("BEGIN")
    with pytest.raises(errors.UndefinedColumn):
        connection.execute("SELECT absent FROM items")
    with pytest.raises(errors.InFailedSqlTransaction):
        connection.execute("SELECT 1")
    assert connection.execute("COMMIT").statusmessage == "ROLLBACK"
    assert connection.execute("SELECT 1").fetchone() == (1,)


def test_transactions_that_are_not_told_of_work(server: PgServer) -> None:
    with psycopg.connect(server.conninfo()) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
        before = connection.info.transaction_status
        connection.rollback()
        after = connection.info.transaction_status
        states = psycopg.pq.TransactionStatus
        assert (before, after) == (states.INTRANS, states.IDLE)


def test_notices_arrive(connection: psycopg.Connection) -> None:
    heard: list[Any] = []
    connection.add_notice_handler(lambda notice: heard.append(notice.sqlstate))
    connection.execute("BEGIN")
    connection.execute("BEGIN")
    connection.execute("COMMIT")
    connection.execute("COMMIT")
    assert heard == ["25001", "25P01"]


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ("SELEC 1", errors.SyntaxError),
        ("SELECT * FROM absent", errors.UndefinedTable),
        ("SELECT absent FROM items", errors.UndefinedColumn),
        ("SELECT absent(1)", errors.UndefinedFunction),
        ("SELECT CAST('x' AS BIGINT)", errors.InvalidTextRepresentation),
        ("SELECT 1 / 0", errors.DivisionByZero),
        ("CREATE TABLE x (a int)", errors.ReadOnlySqlTransaction),
        ("INSERT INTO items VALUES (1, 'x', 2)", errors.ReadOnlySqlTransaction),
        ("DROP TABLE items", errors.ReadOnlySqlTransaction),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_error_has_its_class_and_the_connection_lives(
    connection: psycopg.Connection, query: str, error: type[psycopg.Error]
) -> None:
    with pytest.raises(error):
        connection.execute(query)
    with pytest.raises(error):
        connection.execute(query, prepare=True)
    assert connection.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.parametrize("safe", [True, False], ids=["cancel_safe", "cancel"])
def test_a_query_is_cancelled(connection: psycopg.Connection, safe: bool) -> None:
    with pytest.raises(errors.QueryCanceled), cancelled_soon(connection, safe=safe):
        connection.execute(ENDLESS)
    assert connection.execute("SELECT 1").fetchone() == (1,)


def test_a_statement_timeout_stops_a_query(connection: psycopg.Connection) -> None:
    connection.execute("SET statement_timeout = '200ms'")
    with pytest.raises(errors.QueryCanceled):
        connection.execute(ENDLESS)
    connection.execute("RESET statement_timeout")
    assert connection.execute("SELECT 1").fetchone() == (1,)


def test_the_server_says_what_it_is(server: PgServer) -> None:
    with server.connect(application_name="tests", options="-c timezone=Asia/Tokyo") as connection:
        info = connection.info
        assert info.server_version // 10_000 == 15
        assert info.encoding == "utf-8"
        assert info.parameter_status("application_name") == "tests"
        assert info.parameter_status("TimeZone") == "Asia/Tokyo"
        assert info.parameter_status("standard_conforming_strings") == "on"
        query = "SELECT an_instant FROM all_types WHERE n = 1"
        (moment,) = connection.execute(query).fetchone() or (None,)
        assert str(moment) == "2024-07-01 21:00:00+09:00"


def test_an_asynchronous_connection_asks_and_reads(server: PgServer) -> None:
    async def ask() -> list[Any]:
        async with await psycopg.AsyncConnection.connect(server.conninfo()) as connection:
            found = await (
                await connection.execute("SELECT * FROM items WHERE id < %s ORDER BY id", (4,))
            ).fetchall()
            async with connection.cursor("portions", binary=True) as cursor:
                await cursor.execute("SELECT id FROM items ORDER BY id")
                portion = await cursor.fetchmany(2)
            async with connection.cursor().copy("COPY items TO STDOUT") as copy:
                rows = [row async for row in copy.rows()]
            return [found, portion, len(rows)]

    assert asyncio.run(ask()) == [FIRST_ROWS, [(1,), (2,)], 5000]


def test_connections_work_side_by_side(server: PgServer) -> None:
    async def ask(number: int) -> Any:
        async with await psycopg.AsyncConnection.connect(server.conninfo()) as connection:
            query = "SELECT name FROM items WHERE id = %s"
            return await (await connection.execute(query, (number,))).fetchone()

    async def ask_all() -> list[Any]:
        return await asyncio.gather(*(ask(number) for number in range(1, 17)))

    assert asyncio.run(ask_all()) == [(f"row {number}",) for number in range(1, 17)]


def test_runs_are_recorded_as_of_this_door(
    server: PgServer, connection: psycopg.Connection
) -> None:
    connection.execute("SELECT 'a query of its own' AS a")
    assert server.run_of("a query of its own") == ("pgwire", "succeeded")


@binary_or_not
@pytest.mark.parametrize(
    "value",
    [
        Decimal("123456789012345678901234567890123456789.01"),
        Decimal("-0.0000000000000000000000000000000000001"),
        dt.timedelta(days=3, hours=1, seconds=4.5),
        dt.timedelta(seconds=-1),
    ],
    ids=["long", "small", "interval", "negative-interval"],
)
def test_long_values_stay_themselves(
    connection: psycopg.Connection, binary: bool, value: Any
) -> None:
    slot = "%b" if binary else "%t"
    (found,) = connection.execute(f"SELECT {slot}", (value,)).fetchone() or (None,)
    assert found == value


def test_a_cursor_takes_parameters(connection: psycopg.Connection) -> None:
    with connection.transaction(), connection.cursor("chosen") as cursor:
        cursor.execute("SELECT id FROM items WHERE id > %s ORDER BY id", (3,))
        assert cursor.fetchmany(2) == [(4,), (5,)]


def test_parameters_may_touch(connection: psycopg.Connection) -> None:
    raw = psycopg.RawCursor(connection)
    assert raw.execute("SELECT 1 WHERE 2 IN ($1,$2)", ["2", "3"]).fetchall() == [(1,)]
