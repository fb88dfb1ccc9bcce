"""The rows of several stores by number, each store's after those of the one before.

A store is opened when a row of it is wanted. The stores may differ in columns that some lack: there they
are NULL.
"""

from collections.abc import Collection, Sequence
from typing import Protocol

import numpy as np
import pyarrow as pa

from engine.indexes.row_store import RowStore, as_asked, visible_names


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
        # By number through all stores, so that none has to put its rows in order for itself.
        order = np.argsort(rows, kind="stable")
        owners = np.searchsorted(self._bases, rows, side="right") - 1
        edges = np.flatnonzero(np.diff(owners[order])) + 1
        pieces = []
        for group in np.split(order, edges):
            owner = int(owners[group[0]])
            pieces.append(self._take_part(owner, rows[group] - self._bases[owner], schema))
        found = pieces[0] if len(pieces) == 1 else pa.concat_tables(pieces).combine_chunks()
        return as_asked(found, order)

    def _take_part(self, owner: int, rows: np.ndarray, schema: pa.Schema) -> pa.Table:
        store = self._parts[owner]()
        there = [field.name for field in schema if (field.name, field.type) in store.fields]
        taken = store.take(rows, there)
        arrays = [
            taken.column(field.name) if field.name in there else pa.nulls(len(rows), field.type)
            for field in schema
        ]
        return pa.Table.from_arrays(arrays, schema=schema)
