"""Files of the vectors that texts of a table have by a model, kept for the next build of its indexes.

A build reads the files that are there, adds what is new as one more, and puts one in place of many. The
invariant: a file is only forgotten, so whoever reads it already may go on to.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, delete, select

from catalog.index_model import EmbeddingFile
from catalog.index_tables import embedding_files, index_builds, indexes
from catalog.store.dropped import drop_blobs
from catalog.store.rows import columns_of, utc_now

# Of one round; SQLite binds at most some thousands of values.
_DROPPED_MAX = 1000

_COLUMNS = columns_of(embedding_files, EmbeddingFile)


def keep_file(conn: Connection, file: EmbeddingFile) -> None:
    """Remember a file of vectors."""
    values = {column: getattr(file, column.name) for column in _COLUMNS}
    conn.execute(embedding_files.insert().values(values))


def replace_files(conn: Connection, old: Sequence[EmbeddingFile], merged: EmbeddingFile) -> None:
    """Let one file stand for some, which whoever reads them already may go on to read."""
    keep_file(conn, merged)
    forget_files(conn, old)


def forget_files(conn: Connection, files: Sequence[EmbeddingFile]) -> None:
    """Forget files of vectors, which whoever reads them already may go on to read."""
    keys = [file.key for file in files]
    drop_blobs(conn, keys, utc_now())
    conn.execute(delete(embedding_files).where(embedding_files.c.key.in_(keys)))


def list_files(
    conn: Connection, workspace_id: str, owner_id: str, fingerprint: str
) -> tuple[EmbeddingFile, ...]:
    """Return the files of vectors of one kind that were made for a table or dataset."""
    query = (
        select(*_COLUMNS)
        .where(
            embedding_files.c.workspace_id == workspace_id,
            embedding_files.c.owner_id == owner_id,
            embedding_files.c.fingerprint == fingerprint,
        )
        .order_by(embedding_files.c.created_at, embedding_files.c.key)
    )
    return tuple(EmbeddingFile(**row) for row in conn.execute(query).mappings())


def drop_unused(conn: Connection, before: datetime) -> int:
    """Forget files of vectors, older than a moment, that no index would read again; return how many.

    An index that is not built yet may need any of its table's.
    """
    query = (
        select(indexes.c.table_id, indexes.c.dataset_id, index_builds.c.details)
        .outerjoin(index_builds, index_builds.c.index_id == indexes.c.id)
        .where(indexes.c.embedding_provider_id.is_not(None))
    )
    used = {
        (row.table_id or row.dataset_id, row.details and row.details["fingerprint"])
        for row in conn.execute(query)
    }
    old = select(
        embedding_files.c.key, embedding_files.c.owner_id, embedding_files.c.fingerprint
    ).where(embedding_files.c.created_at < before)
    unused = [
        row.key
        for row in conn.execute(old)
        if used.isdisjoint({(row.owner_id, row.fingerprint), (row.owner_id, None)})
    ][:_DROPPED_MAX]
    drop_blobs(conn, unused, utc_now())
    conn.execute(delete(embedding_files).where(embedding_files.c.key.in_(unused)))
    return len(unused)
