"""/v1/connections: remote sources. A configuration goes in and never comes out."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path
from pydantic import Field

from catalog.model import Connection, ReadMode, RemoteTable
from engine.service import connections
from engine.service.connections import NewConnection
from server.auth import Authorized
from server.wire.fields import Closed, Timestamp, id_path
from server.wire.json_body import JsonBody, Shape
from server.wire.openapi import documented_errors

router = APIRouter(prefix="/v1/connections", tags=["Connections"])

ConnectionId = Annotated[str, id_path("connection", "conn0123456789abcdefghijklmnop")]
SchemaName = Annotated[
    str, Path(description="Schema, as the source spells it.", examples=["public"])
]
TableName = Annotated[str, Path(description="Table, as the source spells it.", examples=["orders"])]
Mode = Literal["cached", "live"]
_INTERVAL = "Seconds between refreshes of what is synced, at least 60; null = only when asked."


class CreateConnection(Shape):
    """A source to reach; credentials in ``config`` become a secret."""

    name: str = Field(description="What SQL calls it: its catalog.")
    source_type: str = Field(description="One of GET /v1/connection-types.")
    config: dict[str, Any] = Field(description="Options of the source; see its config_schema.")
    secret_name: str | None = Field(None, description="A secret that holds the credential.")
    secret_id: str | None = Field(None, description="The same, by id.")
    skip_discovery: bool = Field(False, description="Do not look for tables yet.")
    mode: Mode = Field("cached", description="Copy tables here, or read the source each time.")
    refresh_interval_s: int | None = Field(None, description=_INTERVAL)


class UpdateConnection(Shape):
    """What may change; absent fields stay."""

    mode: Mode | None = None
    refresh_interval_s: int | None = Field(None, description=_INTERVAL)
    config: dict[str, Any] | None = Field(
        None, description="Takes the place of all options and of the credential."
    )
    secret_name: str | None = Field(None, description="A secret that holds the credential.")
    secret_id: str | None = Field(None, description="The same, by id.")


class UpdateTable(Shape):
    """What may change; absent fields stay, null clears."""

    mode: Mode | None = Field(None, description="null = as the connection.")
    cursor_column: str | None = Field(
        None, description="A column that only grows: a refresh then reads only rows beyond it."
    )


class ConnectionBody(Closed):
    """One connection in a listing."""

    id: str
    name: str
    source_type: str


class ConnectionListing(Closed):
    """Every connection, by name."""

    connections: list[ConnectionBody]


class ConnectionCreated(Closed):
    """A new connection, and what looking for its tables came to."""

    id: str
    name: str
    source_type: str
    tables_discovered: int = Field(ge=0)
    discovery_status: str
    discovery_error: str | None


class ConnectionDetail(Closed):
    """One connection and how many of its tables are synced."""

    id: str
    name: str
    source_type: str
    table_count: int = Field(ge=0)
    synced_table_count: int = Field(ge=0)
    mode: Mode
    refresh_interval_s: int | None
    next_refresh_at: Timestamp | None
    discovery_status: str
    discovery_error: str | None
    created_at: Timestamp
    updated_at: Timestamp


class HealthBody(Closed):
    """Whether the source could be read just now."""

    connection_id: str
    healthy: bool
    error: str | None
    latency_ms: int = Field(ge=0)


class TableDetail(Closed):
    """How one table is read, and what its copy is like; all null without one."""

    connection_id: str
    schema_name: str
    table_name: str
    mode: Mode | None
    cursor_column: str | None
    synced: bool
    last_sync: Timestamp | None
    row_count: int | None = Field(ge=0)
    size_bytes: int | None = Field(ge=0)
    warnings: list[str]


CREATE = JsonBody(
    CreateConnection,
    example={
        "name": "shop",
        "source_type": "postgres",
        "config": {
            "host": "db.example.com",
            "port": 5432,
            "user": "reader",
            "password": "correct horse",
            "database": "shop",
        },
        "skip_discovery": True,
    },
)
UPDATE = JsonBody(UpdateConnection, example={"refresh_interval_s": 3600})
UPDATE_TABLE = JsonBody(UpdateTable, example={"mode": "cached"})


@router.get(
    "", operation_id="list_connections", summary="List connections", responses=documented_errors()
)
async def list_connections(access: Authorized) -> ConnectionListing:
    """List the connections of this workspace by name."""
    found = await connections.list_connections(access.engine, access.caller)
    return ConnectionListing(
        connections=[
            ConnectionBody(id=each.id, name=each.name, source_type=each.source_type)
            for each in found
        ]
    )


@router.post(
    "",
    operation_id="create_connection",
    summary="Create a connection",
    status_code=201,
    openapi_extra=CREATE.openapi_extra,
    responses=documented_errors(409),
)
async def create_connection(
    access: Authorized, body: Annotated[CreateConnection, Depends(CREATE)]
) -> ConnectionCreated:
    """Connect a source and look for its tables; that it cannot be reached yet is no error."""
    fields = body.model_dump()
    fields["mode"] = ReadMode(body.mode)
    connection, added = await connections.create_connection(
        access.engine, access.caller, NewConnection(**fields)
    )
    return ConnectionCreated(
        id=connection.id,
        name=connection.name,
        source_type=connection.source_type,
        tables_discovered=added,
        discovery_status=connection.discovery_status,
        discovery_error=connection.discovery_error,
    )


@router.get(
    "/{id}",
    operation_id="get_connection",
    summary="Get a connection",
    responses=documented_errors(404),
)
async def get_connection(access: Authorized, id: ConnectionId) -> ConnectionDetail:  # noqa: A002 - path
    """Look at one connection."""
    detail = await connections.get_connection(access.engine, access.caller, id)
    return _detail_of(detail)


@router.patch(
    "/{id}",
    operation_id="update_connection",
    summary="Change a connection",
    openapi_extra=UPDATE.openapi_extra,
    responses=documented_errors(404, 409),
)
async def update_connection(
    access: Authorized,
    id: ConnectionId,  # noqa: A002 - path
    body: Annotated[UpdateConnection, Depends(UPDATE)],
) -> ConnectionDetail:
    """Choose how its tables are read and refreshed, or give it another configuration."""
    changes = _with_mode(body.changes(clearable=("refresh_interval_s",)))
    await connections.update_connection(access.engine, access.caller, id, changes)
    return _detail_of(await connections.get_connection(access.engine, access.caller, id))


@router.delete(
    "/{id}",
    operation_id="delete_connection",
    summary="Delete a connection",
    status_code=204,
    responses=documented_errors(404),
)
async def delete_connection(access: Authorized, id: ConnectionId) -> None:  # noqa: A002 - path
    """Forget a connection, its tables and copies; the source is not touched."""
    await connections.delete_connection(access.engine, access.caller, id)


@router.get(
    "/{id}/health",
    operation_id="check_connection_health",
    summary="Try a connection",
    responses=documented_errors(404),
)
async def check_health(access: Authorized, id: ConnectionId) -> HealthBody:  # noqa: A002 - path
    """Connect now and say whether it worked; that it did not is an answer, not an error."""
    health = await connections.check_health(access.engine, access.caller, id)
    return HealthBody(
        connection_id=id,
        healthy=health.healthy,
        error=health.error,
        latency_ms=health.latency_ms,
    )


@router.delete(
    "/{id}/cache",
    operation_id="purge_connection_cache",
    summary="Purge the copies of a connection",
    status_code=204,
    responses=documented_errors(404),
)
async def purge(access: Authorized, id: ConnectionId) -> None:  # noqa: A002 - path
    """Forget every copy; the next query of a table syncs it again."""
    await connections.purge(access.engine, access.caller, id)


@router.get(
    "/{id}/tables/{schema}/{table}",
    operation_id="get_table",
    summary="Get a table",
    responses=documented_errors(404),
)
async def get_table(
    access: Authorized,
    id: ConnectionId,  # noqa: A002 - path
    schema: SchemaName,
    table: TableName,
) -> TableDetail:
    """Look at one table: its settings, and what its copy is like."""
    return _table_of(await connections.get_table(access.engine, access.caller, id, schema, table))


@router.patch(
    "/{id}/tables/{schema}/{table}",
    operation_id="update_table",
    summary="Change how a table is read",
    openapi_extra=UPDATE_TABLE.openapi_extra,
    responses=documented_errors(404),
)
async def update_table(
    access: Authorized,
    id: ConnectionId,  # noqa: A002 - path
    schema: SchemaName,
    table: TableName,
    body: Annotated[UpdateTable, Depends(UPDATE_TABLE)],
) -> TableDetail:
    """Read one table live or from a copy, and refresh it by a column that only grows."""
    changes = _with_mode(body.changes(clearable=("mode", "cursor_column")))
    found = await connections.update_table(access.engine, access.caller, id, schema, table, changes)
    return _table_of(found)


@router.delete(
    "/{id}/tables/{schema}/{table}/cache",
    operation_id="purge_table_cache",
    summary="Purge the copy of a table",
    status_code=204,
    responses=documented_errors(404),
)
async def purge_table(
    access: Authorized,
    id: ConnectionId,  # noqa: A002 - path
    schema: SchemaName,
    table: TableName,
) -> None:
    """Forget the copy of one table; the next query syncs it again."""
    await connections.purge_table(access.engine, access.caller, id, schema, table)


def _with_mode(changes: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: ReadMode(value) if name == "mode" and value is not None else value
        for name, value in changes.items()
    }


def _detail_of(detail: connections.ConnectionDetail) -> ConnectionDetail:
    connection: Connection = detail.connection
    return ConnectionDetail(
        id=connection.id,
        name=connection.name,
        source_type=connection.source_type,
        table_count=detail.table_count,
        synced_table_count=detail.synced_table_count,
        mode=connection.mode.value,
        refresh_interval_s=connection.refresh_interval_s,
        next_refresh_at=connection.next_refresh_at,
        discovery_status=connection.discovery_status,
        discovery_error=connection.discovery_error,
        created_at=connection.created_at,
        updated_at=connection.updated_at,
    )


def _table_of(table: RemoteTable) -> TableDetail:
    return TableDetail(
        connection_id=table.connection_id,
        schema_name=table.schema_name,
        table_name=table.table_name,
        mode=None if table.mode is None else table.mode.value,
        cursor_column=table.cursor_column,
        synced=table.is_synced,
        last_sync=table.last_sync,
        row_count=table.row_count,
        size_bytes=table.size_bytes,
        warnings=list(table.warnings),
    )
