"""Who may call: tokens, workspaces, and what one tenant learns of another."""

from collections.abc import Callable
from typing import Any, cast

import adbc_driver_manager
import pyarrow as pa
import pyarrow.flight as fl
import pytest
from adbc_driver_flightsql import dbapi

from engine.service import identity, results
from engine.service.context import Caller
from server.flight.commands import (
    ActionCreatePreparedStatementRequest,
    ActionCreatePreparedStatementResult,
    CancelFlightInfoRequest,
    CommandGetTables,
    CommandPreparedStatementQuery,
    CommandStatementQuery,
    TicketStatementQuery,
    pack,
    unpack,
)
from server.flight.protobuf import write_message
from tests.flight.running import HEADER, KEEPING, TOKEN, Running, options_of

Status = adbc_driver_manager.AdbcStatusCode


def statement(sql: str = "SELECT 1 AS a") -> fl.FlightDescriptor:
    return fl.FlightDescriptor.for_command(pack(CommandStatementQuery(sql)))


def put(client: fl.FlightClient, options: fl.FlightCallOptions) -> None:
    command = pack(CommandPreparedStatementQuery(b"unknown"))
    batch = pa.record_batch({"a": [1]})
    writer, reader = client.do_put(fl.FlightDescriptor.for_command(command), batch.schema, options)
    with writer:
        writer.write_batch(batch)
        writer.done_writing()
        reader.read()  # type: ignore[attr-defined]  # the stubs take it for another reader


CALLS: dict[str, Callable[[fl.FlightClient, fl.FlightCallOptions], object]] = {
    "get_flight_info": lambda client, options: client.get_flight_info(statement(), options),
    "get_schema": lambda client, options: client.get_schema(statement(), options),
    "do_get": lambda client, options: client.do_get(
        fl.Ticket(pack(CommandGetTables())), options
    ).read_all(),
    "do_put": put,
    "do_action": lambda client, options: list(
        client.do_action(fl.Action("GetSessionOptions", b""), options)
    ),
    "list_actions": lambda client, options: client.list_actions(options),
    "list_flights": lambda client, options: list(client.list_flights(options=options)),
}


def headers(**values: str) -> fl.FlightCallOptions:
    pairs = [(name.replace("_", "-").encode(), value.encode()) for name, value in values.items()]
    # They are bytes, whatever the stubs say.
    return fl.FlightCallOptions(headers=cast("list[tuple[str, str]]", pairs))


@pytest.mark.parametrize("name", list(CALLS))
@pytest.mark.parametrize(
    "given",
    [
        {},
        {"authorization": "Bearer tm_unknown"},
        {"authorization": "Basic bm90OmJhc2U"},
        {"authorization": "Basic ?"},
        {"authorization": "Digest x"},
        {"authorization": "Bearer "},
    ],
    ids=["nothing", "unknown", "wrong_password", "not_base64", "other_scheme", "empty"],
)
def test_no_call_without_a_valid_token(server: Running, name: str, given: dict[str, str]) -> None:
    # pyarrow's client has one class for every status of GetSchema.
    kind = OSError if name == "get_schema" else fl.FlightUnauthenticatedError
    with server.client() as client, pytest.raises(kind, match="Unauthenticated") as raised:
        CALLS[name](client, headers(**given))
    assert "Traceback" not in str(raised.value)


@pytest.mark.parametrize("name", [name for name in CALLS if name != "do_put"])
def test_a_foreign_workspace_looks_like_none(server: Running, name: str) -> None:
    own, foreign = server.caller(), server.caller()
    made = identity.create_token(
        server.door.engine, name=f"{name}-{own.workspace_id}", workspace_id=own.workspace_id
    )
    _, secret = server.wait(made)

    def refusal(workspace_id: str) -> str:
        options = headers(authorization=f"Bearer {secret}", x_workspace_id=workspace_id)
        with server.client() as client, pytest.raises(pa.ArrowKeyError) as raised:
            CALLS[name](client, options)
        return str(raised.value).replace(workspace_id, "…")

    assert refusal(foreign.workspace_id) == refusal("ws_unknown")


def test_a_token_of_one_workspace_sees_no_other(server: Running, caller: Caller) -> None:
    engine = server.door.engine
    made = identity.create_token(
        engine, name=f"only-{caller.workspace_id}", workspace_id=caller.workspace_id
    )
    _, secret = server.wait(made)
    own = {"adbc.flight.sql.authorization_header": f"Bearer {secret}"}
    with server.connect(None, **own) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        assert cursor.fetchall() == [(1,)]
    with (
        server.connect(server.caller().workspace_id, **own) as connection,
        connection.cursor() as cursor,
        pytest.raises(adbc_driver_manager.Error, match="not found") as raised,
    ):
        cursor.execute("SELECT 1")
    assert raised.value.status_code is Status.NOT_FOUND


def test_a_token_that_sees_several_workspaces_names_one(server: Running, caller: Caller) -> None:
    with (
        server.connect(None) as connection,
        connection.cursor() as cursor,
        pytest.raises(adbc_driver_manager.Error, match="X-Workspace-Id is required"),
    ):
        cursor.execute("SELECT 1")


