"""Tables of connections, as ``/v1/information_schema`` lists them.

Datasets and results are not here by design: SQL's own information_schema has them
(:mod:`engine.query.information_schema`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from catalog.model import RemoteTable
from catalog.store import connections as connection_store
from catalog.store import indexes as index_store
from catalog.store import remote_tables as table_store
from engine import errors
from engine.query.type_text import Column, read_columns
from engine.service.context import Caller, Engine
from engine.service.paging import clamp_page, read_cursor, write_cursor
from engine.translate import translated


@dataclass(frozen=True, slots=True)
class Table:
    """One table of a connection; ``connection`` is the connection's name."""

    connection: str
    schema: str
    table: str
    synced: bool
    last_sync: datetime | None
    columns: tuple[Column, ...] | None


@dataclass(frozen=True, slots=True)
class TablePage:
    """One page, in the order schema, table, connection."""

    items: tuple[Table, ...]
    limit: int
    next_cursor: str | None

    @property
    def has_more(self) -> bool:
        """Whether a further page exists."""
        return self.next_cursor is not None


@translated
async def list_tables(  # noqa: PLR0913 - the filters of one listing, all keyword
    engine: Engine,
    caller: Caller,
    *,
    connection_id: str | None,
    schema: str | None,
    table: str | None,
    include_columns: bool,
    limit: int | None,
    cursor: str | None,
) -> TablePage:
    """List the tables of the workspace's connections.

    Raises:
        NotFound: the connection is unknown.
        InvalidRequest: a negative limit, or a cursor that was not made here.
    """
    effective_limit, _ = clamp_page(limit, None)
    after = None if cursor is None else _read_cursor(cursor)
    if connection_id is not None:
        await engine.db.read(connection_store.get_connection, caller.workspace_id, connection_id)
    found = await engine.db.read(
        table_store.list_page,
        caller.workspace_id,
        connection_id=connection_id,
        schema_like=schema,
        table_like=table,
        after=after,
        limit=effective_limit + 1,
    )
    page = found[:effective_limit]
    generated = (
        await engine.db.read(index_store.list_generated, caller.workspace_id)
        if include_columns
        else None
    )
    has_more = len(found) > effective_limit and bool(page)
    return TablePage(
        tuple(_table_of(each, generated) for each in page),
        effective_limit,
        _write_cursor(page[-1].table) if has_more else None,
    )


def _table_of(
    listed: table_store.ListedTable, generated: Mapping[str, Sequence[tuple[str, int]]] | None
) -> Table:
    """Show a table; with its columns when the generated ones are given."""
    table = listed.table
    columns: tuple[Column, ...] | None = None
    if generated is not None:
        columns = read_columns(table.read_schema_ipc, generated.get(table.id, ()))
    return Table(
        connection=listed.connection,
        schema=table.schema_name,
        table=table.table_name,
        synced=table.is_synced,
        last_sync=table.last_sync,
        columns=columns,
    )


def _write_cursor(table: RemoteTable) -> str:
    return write_cursor(
        {
            "schema": table.schema_name,
            "table": table.table_name,
            "connection": table.connection_id,
        }
    )


def _read_cursor(cursor: str) -> tuple[str, str, str]:
    match read_cursor(cursor):
        case {"schema": str(schema), "table": str(table), "connection": str(connection)}:
            return schema, table, connection
    raise errors.InvalidRequest("Invalid pagination cursor format")
