"""Connections: made, looked at, changed, purged and deleted.

A configuration goes in and never comes out (:mod:`engine.service.source_config`). That a source cannot be reached is no reason to refuse a connection: it is there,
says what is wrong, and can be refreshed later.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import structlog
from sqlalchemy import Connection as DbConnection

from catalog.errors import Conflict as CatalogConflict
from catalog.ids import IdKind, new_id
from catalog.model import Connection, DiscoveryStatus, ReadMode, RemoteTable
from catalog.store import connections as connection_store
from catalog.store import remote_tables as table_store
from catalog.store.discovery import Discovery, store_discovered
from connectors.registry import connector_class
from engine import errors
from engine.arrow_types import read_schema
from engine.service.context import Caller, Engine
from engine.service.source_config import GivenConfig, check_config, keep_credential
from engine.service.source_work import check_source, discover_source
from engine.translate import translated

NAME_CHARS_MAX = 255
REFRESH_INTERVAL_S_MIN = 60
REFRESH_INTERVAL_S_MAX = 366 * 24 * 3600
_OF_SOURCE = ("config", "secret_name", "secret_id")
_CHANGEABLE = ("mode", "refresh_interval_s", *_OF_SOURCE)
# They are catalogs of the service itself, or read like one in a name of two parts.
RESERVED_NAMES = frozenset(
    {"datasets", "documents", "hotdata", "information_schema", "results", "runtimedb"}
)

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class NewConnection:
    """What a client asks for; see ``GivenConfig`` for the source."""

    name: str
    source_type: str
    config: Mapping[str, Any] = field(repr=False)
    secret_name: str | None = None
    secret_id: str | None = None
    skip_discovery: bool = False
    mode: ReadMode = ReadMode.CACHED
    refresh_interval_s: int | None = None


@dataclass(frozen=True, slots=True)
class ConnectionDetail:
    """A connection, how many tables it has, and how many of them are synced."""

    connection: Connection
    table_count: int
    synced_table_count: int


@dataclass(frozen=True, slots=True)
class Health:
    """Whether a source could be read just now; ``latency_ms`` includes starting the attempt."""

    healthy: bool
    error: str | None
    latency_ms: int


@translated
async def create_connection(
    engine: Engine, caller: Caller, asked: NewConnection
) -> tuple[Connection, int]:
    """Make a connection and look for its tables.

    Returns:
        The connection, and how many tables were found.

    Raises:
        InvalidRequest: a blank or reserved name, an unknown source type, a configuration that is
            not valid, a missing driver or secret.
        Conflict: the workspace has a connection of this name.
    """
    name = asked.name.strip()
    _check_name(name)
    await engine.db.read(connection_store.refuse_taken_name, caller.workspace_id, name)
    _check_interval(asked.refresh_interval_s)
    _check_mode(asked.source_type, asked.mode)
    given = GivenConfig(asked.config, asked.secret_name, asked.secret_id)
    checked = await check_config(engine, caller, asked.source_type, given)
    connection = _new_connection(caller, asked, name)

    def write(conn: DbConnection) -> Connection:
        secret_id, is_own = keep_credential(conn, engine, caller, name, checked)
        made = replace(connection, config=checked.config, secret_id=secret_id, owns_secret=is_own)
        connection_store.insert_connection(conn, made)
        return made

    made = await engine.db.write(write)
    if asked.skip_discovery:
        return made, 0
    added = await _look_around(engine, made)
    return await _get(engine, caller, made.id), added


@translated
async def list_connections(engine: Engine, caller: Caller) -> tuple[Connection, ...]:
    """List the connections by name."""
    return await engine.db.read(connection_store.list_connections, caller.workspace_id)


async def schemas_of(engine: Engine, caller: Caller, name: str) -> frozenset[str] | None:
    """Return the schemas of the connection of a name; None when there is no such connection."""
    connection = await engine.db.read(connection_store.find_connection, caller.workspace_id, name)
    if connection is None:
        return None
    tables = await engine.db.read(
        table_store.list_tables, caller.workspace_id, connection.id, only_synced=False
    )
    return frozenset(table.schema_name for table in tables)


@translated
async def get_connection(engine: Engine, caller: Caller, connection_id: str) -> ConnectionDetail:
    """Return a connection with its counts; raise ``NotFound``."""
    connection = await _get(engine, caller, connection_id)
    total, synced = await engine.db.read(connection_store.count_tables, connection_id)
    return ConnectionDetail(connection, total, synced)


@translated
async def update_connection(
    engine: Engine, caller: Caller, connection_id: str, changes: Mapping[str, Any]
) -> Connection:
    """Change a connection; only the keys present are changed.

    A ``config`` takes the place of the whole configuration and of its credential, which is not used
    with another address: it, or ``secret_name`` or ``secret_id``, is given anew. Without ``config``
    these two change the credential alone. Then the source is looked at again. Copies stay as they
    are; the next refresh reads their tables whole.

    Raises:
        NotFound: there is no such connection.
        InvalidRequest: an interval below a minute, live mode of a source that takes no SQL, a
            configuration that is not valid.
        Conflict: somebody else changed the source meanwhile.
    """
    connection = await _get(engine, caller, connection_id)
    if not changes:
        raise errors.InvalidRequest(f"Nothing to change: give one of {', '.join(_CHANGEABLE)}")
    _check_interval(changes.get("refresh_interval_s"))
    _check_mode(connection.source_type, changes.get("mode"))
    plain = {key: changes[key] for key in changes if key not in _OF_SOURCE}
    given = {key: changes[key] for key in changes if key in _OF_SOURCE}
    if not given:
        return await engine.db.write(
            connection_store.update_connection, caller.workspace_id, connection_id, plain
        )
    checked = await check_config(
        engine,
        caller,
        connection.source_type,
        GivenConfig(**{"config": connection.config, **given}),
    )

    def write(conn: DbConnection) -> Connection:
        # To name the connection's own secret is to keep it.
        is_kept = checked.secret_id is not None and checked.secret_id == connection.secret_id
        connection_store.release_source(conn, connection, keeps_secret=is_kept)
        secret_id, is_own = keep_credential(conn, engine, caller, connection.name, checked)
        is_own = is_own or (is_kept and connection.owns_secret)
        source = {"config": checked.config, "secret_id": secret_id, "owns_secret": is_own}
        return connection_store.update_connection(
            conn, caller.workspace_id, connection_id, {**plain, **source}
        )

    await _look_around(engine, await engine.db.write(write))
    return await _get(engine, caller, connection_id)


@translated
async def delete_connection(engine: Engine, caller: Caller, connection_id: str) -> None:
    """Delete a connection with its tables, copies and own secret; raise ``NotFound``."""
    await engine.db.write(connection_store.delete_connection, caller.workspace_id, connection_id)


@translated
async def check_health(engine: Engine, caller: Caller, connection_id: str) -> Health:
    """Try the source; that it fails is an answer, not an error. Raises ``NotFound``."""
    connection = await _get(engine, caller, connection_id)
    started = time.perf_counter()
    error: str | None = None
    try:
        await check_source(engine, connection)
    except errors.EngineError as failure:
        error = failure.message
    return Health(error is None, error, round((time.perf_counter() - started) * 1000))


@translated
async def purge(engine: Engine, caller: Caller, connection_id: str) -> None:
    """Forget every copy of a connection; tables and schemas stay. Raises ``NotFound``."""
    await _get(engine, caller, connection_id)
    await engine.db.write(table_store.drop_copies, caller.workspace_id, connection_id)


@translated
async def purge_table(
    engine: Engine, caller: Caller, connection_id: str, schema: str, table: str
) -> None:
    """Forget the copy of one table, if there is one.

    Raises:
        NotFound: the connection or the table is unknown.
    """

    def write(conn: DbConnection) -> None:
        found = table_store.get_table(conn, caller.workspace_id, connection_id, schema, table)
        table_store.drop_copies(conn, caller.workspace_id, connection_id, found.table.id)

    await engine.db.write(write)


@translated
async def update_table(
    engine: Engine,
    caller: Caller,
    connection_id: str,
    schema: str,
    table: str,
    changes: Mapping[str, Any],
) -> RemoteTable:
    """Change ``mode`` and ``cursor_column`` of a table; only the keys present are changed.

    Raises:
        NotFound: the connection or the table is unknown.
        InvalidRequest: the source cannot do that, or the table has no such column.
    """
    found = await engine.db.read(
        table_store.get_table, caller.workspace_id, connection_id, schema, table
    )
    if not changes:
        raise errors.InvalidRequest("Nothing to change: give mode or cursor_column")
    _check_mode(found.connection.source_type, changes.get("mode"))
    _check_cursor(found, changes.get("cursor_column"))
    return await engine.db.write(
        table_store.update_table, caller.workspace_id, found.table.id, changes
    )


@translated
async def get_table(
    engine: Engine, caller: Caller, connection_id: str, schema: str, table: str
) -> RemoteTable:
    """Return a table with its settings and what its copy is like.

    Raises:
        NotFound: the connection or the table is unknown.
    """
    found = await engine.db.read(
        table_store.get_table, caller.workspace_id, connection_id, schema, table
    )
    return found.table


async def discover(engine: Engine, connection: Connection) -> Discovery:
    """Look at which tables a source has now, and write them down.

    Raises:
        EngineError: the source cannot be listed; the connection remembers why.
        NotFound: the connection was deleted meanwhile.
        CatalogConflict: it got another source meanwhile, of which this says nothing.
    """
    try:
        found = await discover_source(engine, connection)
    except errors.EngineError as error:
        log.warning("discovery.failed", connection_id=connection.id, error=type(error).__name__)
        reason = error.message.partition("\n")[0]
        await engine.db.write(
            connection_store.record_discovery, connection, DiscoveryStatus.FAILED, reason
        )
        raise
    tables = list(
        {(schema, table): (schema, table, ipc) for schema, table, ipc in found.tables}.values()
    )

    def write(conn: DbConnection) -> Discovery:
        table_store.lock_connection(conn, connection.workspace_id, connection.id)
        if not connection_store.has_source_of(conn, connection):
            raise CatalogConflict(
                f"Connection '{connection.name}' got another source while it was looked at"
            )
        stored = store_discovered(conn, connection.workspace_id, connection.id, tables)
        connection_store.record_discovery(conn, connection, DiscoveryStatus.SUCCESS, None)
        return stored

    return await engine.db.write(write)


def _check_mode(source_type: str, mode: ReadMode | None) -> None:
    """Refuse live mode where the source takes no SQL."""
    if mode is ReadMode.LIVE:
        connector = connector_class(source_type)
        if connector.capabilities.dialect is None:
            raise errors.InvalidRequest(
                f"A {connector.label} connection takes no SQL, so it cannot be queried live"
            )


def _check_cursor(found: table_store.FoundTable, column: str | None) -> None:
    if column is None:
        return
    connector = connector_class(found.connection.source_type)
    if not connector.capabilities.is_incremental:
        raise errors.InvalidRequest(
            f"Tables of a {connector.label} connection cannot be refreshed incrementally"
        )
    schema = read_schema(found.table.read_schema_ipc)
    if column not in schema.names:
        raise errors.InvalidRequest(f"The table has no column '{column}'")
    # Text is ordered differently here and there, and so are numbers that are kept as text.
    if not _can_grow(schema.field(column).type):
        raise errors.InvalidRequest(
            f"Column '{column}' cannot be a cursor: it takes an integer, decimal, date or timestamp"
        )


def _can_grow(dtype: pa.DataType) -> bool:
    return bool(
        pa.types.is_integer(dtype)
        or pa.types.is_decimal(dtype)
        or pa.types.is_date(dtype)
        or pa.types.is_timestamp(dtype)
    )


def _check_name(name: str) -> None:
    if not name:
        raise errors.InvalidRequest("Connection name cannot be empty")
    if len(name) > NAME_CHARS_MAX or not name.isprintable():
        raise errors.InvalidRequest(
            f"Connection name must be at most {NAME_CHARS_MAX} printable characters"
        )
    if name.lower() in RESERVED_NAMES:
        raise errors.InvalidRequest(f"Connection name '{name}' is reserved")


def _check_interval(interval_s: int | None) -> None:
    if interval_s is None or REFRESH_INTERVAL_S_MIN <= interval_s <= REFRESH_INTERVAL_S_MAX:
        return
    raise errors.InvalidRequest(
        f"refresh_interval_s must be at least {REFRESH_INTERVAL_S_MIN} seconds and at most a year"
    )


async def _look_around(engine: Engine, connection: Connection) -> int:
    """Look for tables and return how many are new; that it fails is kept with the connection."""
    try:
        found = await discover(engine, connection)
    except (errors.EngineError, CatalogConflict):
        return 0
    return found.added


def _new_connection(caller: Caller, asked: NewConnection, name: str) -> Connection:
    """Describe a connection that has no configuration yet."""
    now = datetime.now(UTC)
    return Connection(
        id=new_id(IdKind.CONNECTION),
        workspace_id=caller.workspace_id,
        name=name,
        source_type=asked.source_type,
        config={},
        secret_id=None,
        owns_secret=False,
        mode=asked.mode,
        refresh_interval_s=asked.refresh_interval_s,
        next_refresh_at=connection_store.next_refresh(now, asked.refresh_interval_s),
        discovery_status=DiscoveryStatus.SKIPPED,
        discovery_error=None,
        discovered_at=None,
        created_at=now,
        updated_at=now,
    )


async def _get(engine: Engine, caller: Caller, connection_id: str) -> Connection:
    return await engine.db.read(connection_store.get_connection, caller.workspace_id, connection_id)
