"""Makes Arrow tables in the layout of a system relation from the cells that differ from its defaults."""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, TypeAlias

import pyarrow as pa

from engine.pg_catalog.entries import Entries
from engine.pg_catalog.layout import SystemRelation
from engine.pg_catalog.pg_types import duckdb_type

# A list has a value for each row; anything else is the value of all rows.
Cells: TypeAlias = Mapping[str, Any]
Build: TypeAlias = Callable[[Entries], Cells]

_ARROW: dict[str, Any] = {
    "BOOLEAN": pa.bool_(),
    "SMALLINT": pa.int16(),
    "INTEGER": pa.int32(),
    "BIGINT": pa.int64(),
    "FLOAT": pa.float32(),
    "DOUBLE": pa.float64(),
    "TIMESTAMPTZ": pa.timestamp("us", "UTC"),
    "INTERVAL": pa.month_day_nano_interval(),
    "BLOB": pa.binary(),
    "DECIMAL(38, 10)": pa.decimal128(38, 10),
    "VARCHAR": pa.string(),
}
_ZEROS: dict[str, Any] = {"BLOB": b"", "BOOLEAN": False, "VARCHAR": "", "FLOAT": 0.0, "DOUBLE": 0.0}


def fill(relation: SystemRelation, cells: Cells, *, rows: int | None = None) -> pa.Table:
    """Make the table of a relation.

    Args:
        relation: its columns, all of which the table has, in order.
        cells: values of columns; one without is NULL, or zero or empty where it is NOT NULL.
        rows: how many; by default as many as the lists of the cells.

    Raises:
        AssertionError: a cell names no column, or lists differ in length.
    """
    unknown = cells.keys() - relation.column_types().keys()
    assert not unknown, f"{relation.name} has no column {unknown}"
    lengths = {len(value) for value in cells.values() if isinstance(value, list)}
    if rows is None:
        assert len(lengths) <= 1, f"lists for {relation.name} differ in length"
        rows = next(iter(lengths), 1 if cells else 0)
    arrays = []
    for column in relation.columns:
        kept = duckdb_type(column.type_name)
        value = cells.get(column.name, _default(kept) if column.not_null else None)
        arrays.append(_array(value, arrow_type(kept), rows))
    fields = [
        pa.field(column.name, array.type)
        for column, array in zip(relation.columns, arrays, strict=True)
    ]
    return pa.table(arrays, schema=pa.schema(fields))


@cache
def arrow_type(kept: str) -> Any:  # noqa: ANN401 - a type of Arrow
    """Return the Arrow type of what :func:`duckdb_type` names."""
    if kept.endswith("[]"):
        return pa.list_(arrow_type(kept.removesuffix("[]")))
    return _ARROW[kept]


def _default(kept: str) -> Any:  # noqa: ANN401 - a value of any type
    return () if kept.endswith("[]") else _ZEROS.get(kept, 0)


def _array(value: Any, kind: Any, rows: int) -> Any:  # noqa: ANN401 - cells of any type
    if isinstance(value, list):
        return pa.array(value, kind)
    if value is None:
        return pa.nulls(rows, kind)
    if isinstance(value, tuple):
        return pa.array([list(value)] * rows, kind)
    return pa.repeat(pa.scalar(value, kind), rows)
