"""Connections that end early, read slowly, are many, or outlive their server."""

import time
from contextlib import ExitStack
from pathlib import Path

import psutil
import psycopg
import pytest
from psycopg import errors

from tests.patience import wait_for
from tests.pgwire.messages import SYNC, bind, cancel_request, execute, parse, query
from tests.pgwire.running import USER, PgServer, pg_serving
from tests.pgwire.wire import READY_IDLE, RawClient, rows, sqlstate, tags
from tests.pgwire.wire import errors as errors_of

MIB = 1024 * 1024
LARGE = "SELECT x, repeat('x', 200) AS t FROM generate_series(1, 1000000) AS g(x)"
_SLOW_S = 2.0
_GROWTH_MAX_BYTES = 96 * MIB


def endless(words: str) -> str:
    """A query that does not end, with words to find its run by."""
    return (
        f"SELECT '{words}', count(*) "
        "FROM generate_series(1, 1000000000) a(x), generate_series(1, 1000) b(y)"
    )


def test_a_query_ends_with_its_client(server: PgServer) -> None:
    with RawClient(server) as client:
        client.log_in()
        client.send(query(endless("its client goes away")))
        server.wait_for_run("its client goes away", "running")
    server.wait_for_run("its client goes away", "cancelled")
    assert server.run_of("its client goes away")[0] == "pgwire"


def test_a_portal_ends_with_its_client(server: PgServer) -> None:
    with RawClient(server) as client:
        client.log_in()
        client.asked(query("BEGIN"))
        answers = client.asked(parse(LARGE), bind(), execute(rows_max=2), SYNC)
        assert len(rows(answers)) == 2
    with server.connect() as connection:  # the workers are free again
        assert connection.execute("SELECT count(*) FROM items").fetchone() == (5000,)


def test_a_cancel_needs_the_key(server: PgServer) -> None:
    with RawClient(server) as client:
        client.log_in()
        client.send(query(endless("cancelled with a key")))
        server.wait_for_run("cancelled with a key", "running")
        wrong = bytes(each ^ 1 for each in client.secret)
        for process_id, secret in (
            (client.process_id, wrong),
            (client.process_id, b""),
            (client.process_id + 1, client.secret),
        ):
            with RawClient(server) as other:
                other.send(cancel_request(process_id, secret))
                assert other.is_over()
        assert server.run_of("cancelled with a key")[1] == "running"
        with RawClient(server) as other:
            other.send(cancel_request(client.process_id, client.secret))
            assert other.is_over()
        answers = client.until_ready()
        assert (errors_of(answers), answers[-1]) == (["57014"], READY_IDLE)
    server.wait_for_run("cancelled with a key", "cancelled")


@pytest.mark.parametrize(
    ("sql", "first"), [(LARGE, "T"), (f"COPY ({LARGE}) TO STDOUT", "H")], ids=["rows", "copy"]
)
def test_an_answer_is_interrupted_in_the_middle(server: PgServer, sql: str, first: str) -> None:
    with RawClient(server) as client:
        client.log_in()
        client.send(query(sql))
        assert client.receive()[0] == first
        with RawClient(server) as other:
            other.send(cancel_request(client.process_id, client.secret))
            assert other.is_over()
        answers = client.until_ready()
        assert (errors_of(answers), answers[-1]) == (["57014"], READY_IDLE)
        assert client.kinds(query("SELECT 1")) == "TDCZ"


def test_a_copy_ends_with_its_client(server: PgServer) -> None:
    with RawClient(server) as client:
        client.log_in()
        client.send(query(f"COPY (SELECT 'copied in vain', * FROM ({LARGE})) TO STDOUT"))
        assert client.receive()[0] == "H"
    server.wait_for_run("copied in vain", "cancelled")


def test_a_cancel_while_nothing_runs_does_nothing(server: PgServer) -> None:
    with RawClient(server) as client:
        client.log_in()
        with RawClient(server) as other:
            other.send(cancel_request(client.process_id, client.secret))
            assert other.is_over()
        assert client.kinds(query("SELECT 1")) == "TDCZ"


