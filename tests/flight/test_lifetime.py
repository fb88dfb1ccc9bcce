"""The door from start to stop, and what it keeps for clients and for how long."""

import asyncio
import socket
import threading
from pathlib import Path
from typing import Any

import adbc_driver_manager
import pyarrow as pa
import pyarrow.flight as fl
import pytest

from engine.errors import NotFound
from engine.service.context import Caller
from engine.service.queries import QueryAnswer, QueryOptions, run_query
from server.door import Door
from server.flight.answers import WaitingAnswers, open_answer
from server.flight.commands import CommandStatementQuery, pack
from server.flight.door import FlightDoor
from server.flight.prepared import IDLE_S, PreparedStatement, PreparedStatements
from server.flight.protobuf import write_map, write_message
from server.flight.sessions import SessionOptions, Sessions, SetSessionOptionsRequest
from tests.connectors.sources.clickhouse_server import write_certificate
from tests.flight.running import Running, options_of, running
from tests.flight.test_streams import ENDLESS, LONG, started, until
from tests.patience import PATIENCE_S


def caller_in(workspace_id: str, token_id: str = "") -> Caller:
    return Caller("org", workspace_id, token_id, "user", "flight")


def test_tls(tmp_path: Path) -> None:
    certificate = write_certificate(tmp_path / "flight.pem", "localhost")
    key = (tmp_path / "flight.pem").read_text().removesuffix(certificate)
    with running(tmp_path / "data", tls=(certificate.encode(), key.encode())) as server:
        caller = server.caller()
        trusted = {"adbc.flight.sql.client_option.tls_root_certs": certificate}
        with (
            server.connect(caller.workspace_id, **trusted) as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute("SELECT 1")
            assert cursor.fetchall() == [(1,)]
        with (
            server.connect(caller.workspace_id) as connection,
            connection.cursor() as cursor,
            pytest.raises(adbc_driver_manager.Error),
        ):
            cursor.execute("SELECT 1")


def test_a_stopping_door_refuses_new_calls_and_ends_running_ones(tmp_path: Path) -> None:
    with running(tmp_path / "data") as server:
        caller = server.caller()
        client = server.client()
        info = started(server, client, caller, LONG)
        reader = client.do_get(info.endpoints[0].ticket, options_of(caller))
        reader.read_chunk()
        stop = asyncio.run_coroutine_threadsafe(server.flight.stop(), server.loop)
        until(lambda: refuses(client, caller))
        assert not stop.done()
        for _ in range(100):
            chunk: Any = reader.read_chunk()
            assert chunk.data.num_rows > 0
        reader.cancel()
        del reader
        client.close()
        stop.result(PATIENCE_S)
        assert server.count_running() == 0


def test_a_stop_whose_wait_was_cut_short_is_finished_by_the_next(tmp_path: Path) -> None:
    with running(tmp_path / "data") as server:
        caller = server.caller()
        with server.client() as client:
            started(server, client, caller, "SELECT 1 AS a")

            async def impatient() -> None:
                await asyncio.wait_for(server.flight.stop(), 0.2)

            with pytest.raises(TimeoutError):
                server.wait(impatient())
            assert refuses(client, caller)
            assert can_connect(server.port)
        patient = asyncio.run_coroutine_threadsafe(server.flight.stop(), server.loop)
        server.wait(server.flight.stop(drain_s=0))
        patient.result(PATIENCE_S)
        assert not can_connect(server.port)


def test_a_drain_lets_what_was_asked_be_fetched(tmp_path: Path) -> None:
    with running(tmp_path / "data") as server:
        caller = server.caller()
        with server.client() as client:
            info = started(server, client, caller, "SELECT 1 AS a")
            stop = asyncio.run_coroutine_threadsafe(server.flight.stop(), server.loop)
            until(lambda: refuses(client, caller))
            assert not stop.done()
            found = client.do_get(info.endpoints[0].ticket, options_of(caller)).read_all()
            assert found.to_pylist() == [{"a": 1}]
        stop.result(PATIENCE_S)


def refuses(client: fl.FlightClient, caller: Caller) -> bool:
    descriptor = fl.FlightDescriptor.for_command(pack(CommandStatementQuery("SELECT 1")))
    try:
        client.get_flight_info(descriptor, options_of(caller))
    except fl.FlightUnavailableError as error:
        return "shutting down" in str(error)
    return False


def test_what_runs_too_long_is_cancelled_at_the_stop(tmp_path: Path) -> None:
    failures: list[Exception] = []
    with running(tmp_path / "data") as server:
        caller = server.caller()

        def ask() -> None:
            with server.client() as client:
                try:
                    started(server, client, caller, ENDLESS)
                except fl.FlightError as error:
                    failures.append(error)

        thread = threading.Thread(target=ask)
        thread.start()
        until(lambda: server.count_running() == 1)
        server.wait(server.flight.stop(drain_s=0))
        thread.join(PATIENCE_S)
        assert isinstance(failures[0], fl.FlightCancelledError)
        until(lambda: server.count_running() == 0)


def test_a_client_that_does_not_read_cannot_hold_up_the_stop(tmp_path: Path) -> None:
    with running(tmp_path / "data") as server:
        caller = server.caller()
        client = server.client()
        info = started(server, client, caller, LONG)
        reader = client.do_get(info.endpoints[0].ticket, options_of(caller))
        reader.read_chunk()
        assert can_connect(server.port)
        server.wait(server.flight.stop(drain_s=0))
        assert server.count_running() == 0
        assert not can_connect(server.port)
        with pytest.raises((fl.FlightError, pa.ArrowException, OSError)):
            for _ in reader:
                pass


def can_connect(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S).close()
    except ConnectionRefusedError:
        return False
    return True


def test_the_drain_of_the_server_waits_for_streams(tmp_path: Path) -> None:
    with running(tmp_path / "data") as server:
        caller = server.caller()
        client = server.client()
        info = started(server, client, caller, LONG)
        reader = client.do_get(info.endpoints[0].ticket, options_of(caller))
        reader.read_chunk()
        idle = asyncio.run_coroutine_threadsafe(server.door.wait_idle(), server.loop)
        with pytest.raises(TimeoutError):
            idle.result(0.3)
        reader.cancel()
        del reader
        client.close()
        until(lambda: server.count_running() == 0)


def test_a_door_stops_once_and_can_be_stopped_before_it_started(server: Running) -> None:
    door = FlightDoor(server.door, "127.0.0.1", 0)
    server.wait(door.stop())
    server.wait(door.start())
    server.wait(door.stop())
    server.wait(door.stop())


def test_a_taken_port_is_an_error(server: Running) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        door = FlightDoor(server.door, "127.0.0.1", taken.getsockname()[1])
        with pytest.raises(OSError, match="cannot listen"):
            server.wait(door.start())


async def answer_of(door: Door, caller: Caller, sql: str) -> QueryAnswer:
    answer = await run_query(door.engine, caller, sql, QueryOptions(format="arrow"))
    assert isinstance(answer, QueryAnswer)
    return answer


def test_an_answer_that_nobody_fetches_is_closed(server: Running, caller: Caller) -> None:
    async def keep() -> tuple[WaitingAnswers, bytes]:
        answers = WaitingAnswers(keep_s=0.2)
        waiting = await open_answer(caller, await answer_of(server.door, caller, LONG))
        handle = answers.keep(waiting)
        assert len(answers) == 1
        return answers, handle

    async def take() -> None:
        answers.take(caller, handle)

    answers, handle = server.wait(keep())
    until(lambda: server.count_running() == 0)
    assert len(answers) == 0
    with pytest.raises(NotFound):
        server.wait(take())


def test_the_oldest_answers_of_a_workspace_make_room(server: Running, caller: Caller) -> None:
    stranger = server.caller()

    async def keep() -> tuple[WaitingAnswers, list[bytes], bytes]:
        answers = WaitingAnswers()
        other = answers.keep(
            await open_answer(stranger, await answer_of(server.door, stranger, "SELECT 1"))
        )
        handles = [
            answers.keep(
                await open_answer(caller, await answer_of(server.door, caller, "SELECT 1"))
            )
            for _ in range(258)
        ]
        return answers, handles, other

    answers, handles, other = server.wait(keep())

    async def look() -> None:
        for handle in handles[:2]:
            with pytest.raises(NotFound):
                answers.take(caller, handle)
        for handle in handles[2:]:
            answers.take(caller, handle)
        answers.take(stranger, other)
        await answers.close()

    server.wait(look())


def test_prepared_statements_are_bounded_and_forgotten() -> None:
    now_s = 0.0
    kept = PreparedStatements(clock_s=lambda: now_s)
    one, two = caller_in("ws1"), caller_in("ws2")
    first = kept.add(one, PreparedStatement("SELECT 1", SessionOptions()))
    other = kept.add(two, PreparedStatement("SELECT 2", SessionOptions()))
    handles = [kept.add(one, PreparedStatement("SELECT 1", SessionOptions())) for _ in range(1000)]
    for caller, handle in ((one, first), (two, first), (one, other)):
        with pytest.raises(NotFound):
            kept.get(caller, handle)
    now_s = IDLE_S - 1
    assert kept.get(two, other).sql == "SELECT 2"
    assert kept.get(one, handles[0]).sql == "SELECT 1"
    now_s = IDLE_S + 1
    with pytest.raises(NotFound):
        kept.get(one, handles[1])
    kept.close(one, handles[0])
    kept.close(one, handles[0])
    with pytest.raises(NotFound):
        kept.get(one, handles[0])


def test_sessions_belong_to_one_token_and_are_forgotten() -> None:
    now_s = 0.0
    sessions = Sessions(clock_s=lambda: now_s)
    own, foreign = caller_in("ws1"), caller_in("ws1", "tokn2")
    request = write_message(SetSessionOptionsRequest(write_map({"catalog": b"\x0a\x02pg"})))
    _, cookie = sessions.change(own, {}, request)
    assert cookie is not None
    headers = {"cookie": cookie}
    assert sessions.options_of(own, headers).catalog == "pg"
    assert sessions.options_of(foreign, headers).catalog is None
    assert sessions.options_of(own, {"cookie": "a=b; " + cookie}).catalog == "pg"
    assert sessions.change(own, headers, request)[1] is None
    now_s = IDLE_S + 1
    assert sessions.options_of(own, headers).catalog is None


@pytest.mark.parametrize(
    "value",
    [b"\x10\x01", b"\x0a\x81\x02" + b"x" * 257, b"\x0a\x01\x00"],
    ids=["boolean", "long", "nul"],
)
def test_a_session_option_of_another_kind_is_an_invalid_value(value: bytes) -> None:
    sessions = Sessions()
    request = write_message(SetSessionOptionsRequest(write_map({"catalog": value})))
    answer, cookie = sessions.change(caller_in("ws1"), {}, request)
    assert cookie is None
    assert b"catalog" in answer
    assert answer.endswith(b"\x08\x02")
