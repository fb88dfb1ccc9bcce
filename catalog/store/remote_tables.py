"""Remote tables: what a connection offers, and the copy of each that is synced.

A copy is immutable; a sync (:mod:`catalog.store.table_syncs`) replaces it as a whole, and queries that
read the old files may finish.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import (
    Connection,
    RowMapping,
    Select,
    bindparam,
    delete,
    select,
    tuple_,
    update,
)

from catalog.errors import InvalidValue, NotFound
from catalog.index_model import BuiltIndex
from catalog.model import Connection as SourceConnection
from catalog.model import ReadMode, RemoteTable, StoredFile
from catalog.store.dropped import drop_blobs
from catalog.store.indexes import drop_builds, list_built
from catalog.store.profiles import drop_profiles
from catalog.store.rows import columns_of, utc_now
from catalog.tables import (
    connections,
    remote_table_files,
    remote_tables,
)

_TABLE = columns_of(remote_tables, RemoteTable)
_CONNECTION = columns_of(connections, SourceConnection)
_CHANGEABLE = frozenset({"mode", "cursor_column"})
_BATCH_ROWS = 500
NO_LEASE = {"sync_token": None, "sync_owner": None, "sync_expires_at": None}
_NO_COPY = {
    "version_id": None,
    "cached_schema_ipc": None,
    "last_sync": None,
    "row_count": None,
    "size_bytes": None,
    "warnings": (),
    "cursor_value": None,
}


@dataclass(frozen=True, slots=True)
class FoundTable:
    """What SQL needs of a remote table: its connection, itself, the files of its copy, its indexes."""

    connection: SourceConnection
    table: RemoteTable
    files: tuple[StoredFile, ...]
    indexes: tuple[BuiltIndex, ...]

    @property
    def name(self) -> str:
        """What messages call it: the three parts that SQL has, without quotes."""
        return f"{self.connection.name}.{self.table.schema_name}.{self.table.table_name}"

    @property
    def is_live(self) -> bool:
        """Whether it is read from its source."""
        return (self.table.mode or self.connection.mode) is ReadMode.LIVE


@dataclass(frozen=True, slots=True)
class ListedTable:
    """A row of a listing: the connection's name and the table."""

    connection: str
    table: RemoteTable


def find_table(
    conn: Connection, workspace_id: str, connection_name: str, schema_name: str, table_name: str
) -> FoundTable | None:
    """Return what SQL calls by three names, or None."""
    names = {
        "workspace_id": workspace_id,
        "connection_name": connection_name,
        "schema_name": schema_name,
        "table_name": table_name,
    }
    found = _read_found(conn, conn.execute(_one_by_name(), names).mappings())
    return found[0] if found else None


def get_table(
    conn: Connection, workspace_id: str, connection_id: str, schema_name: str, table_name: str
) -> FoundTable:
    """Return a table of a connection.

    Raises:
        NotFound: the workspace has no such connection, or the connection no such table.
    """
    query = _found_tables().where(
        connections.c.id == connection_id,
        remote_tables.c.schema_name == schema_name,
        remote_tables.c.table_name == table_name,
    )
    found = _read_found(conn, conn.execute(query, {"workspace_id": workspace_id}).mappings())
    if found:
        return found[0]
    # Not to be locked: this may be a transaction that only reads.
    if conn.scalars(_own_connection(workspace_id, connection_id)).first() is None:
        raise NotFound.of("Connection", connection_id)
    raise NotFound.of("Table", f"{schema_name}.{table_name}")


def list_tables(
    conn: Connection, workspace_id: str, connection_id: str, *, only_synced: bool
) -> tuple[RemoteTable, ...]:
    """Return the tables of one connection, by schema and name."""
    query = (
        select(*_TABLE)
        .where(
            remote_tables.c.workspace_id == workspace_id,
            remote_tables.c.connection_id == connection_id,
        )
        .order_by(remote_tables.c.schema_name, remote_tables.c.table_name)
    )
    if only_synced:
        query = query.where(remote_tables.c.version_id.is_not(None))
    return tuple(RemoteTable(**row) for row in conn.execute(query).mappings())


