"""The rows of several stores by number, each store's after those of the one before.

A store is opened when a row of it is wanted. The stores may differ in columns that some lack: there they
are NULL.
"""

from collections.abc import Collection, Sequence
from typing import Protocol

import numpy as np
import pyarrow as pa

from engine.indexes.row_store import RowStore, as_asked, runs_of, visible_names


class OpenRows(Protocol):
    """Opens a store when it is needed first."""

    def __call__(self) -> RowStore:
        """Return the open store."""


class RowUnion:
    """Rows by number over all stores."""

    def __init__(
        self, schema: pa.Schema, parts: Sequence[OpenRows], row_counts: Sequence[int]
    ) -> None:
        """Begin.

        Args:
            schema: of the rows; what a store has beyond it is left out.
            parts: open the stores.
            row_counts: of each store.
        """
        self.schema = schema
        self._parts = parts
        self._bases = np.cumsum([0, *row_counts], dtype=np.int64)

    def visible(self, generated: Collection[str]) -> list[str]:
        """Name the columns, and of the generated ones those that still belong to the table."""
        return visible_names(self.schema, generated)

    def take(self, rows: np.ndarray, columns: Sequence[str] | None = None) -> pa.Table:
        """Return rows by number, in the order asked for; see :meth:`RowStore.take`."""
        names = self.schema.names if columns is None else list(columns)
        schema = pa.schema([self.schema.field(name) for name in names])
        if not len(rows) or not names:
            return schema.empty_table() if names else pa.table({}).slice(0, 0)
        order = np.argsort(rows, kind="stable")
        ascending = rows[order]
        owners = np.searchsorted(self._bases, ascending, side="right") - 1
        pieces = []
        for start, end in runs_of(owners):
            owner = int(owners[start])
            here = ascending[start:end] - self._bases[owner]
            pieces.append(_gather(self._parts[owner](), here, schema))
        return as_asked(pa.concat_tables(pieces).combine_chunks(), order)


def _gather(store: RowStore, rows: np.ndarray, schema: pa.Schema) -> pa.Table:
    """Return rows of a store by ascending number, NULL in the columns that it lacks."""
    there = [field.name for field in schema if (field.name, field.type) in store.fields]
    found = store.gather(rows, there)
    arrays = [
        found.column(field.name) if field.name in there else pa.nulls(len(rows), field.type)
        for field in schema
    ]
    return pa.Table.from_arrays(arrays, schema=schema)
