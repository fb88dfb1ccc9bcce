"""The narrowest type for the values of two types: how inferred columns grow with more rows.

Numbers widen int64, decimal(38, 0), float64; a date widens to a timestamp, microseconds to
nanoseconds; null gives way to anything; lists and structs widen inside. Any other pair becomes
text, which always fits. Joining is commutative and associative, so the outcome does not depend on
how the input was cut into blocks.
"""

from collections.abc import Iterable
from functools import reduce

import pyarrow as pa

from engine.arrow_types import map_leaves
from engine.datasets.arrow_values import Field

BIG_INTEGER = pa.decimal128(38, 0)
"""Whole numbers beyond int64, kept exact instead of becoming floats."""

_LADDERS: tuple[tuple[pa.DataType, ...], ...] = (
    (pa.int64(), BIG_INTEGER, pa.float64()),
    (pa.date32(), pa.timestamp("us"), pa.timestamp("ns")),
    (pa.timestamp("us", tz="UTC"), pa.timestamp("ns", tz="UTC")),
)


def join_types(left: pa.DataType, right: pa.DataType) -> pa.DataType:
    """Return the narrowest type for values of both.

    >>> join_types(pa.int64(), pa.float64())
    DataType(double)
    >>> join_types(pa.date32(), pa.bool_())
    DataType(string)
    """
    if left.equals(right) or pa.types.is_null(right):
        return left
    if pa.types.is_null(left):
        return right
    if pa.types.is_struct(left) and pa.types.is_struct(right):
        return pa.struct(_join_fields(left.fields, right.fields))
    if pa.types.is_list(left) and pa.types.is_list(right):
        return pa.list_(join_types(left.value_type, right.value_type))
    for ladder in _LADDERS:
        if left in ladder and right in ladder:
            return ladder[max(ladder.index(left), ladder.index(right))]
    return pa.string()


def join_schemas(left: pa.Schema, right: pa.Schema) -> pa.Schema:
    """Join column by column; columns only in ``right`` come last."""
    return pa.schema(_join_fields(list(left), list(right)))


def join_all(schemas: Iterable[pa.Schema]) -> pa.Schema:
    """Join one or more schemas in order."""
    return reduce(join_schemas, schemas)


def _join_fields(left: list[Field], right: list[Field]) -> list[Field]:
    merged = {field.name: field.type for field in left}
    for field in right:
        merged[field.name] = join_types(merged.get(field.name, pa.null()), field.type)
    return [pa.field(name, dtype) for name, dtype in merged.items()]


def settled(schema: pa.Schema) -> pa.Schema:
    """The schema to write: a column in which no row had a value is text, and times are nanoseconds.

    A TIME of SQL is in nanoseconds, and DataFusion compares no others with it.
    """
    return pa.schema(
        [pa.field(f.name, map_leaves(f.type, _settled_leaf), f.nullable) for f in schema]
    )


def _settled_leaf(dtype: pa.DataType) -> pa.DataType:
    if pa.types.is_null(dtype):
        return pa.string()
    return pa.time64("ns") if pa.types.is_time(dtype) else dtype