def test_a_password_is_answered_with_a_bearer(server: Running, caller: Caller) -> None:
    with server.client() as client:
        answered: Any = client.authenticate_basic_token("anybody", TOKEN)
        assert answered == (b"authorization", f"Bearer {TOKEN}".encode())
        with pytest.raises(fl.FlightUnauthenticatedError):
            client.authenticate_basic_token("anybody", "wrong")


def test_adbc_logs_in_with_a_password(server: Running, caller: Caller) -> None:
    options = {
        "username": "anybody",
        "password": TOKEN,
        f"{HEADER}x-workspace-id": caller.workspace_id,
    }
    with (
        dbapi.connect(server.uri, db_kwargs=options, autocommit=True) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute("SELECT 1")
        assert cursor.fetchall() == [(1,)]


def test_tenants_share_names_but_no_rows(server: Running, caller: Caller) -> None:
    stranger = server.caller()
    server.load(caller, "Notes", b"word\nmine\n")
    server.load(stranger, "Notes", b"word\nyours\n")
    for one, word in ((caller, "mine"), (stranger, "yours")):
        with server.connect(one.workspace_id) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT word FROM notes")
            assert cursor.fetchall() == [(word,)]


def test_a_result_of_another_tenant_does_not_exist(server: Running, caller: Caller) -> None:
    stranger = server.caller()
    with (
        server.connect(caller.workspace_id, **KEEPING) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute("SELECT 1 AS secret")
        cursor.fetchall()
    (kept,) = server.wait(results.list_results(server.door.engine, caller, limit=5, offset=0)).items
    with server.connect(stranger.workspace_id) as connection, connection.cursor() as cursor:
        with pytest.raises(adbc_driver_manager.Error, match="not found"):
            cursor.execute(f"SELECT * FROM results.{kept.id}")
        found = connection.adbc_get_objects(depth="tables").read_all()
        assert kept.id not in str(found.to_pylist())


@pytest.mark.parametrize("use", ["ticket", "cancel", "execute", "bind"])
def test_handles_of_another_tenant_are_unknown(server: Running, caller: Caller, use: str) -> None:
    stranger = options_of(server.caller())
    with server.client() as client:
        info = client.get_flight_info(statement(), options_of(caller))
        ticket = info.endpoints[0].ticket
        handle = prepared(client, caller)
        uses: dict[str, Callable[[], Any]] = {
            "ticket": lambda: client.do_get(ticket, stranger).read_all(),
            "cancel": lambda: list(client.do_action(cancel(info), stranger)),
            "execute": lambda: client.get_flight_info(
                fl.FlightDescriptor.for_command(pack(CommandPreparedStatementQuery(handle))),
                stranger,
            ),
            "bind": lambda: put(client, stranger),
        }
        with pytest.raises(pa.ArrowKeyError, match="is not known"):
            uses[use]()
        assert client.do_get(ticket, options_of(caller)).read_all().to_pylist() == [{"a": 1}]


def cancel(info: fl.FlightInfo) -> fl.Action:
    request = write_message(CancelFlightInfoRequest(info.serialize()))
    return fl.Action("CancelFlightInfo", request)


def prepared(client: fl.FlightClient, caller: Caller) -> bytes:
    request = pack(ActionCreatePreparedStatementRequest("SELECT 1 AS a"))
    (made,) = client.do_action(fl.Action("CreatePreparedStatement", request), options_of(caller))
    result = unpack(ActionCreatePreparedStatementResult, made.body.to_pybytes())
    return result.prepared_statement_handle


def test_a_ticket_is_redeemed_once(server: Running, caller: Caller) -> None:
    with server.client() as client:
        ticket = client.get_flight_info(statement(), options_of(caller)).endpoints[0].ticket
        assert client.do_get(ticket, options_of(caller)).read_all().num_rows == 1
        with pytest.raises(pa.ArrowKeyError, match="can be redeemed once"):
            client.do_get(ticket, options_of(caller)).read_all()


def test_a_ticket_of_our_own_making_runs_nothing(server: Running, caller: Caller) -> None:
    with server.client() as client:
        for forged in (pack(CommandStatementQuery("SELECT 1")), pack(TicketStatementQuery(b""))):
            with pytest.raises((pa.ArrowKeyError, pa.ArrowNotImplementedError)):
                client.do_get(fl.Ticket(forged), options_of(caller)).read_all()


def test_the_rate_limit_counts_statements(server: Running, caller: Caller) -> None:
    limiter = server.door.limiter
    before = limiter._rate_per_s
    limiter._rate_per_s = 1
    try:
        with server.client() as client:
            info = client.get_flight_info(statement(), options_of(caller))
            with pytest.raises(fl.FlightUnavailableError, match="More than 1 requests per second"):
                client.get_flight_info(statement(), options_of(caller))
            # What was admitted goes on.
            ticket = info.endpoints[0].ticket
            assert client.do_get(ticket, options_of(caller)).read_all().num_rows == 1
    finally:
        limiter._rate_per_s = before
