"""Blobs whose row is gone: remembered, so that who still reads them may finish.

``catalog.garbage`` deletes the bytes once the grace has passed.
"""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import Connection, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from catalog.tables import dropped_blobs


def drop_blobs(conn: Connection, keys: Collection[str], at: datetime) -> None:
    """Remember that the rows of these blobs were deleted at this moment."""
    insert = sqlite.insert if conn.dialect.name == "sqlite" else postgresql.insert
    if keys:
        conn.execute(
            insert(dropped_blobs).on_conflict_do_nothing(index_elements=["key"]),
            [{"key": key, "dropped_at": at} for key in keys],
        )


def list_dropped_since(conn: Connection, keys: Collection[str], since: datetime) -> set[str]:
    """Return those of the keys (some thousands at most) whose rows were deleted at or after a moment."""
    query = select(dropped_blobs.c.key).where(
        dropped_blobs.c.key.in_(keys), dropped_blobs.c.dropped_at >= since
    )
    return set(conn.scalars(query))


def forget_dropped(conn: Connection, before: datetime) -> None:
    """Forget the blobs dropped before a moment; a listing finds them by their missing row."""
    conn.execute(delete(dropped_blobs).where(dropped_blobs.c.dropped_at < before))
