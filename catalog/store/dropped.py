"""Blobs that no row names: remembered, so that who still reads them, or is to name them, may finish.

``catalog.garbage`` deletes the bytes once the grace has passed.
"""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import Connection, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from catalog.tables import dropped_blobs


def drop_blobs(conn: Connection, keys: Collection[str], at: datetime) -> None:
    """Remember that no row names these blobs at this moment: their grace begins anew.

    So it is when their rows are deleted, and as long as somebody works on what will name them.
    """
    insert = sqlite.insert if conn.dialect.name == "sqlite" else postgresql.insert
    if keys:
        statement = insert(dropped_blobs)
        conn.execute(
            statement.on_conflict_do_update(
                index_elements=["key"], set_={"dropped_at": statement.excluded.dropped_at}
            ),
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
