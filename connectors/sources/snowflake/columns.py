"""What each Snowflake type becomes, how it is selected, and how what was selected is read.

The invariant: a value never takes a way on which the driver is known to change it. It reads times
and timestamps of other scales than 0, 3, 6 and 9 wrongly, and wraps timestamps outside 1677 to
2262. So times are cast to scale 9, and timestamps travel as text.
"""

import re

import pyarrow as pa
import pyarrow.compute as pc
from sqlglot import exp

from connectors.arrow_batches import Array, Field, conform_batch
from connectors.base import Losses, SourceColumn
from connectors.errors import SourceFailed

INT64_DIGITS_MAX = 18

_UTC = pa.timestamp("us", "UTC")
_SCALAR_TYPES: dict[str, pa.DataType] = {
    "FLOAT": pa.float64(),
    "BINARY": pa.binary(),
    "BOOLEAN": pa.bool_(),
    "DATE": pa.date32(),
    "TIME": pa.time64("ns"),
    "TIMESTAMP_NTZ": pa.timestamp("us"),
    "TIMESTAMP_LTZ": _UTC,
    "TIMESTAMP_TZ": _UTC,
    "GEOGRAPHY": pa.binary(),
    "GEOMETRY": pa.binary(),
}
_JSON_KINDS = frozenset({"VARIANT", "OBJECT", "ARRAY", "MAP"})
_GEO_KINDS = frozenset({"GEOGRAPHY", "GEOMETRY"})
_TEXT_FORMAT = "YYYY-MM-DD HH24:MI:SS.FF9"
_MICROSECOND_CHARS = len("YYYY-MM-DD HH:MM:SS.ffffff")


def native_type(data_type: str, precision: int | None, scale: int | None) -> str:
    """Write a type as Snowflake does, from a row of its information schema.

    >>> native_type("NUMBER", 12, 2), native_type("TEXT", None, None)
    ('NUMBER(12,2)', 'TEXT')
    """
    return f"{data_type}({precision},{scale})" if data_type == "NUMBER" else data_type


def arrow_type(data_type: str, precision: int | None, scale: int | None) -> pa.DataType:
    """Return the Arrow type of a Snowflake type; text for whatever has none of its own.

    >>> arrow_type("NUMBER", 18, 0), arrow_type("NUMBER", 38, 0)
    (DataType(int64), Decimal128Type(decimal128(38, 0)))
    """
    if data_type == "NUMBER":
        digits, scale = precision or 38, scale or 0
        if scale == 0 and digits <= INT64_DIGITS_MAX:
            return pa.int64()
        return pa.decimal128(digits, scale)
    return _SCALAR_TYPES.get(_kind(data_type), pa.string())


def select_column(column: SourceColumn) -> exp.Expr:
    """Return the item of a SELECT list that reads a column without loss."""
    kind = _kind(column.native_type)
    name = exp.column(exp.to_identifier(column.name, quoted=True))
    if kind in _JSON_KINDS:
        return _call("TO_JSON", exp.cast(name, "VARIANT", dialect="snowflake"))
    if kind == "VECTOR":
        array = exp.cast(name, "ARRAY", dialect="snowflake")
        return _call("TO_JSON", exp.cast(array, "VARIANT", dialect="snowflake"))
    if kind in _GEO_KINDS:
        return _call("ST_ASWKB", name)
    if pa.types.is_string(column.type) and kind != "TEXT":
        return exp.cast(name, "VARCHAR", dialect="snowflake")
    return select_value(name, column.type)


def select_value(value: exp.Expr, dtype: pa.DataType) -> exp.Expr:
    """Return an expression whose result :func:`read_batch` brings to an Arrow type."""
    if pa.types.is_timestamp(dtype):
        moment = value if dtype.tz is None else _in_utc(value)
        return _call("TO_VARCHAR", moment, exp.Literal.string(_TEXT_FORMAT))
    if pa.types.is_time(dtype):
        return exp.cast(value, "TIME(9)", dialect="snowflake")
    return value


