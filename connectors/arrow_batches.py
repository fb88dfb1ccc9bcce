"""Brings what a driver gives to the declared schema, exactly or not at all.

Columns are matched by position, never by name. The rule of every conversion: a value arrives as it
was, or it is NULL and counted in ``Losses``, or the batch is an error; nothing is rounded, cut or
wrapped on the way.
"""

from collections.abc import Iterable, Iterator
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from connectors.base import Losses
from connectors.errors import SourceFailed

Array: TypeAlias = "pa.Array[Any]"
Field: TypeAlias = "pa.Field[Any]"

_NOT_A_NUMBER = pa.array(["NaN", "nan", "Infinity", "-Infinity", "inf", "-inf"])


def conform(batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Cast batches to a schema, safely: a value that does not fit is an error.

    Raises:
        SourceFailed: another number of columns, a value that does not fit, or a NULL where the
            schema has none.
    """
    for batch in batches:
        yield conform_batch(batch, schema)


def conform_batch(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """Cast one batch to a schema; raises like :func:`conform`."""
    if batch.num_columns != len(schema):
        raise SourceFailed("The source sent another number of columns than it declared")
    arrays = [_cast(array, field) for array, field in zip(batch.columns, schema, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def storage_of(array: Array) -> Array:
    """Take an extension type off an array."""
    return array.storage if isinstance(array, pa.ExtensionArray) else array


def numbers_of_text(array: Array, dtype: pa.DataType, *, column: str, losses: Losses) -> Array:
    """Read decimals from their text; NaN and infinity become NULL, which is counted.

    Raises:
        SourceFailed: a text is no number of this precision and scale.
    """
    text = storage_of(array)
    odd = pc.is_in(text, value_set=_NOT_A_NUMBER.cast(text.type))
    count = odd.true_count
    if count:
        losses.add(column, "of NaN or infinity became NULL", count)
        text = pc.if_else(odd, pa.scalar(None, text.type), text)
    try:
        return text.cast(dtype)
    except pa.ArrowInvalid as error:
        raise SourceFailed(f"Column '{column}' holds a number that is no {dtype}") from error


def _cast(array: Array, field: Field) -> Array:
    array = storage_of(array)
    if array.type != field.type:
        try:
            array = array.cast(field.type)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise SourceFailed(
                f"Column '{field.name}' holds a value that is no {field.type}"
            ) from error
    if not field.nullable and array.null_count:
        raise SourceFailed(f"Column '{field.name}' is declared NOT NULL and holds NULL")
    return array
