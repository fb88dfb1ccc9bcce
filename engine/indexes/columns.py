"""Which columns an index can be made over."""

from collections.abc import Sequence

import pyarrow as pa

from catalog.index_model import IndexType
from engine.errors import InvalidRequest


def check_columns(index_type: IndexType, columns: Sequence[str], schema: pa.Schema) -> None:
    """See that a table has columns of the right types for an index.

    Raises:
        InvalidRequest: it has not.
    """
    for name in columns:
        if name not in schema.names:
            raise InvalidRequest(f"The table has no column '{name}'")
        dtype = schema.field(name).type
        if index_type is IndexType.BM25 and not is_text(dtype):
            raise InvalidRequest(f"Column '{name}' does not hold text, but {dtype}")
        if index_type is IndexType.VECTOR and not is_vector(dtype):
            raise InvalidRequest(f"Column '{name}' does not hold lists of numbers, but {dtype}")
        if index_type is IndexType.SORTED and pa.types.is_nested(dtype):
            raise InvalidRequest(f"Column '{name}' holds {dtype}, which has no order")


def check_free(name: str, schema: pa.Schema) -> None:
    """See that a generated column can have a name.

    Raises:
        InvalidRequest: the table has a column of its own that is called so.
    """
    if name in schema.names:
        raise InvalidRequest(
            f"The table has a column '{name}' already. Choose another name as output_column."
        )


def is_text(dtype: pa.DataType) -> bool:
    """Tell whether words can be searched in a column of a type."""
    return bool(
        pa.types.is_string(dtype) or pa.types.is_large_string(dtype) or dtype == pa.string_view()
    )


def is_vector(dtype: pa.DataType) -> bool:
    """Tell whether a column of a type may hold vectors."""
    if not (
        pa.types.is_list(dtype)
        or pa.types.is_large_list(dtype)
        or pa.types.is_fixed_size_list(dtype)
    ):
        return False
    item = dtype.value_type
    return bool(pa.types.is_floating(item) or pa.types.is_integer(item))
