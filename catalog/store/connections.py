"""Connections: a remote source under a name that is its catalog in SQL.

The configuration is stored without credentials. A secret made for a connection goes with it, one
that its owner made stays.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, Column, Select, delete, func, select, text, type_coerce, update
from sqlalchemy import Connection as DbConnection
from sqlalchemy.exc import IntegrityError

from catalog.errors import Conflict, InvalidValue, NotFound
from catalog.index_tables import index_builds
from catalog.model import Connection, DiscoveryStatus
from catalog.store.own_secrets import drop_own_secret
from catalog.store.remote_tables import drop_copies, lock_connection, restart_syncs
from catalog.store.rows import columns_of, utc_now
from catalog.tables import SCHEDULED_CONNECTION, connections, remote_tables

_COLUMNS = columns_of(connections, Connection)
_CHANGEABLE = frozenset({"mode", "refresh_interval_s", "config", "secret_id", "owns_secret"})
_MOMENTS = 1 << 40  # 13 days of microseconds, so that sums stay within 64 bits


def insert_connection(conn: DbConnection, connection: Connection) -> None:
    """Record a new connection.

    Raises:
        Conflict: the workspace has a connection of this name.
    """
    refuse_taken_name(conn, connection.workspace_id, connection.name)
    values = {column: getattr(connection, column.name) for column in _COLUMNS}
    try:
        conn.execute(connections.insert().values(values))
    except IntegrityError as error:
        raise _name_taken(connection.name) from error


def refuse_taken_name(conn: DbConnection, workspace_id: str, name: str) -> None:
    """Raise ``Conflict`` when the workspace has a connection of exactly this name."""
    if find_connection(conn, workspace_id, name) is not None:
        raise _name_taken(name)


def get_connection(conn: DbConnection, workspace_id: str, connection_id: str) -> Connection:
    """Return a connection.

    Raises:
        NotFound: the workspace has no such connection.
    """
    query = _all(workspace_id).where(connections.c.id == connection_id)
    row = conn.execute(query).mappings().first()
    if row is None:
        raise NotFound.of("Connection", connection_id)
    return Connection(**row)


def find_connection(conn: DbConnection, workspace_id: str, name: str) -> Connection | None:
    """Return the connection of a name, or None."""
    row = conn.execute(_all(workspace_id).where(connections.c.name == name)).mappings().first()
    return None if row is None else Connection(**row)


def list_connections(conn: DbConnection, workspace_id: str) -> tuple[Connection, ...]:
    """Return every connection, by name."""
    rows = conn.execute(_all(workspace_id).order_by(connections.c.name)).mappings()
    return tuple(Connection(**row) for row in rows)


def list_due(conn: DbConnection, now: datetime) -> tuple[Connection, ...]:
    """Return the connections of all workspaces whose scheduled refresh is due, at most 100."""
    # Repeats the condition of the partial index, so that the planner of SQLite sees it.
    query = (
        select(*_COLUMNS)
        .where(text(SCHEDULED_CONNECTION), connections.c.next_refresh_at <= now)
        .order_by(connections.c.next_refresh_at)
        .limit(100)
    )
    return tuple(Connection(**row) for row in conn.execute(query).mappings())


def update_connection(
    conn: DbConnection, workspace_id: str, connection_id: str, changes: Mapping[str, Any]
) -> Connection:
    """Change some of a connection; an interval starts counting now, None ends it.

    Raises:
        NotFound: the workspace has no such connection.
    """
    if unknown := changes.keys() - _CHANGEABLE:
        raise InvalidValue(f"A connection has no {min(unknown)} to change")
    get_connection(conn, workspace_id, connection_id)
    now = utc_now()
    values: dict[str, Any] = {**changes, "updated_at": now}
    if "refresh_interval_s" in changes:
        values["next_refresh_at"] = next_refresh(now, changes["refresh_interval_s"])
    conn.execute(update(connections).where(connections.c.id == connection_id).values(values))
    return get_connection(conn, workspace_id, connection_id)


def next_refresh(now: datetime, interval_s: int | None) -> datetime | None:
    """Say when a scheduled refresh is due; never without an interval."""
    return None if interval_s is None else now + timedelta(seconds=interval_s)


def move_schedule(conn: DbConnection, connection: Connection, now: datetime) -> bool:
    """Set the next scheduled refresh of a due connection; False when another server did."""
    moved = conn.execute(
        update(connections)
        .where(
            connections.c.id == connection.id,
            connections.c.next_refresh_at == connection.next_refresh_at,
        )
        .values(next_refresh_at=next_refresh(now, connection.refresh_interval_s))
    )
    return moved.rowcount == 1


def has_source_of(conn: DbConnection, connection: Connection) -> bool:
    """Tell whether a connection still has the configuration and the secret it was read with."""
    query = select(connections.c.config, connections.c.secret_id).where(
        connections.c.id == connection.id
    )
    row = conn.execute(query).first()
    return row is not None and tuple(row) == (connection.config, connection.secret_id)


def read_revision(conn: DbConnection, workspace_id: str) -> tuple[int, ...]:
    """Return numbers that differ whenever names or columns of remote tables have changed."""
    connected = _revision_of(connections.c.discovered_at, connections.c.created_at)
    # An index may generate a column.
    built = _revision_of(index_builds.c.created_at)
    return (
        *conn.execute(connected.where(connections.c.workspace_id == workspace_id)).one(),
        *conn.execute(built.where(index_builds.c.workspace_id == workspace_id)).one(),
    )


def _revision_of(*moments: Column[datetime]) -> Any:  # noqa: ANN401 - SQLAlchemy's
    # Sums, not the latest moments: clocks of servers differ, and a clock may be set back.
    sums = (
        func.coalesce(func.sum(type_coerce(moment, BigInteger) % _MOMENTS), 0) for moment in moments
    )
    return select(func.count(), *sums)


def record_discovery(
    conn: DbConnection, connection: Connection, status: DiscoveryStatus, error: str | None
) -> None:
    """Remember what came of looking for tables, unless the connection is deleted or another by now."""
    if not has_source_of(conn, connection):
        return
    conn.execute(
        update(connections)
        .where(connections.c.id == connection.id)
        .values(discovery_status=status, discovery_error=error, discovered_at=utc_now())
    )


def count_tables(conn: DbConnection, connection_id: str) -> tuple[int, int]:
    """Return how many tables a connection has, and how many of them are synced."""
    query = select(func.count(), func.count(remote_tables.c.version_id)).where(
        remote_tables.c.connection_id == connection_id
    )
    total, synced = conn.execute(query).one()
    return total, synced


def delete_connection(conn: DbConnection, workspace_id: str, connection_id: str) -> None:
    """Delete a connection, its tables and its own secret; queries reading copies may finish.

    Raises:
        NotFound: the workspace has no such connection.
    """
    lock_connection(conn, workspace_id, connection_id)
    connection = get_connection(conn, workspace_id, connection_id)
    drop_copies(conn, workspace_id, connection_id)
    conn.execute(delete(connections).where(connections.c.id == connection_id))
    _drop_own_secret(conn, connection)


def release_source(
    conn: DbConnection, connection: Connection, *, keeps_secret: bool = False
) -> None:
    """Take the configuration from a connection, which gets another, and its own secret.

    Syncs under way are void, and none goes on from a cursor of the source before.

    Args:
        conn: where.
        connection: as it was read.
        keeps_secret: it goes on with its secret.

    Raises:
        NotFound: it was deleted meanwhile.
        Conflict: it got another configuration or secret meanwhile.
    """
    restart_syncs(conn, connection.workspace_id, connection.id)  # locks the connection first
    if not has_source_of(conn, connection):
        raise Conflict(f"Connection '{connection.name}' was changed by somebody else meanwhile")
    if keeps_secret:
        return
    nothing: dict[str, Any] = {"config": {}, "secret_id": None, "owns_secret": False}
    conn.execute(update(connections).where(connections.c.id == connection.id).values(nothing))
    _drop_own_secret(conn, connection)


def _drop_own_secret(conn: DbConnection, connection: Connection) -> None:
    """Delete the secret made for a connection that has lost it, unless another one names it."""
    if connection.owns_secret:
        drop_own_secret(conn, connection.workspace_id, connection.secret_id)


def _all(workspace_id: str) -> Select[Any]:
    return select(*_COLUMNS).where(connections.c.workspace_id == workspace_id)


def _name_taken(name: str) -> Conflict:
    return Conflict(f"Connection '{name}' already exists")
