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


def bounded(batch: pa.RecordBatch, bytes_max: int) -> Iterator[pa.RecordBatch]:
    """Cut a batch into halves until no piece of several rows is larger; nothing is copied."""
    if batch.nbytes <= bytes_max or batch.num_rows <= 1:
        yield batch
        return
    half = batch.num_rows // 2
    yield from bounded(batch.slice(0, half), bytes_max)
    yield from bounded(batch.slice(half), bytes_max)


def sized(batches: Iterable[pa.RecordBatch], bytes_max: int) -> Iterator[pa.RecordBatch]:
    """Join small batches and cut large ones; a row larger than the size is a batch of its own."""
    waiting: list[pa.RecordBatch] = []
    waiting_bytes = 0
    for batch in batches:
        for piece in bounded(batch, bytes_max):
            if waiting and waiting_bytes + piece.nbytes > bytes_max:
                yield _joined(waiting)
                waiting, waiting_bytes = [], 0
            waiting.append(piece)
            waiting_bytes += piece.nbytes
    if waiting:
        yield _joined(waiting)


def _joined(batches: list[pa.RecordBatch]) -> pa.RecordBatch:
    whole: pa.RecordBatch = pa.concat_batches(batches)  # type: ignore[attr-defined]  # not in stubs
    return whole


def storage_of(array: Array) -> Array:
    """Take an extension type off an array."""
    return array.storage if isinstance(array, pa.ExtensionArray) else array


def numbers_of_text(array: Array, dtype: pa.DataType, *, column: str, losses: Losses) -> Array:
    """Read decimals from their text; NaN and infinity become NULL, which is counted.

    Raises:
        SourceFailed: a text is no number of this precision and scale.
    """
    text = storage_of(array)
    try:
        plain: Array = text.cast(dtype)
    except pa.ArrowInvalid:
        # Looked for only now: most columns have none, and looking costs more than the cast.
        odd = pc.is_in(text, value_set=_NOT_A_NUMBER.cast(text.type))
    else:
        return plain
    losses.add(column, "of NaN or infinity became NULL", odd.true_count)
    try:
        kept: Array = pc.if_else(odd, pa.scalar(None, text.type), text).cast(dtype)
    except pa.ArrowInvalid as error:
        raise SourceFailed(f"Column '{column}' holds a number that is no {dtype}") from error
    return kept


def _cast(array: Array, field: Field) -> Array:
    array = storage_of(array)
    if array.type != field.type:
        if not _has_the_fields_of(array.type, field.type):
            raise SourceFailed(f"Column '{field.name}' has other fields than it declared")
        try:
            array = array.cast(field.type)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise SourceFailed(
                f"Column '{field.name}' holds a value that is no {field.type}"
            ) from error
    if not field.nullable and array.null_count:
        raise SourceFailed(f"Column '{field.name}' is declared NOT NULL and holds NULL")
    return array


def _has_the_fields_of(found: pa.DataType, wanted: pa.DataType) -> bool:
    """Compare the names inside structs: a cast would fill the missing ones with NULL."""
    if isinstance(wanted, pa.StructType):
        if not isinstance(found, pa.StructType) or found.names != wanted.names:
            return False
        pairs = zip(found.fields, wanted.fields, strict=True)
        return all(_has_the_fields_of(one.type, other.type) for one, other in pairs)
    if isinstance(wanted, pa.MapType):
        return isinstance(found, pa.MapType) and _has_the_fields_of(
            found.item_type, wanted.item_type
        )
    if isinstance(wanted, pa.ListType | pa.LargeListType | pa.FixedSizeListType):
        inner = getattr(found, "value_type", None)
        return inner is not None and _has_the_fields_of(inner, wanted.value_type)
    return True
