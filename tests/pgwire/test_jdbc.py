"""The JDBC driver of Postgres against a running server: logins, portions, errors, transactions.

What comes of values is in ``test_jdbc_values.py``, what is said of tables in ``test_jdbc_metadata.py``.
"""

from typing import Any

import pytest

from tests.pgwire.jvm import Jdbc, Kept, asked, one, refused
from tests.pgwire.running import PgServer

RUNS = 3
LONG = "SELECT count(*) FROM generate_series(1, 1000000000) a(x), generate_series(1, 1000) b(y)"
MANY = "SELECT x AS id, 'row ' || x AS name FROM generate_series(1, 12000) AS g(x)"


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({"password": "another"}, "28P01"),
        ({"user": "nobody"}, "28P01"),
        ({"database": "absent"}, "3D000"),
        ({"sslmode": "require"}, "08004"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else value,
)
def test_a_login_that_is_refused_says_why(jdbc: Jdbc, changes: Any, state: str) -> None:
    with refused(state):
        jdbc.connect(**changes)
    assert one(jdbc.connect()) == ["Long", "1"]


@pytest.mark.parametrize(
    "options",
    [
        {"readOnly": "true", "readOnlyMode": "always"},
        {"sslmode": "prefer", "gssEncMode": "prefer"},
        {"currentSchema": "main", "ApplicationName": "a test"},
        {"autosave": "always", "cleanupSavepoints": "true"},
        {"assumeMinServerVersion": "15"},
        {"options": "-c statement_timeout=20000"},
        {"targetServerType": "preferSecondary"},
        {"stringtype": "unspecified", "defaultRowFetchSize": 100, "adaptiveFetch": "true"},
        {"preferQueryMode": "extendedCacheEverything"},
    ],
    ids=lambda options: next(iter(options)),
)
def test_options_of_the_driver_are_understood(jdbc: Jdbc, options: Any) -> None:
    assert one(jdbc.connect(**options), "SELECT count(*) FROM items") == ["Long", "5000"]


@pytest.mark.parametrize("mode", ["text", "binary", "extendedForPrepared"])
def test_rows_are_fetched_in_portions(in_mode: Kept) -> None:
    in_mode.setAutoCommit(False)
    statement = in_mode.prepareStatement(MANY + " WHERE x > ? ORDER BY id")
    statement.setFetchSize(777)
    expected = [[str(n), f"row {n}"] for n in range(1001, 12_001)]
    for _ in range(RUNS):
        statement.setInt(1, 1000)
        assert statement.executeQuery().strings() == expected
    in_mode.commit()


def test_portions_of_two_answers_are_read_in_turns(by_jdbc: Kept) -> None:
    endless = "SELECT x FROM generate_series(1, 1000000000) AS g(x)"  # more than anybody would keep
    by_jdbc.setAutoCommit(False)
    answers = []
    for _ in range(2):
        statement = by_jdbc.createStatement()
        statement.setFetchSize(10)
        answers.append(statement.executeQuery(endless))
    found: list[set[int]] = [set(), set()]
    for _ in range(25):
        for answer, numbers in zip(answers, found, strict=True):
            assert answer.next()
            numbers.add(answer.getLong(1))
    assert [len(numbers) for numbers in found] == [25, 25]
    for answer in answers:
        answer.close()
    assert one(by_jdbc) == ["Long", "1"]


@pytest.mark.parametrize("mode", ["text", "binary"])  # the driver asks for all of them in texts
@pytest.mark.parametrize("fetch_rows", [0, 3, 100])
def test_no_more_rows_come_than_are_wanted(in_mode: Kept, fetch_rows: int) -> None:
    in_mode.setAutoCommit(False)
    statement = in_mode.createStatement()
    statement.setMaxRows(7)
    statement.setFetchSize(fetch_rows)
    found = statement.executeQuery(MANY + " ORDER BY id").strings()
    assert [row[0] for row in found] == [str(n) for n in range(1, 8)]


def test_an_answer_is_scrolled_in_the_client(by_jdbc: Kept) -> None:
    statement = by_jdbc.createStatement(1004, 1007)  # TYPE_SCROLL_INSENSITIVE, CONCUR_READ_ONLY
    found = statement.executeQuery("SELECT id FROM items ORDER BY id")
    assert found.last()
    assert found.getRow() == 5000
    assert found.absolute(7)
    assert found.getLong("id") == 7
    assert found.previous()
    assert found.getInt("ID") == 6


def test_a_query_is_cancelled_from_another_thread(
    server: PgServer, in_mode: Kept, mode: str
) -> None:
    sql = f"{LONG} /* cancelled, {mode} */"
    statement = in_mode.createStatement()
    waiting = statement.later("executeQuery", sql)
    server.wait_for_run(sql, "running")
    statement.cancel()
    with refused("57014"):
        waiting.get()
    assert one(in_mode) is not None


def test_a_query_has_a_time_limit(by_jdbc: Kept) -> None:
    statement = by_jdbc.createStatement()
    statement.setQueryTimeout(1)
    with refused("57014"):
        statement.executeQuery(LONG)
    assert one(by_jdbc) == ["Long", "1"]


@pytest.mark.parametrize(
    ("sql", "state"),
    [
        ("SELECT * FROM absent", "42P01"),
        ("SELECT absent FROM items", "42703"),
        ("SELEC 1", "42601"),
        ("SELECT absent(1)", "42883"),
        ("SELECT 1 / 0", "22012"),
        ("SELECT 'x'::int", "22P02"),
        ("INSERT INTO items VALUES (1)", "25006"),
    ],
)
def test_an_error_has_its_sqlstate_and_the_connection_goes_on(
    in_mode: Kept, sql: str, state: str
) -> None:
    statement = in_mode.prepareStatement(sql)
    for _ in range(RUNS):
        with refused(state):
            statement.executeQuery()
        assert one(in_mode) is not None


