"""Large answers: equal to the last bit, bounded in memory, and stopped when nobody reads them."""

import operator
import threading
import time
from collections.abc import Callable
from typing import Any

import adbc_driver_manager
import numpy as np
import psutil
import pyarrow as pa
import pyarrow.flight as fl
import pytest
from adbc_driver_flightsql import dbapi

from catalog.model import RunStatus
from engine.service import queries
from engine.service.context import Caller
from server.flight.commands import (
    ActionCancelQueryRequest,
    ActionCancelQueryResult,
    CancelFlightInfoRequest,
    CancelFlightInfoResult,
    CommandStatementQuery,
    pack,
    unpack,
)
from server.flight.protobuf import read_message, write_message
from tests.flight.running import Running, options_of
from tests.patience import PATIENCE_S, wait_for

ROWS = 1_000_000
MILLION = (
    "SELECT value AS id, value * 0.5 AS half, arrow_cast(value, 'Utf8') AS word, "
    "value % 2 = 0 AS even, CASE WHEN value % 10 <> 0 THEN value END AS some "
    f"FROM generate_series(1, {ROWS}) AS t (value)"
)
LONG = "SELECT value, repeat('x', 50) AS t FROM generate_series(1, 100000000) AS t (value)"
ENDLESS = (
    "SELECT count(*) FROM generate_series(1, 1000000) AS a, generate_series(1, 1000000) AS b "
    "WHERE a.value + b.value = 3"
)
_MIB = 1024 * 1024


def until(is_so: Callable[[], bool]) -> None:
    """Wait for something to come true."""
    wait_for(is_so, "something to come true")


def started(server: Running, client: fl.FlightClient, caller: Caller, sql: str) -> fl.FlightInfo:
    descriptor = fl.FlightDescriptor.for_command(pack(CommandStatementQuery(sql)))
    return client.get_flight_info(descriptor, options_of(caller))


def wait_for_cancel(server: Running, caller: Caller) -> None:
    """Wait until the only run of a workspace is recorded as cancelled."""

    def statuses() -> list[RunStatus]:
        page = server.wait(queries.list_runs(server.door.engine, caller, limit=10))
        return [run.status for run in page.items]

    until(lambda: statuses() == [RunStatus.CANCELLED])


def expected() -> pa.Table:
    numbers = np.arange(1, ROWS + 1)
    return pa.table(
        {
            "id": numbers,
            "half": numbers * 0.5,
            "word": pa.array(numbers).cast(pa.string()),
            "even": numbers % 2 == 0,
            "some": pa.array(numbers, mask=numbers % 10 == 0),
        }
    )


def test_a_million_rows_are_equal_through_adbc(connection: dbapi.Connection) -> None:
    with connection.cursor() as cursor:
        cursor.execute(MILLION)
        found = cursor.fetch_arrow_table()
    assert found.sort_by("id").to_pydict() == expected().to_pydict()


def test_a_million_rows_are_equal_through_flight(server: Running, caller: Caller) -> None:
    with server.client() as client:
        info = started(server, client, caller, MILLION)
        found = client.do_get(info.endpoints[0].ticket, options_of(caller)).read_all()
    assert found.schema.equals(info.schema)
    assert found.sort_by("id").to_pydict() == expected().to_pydict()


@pytest.mark.parametrize("kind", ["Utf8", "Utf8View", "LargeUtf8", "Binary"])
def test_messages_stay_small_however_long_the_values_are(
    server: Running, caller: Caller, kind: str
) -> None:
    text = "repeat(chr(97 + CAST(value % 26 AS INT)), 5000 + CAST(value AS INT))"
    sql = f"SELECT value, arrow_cast({text}, '{kind}') AS t FROM generate_series(0, 7999) AS t (value)"
    sizes, seen = [], 0
    with server.client() as client:
        info = started(server, client, caller, sql)
        for chunk in client.do_get(info.endpoints[0].ticket, options_of(caller)):
            batch: Any = chunk.data
            sizes.append(batch.nbytes)
            for number, value in zip(
                *(column.to_pylist() for column in batch.columns), strict=True
            ):
                letter = chr(97 + number % 26)
                shown = value.decode() if isinstance(value, bytes) else value
                assert shown == letter * (5000 + number)
                seen += 1
    assert seen == 8000
    assert max(sizes) < 16 * _MIB


@pytest.mark.parametrize(
    "expression",
    [
        "arrow_cast(CAST(value % 3 AS VARCHAR), 'Dictionary(Int32, Utf8)')",
        "ARRAY[value, NULL]",
        "named_struct('a', value, 'b', CAST(value AS VARCHAR))",
        "map(ARRAY['k'], ARRAY[value])",
        "NULL",
        "CASE WHEN value > 5 THEN INTERVAL '1 month 2 days 3.5 seconds' END",
        "arrow_cast(value, 'Decimal256(50, 3)')",
        "arrow_cast(CAST(value AS VARCHAR), 'Utf8View')",
    ],
    ids=["dictionary", "list", "struct", "map", "null", "interval", "decimal256", "view"],
)
def test_every_kind_of_column_arrives(
    server: Running, caller: Caller, connection: dbapi.Connection, expression: str
) -> None:
    sql = f"SELECT value, {expression} AS v FROM generate_series(1, 30000) AS t (value)"
    with connection.cursor() as cursor:
        cursor.execute(sql)
        found = cursor.fetch_arrow_table()
    assert found.num_rows == 30_000
    found.validate(full=True)
    with server.client() as client:
        info = started(server, client, caller, sql)
        again = client.do_get(info.endpoints[0].ticket, options_of(caller)).read_all()
    assert again.schema.equals(found.schema)
    key = operator.itemgetter("value")
    assert sorted(again.to_pylist(), key=key) == sorted(found.to_pylist(), key=key)


