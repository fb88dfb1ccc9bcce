"""The type table: how values of each Postgres type are asked for, arrive and are declared.

The invariant: a SELECT asks only for types the driver knows by heart, and for everything else as
text, so nothing depends on what a driver makes of an unknown type. Trap: the driver hands over an
array of several dimensions as one flat list, and refuses one that does not start at 1; the SELECT
makes the first NULL, with a second column that tells so, and moves the other.
"""

from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import Any, NamedTuple

import pyarrow as pa
from sqlglot import exp

from connectors.sources.postgres.decode import (
    TIMESTAMP_END,
    Decode,
    decode_any,
    decode_dates,
    decode_decimals,
    decode_lists,
    decode_times,
    decode_timestamps,
)

CATALOG = "pg_catalog"
DISTINCT_TYPES_MAX = 4096
DECIMAL128_DIGITS = 38
DECIMAL256_DIGITS = 76
MONEY = pa.decimal128(19, 2)

_TYPMOD_HEADER = 4
_SCALE_BITS = 0x7FF
_SCALE_SIGN = 0x400
_ONE_LIST = (
    "(CASE WHEN array_ndims({}) > 1 THEN NULL WHEN array_lower({}, 1) <> 1 THEN ({})[:]"
    " ELSE {} END)::"
)
_MANY_DIMENSIONS = "array_ndims({}) > 1"


class NativeType(NamedTuple):
    """A type as the catalog has it, domains replaced by what they are made of.

    Attributes:
        name: of the base type, e.g. ``numeric``, ``_int4``.
        schema: where the base type is.
        kind: ``pg_type.typtype``: b base, c composite, e enum, r range, m multirange.
        typmod: of the column or the domain; -1 for none.
        element: name of the base type of an array's elements; None for what is no array.
        element_schema: where that is.
        element_kind: its ``typtype``.
        dimensions: as declared; 0 when the catalog does not know, as for views.
    """

    name: str
    schema: str = CATALOG
    kind: str = "b"
    typmod: int = -1
    element: str | None = None
    element_schema: str | None = None
    element_kind: str | None = None
    dimensions: int = 0


@dataclass(frozen=True, slots=True)
class ColumnType:
    """The way of one type from the source into Arrow.

    Attributes:
        arrow: the declared type.
        wire: what the driver gives for ``select``, extension types taken off; None for anything
            that ``decode`` can bring to ``arrow``.
        select: SQL; ``{}`` stands for the quoted column.
        decode: from ``wire`` to ``arrow``; None when they are the same.
        guard: SQL of a second, boolean column: whether the value had to be left out.
        end: values from this one on are NULL in Arrow; the text of an SQL literal.
        order: SQL that the source orders as Arrow orders the values; None when there is none.
        makes_nulls: some values become NULL.
    """

    arrow: pa.DataType
    wire: pa.DataType | None
    select: str = "{}"
    decode: Decode | None = None
    guard: str | None = None
    end: str | None = None
    order: str | None = "{}"
    makes_nulls: bool = False

    def expressions(self, column: str) -> list[str]:
        """The SQL of a quoted column: one expression, or two with the guard."""
        templates = [self.select] if self.guard is None else [self.select, self.guard]
        return [template.replace("{}", column) for template in templates]

    @property
    def seen(self) -> str:
        """SQL of the value as it arrives, for queries; ``{}`` stands for the quoted column."""
        if self.arrow == pa.string():
            return f"({self.select}){BY_BYTES}"
        if self.end is None:
            # Decimals travel as text.
            return self.select.removesuffix("::text")
        is_day = pa.types.is_date(self.arrow) or pa.types.is_timestamp(self.arrow)
        least = " AND {} > '-infinity'" if is_day else ""
        return f"(CASE WHEN {{}} < '{self.end}'{least} THEN {{}} END)"


@lru_cache(maxsize=DISTINCT_TYPES_MAX)
def column_type(native: NativeType) -> ColumnType:
    """Return the way of a type over binary COPY."""
    if native.element is None:
        return scalar_type(native)
    if native.dimensions > 1:
        return AS_TEXT
    element = NativeType(
        native.element, native.element_schema or "", native.element_kind or "", native.typmod
    )
    is_built_in = element.schema == CATALOG and element.kind == "b"
    cast = _LIST_CASTS.get(element.name, "text[]") if is_built_in else "text[]"
    return _list_type(scalar_type(element) if is_built_in else AS_TEXT, cast)


@lru_cache(maxsize=DISTINCT_TYPES_MAX)
def scalar_type(native: NativeType) -> ColumnType:
    """Return the way of a type that is no array."""
    if native.kind != "b":
        return AS_TEXT
    if native.schema == CATALOG:
        if native.name == "numeric":
            dtype = numeric_type(native.typmod)
            return AS_TEXT if dtype is None else _decimal(dtype)
        return _BUILT_IN.get(native.name, AS_TEXT)
    if native.name in {"vector", "halfvec"}:
        return _REALS
    if native.name in {"geometry", "geography"}:
        schema = exp.to_identifier(native.schema, quoted=True).sql(dialect="postgres")
        return ColumnType(pa.binary(), pa.binary(), f"{schema}.ST_AsBinary({{}})", order=None)
    return AS_TEXT