def list_page(  # noqa: PLR0913 - the filters of one listing, all keyword
    conn: Connection,
    workspace_id: str,
    *,
    connection_id: str | None = None,
    schema_like: str | None = None,
    table_like: str | None = None,
    after: tuple[str, str, str] | None = None,
    limit: int,
) -> tuple[ListedTable, ...]:
    """Return up to ``limit`` tables of all connections, by schema, table and connection id.

    Args:
        conn: where.
        workspace_id: whose.
        connection_id: only of this connection.
        schema_like: a name in which ``%`` stands for any text.
        table_like: the same for the name of the table.
        after: schema, table and connection id of the last row of the page before.
        limit: rows at most.
    """
    columns = remote_tables.c
    key = (columns.schema_name, columns.table_name, columns.connection_id)
    query = (
        select(connections.c.name.label("connection_name"), *_TABLE)
        .join(connections, connections.c.id == columns.connection_id)
        .where(columns.workspace_id == workspace_id)
        .order_by(*key)
        .limit(limit)
    )
    if connection_id is not None:
        query = query.where(columns.connection_id == connection_id)
    for column, pattern in ((columns.schema_name, schema_like), (columns.table_name, table_like)):
        if pattern is not None:
            query = query.where(_is_like(conn, column, pattern))
    if after is not None:
        query = query.where(tuple_(*key) > tuple_(*after))
    rows = conn.execute(query).mappings()
    return tuple(ListedTable(row["connection_name"], _table(row)) for row in rows)


def list_named(conn: Connection, workspace_id: str) -> tuple[ListedTable, ...]:
    """Return every table of every connection, in no order, for a view of all of them."""
    query = (
        select(connections.c.name.label("connection_name"), *_TABLE)
        .join(connections, connections.c.id == remote_tables.c.connection_id)
        .where(remote_tables.c.workspace_id == workspace_id)
    )
    rows = conn.execute(query).mappings()
    return tuple(ListedTable(row["connection_name"], _table(row)) for row in rows)


def update_table(
    conn: Connection, workspace_id: str, table_id: str, changes: Mapping[str, Any]
) -> RemoteTable:
    """Change some of mode and cursor_column; a new cursor starts with the next full sync.

    Raises:
        NotFound: the workspace has no such table.
    """
    if unknown := changes.keys() - _CHANGEABLE:
        raise InvalidValue(f"A table has no {min(unknown)} to change")
    values = dict(changes)
    if "cursor_column" in values:
        values["cursor_value"] = None
    own = (remote_tables.c.workspace_id == workspace_id, remote_tables.c.id == table_id)
    changed = conn.execute(update(remote_tables).where(*own).values(values).returning(*_TABLE))
    row = changed.mappings().first()
    if row is None:
        raise NotFound.of("Table", table_id)
    return RemoteTable(**row)


def drop_copies(
    conn: Connection, workspace_id: str, connection_id: str, table_id: str | None = None
) -> None:
    """Forget the copies of one table, or of all tables of a connection; a running sync is void.

    Raises:
        NotFound: the workspace has no such connection.
    """
    lock_connection(conn, workspace_id, connection_id)
    own = [
        remote_tables.c.workspace_id == workspace_id,
        remote_tables.c.connection_id == connection_id,
    ]
    if table_id is not None:
        own.append(remote_tables.c.id == table_id)
    # Also those without a copy are locked: a first sync may be publishing one.
    rows = conn.execute(
        select(
            remote_tables.c.id,
            remote_tables.c.version_id,
            (remote_tables.c.cached_schema_ipc != remote_tables.c.schema_ipc).label("differs"),
        )
        .where(*own)
        .order_by(remote_tables.c.id)
        .with_for_update()
    ).all()
    synced = [row for row in rows if row.version_id is not None]
    for start in range(0, len(synced), _BATCH_ROWS):
        batch = synced[start : start + _BATCH_ROWS]
        drop_files(conn, [row.id for row in batch])
        drop_builds(conn, [row.id for row in batch])
        drop_profiles(conn, [row.version_id for row in batch])
    conn.execute(update(remote_tables).where(*own).values(**_NO_COPY, **NO_LEASE))
    if any(row.differs for row in rows):
        note_change(conn, connection_id)


def lock_connection(conn: Connection, workspace_id: str, connection_id: str) -> None:
    """Lock a connection; who locks some of its tables too does this first, or two would deadlock.

    Raises:
        NotFound: the workspace has no such connection.
    """
    query = _own_connection(workspace_id, connection_id).with_for_update()
    if conn.scalars(query).first() is None:
        raise NotFound.of("Connection", connection_id)