def test_a_slow_reader_keeps_memory_bounded(server: Running, caller: Caller) -> None:
    process = psutil.Process()
    with server.client() as client:
        info = started(server, client, caller, LONG)
        assert info.total_records == -1
        reader = client.do_get(info.endpoints[0].ticket, options_of(caller))
        reader.read_chunk()
        time.sleep(0.5)
        before = process.memory_info().rss
        for _ in range(5):
            reader.read_chunk()
            time.sleep(0.1)
        # The whole is over six gigabytes.
        assert process.memory_info().rss - before < 64 * _MIB
        assert server.door.engine.pool.counts["busy"] == 1
        reader.cancel()
    until(lambda: server.count_running() == 0)
    wait_for_cancel(server, caller)


def test_a_client_that_goes_away_while_reading_frees_the_worker(
    server: Running, caller: Caller
) -> None:
    client = server.client()
    info = started(server, client, caller, LONG)
    reader = client.do_get(info.endpoints[0].ticket, options_of(caller))
    reader.read_chunk()
    assert server.door.engine.pool.counts["busy"] == 1
    del reader
    client.close()
    until(lambda: server.door.engine.pool.counts["busy"] == 0)
    wait_for_cancel(server, caller)


def test_a_client_that_goes_away_while_waiting_frees_the_worker(
    server: Running, caller: Caller
) -> None:
    hurried = options_of(caller, timeout_s=3)
    descriptor = fl.FlightDescriptor.for_command(pack(CommandStatementQuery(ENDLESS)))
    with server.client() as client, pytest.raises(fl.FlightTimedOutError):
        client.get_flight_info(descriptor, hurried)
    until(lambda: server.door.engine.pool.counts["busy"] == 0)
    wait_for_cancel(server, caller)


def test_adbc_cancels_what_runs(
    server: Running, caller: Caller, connection: dbapi.Connection
) -> None:
    failures: list[BaseException] = []

    def execute() -> None:
        try:
            cursor.execute(ENDLESS)
        except adbc_driver_manager.Error as error:
            failures.append(error)

    with connection.cursor() as cursor:
        thread = threading.Thread(target=execute)
        thread.start()
        until(lambda: server.count_running() == 1)
        cursor.adbc_cancel()
        thread.join(PATIENCE_S)
    (failure,) = failures
    assert isinstance(failure, adbc_driver_manager.Error)
    assert failure.status_code is adbc_driver_manager.AdbcStatusCode.CANCELLED
    until(lambda: server.count_running() == 0)


@pytest.mark.parametrize("is_reading", [False, True], ids=["waiting", "reading"])
@pytest.mark.parametrize("name", ["CancelFlightInfo", "CancelQuery"])
def test_a_statement_is_cancelled_by_its_info(
    server: Running, caller: Caller, name: str, is_reading: bool
) -> None:
    options = options_of(caller)
    with server.client() as client:
        info = started(server, client, caller, LONG)
        reader = client.do_get(info.endpoints[0].ticket, options) if is_reading else None
        if reader is not None:
            reader.read_chunk()
        if name == "CancelQuery":
            body = pack(ActionCancelQueryRequest(info.serialize()))
        else:
            body = write_message(CancelFlightInfoRequest(info.serialize()))
        (answer,) = client.do_action(fl.Action(name, body), options)
        answered = answer.body.to_pybytes()
        if name == "CancelQuery":
            assert unpack(ActionCancelQueryResult, answered).result == 1
        else:
            assert read_message(CancelFlightInfoResult, answered).status == 1
        if reader is not None:
            with pytest.raises(fl.FlightCancelledError, match="cancelled"):
                # Not read_all: to pyarrow's client a cancellation there is a Ctrl-C.
                for _ in reader:
                    pass
        else:
            with pytest.raises(pa.ArrowKeyError, match="is not known"):
                client.do_get(info.endpoints[0].ticket, options).read_all()
    until(lambda: server.count_running() == 0)
    wait_for_cancel(server, caller)


def test_many_clients_at_once(server: Running, caller: Caller) -> None:
    found: list[int] = []

    def work(number: int) -> None:
        with server.connect(caller.workspace_id) as connection, connection.cursor() as cursor:
            for step in range(5):
                cursor.execute("SELECT $1 + $2 AS v", (number, step))
                row = cursor.fetchone()
                assert row is not None
                found.append(row[0])

    threads = [threading.Thread(target=work, args=(number,)) for number in range(0, 160, 10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert sorted(found) == sorted(n + s for n in range(0, 160, 10) for s in range(5))
