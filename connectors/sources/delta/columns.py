"""Delta's types in Arrow, from the JSON form of a table's schema.

The names of the types are those of the protocol, so that a type this table does not know is an
error and not a guess.
"""

import re
from typing import Any, TypeAlias

import pyarrow as pa

from connectors.base import SourceColumn
from connectors.errors import SourceFailed

DeltaType: TypeAlias = "str | dict[str, Any]"
"""As the protocol writes it: a name, or an object for array, map and struct."""

_DECIMAL = re.compile(r"decimal\((\d+),\s*(\d+)\)")
_PRIMITIVES: dict[str, pa.DataType] = {
    "boolean": pa.bool_(),
    "byte": pa.int8(),
    "short": pa.int16(),
    "integer": pa.int32(),
    "long": pa.int64(),
    "float": pa.float32(),
    "double": pa.float64(),
    "string": pa.string(),
    "binary": pa.binary(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us", "UTC"),
    "timestamp_ntz": pa.timestamp("us"),
    # Holds nothing but NULL; Arrow's own null type is none that every Parquet reader knows.
    "void": pa.string(),
    "variant": pa.struct([("metadata", pa.binary()), ("value", pa.binary())]),
}


def columns_of(schema: dict[str, Any]) -> tuple[SourceColumn, ...]:
    """Describe the columns of a table.

    Args:
        schema: the JSON object of the table's schema, with ``fields``.

    Raises:
        SourceFailed: a type is unknown.
    """
    return tuple(
        SourceColumn(
            name=field["name"],
            type=arrow_type(field["type"]),
            nullable=field["nullable"],
            native_type=native_type(field["type"]),
        )
        for field in schema["fields"]
    )


def arrow_type(dtype: DeltaType) -> pa.DataType:
    """Return the Arrow type of a Delta type; what is inside it may always be NULL.

    Raises:
        SourceFailed: it is unknown.

    >>> arrow_type({"type": "array", "elementType": "decimal(5,2)"})
    ListType(list<element: decimal128(5, 2)>)
    """
    if isinstance(dtype, str):
        decimal = _DECIMAL.fullmatch(dtype)
        if decimal:
            return pa.decimal128(int(decimal[1]), int(decimal[2]))
        if dtype not in _PRIMITIVES:
            raise SourceFailed(f"The table has a column of the unknown type {dtype}")
        return _PRIMITIVES[dtype]
    if dtype["type"] == "array":
        return pa.list_(pa.field("element", arrow_type(dtype["elementType"])))
    if dtype["type"] == "map":
        return pa.map_(arrow_type(dtype["keyType"]), arrow_type(dtype["valueType"]))
    return pa.struct([(field["name"], arrow_type(field["type"])) for field in dtype["fields"]])


def native_type(dtype: DeltaType) -> str:
    """Write a Delta type as Spark's SQL does.

    >>> native_type({"type": "map", "keyType": "string", "valueType": "long"})
    'map<string,long>'
    """
    if isinstance(dtype, str):
        return dtype
    if dtype["type"] == "array":
        return f"array<{native_type(dtype['elementType'])}>"
    if dtype["type"] == "map":
        return f"map<{native_type(dtype['keyType'])},{native_type(dtype['valueType'])}>"
    inside = (f"{field['name']}:{native_type(field['type'])}" for field in dtype["fields"])
    return f"struct<{','.join(inside)}>"
