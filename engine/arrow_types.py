"""Changing Arrow types however deep they nest."""

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

import pyarrow as pa

types = pa.types


def read_schema(schema_ipc: bytes, generated: Iterable[tuple[str, int]] = ()) -> pa.Schema:
    """Read a schema from an Arrow IPC message.

    Args:
        schema_ipc: the message.
        generated: names and widths of the vectors that indexes generate, columns after its own.
    """
    schema = pa.ipc.read_schema(pa.py_buffer(schema_ipc))
    for name, width in generated:
        schema = schema.append(pa.field(name, pa.list_(pa.float32(), width)))
    return schema


def write_schema(schema: pa.Schema) -> bytes:
    """Write a schema as an Arrow IPC message.

    >>> read_schema(write_schema(pa.schema({"id": pa.int64()}))).names
    ['id']
    """
    return schema.serialize().to_pybytes()


def map_leaves(kind: pa.DataType, change: Callable[[pa.DataType], pa.DataType]) -> pa.DataType:
    """Return ``kind`` with ``change`` applied to every type inside its structs, lists and maps.

    >>> map_leaves(pa.list_(pa.null()), lambda _: pa.string())
    ListType(list<item: string>)
    """

    def inner(field: "pa.Field[Any]") -> "pa.Field[Any]":
        return field.with_type(map_leaves(field.type, change))

    if isinstance(kind, pa.StructType):
        return pa.struct([inner(field) for field in kind])
    if isinstance(kind, pa.MapType):
        return pa.map_(inner(kind.key_field), inner(kind.item_field))  # type: ignore[call-overload,no-any-return]  # the stubs know no fields here
    if isinstance(kind, pa.FixedSizeListType):
        return pa.list_(inner(kind.value_field), kind.list_size)
    if isinstance(kind, pa.LargeListType):
        return pa.large_list(inner(kind.value_field))
    if isinstance(kind, pa.ListType):
        return pa.list_(inner(kind.value_field))
    return change(kind)


_LARGE_TEXT = pa.large_string()
_LARGE_DATA = pa.large_binary()


@lru_cache(maxsize=1024)
def viewless(
    kind: pa.DataType, text: pa.DataType = _LARGE_TEXT, data: pa.DataType = _LARGE_DATA
) -> pa.DataType:
    """Replace view types; an array is brought to the new type by a cast.

    Trap: kernels, slices and the Parquet writer know views as columns, but not inside structs, lists
    and maps; and the size of a slice of views is the size of all they were cut from.

    Args:
        kind: any type.
        text: in the place of string views.
        data: in the place of binary views.
    """

    def change(leaf: pa.DataType) -> pa.DataType:
        if types.is_string_view(leaf):
            return text
        return data if types.is_binary_view(leaf) else leaf

    return map_leaves(kind, change)
