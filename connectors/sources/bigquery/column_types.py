"""What each BigQuery type becomes in Arrow.

BigQuery writes a type in two ways: as text in the information schema, and as a tree of fields, with
other names, in the REST interface. Both are brought to the same parsed type first.
"""

from collections.abc import Mapping
from typing import Any

import pyarrow as pa
from sqlglot import exp
from sqlglot.errors import SqlglotError

DIALECT = "bigquery"

_SCALARS: dict[exp.DType, pa.DataType] = {
    exp.DType.BIGINT: pa.int64(),
    exp.DType.DOUBLE: pa.float64(),
    exp.DType.BOOLEAN: pa.bool_(),
    exp.DType.BINARY: pa.binary(),
    exp.DType.DATE: pa.date32(),
    exp.DType.TIME: pa.time64("us"),
    exp.DType.TIMESTAMP: pa.timestamp("us"),
    exp.DType.TIMESTAMPTZ: pa.timestamp("us", "UTC"),
}
"""By sqlglot's names: its TIMESTAMP is a DATETIME of BigQuery, and TIMESTAMPTZ a TIMESTAMP."""
_DECIMALS = {exp.DType.DECIMAL: (38, 9), exp.DType.BIGDECIMAL: (76, 38)}
"""Digits, and digits after the point, without parameters; a BIGNUMERIC may need one digit more."""
_DECIMAL128_DIGITS_MAX = 38
_STANDARD_NAMES = {
    "BOOLEAN": "BOOL",
    "FLOAT": "FLOAT64",
    "INTEGER": "INT64",
    "RECORD": "STRUCT",
}
"""Names the REST interface has kept from the time before standard SQL."""


def parse_type(text: str) -> exp.DataType:
    """Parse a type; one that nobody knows yet becomes a type of this name."""
    try:
        return exp.DataType.build(text, dialect=DIALECT)
    except SqlglotError:
        return exp.DataType(this=exp.DType.USERDEFINED, kind=text)


def parse_field(field: Mapping[str, Any]) -> exp.DataType:
    """Parse the type of a field of the REST interface, with its mode."""
    return parse_type(_text_of(field))


def native_type(dtype: exp.DataType) -> str:
    """Write a type as BigQuery does, names of fields always quoted.

    >>> native_type(parse_type("ARRAY<STRUCT<a INT64, b NUMERIC(10,2)>>"))
    'ARRAY<STRUCT<`a` INT64, `b` NUMERIC(10, 2)>>'
    """
    return dtype.sql(DIALECT, identify=True)


def arrow_type(dtype: exp.DataType) -> pa.DataType:
    """Return the Arrow type; text for whatever has none of its own.

    >>> arrow_type(parse_type("ARRAY<BIGNUMERIC>")).value_type
    Decimal256Type(decimal256(76, 38))
    """
    kind = dtype.this
    if kind in _DECIMALS:
        return _decimal_type(dtype, *_DECIMALS[kind])
    if kind == exp.DType.ARRAY and dtype.expressions:
        return pa.list_(arrow_type(dtype.expressions[0]))
    if kind == exp.DType.STRUCT and dtype.expressions:
        members = dtype.expressions
        return pa.struct([pa.field(each.name, arrow_type(_member(each))) for each in members])
    return _SCALARS.get(kind, pa.string())


def is_array(dtype: exp.DataType) -> bool:
    """Return whether values are arrays, which BigQuery never gives as NULL."""
    return bool(dtype.this == exp.DType.ARRAY)


def _member(definition: exp.Expr) -> exp.DataType:
    kind = definition.args["kind"] if isinstance(definition, exp.ColumnDef) else definition
    assert isinstance(kind, exp.DataType)
    return kind


def _decimal_type(dtype: exp.DataType, digits: int, scale: int) -> pa.DataType:
    if dtype.expressions:
        given = [int(parameter.name) for parameter in dtype.expressions]
        digits, scale = (*given, 0)[:2]
    is_short = digits <= _DECIMAL128_DIGITS_MAX
    return pa.decimal128(digits, scale) if is_short else pa.decimal256(digits, scale)


def _text_of(field: Mapping[str, Any]) -> str:
    name = _STANDARD_NAMES.get(field["type"], field["type"])
    if field.get("fields"):
        members = ", ".join(
            f"{exp.to_identifier(each['name'], quoted=True).sql(DIALECT)} {_text_of(each)}"
            for each in field["fields"]
        )
        name = f"{name}<{members}>"
    elif field.get("rangeElementType"):
        name = f"{name}<{field['rangeElementType']['type']}>"
    else:
        given = (field.get(key) for key in ("maxLength", "precision", "scale"))
        parameters = ", ".join(str(number) for number in given if number is not None)
        name = f"{name}({parameters})" if parameters else name
    return f"ARRAY<{name}>" if field.get("mode") == "REPEATED" else name