@pytest.mark.parametrize("method", ["executeUpdate", "executeLargeUpdate", "execute"])
def test_nothing_is_written(by_jdbc: Kept, method: str) -> None:
    with refused("25006"):
        getattr(by_jdbc.createStatement(), method)("CREATE TABLE made (a int)")


def test_one_text_of_several_statements_has_several_answers(in_mode: Kept) -> None:
    statement = in_mode.createStatement()
    assert statement.execute("SELECT 1; SELECT 'a;b'")
    assert statement.getResultSet().strings() == [["1"]]
    assert statement.getMoreResults()
    assert statement.getResultSet().strings() == [["a;b"]]
    assert not statement.getMoreResults()
    assert statement.getUpdateCount() == -1


def test_escapes_of_jdbc_are_understood(by_jdbc: Kept) -> None:
    found = asked(
        by_jdbc,
        "SELECT {d '2024-02-29'}, {ts '2024-02-29 12:00:00'}, {fn ucase('x')}, "
        "{fn concat('a', 'b')}, {fn dayofweek({d '2024-02-29'})}, {fn mod(5, 3)}, "
        "{fn timestampadd(SQL_TSI_DAY, 1, {ts '2024-02-28 12:00:00'})}",
    )
    assert [[text for _, text in row] for row in found] == [
        ["2024-02-29", "2024-02-29 12:00:00.0", "X", "ab", "5", "2", "2024-02-29 12:00:00.0"]
    ]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("", "1\trow 1\n2\trow 2\n"),
        (" WITH (FORMAT csv, HEADER)", "id,name\n1,row 1\n2,row 2\n"),
    ],
    ids=["text", "csv"],
)
def test_a_query_is_copied_out(jdbc: Jdbc, options: str, expected: str) -> None:
    connection = jdbc.connect()
    target = jdbc.java.static("java.io.ByteArrayOutputStream").new()
    sql = f"COPY (SELECT id, name FROM items WHERE id < 3 ORDER BY id) TO STDOUT{options}"
    assert connection.getCopyAPI().copyOut(sql, target) == 2
    assert target.toString() == expected
    assert one(connection) == ["Long", "1"]


def test_nothing_is_copied_in(jdbc: Jdbc) -> None:
    connection = jdbc.connect()
    nothing = jdbc.java.static("java.io.InputStream").nullInputStream()
    with refused("25006"):
        connection.getCopyAPI().copyIn("COPY items FROM STDIN", nothing)
    assert one(connection) == ["Long", "1"]


def test_transactions_and_savepoints(in_mode: Kept) -> None:
    in_mode.setAutoCommit(False)
    assert one(in_mode) is not None
    in_mode.commit()
    with refused("42P01"):
        asked(in_mode, "SELECT * FROM absent")
    with refused("25P02"):
        one(in_mode)
    in_mode.rollback()
    point = in_mode.setSavepoint("a point")
    with refused("42P01"):
        asked(in_mode, "SELECT * FROM absent")
    in_mode.rollback(point)
    assert one(in_mode) is not None
    in_mode.releaseSavepoint(point)
    in_mode.rollback()


def test_an_error_costs_no_transaction_that_is_saved(jdbc: Jdbc) -> None:
    connection = jdbc.connect(autosave="always")
    connection.setAutoCommit(False)
    assert one(connection) == ["Long", "1"]
    with refused("42P01"):
        asked(connection, "SELECT * FROM absent")
    assert one(connection) == ["Long", "1"]
    connection.commit()


@pytest.mark.parametrize("level", [1, 2, 4, 8])
def test_transactions_of_each_isolation_that_only_read(by_jdbc: Kept, level: int) -> None:
    by_jdbc.setReadOnly(True)
    assert by_jdbc.isReadOnly()
    by_jdbc.setTransactionIsolation(level)
    by_jdbc.setAutoCommit(False)
    assert one(by_jdbc, "SELECT count(*) FROM items") == ["Long", "5000"]
    by_jdbc.commit()


def test_a_connection_says_how_it_is(by_jdbc: Kept) -> None:
    assert by_jdbc.isValid(5)
    assert by_jdbc.getCatalog() == "datasets"
    by_jdbc.setCatalog("another")  # which the driver ignores
    assert by_jdbc.getCatalog() == "datasets"
    by_jdbc.setClientInfo("ApplicationName", "it's a test")
    assert one(by_jdbc, "SHOW application_name") == ["String", "it's a test"]
    by_jdbc.close()
    assert not by_jdbc.isValid(5)


def test_the_schema_is_chosen(by_jdbc: Kept) -> None:
    assert by_jdbc.getSchema() == "main"
    by_jdbc.setSchema("information_schema")
    assert by_jdbc.getSchema() == "information_schema"
    assert one(by_jdbc, "SELECT count(*) FROM tables WHERE table_name = 'items'") == ["Long", "1"]
    by_jdbc.setSchema("absent")
    assert by_jdbc.getSchema() is None
    with refused("42P01"):
        one(by_jdbc, "SELECT count(*) FROM items")
    by_jdbc.setSchema("main")
    assert one(by_jdbc, "SELECT count(*) FROM items") == ["Long", "5000"]


def test_two_connections_ask_at_once(server: PgServer, jdbc: Jdbc) -> None:
    first, second = jdbc.connect(), jdbc.connect()
    sql = f"{LONG} /* at once */"
    statement = first.createStatement()
    waiting = statement.later("executeQuery", sql)
    server.wait_for_run(sql, "running")
    for number in range(20):
        assert one(second, f"SELECT {number}") == ["Long", str(number)]
    assert not waiting.isDone()
    statement.cancel()
    with refused("57014"):
        waiting.get()
