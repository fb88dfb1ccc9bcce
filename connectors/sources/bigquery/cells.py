"""Reads the rows of the REST interface into Arrow, a page and a column at a time.

A row is ``{"f": [{"v": cell}, …]}``; a cell is text, NULL, a row (a STRUCT) or a list of ``{"v":
cell}`` (an ARRAY). The invariant: every cell is read from its text in full, or the page fails; the
one exception, which is counted, is a BIGNUMERIC with more digits than Arrow has.
"""

import base64
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from connectors.arrow_batches import Array, conform_batch
from connectors.base import Losses
from connectors.errors import SourceFailed

Row = dict[str, Any]

_TOO_LONG = r"^-?[0-9]{39,}"
_LONGEST = pa.decimal256(76, 38)


def read_rows(
    rows: Sequence[Row], types: Sequence[pa.DataType], schema: pa.Schema, losses: Losses
) -> pa.RecordBatch:
    """Read the rows of one page.

    Args:
        rows: as they came.
        types: of the columns, as the answer declares them.
        schema: what they are cast to.
        losses: where values that could not be kept are counted.

    Raises:
        SourceFailed: a value is not of its declared type, or does not fit into the schema.
    """
    if len(types) != len(schema):
        raise SourceFailed("The source sent another number of columns than it declared")
    arrays = []
    for position, (dtype, name) in enumerate(zip(types, schema.names, strict=True)):
        try:
            cells = [row["f"][position]["v"] for row in rows]
            arrays.append(_array(cells, dtype, name, losses))
        except (pa.ArrowException, LookupError, TypeError, ValueError) as error:
            raise SourceFailed(f"Column '{name}' holds a value that is no {dtype}") from error
    return conform_batch(pa.RecordBatch.from_arrays(arrays, names=schema.names), schema)


def _array(cells: list[Any], dtype: pa.DataType, column: str, losses: Losses) -> Array:
    if pa.types.is_list(dtype):
        return _lists(cells, dtype, column, losses)
    if pa.types.is_struct(dtype):
        return _structs(cells, dtype, column, losses)
    if pa.types.is_binary(dtype):
        decoded = (
            None if cell is None else base64.b64decode(cell, validate=True) for cell in cells
        )
        return pa.array(list(decoded), dtype)
    return _scalars(pa.array(cells, pa.string()), dtype, column, losses)


def _scalars(text: Array, dtype: pa.DataType, column: str, losses: Losses) -> Array:
    if pa.types.is_timestamp(dtype) and dtype.tz is not None:
        return text.cast(pa.int64()).cast(dtype)  # asked for in microseconds
    if pa.types.is_time(dtype):
        # Arrow reads a time only as a part of a timestamp.
        moments = pc.binary_replace_slice(text, 0, 0, "1970-01-01 ")
        return moments.cast(pa.timestamp("us")).cast(dtype)
    if dtype == _LONGEST:
        too_long = pc.match_substring_regex(text, _TOO_LONG)
        rule = "of more than 38 digits before the point became NULL"
        losses.add(column, rule, too_long.true_count)
        text = pc.if_else(too_long, pa.scalar(None, pa.string()), text)
    return text.cast(dtype)


def _lists(cells: list[Any], dtype: Any, column: str, losses: Losses) -> Array:  # noqa: ANN401 - a list type
    offsets = [0, *accumulate(len(cell or ()) for cell in cells)]
    values = [item["v"] for cell in cells for item in cell or ()]
    flat = _array(values, dtype.value_type, column, losses)
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), flat, type=dtype)


def _structs(cells: list[Any], dtype: Any, column: str, losses: Losses) -> Array:  # noqa: ANN401 - a struct type
    members = [
        _array([cell and cell["f"][position]["v"] for cell in cells], field.type, column, losses)
        for position, field in enumerate(dtype)
    ]
    missing = pa.array([cell is None for cell in cells], pa.bool_())
    return pa.StructArray.from_arrays(members, fields=list(dtype), mask=missing)
