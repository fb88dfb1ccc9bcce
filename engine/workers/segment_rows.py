"""The rows of a table of segments for SQL: those of all its files, without what is dead.

The invariant: every segment gives the columns of ``segment_columns``, whatever width its vectors have, so
a filter and a choice of columns reach each file. The trap: a plan shows the scans of the files and not
the table, so nothing can be known of the table from it: see :func:`may_use_distance`.
"""

import re
from collections.abc import Callable
from functools import reduce
from pathlib import Path
from typing import Any

import pyarrow as pa
from datafusion import DataFrame, col, lit
from datafusion import functions as f
from datafusion.expr import Expr

from engine.documents.segments.columns import EMBEDDING, REGISTRATION, chunk_schema, document_schema
from engine.documents.segments.files import parquet_path, read_facts, rows_path
from engine.query.sql_text import quoted_name
from engine.workers.document_tasks import DocumentBinding, DocumentPart, SegmentBinding
from engine.workers.tasks import TableBinding

# As functions, and as the operators that become them.
_DISTANCE = re.compile(r"_distance|dot_product|<(?:-|=|#)>", re.IGNORECASE)

ReadFile = Callable[[str], DataFrame]


def columns_of(documents: DocumentBinding) -> pa.Schema:
    """Return the columns of a table as a statement sees them."""
    if documents.part is DocumentPart.CHUNKS and documents.reads_vectors:
        return chunk_schema(documents.dimensions)
    return document_schema(documents.part)


def row_files(table: TableBinding) -> tuple[list[str], list[str]]:
    """Name the files with all rows in the order of their numbers: for SQL, and with the vectors."""
    documents = table.documents
    assert documents is not None
    folders = [Path(segment.folder) for segment in documents.segments]
    return (
        [str(parquet_path(folder, documents.part)) for folder in folders],
        [str(rows_path(folder, documents.part)) for folder in folders],
    )


def union_rows(documents: DocumentBinding, read_file: ReadFile) -> DataFrame | None:
    """Put the rows of all segments after each other; None when there is no segment.

    Args:
        documents: the table.
        read_file: makes a file readable.
    """
    frames = [_rows_of(documents, segment, read_file) for segment in documents.segments]
    return reduce(DataFrame.union, frames) if frames else None


def may_use_distance(table: TableBinding, sql: str) -> bool:
    """Tell whether a statement may order a table by the distance of its vectors."""
    return bool(table.documents and table.generated and _DISTANCE.search(sql))


def _rows_of(documents: DocumentBinding, segment: SegmentBinding, read_file: ReadFile) -> DataFrame:
    folder = Path(segment.folder)
    schema = columns_of(documents)
    is_whole = EMBEDDING not in schema.names
    path = parquet_path if is_whole else rows_path
    rows = read_file(str(path(folder, documents.part)))
    if segment.dead:
        dead = [lit(registration) for registration in segment.dead]
        rows = rows.filter(f.in_list(col(REGISTRATION), dead, negated=True))
    if is_whole:
        return rows
    has_vectors = read_facts(folder).dimensions == documents.dimensions
    return rows.select(*(_column(field, has_vectors=has_vectors) for field in schema))


def _column(field: "pa.Field[Any]", *, has_vectors: bool) -> Expr:
    if field.name == EMBEDDING and not has_vectors:
        return lit(None).cast(field.type).alias(EMBEDDING)
    return col(quoted_name(field.name))


def is_there(table: TableBinding) -> bool:
    """Tell whether the files of all segments are where they should be."""
    files, rows = row_files(table)
    assert table.documents is not None
    wanted = rows if table.documents.reads_vectors else files
    return all(Path(path).is_file() for path in wanted)