def test_a_statement_timeout_is_of_one_statement(server: PgServer) -> None:
    with RawClient(server) as client:
        client.log_in(options="-c statement_timeout=2s")
        assert errors_of(client.asked(query(endless("it takes too long")))) == ["57014"]
        server.wait_for_run("it takes too long", "cancelled")
        assert client.kinds(query("SELECT 1")) == "TDCZ"


def test_an_extended_statement_times_out_too(server: PgServer) -> None:
    with RawClient(server) as client:
        client.log_in(options="-c statement_timeout=2s")
        sql = endless("it takes too long as well")
        assert errors_of(client.asked(parse(sql), bind(), execute(), SYNC)) == ["57014"]
        assert client.kinds(parse("SELECT 1"), bind(), execute(), SYNC) == "12DCZ"


def test_rows_wait_for_a_slow_reader_outside_memory(server: PgServer) -> None:
    process = psutil.Process(server.server.process.pid)
    with RawClient(server) as client:
        client.log_in()
        before = process.memory_info().rss
        client.send(query(LARGE))
        assert client.receive()[0] == "T"
        most, end = 0, time.monotonic() + _SLOW_S
        while time.monotonic() < end:
            most = max(most, process.memory_info().rss - before)
            time.sleep(0.05)
        assert most < _GROWTH_MAX_BYTES
        assert client.count_rows() == 1_000_000
        assert process.memory_info().rss - before < _GROWTH_MAX_BYTES
        assert client.kinds(query("SELECT 1")) == "TDCZ"


def test_two_hundred_idle_connections_disturb_nobody(server: PgServer) -> None:
    with ExitStack() as stack:
        clients = [stack.enter_context(RawClient(server)) for _ in range(200)]
        for client in clients:
            client.log_in()
        with server.connect() as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
        assert {client.kinds(query("SELECT 1")) for client in clients[::20]} == {"TDCZ"}


def can_connect(server: PgServer) -> bool:
    try:
        server.connect().close()
    except psycopg.OperationalError:
        return False
    return True


def test_past_the_limit_clients_are_refused(tmp_path: Path) -> None:
    with pg_serving(tmp_path / "data", pg_connections_max=2) as server:
        with (
            server.connect(),
            server.connect(),
            pytest.raises(psycopg.OperationalError, match="too many clients already"),
        ):
            server.connect()
        # The server hears of the end of the others when it can.
        wait_for(lambda: can_connect(server), "a place for a connection")


def test_a_server_that_stops_answers_what_runs_and_ends_what_is_idle(tmp_path: Path) -> None:
    with pg_serving(tmp_path / "data") as server, RawClient(server) as idle:
        idle.log_in()
        with RawClient(server) as busy:
            busy.log_in()
            sql = (
                "SELECT count(*) AS drained "
                "FROM generate_series(1, 150000) a(x), generate_series(1, 150000) b(y)"
            )
            busy.send(query(sql))
            server.wait_for_run("drained", "running")
            server.server.terminate()
            kind, body = idle.receive()
            assert (kind, sqlstate(body)) == ("E", "57P01")
            assert idle.is_over()
            with pytest.raises(ConnectionRefusedError):
                RawClient(server)
            answers = busy.until_ready()
            assert rows(answers) == [[b"22500000000"]]
            assert tags(answers) == ["SELECT 1"]
            kind, body = busy.receive()
            assert (kind, sqlstate(body)) == ("E", "57P01")
            assert busy.is_over()
        assert server.server.wait() == 0


def test_a_driver_is_told_that_the_server_stopped(tmp_path: Path) -> None:
    with pg_serving(tmp_path / "data") as server, server.connect() as connection:
        server.server.terminate()
        assert server.server.wait() == 0
        with pytest.raises((errors.AdminShutdown, psycopg.OperationalError)):
            connection.execute("SELECT 1")


def test_a_login_that_stops_halfway_holds_nothing(server: PgServer) -> None:
    for _ in range(20):
        with RawClient(server) as client:
            client.send(b"\x00\x00")
    with server.connect(user=USER) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
