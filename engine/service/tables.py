"""Tables of connections, as ``/v1/information_schema`` lists them.

Datasets and results are not here by design: SQL's own information_schema has them
(:mod:`engine.query.information_schema`).
"""

import base64
import binascii
from dataclasses import dataclass
from datetime import datetime

import orjson

from engine import errors
from engine.query.type_text import Column
from engine.service.context import Caller, Engine
from engine.service.paging import clamp_page


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


async def list_tables(
    _engine: Engine,
    _caller: Caller,
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
    _check_cursor(cursor)
    if connection_id is not None:
        raise errors.NotFound(f"Connection '{connection_id}' not found")
    return TablePage((), effective_limit, None)


def _check_cursor(cursor: str | None) -> None:
    if cursor is None:
        return
    try:
        position = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (binascii.Error, ValueError):
        raise errors.InvalidRequest("Invalid pagination cursor") from None
    if not isinstance(position, dict) or set(position) != {"schema", "table", "connection"}:
        raise errors.InvalidRequest("Invalid pagination cursor format")