def lock_version(conn: Connection, table_id: str) -> str | None:
    """Return the version of a copy, which is not replaced before the end of the transaction."""
    query = select(remote_tables.c.version_id).where(remote_tables.c.id == table_id)
    return conn.scalars(query.with_for_update()).first()


def restart_syncs(conn: Connection, workspace_id: str, connection_id: str) -> None:
    """Make syncs under way void, and have the next ones read whole tables; copies stay.

    Raises:
        NotFound: the workspace has no such connection.
    """
    lock_connection(conn, workspace_id, connection_id)
    mine = remote_tables.c.connection_id == connection_id
    conn.execute(update(remote_tables).where(mine).values(cursor_value=None, **NO_LEASE))


def note_change(conn: Connection, connection_id: str) -> None:
    """Say that columns of a connection's tables are not what they were: see ``read_revision``."""
    conn.execute(
        update(connections).where(connections.c.id == connection_id).values(discovered_at=utc_now())
    )


def drop_files(conn: Connection, table_ids: Sequence[str]) -> None:
    """Forget the files of some tables' copies; queries that read them may finish."""
    mine = remote_table_files.c.table_id.in_(table_ids)
    keys = conn.scalars(select(remote_table_files.c.key).where(mine)).all()
    drop_blobs(conn, keys, utc_now())
    conn.execute(delete(remote_table_files).where(mine))


def _own_connection(workspace_id: str, connection_id: str) -> Select[tuple[str]]:
    return select(connections.c.id).where(
        connections.c.workspace_id == workspace_id, connections.c.id == connection_id
    )


def _is_like(conn: Connection, column: Any, pattern: str) -> Any:  # noqa: ANN401 - SQLAlchemy's
    """Compare by a pattern in which only ``%`` is special; a plain name is an exact match."""
    if "%" not in pattern:
        return column == pattern
    parts = pattern.split("%")
    if conn.dialect.name == "sqlite":  # whose LIKE ignores case
        return column.op("GLOB")("*".join(re.sub(r"[*?[]", r"[\g<0>]", part) for part in parts))
    return column.like("%".join(re.sub("[/_]", r"/\g<0>", part) for part in parts), escape="/")


def _table(row: RowMapping) -> RemoteTable:
    return RemoteTable(**{column.name: row[column.name] for column in _TABLE})


# On the path of every query: building the statement costs more than running it, so it is built once.
@cache
def _one_by_name() -> Select[Any]:
    return _found_tables().where(
        connections.c.name == bindparam("connection_name"),
        remote_tables.c.schema_name == bindparam("schema_name"),
        remote_tables.c.table_name == bindparam("table_name"),
    )


@cache
def _found_tables() -> Select[Any]:
    """Select one row per file of a table's copy, or one row without."""
    labelled = [
        column.label(f"{table}.{column.name}")
        for table, columns in (
            ("connection", _CONNECTION),
            ("table", _TABLE),
            ("file", list(remote_table_files.c)),
        )
        for column in columns
    ]
    return (
        select(*labelled)
        .select_from(connections)
        .join(remote_tables, remote_tables.c.connection_id == connections.c.id)
        .outerjoin(remote_table_files, remote_table_files.c.table_id == remote_tables.c.id)
        .where(connections.c.workspace_id == bindparam("workspace_id"))
        .order_by(remote_tables.c.id, remote_table_files.c.position)
    )


def _read_found(conn: Connection, rows: Iterable[RowMapping]) -> list[FoundTable]:
    grouped: dict[str, list[RowMapping]] = {}
    for row in rows:
        grouped.setdefault(row["table.id"], []).append(row)
    found = []
    for group in grouped.values():
        first = group[0]
        files = tuple(
            StoredFile(row["file.key"], row["file.size_bytes"], row["file.row_count"])
            for row in group
            if row["file.key"] is not None
        )
        table = RemoteTable(**{c.name: first[f"table.{c.name}"] for c in _TABLE})
        found.append(
            FoundTable(
                SourceConnection(**{c.name: first[f"connection.{c.name}"] for c in _CONNECTION}),
                table,
                files,
                list_built(conn, table.id, table.version_id),
            )
        )
    return found
