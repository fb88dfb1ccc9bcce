"""Brings what is held of a column to its declared type: fields are told apart by id, never by name.

So a renamed field is found, a dropped one is not taken for a new one of its name, and one that was
added later gets its initial default in older rows.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from connectors.arrow_batches import storage_of
from connectors.errors import SourceFailed
from connectors.sources.ducklake.columns import LakeColumn
from connectors.sources.ducklake.lake import MappedName
from connectors.sources.ducklake.leaves import Array, Place, shape_leaf

_FIELD_ID = b"PARQUET:field_id"


@dataclass(frozen=True, slots=True)
class FieldIds:
    """Which column a field is held for, and the same of the fields in it, in their order."""

    id: int | None
    children: tuple["FieldIds", ...] = ()

    def walk(self) -> "Iterator[FieldIds]":
        """Yield this and all below it."""
        yield self
        for child in self.children:
            yield from child.walk()


Constants = Mapping[int, Array]
"""By a column's id: its value, as an array of length 1, in rows that do not hold the column."""


def ids_of_columns(columns: Sequence[LakeColumn]) -> tuple[FieldIds, ...]:
    """Fields that are held just as columns are declared."""
    return tuple(FieldIds(column.id, ids_of_columns(column.children)) for column in columns)


def ids_of_fields(fields: Sequence["pa.Field[Any]"]) -> tuple[FieldIds, ...]:
    """Fields of a Parquet file that was written for DuckLake."""
    return tuple(
        FieldIds(_id_of(field), ids_of_fields(_children_of(field.type))) for field in fields
    )


def ids_by_name(
    fields: Sequence["pa.Field[Any]"],
    names: Sequence[MappedName],
    parent: pa.DataType | None = None,
) -> tuple[FieldIds, ...]:
    """Fields of a foreign Parquet file, whose names the catalog maps to columns."""
    known = [name for name in names if not name.in_path]
    # What writers call the parts of lists and maps differs; their order does not.
    by_order = parent is not None and not pa.types.is_struct(parent)
    by_name = {name.name: name for name in known}
    found = []
    for position, field in enumerate(fields):
        if by_order:
            name = known[position] if position < len(known) else None
        else:
            name = by_name.get(field.name)
        inner = _children_of(field.type)
        found.append(
            FieldIds(None)
            if name is None
            else FieldIds(name.column_id, ids_by_name(inner, name.children, field.type))
        )
    return tuple(found)


def shape(
    array: Array, ids: FieldIds, column: LakeColumn, constants: Constants, place: Place
) -> Array:
    """Bring an array to the declared type of a column.

    Raises:
        SourceFailed: a value does not fit, or what is held is of another kind.
    """
    if not column.children:
        return shape_leaf(array, column, place)
    array = storage_of(array)
    if len(ids.children) != len(_children_of(array.type)):
        raise SourceFailed(f"Column '{place.column}' is held in a way that is not known")
    shapers = {"struct": _struct, "list": _list, "map": _map}
    return shapers[column.type](array, ids, column, constants, place)


def fill(column: LakeColumn, rows: int, constants: Constants) -> Array:
    """Return a column that is not held: its constant, or NULLs."""
    constant = constants.get(column.id)
    if constant is None:
        return nulls(rows, column)
    return constant.take(np.zeros(rows, np.int64))


def nulls(rows: int, column: LakeColumn) -> Array:
    """Return so many NULLs of the declared type of a column."""
    dtype: Any = column.arrow_type
    array: Array = pa.nulls(rows, dtype)
    return array


def _struct(
    array: Array, ids: FieldIds, column: LakeColumn, constants: Constants, place: Place
) -> Array:
    _expect(array, isinstance(array, pa.StructArray), place)
    held = {child.id: position for position, child in enumerate(ids.children)}
    # flatten() lets a field be NULL where its struct is, so that no garbage is read there.
    fields = array.flatten()  # type: ignore[attr-defined]  # of a StructArray
    parts = [
        shape(fields[held[child.id]], ids.children[held[child.id]], child, constants, place)
        if child.id in held
        else fill(child, len(array), constants)
        for child in column.children
    ]
    declared: Any = column.arrow_type
    return pa.StructArray.from_arrays(parts, fields=list(declared), mask=array.is_null())


def _list(
    array: Array, ids: FieldIds, column: LakeColumn, constants: Constants, place: Place
) -> Array:
    if pa.types.is_large_list(array.type) or pa.types.is_fixed_size_list(array.type):
        array = array.cast(pa.list_(array.type.value_field))
    _expect(array, pa.types.is_list(array.type), place)
    offsets, values = _elements(array)
    values = shape(values, ids.children[0], column.children[0], constants, place)
    return _rebuilt(pa.ListArray, array, column, offsets, values)


def _map(
    array: Array, ids: FieldIds, column: LakeColumn, constants: Constants, place: Place
) -> Array:
    _expect(array, pa.types.is_map(array.type), place)
    offsets, entries = _elements(array)
    keys, items = (
        shape(part, part_ids, child, constants, place)
        for part, part_ids, child in zip(
            entries.flatten(),  # type: ignore[attr-defined]  # of a StructArray
            ids.children,
            column.children,
            strict=True,
        )
    )
    if keys.null_count:
        raise SourceFailed(f"Column '{place.column}' has a map with a key that has no value here")
    return _rebuilt(pa.MapArray, array, column, offsets, keys, items)


def _rebuilt(kind: Any, array: Array, column: LakeColumn, *parts: Array) -> Array:  # noqa: ANN401 - a class of arrays
    made: Array = kind.from_arrays(*parts, type=column.arrow_type, mask=array.is_null())
    return made


def _elements(array: Any) -> tuple[Array, Array]:  # noqa: ANN401 - a list or a map array
    """Offsets from 0 and just the elements they reach; an array may be a window on another."""
    offsets = array.offsets
    first, last = offsets[0].as_py(), offsets[-1].as_py()
    return pc.subtract(offsets, pa.scalar(first, offsets.type)), array.values.slice(
        first, last - first
    )


def _expect(array: Array, is_right: bool, place: Place) -> None:
    if not is_right:
        raise SourceFailed(f"Column '{place.column}' is held as {array.type}, not as declared")


def _id_of(field: "pa.Field[Any]") -> int | None:
    text = (field.metadata or {}).get(_FIELD_ID)
    return None if text is None else int(text)


def _children_of(dtype: Any) -> list["pa.Field[Any]"]:  # noqa: ANN401 - any type
    if pa.types.is_struct(dtype):
        return list(dtype)
    if pa.types.is_map(dtype):
        return [dtype.key_field, dtype.item_field]
    is_list = pa.types.is_list(dtype) or pa.types.is_large_list(dtype)
    if is_list or pa.types.is_fixed_size_list(dtype):
        return [dtype.value_field]
    return []
