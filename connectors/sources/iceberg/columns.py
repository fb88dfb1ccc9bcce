"""Iceberg's types in Arrow.

A UUID is its text and ``fixed`` is plain binary, since the engine compares neither with a literal
otherwise. What is inside a list, map or struct may always be NULL here.
"""

import pyarrow as pa
from pyiceberg.schema import Schema
from pyiceberg.types import (
    BinaryType,
    BooleanType,
    DateType,
    DecimalType,
    DoubleType,
    FixedType,
    FloatType,
    GeographyType,
    GeometryType,
    IcebergType,
    IntegerType,
    ListType,
    LongType,
    MapType,
    StringType,
    StructType,
    TimestampNanoType,
    TimestampType,
    TimestamptzNanoType,
    TimestamptzType,
    TimeType,
    UnknownType,
    UUIDType,
)

from connectors.base import SourceColumn
from connectors.errors import SourceFailed

_PRIMITIVES: dict[type[IcebergType], pa.DataType] = {
    BooleanType: pa.bool_(),
    IntegerType: pa.int32(),
    LongType: pa.int64(),
    FloatType: pa.float32(),
    DoubleType: pa.float64(),
    DateType: pa.date32(),
    TimeType: pa.time64("us"),
    TimestampType: pa.timestamp("us"),
    TimestamptzType: pa.timestamp("us", "UTC"),
    TimestampNanoType: pa.timestamp("ns"),
    TimestamptzNanoType: pa.timestamp("ns", "UTC"),
    StringType: pa.string(),
    UUIDType: pa.string(),
    FixedType: pa.binary(),
    BinaryType: pa.binary(),
    GeometryType: pa.binary(),
    GeographyType: pa.binary(),
    # Holds nothing but NULL; Arrow's own null type is none that every Parquet reader knows.
    UnknownType: pa.string(),
}


def columns_of(schema: Schema) -> tuple[SourceColumn, ...]:
    """Describe the columns of a table.

    Raises:
        SourceFailed: a type is unknown.
    """
    return tuple(
        SourceColumn(
            name=field.name,
            type=arrow_type(field.field_type),
            nullable=not field.required,
            native_type=str(field.field_type),
        )
        for field in schema.fields
    )


def arrow_type(dtype: IcebergType) -> pa.DataType:
    """Return the Arrow type of an Iceberg type.

    Raises:
        SourceFailed: it is unknown.

    >>> arrow_type(ListType(1, UUIDType()))
    ListType(list<element: string>)
    """
    if isinstance(dtype, StructType):
        return pa.struct([(field.name, arrow_type(field.field_type)) for field in dtype.fields])
    if isinstance(dtype, ListType):
        return pa.list_(pa.field("element", arrow_type(dtype.element_type)))
    if isinstance(dtype, MapType):
        return pa.map_(arrow_type(dtype.key_type), arrow_type(dtype.value_type))
    if isinstance(dtype, DecimalType):
        return pa.decimal128(dtype.precision, dtype.scale)
    found = _PRIMITIVES.get(type(dtype))
    if found is None:
        raise SourceFailed(f"The table has a column of the unknown type {dtype}")
    return found
