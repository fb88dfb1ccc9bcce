"""What a look at a source finds becomes remote tables."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, select, update

from catalog.ids import IdKind, new_id
from catalog.store.remote_tables import lock_connection
from catalog.tables import remote_tables


@dataclass(frozen=True, slots=True)
class Discovery:
    """What a look at a source changed: tables it has now, and of these the new and changed ones."""

    discovered: int
    added: int
    modified: int


def store_discovered(
    conn: Connection,
    workspace_id: str,
    connection_id: str,
    found: Sequence[tuple[str, str, bytes]],
) -> Discovery:
    """Write down the tables of a connection; those that vanished from the source are kept.

    Args:
        conn: where.
        workspace_id: whose.
        connection_id: of which connection.
        found: schema name, table name and serialized Arrow schema of each table.

    Raises:
        NotFound: the connection was deleted meanwhile.
    """
    lock_connection(conn, workspace_id, connection_id)
    query = select(
        remote_tables.c.schema_name,
        remote_tables.c.table_name,
        remote_tables.c.id,
        remote_tables.c.schema_ipc,
    ).where(remote_tables.c.connection_id == connection_id)
    known = {(row[0], row[1]): (row[2], row[3]) for row in conn.execute(query)}
    added = [
        {
            "id": new_id(IdKind.REMOTE_TABLE),
            "workspace_id": workspace_id,
            "connection_id": connection_id,
            "schema_name": schema,
            "table_name": table,
            "schema_ipc": schema_ipc,
            "warnings": (),
        }
        for schema, table, schema_ipc in found
        if (schema, table) not in known
    ]
    modified = [
        {"row_id": known[schema, table][0], "new_schema": schema_ipc}
        for schema, table, schema_ipc in found
        if (schema, table) in known and known[schema, table][1] != schema_ipc
    ]
    if added:
        conn.execute(remote_tables.insert(), added)
    if modified:
        changed = update(remote_tables).where(remote_tables.c.id == bindparam("row_id"))
        conn.execute(changed.values(schema_ipc=bindparam("new_schema")), modified)
    return Discovery(len(known) + len(added), len(added), len(modified))
