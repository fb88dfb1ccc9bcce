"""The ``columns`` map of a dataset source: declared SQL types as Arrow types, and their use.

Every built column is nullable. Lengths, SRIDs and geometry kinds are checked for shape and then
dropped: Arrow has no place for them.
"""

import re
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from engine.datasets.arrow_values import Column, Field, Texts
from engine.datasets.errors import LoadError
from engine.datasets.text_values import convert_declared

DECIMAL_DEFAULT = (38, 10)
DECIMAL_PRECISION_MAX = 38
VALUE_SHOWN_MAX = 50

_TYPES: dict[str, pa.DataType] = {
    **dict.fromkeys(("VARCHAR", "TEXT", "STRING", "CHAR", "BPCHAR", "UUID", "JSON"), pa.string()),
    **dict.fromkeys(("BOOLEAN", "BOOL"), pa.bool_()),
    **dict.fromkeys(("TINYINT", "INT1"), pa.int8()),
    **dict.fromkeys(("SMALLINT", "INT2"), pa.int16()),
    **dict.fromkeys(("INTEGER", "INT", "INT4"), pa.int32()),
    **dict.fromkeys(("BIGINT", "INT8"), pa.int64()),
    "UTINYINT": pa.uint8(),
    "USMALLINT": pa.uint16(),
    **dict.fromkeys(("UINTEGER", "UINT"), pa.uint32()),
    "UBIGINT": pa.uint64(),
    **dict.fromkeys(("REAL", "FLOAT4", "FLOAT"), pa.float32()),
    **dict.fromkeys(("DOUBLE", "FLOAT8"), pa.float64()),
    **dict.fromkeys(("DECIMAL", "NUMERIC"), pa.decimal128(*DECIMAL_DEFAULT)),
    "DATE": pa.date32(),
    "TIME": pa.time64("ns"),
    **dict.fromkeys(("TIMESTAMP", "DATETIME"), pa.timestamp("us")),
    **dict.fromkeys(("TIMESTAMPTZ", "TIMESTAMP WITH TIME ZONE"), pa.timestamp("us", tz="UTC")),
    **dict.fromkeys(("BLOB", "BYTEA", "BINARY", "VARBINARY"), pa.binary()),
    **dict.fromkeys(("GEOMETRY", "GEOGRAPHY"), pa.binary()),
}

_SUPPORTED = ", ".join(_TYPES)


def parse_columns(columns: Mapping[str, str | Mapping[str, Any]]) -> dict[str, pa.DataType]:
    """Turn declared column types into Arrow types, in the order given.

    Args:
        columns: name to a type such as ``"DECIMAL(10, 2)"``, or to an object with ``type`` and
            optionally ``precision``, ``scale``, ``srid``, ``geometry_type``.

    Raises:
        LoadError: a type is unknown or malformed.

    >>> parse_columns({"price": "decimal(10,2)"})["price"]
    Decimal128Type(decimal128(10, 2))
    """
    return {name: _column_type(name, declared) for name, declared in columns.items()}


def _column_type(name: str, declared: str | Mapping[str, Any]) -> pa.DataType:
    options: Mapping[str, Any] = declared if isinstance(declared, Mapping) else {}
    text = declared if isinstance(declared, str) else options.get("type")
    if not isinstance(text, str):
        raise LoadError(f"Column '{name}' needs a type")
    base, parameters = _split_parameters(text)
    if base not in _TYPES:
        raise LoadError(
            f"Unsupported type '{text}' for column '{name}'. Supported types: {_SUPPORTED}"
        )
    if base not in {"DECIMAL", "NUMERIC"}:
        return _TYPES[base]
    precision = _integer(options.get("precision", parameters[0] if parameters else None), text)
    scale = _integer(options.get("scale", parameters[1] if len(parameters) > 1 else None), text)
    return _decimal(precision, scale)


def _split_parameters(text: str) -> tuple[str, list[str]]:
    """``"VARCHAR (20)"`` as ``("VARCHAR", ["20"])``."""
    match = re.fullmatch(r"\s*([^()]*?)\s*(?:\(([^()]*)\))?\s*", text)
    if match is None:
        raise LoadError(f"Unbalanced parentheses in type '{text}'. Supported types: {_SUPPORTED}")
    base = re.sub(r"\s+", " ", match[1]).upper()
    return base, [part.strip() for part in match[2].split(",")] if match[2] else []


def _integer(value: object, text: str) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not re.fullmatch(r"[0-9]{1,3}", str(value)):
        raise LoadError(f"Precision and scale of '{text}' must be whole numbers")
    return int(str(value))


def _decimal(precision: int | None, scale: int | None) -> pa.DataType:
    if precision is None:
        if scale is not None:
            raise LoadError("A decimal with a scale needs a precision")
        return pa.decimal128(*DECIMAL_DEFAULT)
    scale = scale or 0
    if not 1 <= precision <= DECIMAL_PRECISION_MAX:
        raise LoadError(f"Decimal precision must be 1 to {DECIMAL_PRECISION_MAX}, got {precision}")
    if scale > precision:
        raise LoadError(f"Decimal scale must be 0 to the precision {precision}, got {scale}")
    return pa.decimal128(precision, scale)


def convert_or_explain(texts: Texts, field: Field, *, first_row: int) -> Column:
    """Convert texts to a declared type.

    Raises:
        LoadError: a value does not fit; the message names the column, the row and the value.
    """
    try:
        return convert_declared(texts, field.type)
    except ValueError as exc:
        row = _first_failing(texts, field.type)
        value = str(texts[row])[:VALUE_SHOWN_MAX]
        raise LoadError(
            f"Parse error: column '{field.name}', row {first_row + row}: "
            f"'{value}' is not a valid {field.type}"
        ) from exc


def _first_failing(texts: Texts, dtype: pa.DataType) -> int:
    """Position of the first text that does not convert, by halving."""
    low, high = 0, len(texts)
    while high - low > 1:
        middle = (low + high) // 2
        try:
            convert_declared(texts.slice(low, middle - low), dtype)
            low = middle
        except ValueError:
            high = middle
    return low