def is_selected_otherwise(dtype: pa.DataType) -> bool:
    """Return whether values of this type are selected as something else."""
    return pa.types.is_timestamp(dtype) or pa.types.is_time(dtype)


def after_condition(column: SourceColumn, value: str) -> exp.Expr:
    """Return the condition for values greater than one that was read before.

    Raises:
        SourceFailed: the column's values have no order that their text keeps.
    """
    kind = _kind(column.native_type)
    if kind not in {"NUMBER", "FLOAT", "TEXT", "DATE", "TIME"} and not is_selected_otherwise(
        column.type
    ):
        raise SourceFailed(f"Column '{column.name}' of type {kind} cannot be refreshed from")
    name = exp.column(exp.to_identifier(column.name, quoted=True))
    if kind == "TEXT":
        return exp.GT(this=name, expression=exp.Literal.string(value))
    if not pa.types.is_timestamp(column.type):
        return exp.GT(this=name, expression=_literal(value, column.native_type))
    if column.type.tz is not None:
        value = value.removesuffix("Z") + "+00:00"
    # What was read was cut to microseconds: a row inside the same one is not newer.
    unit, one = exp.Var(this="MICROSECOND"), exp.Literal.number(1)
    next_moment = _call("DATEADD", unit, one, _literal(value, column.native_type))
    return exp.GTE(this=name, expression=next_moment)


def read_batch(batch: pa.RecordBatch, schema: pa.Schema, losses: Losses) -> pa.RecordBatch:
    """Bring a batch of what was selected to a schema.

    Raises:
        SourceFailed: it has other columns, or a value does not fit.
    """
    if batch.num_columns != len(schema):
        raise SourceFailed("The source sent another number of columns than it declared")
    arrays = [
        _read(array, field, losses) for array, field in zip(batch.columns, schema, strict=True)
    ]
    return conform_batch(pa.RecordBatch.from_arrays(arrays, names=schema.names), schema)


def _read(array: Array, field: Field, losses: Losses) -> Array:
    if pa.types.is_timestamp(field.type):
        return _timestamps_of_text(array, field, losses)
    if pa.types.is_binary(field.type) and not pa.types.is_binary(array.type):
        # Text casts to bytes without an error: a GEOGRAPHY that was not selected as WKB.
        raise SourceFailed(f"Column '{field.name}' holds {array.type} in place of bytes")
    return array


def _timestamps_of_text(text: Array, field: Field, losses: Losses) -> Array:
    if not pa.types.is_string(text.type):
        raise SourceFailed(f"Column '{field.name}' holds {text.type} in place of a timestamp")
    finer = pc.utf8_slice_codeunits(text, _MICROSECOND_CHARS, _MICROSECOND_CHARS + 3)
    kept = pc.is_in(finer, value_set=pa.array(["", "000", None]))
    losses.add(field.name, "cut to microseconds", kept.false_count)
    try:
        moments = pc.utf8_slice_codeunits(text, 0, _MICROSECOND_CHARS).cast(pa.timestamp("us"))
    except pa.ArrowInvalid as error:
        raise SourceFailed(f"Column '{field.name}' holds a text that is no timestamp") from error
    return moments.cast(field.type)


def _in_utc(value: exp.Expr) -> exp.Expr:
    return _call("CONVERT_TIMEZONE", exp.Literal.string("UTC"), value)


def _literal(value: str, native: str) -> exp.Expr:
    return exp.cast(exp.Literal.string(value), native, dialect="snowflake")


def _call(name: str, *arguments: exp.Expr) -> exp.Expr:
    """Call a function as it stands: sqlglot would translate names and formats."""
    return exp.Anonymous(this=name, expressions=list(arguments))


def _kind(native: str) -> str:
    """Return the first word: ``NUMBER(12,2)`` is of the kind ``NUMBER``."""
    match = re.match(r"\w+", native)
    return match.group() if match else native
