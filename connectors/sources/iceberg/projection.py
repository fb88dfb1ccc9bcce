"""Brings the columns of a data file to the schema of its table, by field ids.

pyiceberg has such a projection, which this replaces: in 0.12 it makes an empty list or map of a
NULL one whose elements are structs (apache/iceberg-python#3833), and does not look for renamed
fields below two levels of lists.

The rules are those of the specification: a field is found by its id, never by name or place; files
without ids get them from the table's name mapping; a field that a file lacks has its default.
"""

from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias
from uuid import UUID

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyiceberg.table.name_mapping import MappedField
from pyiceberg.types import IcebergType, ListType, MapType, NestedField, StructType, UUIDType

from connectors.arrow_batches import Field, storage_of
from connectors.errors import SourceFailed
from connectors.sources.iceberg.columns import arrow_type

Array: TypeAlias = Any
"""An Arrow array, whose nested kinds pyarrow's stubs describe in part."""
ArrowType: TypeAlias = Any
"""Its type, for the same reason."""

_FIELD_ID = b"PARQUET:field_id"
_UUID_BYTES = 16
_UUID_DASHES = (8, 13, 18, 23)
_UUID_DIGITS = [place for place in range(36) if place not in _UUID_DASHES]
_HEX = np.frombuffer(b"".join(b"%02x" % byte for byte in range(256)), np.uint8).reshape(256, 2)


def field_id(field: Field) -> int | None:
    """Return the id that a field of a file's Arrow schema carries."""
    text = (field.metadata or {}).get(_FIELD_ID)
    return None if text is None else int(text)


def has_ids(schema: pa.Schema) -> bool:
    """Tell whether a file knows the ids of its fields."""
    return any(field_id(field) is not None for field in schema)


def with_mapped_ids(fields: Iterable[Field], mapping: Sequence[MappedField]) -> list[Field]:
    """Give the fields of a file the ids of a name mapping, all levels deep."""
    return [_with_mapped_id(field, field.name, mapping) for field in fields]


def project(array: Array, source: Field, target: NestedField) -> Array:
    """Bring one column of a file to the type of its table.

    Args:
        array: values of a file.
        source: its field, with ids inside.
        target: the field of the table.

    Raises:
        SourceFailed: a value, or the whole column, does not fit.
    """
    array = storage_of(array)
    dtype = target.field_type
    if isinstance(dtype, StructType) and pa.types.is_struct(array.type):
        return _struct(array, source, dtype)
    if isinstance(dtype, MapType) and pa.types.is_map(array.type):
        return _map(array, source, dtype)
    if isinstance(dtype, ListType) and _is_list(array.type):
        return _list(array, source, dtype)
    if dtype.is_primitive and not pa.types.is_nested(array.type):
        return _primitive(array, target)
    raise SourceFailed(f"Column '{target.name}' is no {dtype} in a data file")


def constant(value: object, dtype: IcebergType, rows: int) -> Array:
    """Make a column of one value, as pyiceberg gives defaults and partition values."""
    wanted: Any = arrow_type(dtype)
    plain: Any = str(value) if isinstance(value, UUID) else value
    return pa.nulls(rows, wanted) if plain is None else pa.repeat(pa.scalar(plain, wanted), rows)


def _with_mapped_id(field: Field, name: str, mapping: Sequence[MappedField]) -> Field:
    found = next((mapped for mapped in mapping if name in mapped.names), None)
    inside = found.fields if found is not None else ()
    field = field.with_type(_mapped_type(field.type, inside))
    if found is None or found.field_id is None:
        return field
    return field.with_metadata({_FIELD_ID: str(found.field_id).encode()})


