"""The one table of types: what a column becomes in Arrow, and how its values are made.

Every value arrives as the server's own text and is parsed; one that does not fit is an error. The
traps: FLOAT is sent with six digits only, BIT as bytes, GEOMETRY with its SRID before the WKB, and
dates may be zero or impossible, which become NULL and are counted.
"""

import re
from types import MappingProxyType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from connectors.base import Losses, SourceColumn
from connectors.drivers import load_driver
from connectors.errors import SourceFailed
from connectors.sources.mysql.wire import Array, WireColumn

DATE_RULE = "of zero or impossible dates became NULL"
_SRID_BYTES = 4
_DATE_CHARS = 10
_DECIMAL128_DIGITS_MAX = 38
_BITS_MAX = 64

_INTEGERS: MappingProxyType[str, tuple[pa.DataType, pa.DataType]] = MappingProxyType(
    {
        "tinyint": (pa.int8(), pa.uint8()),
        "smallint": (pa.int16(), pa.uint16()),
        "mediumint": (pa.int32(), pa.uint32()),
        "int": (pa.int32(), pa.uint32()),
        "bigint": (pa.int64(), pa.uint64()),
    }
)
"""Signed and unsigned; tinyint(1) too: MySQL's BOOLEAN may hold 2."""
GEOMETRIES = frozenset(
    {
        "geometry",
        "point",
        "linestring",
        "polygon",
        "multipoint",
        "multilinestring",
        "multipolygon",
        "geometrycollection",
        "geomcollection",
    }
)
_TEXTS = frozenset(
    {"char", "varchar", "tinytext", "text", "mediumtext", "longtext", "enum", "set", "json"}
)
_PLAIN: MappingProxyType[str, pa.DataType] = MappingProxyType(
    {
        "year": pa.int16(),
        "float": pa.float32(),
        "double": pa.float64(),
        "date": pa.date32(),
        "datetime": pa.timestamp("us"),
        "timestamp": pa.timestamp("us", "UTC"),
        "time": pa.string(),
        "inet4": pa.string(),
        "inet6": pa.string(),
        "uuid": pa.string(),
        **dict.fromkeys(_TEXTS, pa.string()),
        **dict.fromkeys(
            ("binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob", "vector"),
            pa.binary(),
        ),
        **dict.fromkeys(GEOMETRIES, pa.binary()),
    }
)


def type_name(native_type: str) -> str:
    """Return the bare name of a type.

    >>> type_name("decimal(12,2) unsigned")
    'decimal'
    """
    found = re.match(r"\w+", native_type)
    return found.group().lower() if found else ""


def arrow_type(native_type: str) -> pa.DataType:
    """Return the Arrow type of a ``COLUMN_TYPE``; text for a type that is not known.

    >>> arrow_type("decimal(12,2) unsigned"), arrow_type("bigint(20) unsigned zerofill")
    (Decimal128Type(decimal128(12, 2)), DataType(uint64))
    """
    name = type_name(native_type)
    if name in _INTEGERS:
        signed, unsigned = _INTEGERS[name]
        return unsigned if " unsigned" in native_type.lower() else signed
    if name == "decimal":
        precision, scale = _arguments(native_type)
        if precision > _DECIMAL128_DIGITS_MAX:
            return pa.decimal256(precision, scale)
        return pa.decimal128(precision, scale)
    if name == "bit":
        return pa.bool_() if _arguments(native_type) == [1] else pa.uint64()
    return _PLAIN.get(name, pa.string())


def is_known(native_type: str) -> bool:
    """Tell whether the server sends the type in a form that is understood."""
    name = type_name(native_type)
    return name in _PLAIN or name in _INTEGERS or name in {"decimal", "bit"}


def may_be_impossible(dtype: pa.DataType) -> bool:
    """Tell whether the server may hold a value of this type that is no value of it."""
    return pa.types.is_date(dtype) or pa.types.is_timestamp(dtype)


