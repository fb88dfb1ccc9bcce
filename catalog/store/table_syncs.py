"""The lease under which a remote table is synced, and the end of a sync: a new copy, or none.

One server at a time syncs a table: it holds the lease on the table's row, and :func:`publish_copy`
counts only while it does. The trap: purging or deleting a table voids the lease.
"""

import secrets
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta

from sqlalchemy import Connection, func, or_, select, text, update

from catalog.errors import Conflict, NotFound
from catalog.index_model import IndexBuild
from catalog.model import RemoteTable, TableVersion
from catalog.store.indexes import add_builds, drop_builds
from catalog.store.profiles import drop_profiles
from catalog.store.remote_tables import NO_LEASE, drop_files, lock_connection, note_change
from catalog.store.rows import columns_of, utc_now
from catalog.tables import SYNCING_TABLE, remote_table_files, remote_tables

_TABLE = columns_of(remote_tables, RemoteTable)


def claim_sync(conn: Connection, table: RemoteTable, *, owner: str, lease_s: float) -> str | None:
    """Take the lease on a table for one sync.

    Args:
        conn: where.
        table: as it was read.
        owner: of the lease: this server.
        lease_s: seconds it lasts unless it is renewed.

    Returns:
        The token of the lease; None when somebody else holds it, or has synced or purged the table
        since it was read.
    """
    now = utc_now()
    token = secrets.token_hex(16)
    claimed = conn.execute(
        update(remote_tables)
        .where(
            remote_tables.c.id == table.id,
            or_(remote_tables.c.sync_token.is_(None), remote_tables.c.sync_expires_at < now),
            remote_tables.c.version_id.is_not_distinct_from(table.version_id),
        )
        .values(
            sync_token=token, sync_owner=owner, sync_expires_at=now + timedelta(seconds=lease_s)
        )
    )
    return token if claimed.rowcount == 1 else None


def renew_sync(conn: Connection, table_id: str, token: str, *, lease_s: float) -> bool:
    """Keep a lease for some more seconds; False when it is lost."""
    renewed = conn.execute(
        update(remote_tables)
        .where(remote_tables.c.id == table_id, remote_tables.c.sync_token == token)
        .values(sync_expires_at=utc_now() + timedelta(seconds=lease_s))
    )
    return renewed.rowcount == 1


def release_sync(conn: Connection, table_id: str, token: str) -> None:
    """Give a lease back without a new copy."""
    conn.execute(
        update(remote_tables)
        .where(remote_tables.c.id == table_id, remote_tables.c.sync_token == token)
        .values(NO_LEASE)
    )


def release_owned(conn: Connection, owner: str) -> int:
    """Give back the leases of a server of this name that died; return how many."""
    released = conn.execute(
        update(remote_tables)
        .where(text(SYNCING_TABLE), remote_tables.c.sync_owner == owner)
        .values(NO_LEASE)
    )
    return released.rowcount


def is_syncing(conn: Connection, table_id: str) -> bool:
    """Tell whether somebody holds a lease on a table that has not run out."""
    query = select(remote_tables.c.id).where(
        remote_tables.c.id == table_id,
        remote_tables.c.sync_token.is_not(None),
        remote_tables.c.sync_expires_at >= utc_now(),
    )
    return conn.scalars(query).first() is not None


def keep_copy(conn: Connection, table_id: str, token: str) -> None:
    """End a sync that found nothing new: the copy is as good as one made now.

    Raises:
        Conflict: the lease is lost, or the table was deleted.
    """
    kept = conn.execute(
        update(remote_tables)
        .where(remote_tables.c.id == table_id, remote_tables.c.sync_token == token)
        .values(last_sync=utc_now(), **NO_LEASE)
    )
    if kept.rowcount == 0:
        raise Conflict("The table was deleted or synced by somebody else meanwhile")


def publish_copy(
    conn: Connection,
    table: RemoteTable,
    token: str,
    version: TableVersion,
    builds: Sequence[IndexBuild] = (),
) -> RemoteTable:
    """Make a copy the one that is read, with its indexes, and end the sync; the one before is dropped.

    Args:
        conn: where.
        table: as it was read before the sync.
        token: of the lease.
        version: the copy.
        builds: of the copy.

    Returns:
        The table with this copy.

    Raises:
        Conflict: the lease is lost, or the table was deleted.
    """
    with suppress(NotFound):  # then the table is gone too
        lock_connection(conn, table.workspace_id, table.connection_id)
    row = conn.execute(
        select(
            remote_tables.c.version_id,
            remote_tables.c.cursor_column,
            func.coalesce(remote_tables.c.cached_schema_ipc, remote_tables.c.schema_ipc).label(
                "read_schema_ipc"
            ),
        )
        .where(remote_tables.c.id == table.id, remote_tables.c.sync_token == token)
        .with_for_update()
    ).first()
    if row is None:
        raise Conflict("The table was deleted or synced by somebody else meanwhile")
    if row.read_schema_ipc != version.schema_ipc:
        note_change(conn, table.connection_id)
    drop_files(conn, [table.id])
    drop_builds(conn, [table.id])
    drop_profiles(conn, [row.version_id] if row.version_id else [])
    # The cursor may be another column by now, of which this copy's greatest value says nothing.
    is_same_cursor = row.cursor_column == table.cursor_column
    changed = conn.execute(
        update(remote_tables)
        .where(remote_tables.c.id == table.id)
        .values(
            version_id=version.id,
            schema_ipc=version.schema_ipc,
            cached_schema_ipc=version.schema_ipc,
            last_sync=version.synced_at,
            row_count=version.row_count,
            size_bytes=version.size_bytes,
            warnings=version.warnings,
            cursor_value=version.cursor_value if is_same_cursor else None,
            **NO_LEASE,
        )
        .returning(*_TABLE)
    )
    published = RemoteTable(**changed.mappings().one())
    conn.execute(
        remote_table_files.insert(),
        [
            {
                "key": file.key,
                "table_id": table.id,
                "position": position,
                "size_bytes": file.size_bytes,
                "row_count": file.row_count,
            }
            for position, file in enumerate(version.files)
        ],
    )
    add_builds(conn, builds)
    return published