def query_type(dtype: pa.DataType) -> ColumnType:
    """Return how a column of any type is brought to the type a plan gave it.

    Decimals are rounded to the scale of the plan, as the engine would; all else is exact.
    """
    if pa.types.is_list(dtype):
        element = query_type(dtype.value_type)
        cast = _ELEMENT_CASTS.get(dtype.value_type, "text[]")
        if pa.types.is_decimal(dtype.value_type):
            cast = f"{_numeric(dtype.value_type)}[]::text[]"
        return replace(_list_type(element, cast), wire=None)
    if pa.types.is_decimal(dtype):
        return replace(_decimal(dtype), select=f"{{}}::{_numeric(dtype)}::text")
    select = "{}::text" if dtype in _TEXTS else "{}"
    return ColumnType(dtype, None, select, partial(decode_any, dtype=dtype))


def numeric_type(typmod: int) -> pa.DataType | None:
    """Return the decimal that holds a ``numeric`` of this modifier; None when there is none.

    Source: ``make_numeric_typmod`` in numeric.c; the scale has 11 bits and may, since Postgres 15,
    be negative or larger than the precision.

    >>> numeric_type(numeric_typmod(12, 2)), numeric_type(-1)
    (Decimal128Type(decimal128(12, 2)), None)
    """
    if typmod < _TYPMOD_HEADER:
        return None
    precision = ((typmod - _TYPMOD_HEADER) >> 16) & 0xFFFF
    scale = (((typmod - _TYPMOD_HEADER) & _SCALE_BITS) ^ _SCALE_SIGN) - _SCALE_SIGN
    digits = precision - scale if scale < 0 else max(precision, scale)
    if digits <= DECIMAL128_DIGITS:
        return pa.decimal128(digits, max(scale, 0))
    return pa.decimal256(digits, max(scale, 0)) if digits <= DECIMAL256_DIGITS else None


def numeric_typmod(precision: int, scale: int) -> int:
    """Return the modifier of a ``numeric``; the inverse of :func:`numeric_type`."""
    return ((precision << 16) | (scale & _SCALE_BITS)) + _TYPMOD_HEADER


def _numeric(dtype: Any) -> str:  # noqa: ANN401 - decimals have no common class
    return f"numeric({dtype.precision},{dtype.scale})"


def _decimal(dtype: pa.DataType) -> ColumnType:
    """Decimals come as text: the server writes it in half the time the driver takes."""
    decode = partial(decode_decimals, dtype=dtype)
    return ColumnType(dtype, pa.string(), "{}::text", decode, end="NaN", makes_nulls=True)


def _list_type(element: ColumnType, cast: str) -> ColumnType:
    dtype = pa.list_(element.arrow)
    decode = element.decode
    is_text = cast.endswith("text[]")
    return ColumnType(
        dtype,
        pa.list_(pa.string()) if is_text else dtype,
        _ONE_LIST + cast,
        decode and partial(decode_lists, element=decode, dtype=dtype),
        guard=_MANY_DIMENSIONS,
        order=None,
        makes_nulls=True,
    )


def _plain(dtype: pa.DataType, select: str = "{}") -> ColumnType:
    return ColumnType(dtype, dtype, select)


def _text(select: str) -> ColumnType:
    return ColumnType(pa.string(), pa.string(), select, order=f"({select}){BY_BYTES}")


def _bounded(dtype: pa.DataType, decode: Decode, end: str) -> ColumnType:
    return ColumnType(dtype, dtype, decode=decode, end=end, makes_nulls=True)


BY_BYTES = ' COLLATE "C"'
AS_TEXT = _text("{}::text")
_AS_WRITTEN = _text("{}")
_REALS = replace(_plain(pa.list_(pa.float32()), "{}::real[]"), order=None)
_TEXTS = frozenset({pa.string(), pa.large_string(), pa.string_view()})

_BUILT_IN: dict[str, ColumnType] = {
    "bool": _plain(pa.bool_()),
    "int2": _plain(pa.int16()),
    "int4": _plain(pa.int32()),
    "int8": _plain(pa.int64()),
    "oid": _plain(pa.int64(), "{}::int8"),
    "float4": _plain(pa.float32()),
    "float8": _plain(pa.float64()),
    "money": replace(_decimal(MONEY), select="{}::numeric::text", end=None, makes_nulls=False),
    "bytea": replace(_plain(pa.binary()), order=None),
    "text": _AS_WRITTEN,
    "varchar": _AS_WRITTEN,
    "bpchar": _text("rtrim({})"),
    # The cast of inet writes a mask that its own text does not have.
    "inet": _text("abbrev({})"),
    "uuid": replace(AS_TEXT, order="{}"),
    "date": _bounded(pa.date32(), decode_dates, "infinity"),
    "time": _bounded(pa.time64("us"), decode_times, "24:00"),
    "timestamp": _bounded(pa.timestamp("us"), decode_timestamps, TIMESTAMP_END),
    "timestamptz": _bounded(pa.timestamp("us", "UTC"), decode_timestamps, TIMESTAMP_END),
}
"""The types of ``pg_catalog`` that are more than their text."""

_LIST_CASTS: dict[str, str] = {
    **{name: f"{name}[]" for name in ("bool", "int2", "int4", "int8", "float4", "float8", "bytea")},
    **{name: f"{name}[]" for name in ("date", "time", "timestamp", "timestamptz")},
    "oid": "int8[]",
    "money": "numeric[]::text[]",
    "inet": "text::text[]",
}
"""What an array of these is cast to; ``text[]`` for all others."""

_ELEMENT_CASTS: dict[pa.DataType, str] = {
    _BUILT_IN[name].arrow: f"text[]::{cast}" if name.startswith("int") else cast
    for name, cast in _LIST_CASTS.items()
    if cast == f"{name}[]"
}
"""What the arrays of a query are cast to: integers by their text, so that none is rounded."""
