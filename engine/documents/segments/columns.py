"""The tables of a document dataset: their columns, the same in every segment.

A dataset has ``entries``, ``chunks`` and ``files``. The invariant: every row has the ``registration`` that
brought it, and the rows of one are next to each other in a segment. The trap: ``embedding`` is a
*generated* column: the Parquet files do not have it, only the rows by number do.
"""

from collections.abc import Mapping

import pyarrow as pa

from engine.indexes.row_store import generated_field
from engine.workers.document_tasks import DocumentPart

CHUNK_TEXTS = ("text", "heading")
"""Columns of chunks that are searched by words."""
ENTRY_TEXTS = ("name", "title", "description", "text", "metadata")
"""Columns of entries that are."""
EMBEDDING = "embedding"
REGISTRATION = "registration"
_TIME = pa.timestamp("us", tz="UTC")
_TEXTS = pa.list_(pa.string())


def _schema(columns: Mapping[str, pa.DataType]) -> pa.Schema:
    return pa.schema([pa.field(name, dtype) for name, dtype in columns.items()])


ENTRY_SCHEMA = _schema(
    {
        "id": pa.int64(),
        "dataset_id": pa.int64(),
        "name": pa.string(),
        "slug": pa.string(),
        "description": pa.string(),
        "title": pa.string(),
        "mime_type": pa.string(),
        "file_name": pa.string(),
        "size_bytes": pa.int64(),
        "sha256": pa.string(),
        "page_count": pa.int32(),
        "chunk_count": pa.int32(),
        "tags": _TEXTS,
        "metadata": pa.string(),
        "text": pa.large_string(),
        "created_at": _TIME,
        "processed_at": _TIME,
        REGISTRATION: pa.int64(),
    }
)
CHUNK_COLUMNS = _schema(
    {
        "chunk_index": pa.int32(),
        "chunk_text": pa.string(),
        "heading_path": _TEXTS,
        "page_start": pa.int32(),
        "page_end": pa.int32(),
        "char_start": pa.int64(),
        "char_end": pa.int64(),
        "token_count": pa.int32(),
        "metadata": pa.string(),
    }
)
"""What the chunks of an entry are staged with; ``metadata`` is JSON, and may be absent."""
_CHUNK_SCHEMA = _schema(
    {
        "entry_id": pa.int64(),
        "dataset_id": pa.int64(),
        "chunk_index": pa.int32(),
        "text": pa.string(),
        "heading_path": _TEXTS,
        "heading": pa.string(),
        "page_start": pa.int32(),
        "page_end": pa.int32(),
        "char_start": pa.int64(),
        "char_end": pa.int64(),
        "token_count": pa.int32(),
        "metadata": pa.string(),
        REGISTRATION: pa.int64(),
    }
)
FILE_SCHEMA = _schema(
    {
        "entry_id": pa.int64(),
        "key": pa.string(),
        "kind": pa.string(),
        "file_name": pa.string(),
        "size_bytes": pa.int64(),
        "mime_type": pa.string(),
        "sha256": pa.string(),
        "created_at": _TIME,
        REGISTRATION: pa.int64(),
    }
)


def chunk_schema(dimensions: int | None) -> pa.Schema:
    """Return the columns of ``chunks`` with vectors of a width, before ``registration``; None = without."""
    if dimensions is None:
        return _CHUNK_SCHEMA
    place = _CHUNK_SCHEMA.get_field_index(REGISTRATION)
    return _CHUNK_SCHEMA.insert(
        place, generated_field(EMBEDDING, pa.list_(pa.float32(), dimensions))
    )


def document_schema(part: DocumentPart, dimensions: int | None = None) -> pa.Schema:
    """Return the columns of a table as SQL shows them.

    Args:
        part: which table.
        dimensions: of the vectors of the dataset, None when it has none.
    """
    match part:
        case DocumentPart.ENTRIES:
            return ENTRY_SCHEMA
        case DocumentPart.FILES:
            return FILE_SCHEMA
        case DocumentPart.CHUNKS:
            schema = chunk_schema(dimensions)
            return pa.schema([field.remove_metadata() for field in schema])