def _mapped_type(dtype: ArrowType, mapping: Sequence[MappedField]) -> ArrowType:
    if isinstance(dtype, pa.StructType):
        return pa.struct(with_mapped_ids(dtype, mapping))
    if isinstance(dtype, pa.MapType):
        key: Any = _with_mapped_id(dtype.key_field, "key", mapping)
        return pa.map_(key, _with_mapped_id(dtype.item_field, "value", mapping))
    if _is_list(dtype):
        return pa.list_(_with_mapped_id(dtype.value_field, "element", mapping))
    return dtype


def _struct(array: Array, source: Field, dtype: StructType) -> Array:
    places = {field_id(field): place for place, field in enumerate(source.type)}
    children = []
    for field in dtype.fields:
        place = places.get(field.field_id)
        if place is None:
            children.append(constant(field.initial_default, field.field_type, len(array)))
        else:
            children.append(project(array.field(place), source.type[place], field))
    wanted: ArrowType = arrow_type(dtype)
    return pa.StructArray.from_arrays(children, fields=list(wanted), mask=array.is_null())


def _list(array: Array, source: Field, dtype: ListType) -> Array:
    values = project(array.flatten(), source.type.value_field, dtype.element_field)
    wanted: ArrowType = arrow_type(dtype)
    return pa.ListArray.from_arrays(_offsets(array), values, type=wanted, mask=array.is_null())


def _map(array: Array, source: Field, dtype: MapType) -> Array:
    offsets = array.offsets.to_numpy()
    first, rows = offsets[0], offsets[-1] - offsets[0]
    keys = project(array.keys.slice(first, rows), source.type.key_field, dtype.key_field)
    values = project(array.items.slice(first, rows), source.type.item_field, dtype.value_field)
    wanted: ArrowType = arrow_type(dtype)
    starts: Array = pa.array(offsets - first, pa.int32())
    return pa.MapArray.from_arrays(starts, keys, values, type=wanted, mask=array.is_null())


def _offsets(array: Array) -> Array:
    """Where each list begins among its flattened values, which leave out those below NULL."""
    lengths: Array = pc.list_value_length(array)
    ends = np.cumsum(pc.fill_null(lengths, 0).to_numpy(zero_copy_only=False), dtype=np.int64)
    return pa.array(np.concatenate(([0], ends))).cast(pa.int32())


def _primitive(array: Array, target: NestedField) -> Array:
    if isinstance(target.field_type, UUIDType) and pa.types.is_fixed_size_binary(array.type):
        return _uuid_texts(array)
    wanted = arrow_type(target.field_type)
    if array.type == wanted:
        return array
    if pa.types.is_float64(array.type) and pa.types.is_float32(wanted):
        raise SourceFailed(f"Column '{target.name}' is a double in a data file, and no float")
    try:
        return array.cast(wanted)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise SourceFailed(f"Column '{target.name}' holds a value that is no {wanted}") from error


def _uuid_texts(array: Array) -> Array:
    """Write 16 bytes as 8-4-4-4-12 lower-case digits."""
    if array.type.byte_width != _UUID_BYTES:
        raise SourceFailed("A UUID in a data file has not 16 bytes")
    if not len(array):
        return pa.array([], pa.string())
    data = np.frombuffer(array.buffers()[1], np.uint8)
    start = array.offset * _UUID_BYTES
    digits = _HEX[data[start : start + len(array) * _UUID_BYTES]].reshape(len(array), 32)
    texts = np.full((len(array), 36), ord("-"), np.uint8)
    texts[:, _UUID_DIGITS] = digits
    offsets = np.arange(0, 36 * (len(array) + 1), 36, dtype=np.int32)
    whole = pa.StringArray.from_buffers(
        len(array), pa.py_buffer(offsets.data), pa.py_buffer(texts.data)
    )
    return pc.if_else(array.is_valid(), whole, pa.scalar(None, pa.string()))


def _is_list(dtype: pa.DataType) -> bool:
    return bool(
        pa.types.is_list(dtype)
        or pa.types.is_large_list(dtype)
        or pa.types.is_fixed_size_list(dtype)
    )
