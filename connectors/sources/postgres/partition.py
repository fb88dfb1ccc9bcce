"""Cuts a large table into ranges of its blocks, all read from one exported snapshot.

The invariant: the ranges are disjoint and cover every block, also those that come into being later, so
each row of the snapshot is in exactly one. A condition on ``ctid`` holds for the partitions and
children of a table as well, each cut at the same block numbers. Traps: before Postgres 14 a range
of ``ctid`` reads the whole table; a table rewritten after the snapshot looks empty in it, so it is
locked, as pg_dump does, before the snapshot is taken.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa

from connectors.base import Scan
from connectors.sources.postgres.discovery import identifier, literal

PART_BYTES_MIN = 16 << 20
"""Smaller pieces are not worth a connection."""
TID_RANGE_VERSION = 140_000
_LATE_SHARE = 100

_COLUMN_TYPES: dict[str, pa.DataType] = {
    "version": pa.int32(),
    "is_heap": pa.bool_(),
    "size_bytes": pa.int64(),
    "blocks": pa.int64(),
}
SIZE_SCHEMA = pa.schema(_COLUMN_TYPES)
SNAPSHOT_SCHEMA = pa.schema([("snapshot", pa.string())])
SNAPSHOT_QUERY = "SELECT pg_catalog.pg_export_snapshot()"


@dataclass(frozen=True, slots=True)
class TableSize:
    """What decides whether a table is cut.

    Attributes:
        version: of the server, as ``server_version_num``.
        is_heap: it and all its partitions and children are plain tables.
        size_bytes: of all of them, with what is stored out of line.
        blocks: of the largest.
    """

    version: int
    is_heap: bool
    size_bytes: int
    blocks: int

    def parts(self, scan: Scan, parts_max: int) -> int:
        """How many parts to make; a scan that does not read everything is not cut."""
        is_whole = scan.after is None and scan.where is None and scan.limit is None
        if not is_whole or not self.is_heap or self.version < TID_RANGE_VERSION:
            return 1
        return max(1, min(parts_max, self.size_bytes // PART_BYTES_MIN, self.blocks))


def size_query(schema: str, table: str) -> str:
    """Return the query for the size of a table; its one row has ``SIZE_SCHEMA``."""
    return f"""
WITH RECURSIVE tree (oid) AS (
  SELECT c.oid FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  WHERE n.nspname = {literal(schema)} AND c.relname = {literal(table)}
  UNION
  SELECT i.inhrelid FROM tree JOIN pg_catalog.pg_inherits i ON i.inhparent = tree.oid
)
SELECT pg_catalog.current_setting('server_version_num')::int4,
  pg_catalog.bool_and(c.relkind = 'p' OR (c.relkind = 'r' AND m.amname = 'heap')),
  coalesce(pg_catalog.sum(pg_catalog.pg_table_size(c.oid)), 0)::int8,
  coalesce(pg_catalog.max(pg_catalog.pg_relation_size(c.oid)
    / pg_catalog.current_setting('block_size')::int8), 0)::int8
FROM tree JOIN pg_catalog.pg_class c ON c.oid = tree.oid
LEFT JOIN pg_catalog.pg_am m ON m.oid = c.relam"""  # noqa: S608 - quoted


def lock_statement(schema: str, table: str) -> str:
    """Keep a table from being changed in its form, but not in its rows."""
    return f"LOCK TABLE {identifier(schema, table)} IN ACCESS SHARE MODE"


def import_statement(snapshot: str) -> str:
    """Make the snapshot of another session that of this one."""
    return f"SET TRANSACTION SNAPSHOT {literal(snapshot)}"


def block_ranges(blocks: int, parts: int) -> Iterator[str]:
    """Yield the condition of each part.

    >>> list(block_ranges(10, 2))
    ["ctid < '(5,0)'", "ctid >= '(5,0)'"]
    """
    # A scan of the copy is cut into equal bytes, each row group going with its first byte. Every part
    # ends a little late, so that no cut falls behind its end, just inside the next file.
    late = blocks // (_LATE_SHARE * parts)
    bounds = [blocks * place // parts + late for place in range(1, parts)]
    for first, last in zip([None, *bounds], [*bounds, None], strict=True):
        conditions = [
            *([] if first is None else [f"ctid >= '({first},0)'"]),
            *([] if last is None else [f"ctid < '({last},0)'"]),
        ]
        yield " AND ".join(conditions)
