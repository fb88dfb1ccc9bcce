"""The names of types a user may declare for a column, as in ``columns`` of a dataset."""

import re

import pyarrow as pa

DECIMAL_DEFAULT = (38, 10)
DECIMAL_PRECISION_MAX = 38

_TYPES: dict[str, pa.DataType] = {
    **dict.fromkeys(("VARCHAR", "TEXT", "STRING", "UUID", "JSON"), pa.string()),
    **dict.fromkeys(("BOOLEAN", "BOOL"), pa.bool_()),
    "TINYINT": pa.int8(),
    "SMALLINT": pa.int16(),
    **dict.fromkeys(("INTEGER", "INT"), pa.int32()),
    "BIGINT": pa.int64(),
    "UTINYINT": pa.uint8(),
    "USMALLINT": pa.uint16(),
    "UINTEGER": pa.uint32(),
    "UBIGINT": pa.uint64(),
    **dict.fromkeys(("REAL", "FLOAT"), pa.float32()),
    "DOUBLE": pa.float64(),
    "DATE": pa.date32(),
    "TIME": pa.time64("us"),
    **dict.fromkeys(("TIMESTAMP", "DATETIME"), pa.timestamp("us")),
    "TIMESTAMP_NS": pa.timestamp("ns"),
    **dict.fromkeys(("TIMESTAMPTZ", "TIMESTAMP WITH TIME ZONE"), pa.timestamp("us", tz="UTC")),
    **dict.fromkeys(("BLOB", "BYTEA", "BINARY", "VARBINARY"), pa.binary()),
}
_DECIMAL = re.compile(r"(?:DECIMAL|NUMERIC)(?: ?\( ?(\d{1,2})(?: ?, ?(\d{1,2}))? ?\))?")


def parse_type(text: str) -> pa.DataType:
    """Read the name of a type.

    Raises:
        ValueError: there is none of this name.

    >>> parse_type("decimal(10, 2)")
    Decimal128Type(decimal128(10, 2))
    """
    name = " ".join(text.upper().split())
    if name in _TYPES:
        return _TYPES[name]
    decimal = _DECIMAL.fullmatch(name)
    if decimal is None:
        raise ValueError(f"unknown type '{text}'; known: {', '.join(_TYPES)}, DECIMAL(p, s)")
    if decimal[1] is None:
        return pa.decimal128(*DECIMAL_DEFAULT)
    precision, scale = int(decimal[1]), int(decimal[2] or 0)
    if not 1 <= precision <= DECIMAL_PRECISION_MAX or scale > precision:
        raise ValueError(f"'{text}' needs a precision of 1 to 38 and a scale not above it")
    return pa.decimal128(precision, scale)
