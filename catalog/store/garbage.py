"""Which blobs a row still speaks of."""

from collections.abc import Sequence

from sqlalchemy import Column, Connection, select

from catalog.document_tables import document_files, document_segment_files
from catalog.index_tables import embedding_files, index_files
from catalog.tables import dataset_files, remote_table_files, results, uploads

_OWNERS: tuple[Column[str], ...] = (
    uploads.c.blob_key,
    dataset_files.c.key,
    remote_table_files.c.key,
    index_files.c.key,
    embedding_files.c.key,
    results.c.blob_key,
    document_files.c.blob_key,
    document_segment_files.c.key,
)


def referenced_keys(conn: Connection, keys: Sequence[str]) -> set[str]:
    """Return those of the keys (some thousands at most) that a row of any workspace names."""
    found: set[str] = set()
    for column in _OWNERS:
        found.update(conn.scalars(select(column).where(column.in_(keys))))
    return found
