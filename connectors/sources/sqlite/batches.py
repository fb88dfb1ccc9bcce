"""Makes record batches of about one size from the rows of a cursor."""

import sqlite3
from collections.abc import Iterator, Sequence

import pyarrow as pa

from connectors.arrow_batches import conform_batch
from connectors.base import Losses
from connectors.errors import SourceFailed
from connectors.sources.sqlite.values import Kind, Unfit, count_escaped

FETCH_ROWS = 512
"""Rows held as Python objects at once: few, because each may be large."""


def read_batches(
    cursor: sqlite3.Cursor, kinds: Sequence[Kind], schema: pa.Schema, losses: Losses
) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a cursor, ``FETCH_ROWS`` at a time.

    Raises:
        SourceFailed: a value is not of its column's type.
        sqlite3.Error: reading fails.
    """
    while rows := cursor.fetchmany(FETCH_ROWS):
        arrays = []
        for field, kind, values in zip(schema, kinds, zip(*rows, strict=True), strict=True):
            try:
                arrays.append(kind.array(values))
            except Unfit as error:
                raise unfit(field.name, kind, error) from error
            if kind.is_escaped:
                losses.add(
                    field.name, "of text that is not UTF-8 have escapes", count_escaped(values)
                )
        yield conform_batch(pa.RecordBatch.from_arrays(arrays, names=schema.names), schema)


def unfit(column: str, kind: Kind, error: Unfit) -> SourceFailed:
    """Say which column holds what, and how it can be read."""
    return SourceFailed(
        f"Column '{column}' is read as {kind.arrow} because of its declared type, and holds {error}"
        " that is none; name it in 'text_columns' to read it as text"
    )