def expression(column: SourceColumn, quoted_name: str) -> str:
    """Return the SQL that makes the server send a column's values exactly."""
    if pa.types.is_float32(column.type):
        # As a double: a FLOAT is sent rounded to six digits.
        return f"{quoted_name} * 1e0"
    if not is_known(column.native_type):
        return as_text(quoted_name)
    return quoted_name


def as_text(quoted_name: str) -> str:
    """Return the SQL of a column's text in UTF-8, whatever its type and character set."""
    return f"CONVERT({quoted_name} USING utf8mb4)"


def parsed(values: Array, wire: WireColumn, field: "pa.Field[Any]", losses: Losses) -> Array:
    """Make a column of the values as they were sent.

    Returns:
        An array that casts to the type of the field, exactly or not at all.

    Raises:
        SourceFailed: the values were sent in a form that has lost something, a text is not UTF-8,
            or a value is none of the type.
    """
    kinds = load_driver("pymysql").constants.FIELD_TYPE
    if wire.type_code == kinds.FLOAT:
        raise SourceFailed(f"Column '{field.name}' is a FLOAT, which the server would round")
    if pa.types.is_binary(field.type):
        is_geometry = wire.type_code == kinds.GEOMETRY
        # Not binary_slice(): it fails for an array of mostly NULL.
        return pc.binary_replace_slice(values, 0, _SRID_BYTES, b"") if is_geometry else values
    if wire.type_code == kinds.BIT:
        return _bits(values, wire.length)
    is_date = wire.type_code in {kinds.DATE, kinds.DATETIME, kinds.TIMESTAMP}
    try:
        text = values.cast(pa.string())
        if not may_be_impossible(field.type):
            return text
        return _dates(text, field, losses if is_date else None)
    except pa.ArrowInvalid as error:
        raise SourceFailed(
            f"Column '{field.name}' holds a value that is no {field.type}"
        ) from error


def _arguments(native_type: str) -> list[int]:
    """Return the numbers in the parentheses of a type."""
    inside = native_type.partition("(")[2].partition(")")[0]
    return [int(number) for number in inside.split(",")]


def _bits(values: Array, bit_count: int) -> Array:
    """Read big-endian numbers of ``bit_count`` bits, padded to whole bytes."""
    width = (bit_count + 7) // 8
    (_, content) = values.cast(pa.binary(width)).buffers()
    assert content is not None
    digits = np.zeros((len(values), _BITS_MAX // 8), np.uint8)
    digits[:, -width:] = np.frombuffer(memoryview(content), np.uint8).reshape(-1, width)
    numbers = digits.view(">u8").reshape(-1).astype(np.uint64)
    return pa.array(numbers, mask=values.is_null().to_numpy(zero_copy_only=False))


def _dates(text: Array, field: "pa.Field[Any]", losses: Losses | None) -> Array:
    """Parse dates or timestamps; those of an impossible day become NULL where losses are counted."""
    zone = getattr(field.type, "tz", None)
    dtype = pa.timestamp(field.type.unit) if zone else field.type
    try:
        found = text.cast(dtype)
    except pa.ArrowInvalid:
        if losses is None:
            raise
        days = pc.utf8_slice_codeunits(text, 0, _DATE_CHARS)
        impossible = [day for day in days.unique() if day.is_valid and not _is_day(day)]
        is_lost = pc.is_in(days, value_set=pa.array(impossible, pa.string()))
        losses.add(field.name, DATE_RULE, is_lost.true_count)
        found = pc.if_else(is_lost, pa.scalar(None, pa.string()), text).cast(dtype)
    # UTC is the zone of the session, so that only the type changes.
    return found.cast(pa.timestamp(field.type.unit, "UTC")) if zone else found


def _is_day(day: "pa.Scalar[Any]") -> bool:
    try:
        day.cast(pa.date32())
    except pa.ArrowInvalid:
        return False
    return True
