"""The one table of types: what is selected for a ClickHouse type, and what it is in Arrow.

The invariant: every column is selected as a type whose Arrow form is the same whatever the version
and settings of the server, because a user with ``readonly = 1`` can set none. ClickHouse applies
``CAST`` to everything inside arrays, maps and tuples, so one target type is the whole conversion.

The trap: some types sort otherwise than their text does (UUID, Enum, IPv6), and ``Scan.after`` means
the order of the Arrow values.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from types import MappingProxyType

import pyarrow as pa
from sqlglot import exp

from connectors.sources.clickhouse.type_names import TypeName, parse_element, parse_type

_DECIMAL128_DIGITS = 38
_MICROSECOND_SCALE = 6


@dataclass(frozen=True, slots=True)
class ColumnRead:
    """How a type is read.

    Attributes:
        arrow: what it becomes.
        target: the ClickHouse type that is selected.
        nullable: NULL can come of it.
        compared_as: the type in which values are compared with the column itself; None when its
            order is not that of the Arrow values, and what is selected must be compared.
    """

    arrow: pa.DataType
    target: str
    nullable: bool = False
    compared_as: str | None = None


_Reader = Callable[[TypeName, pa.DataType], ColumnRead]


def read_of(native: str, *, strings: pa.DataType) -> ColumnRead:
    """Return how a type is read; one that is not known is read as its text.

    Args:
        native: as the server's catalog has it.
        strings: what String becomes: ``pa.string()`` or ``pa.binary()``.

    >>> read_of("LowCardinality(Nullable(UUID))", strings=pa.string()).target
    'Nullable(String)'
    """
    kind = parse_type(native)
    if kind.family in _ALIASES:
        return read_of(_ALIASES[kind.family], strings=strings)
    if kind.family in _FIXED:
        return _FIXED[kind.family]
    if kind.family.startswith("Interval"):
        return ColumnRead(pa.int64(), "Int64")
    reader = _READERS.get(kind.family)
    if reader is None:
        return ColumnRead(pa.string(), "Nullable(String)", nullable=True)
    return reader(kind, strings)


def _string(kind: TypeName, strings: pa.DataType) -> ColumnRead:
    return ColumnRead(strings, "String", nullable=strings == pa.string(), compared_as="String")


def _fixed_string(kind: TypeName, strings: pa.DataType) -> ColumnRead:
    target = f"FixedString({kind.arguments[0]})"
    return ColumnRead(pa.binary(), target, compared_as=target)


def _decimal(kind: TypeName, strings: pa.DataType) -> ColumnRead:
    precision, scale = (int(argument) for argument in kind.arguments)
    make = pa.decimal128 if precision <= _DECIMAL128_DIGITS else pa.decimal256
    target = f"Decimal({precision}, {scale})"
    return ColumnRead(make(precision, scale), target, compared_as=target)


def _datetime64(kind: TypeName, strings: pa.DataType) -> ColumnRead:
    return _NANOSECONDS if int(kind.arguments[0]) > _MICROSECOND_SCALE else _MICROSECONDS


def _nullable(kind: TypeName, strings: pa.DataType) -> ColumnRead:
    inner = read_of(kind.arguments[0], strings=strings)
    target = inner.target
    if not target.startswith("Nullable("):
        target = f"Nullable({target})"
    return replace(inner, target=target, nullable=True)


def _low_cardinality(kind: TypeName, strings: pa.DataType) -> ColumnRead:
    return read_of(kind.arguments[0], strings=strings)


def _simple_aggregate(kind: TypeName, strings: pa.DataType) -> ColumnRead:
    return read_of(kind.arguments[1], strings=strings)


def _array(kind: TypeName, strings: pa.DataType) -> ColumnRead:
    inner = read_of(kind.arguments[0], strings=strings)
    return ColumnRead(pa.list_(inner.arrow), f"Array({inner.target})")


def _map(kind: TypeName, strings: pa.DataType) -> ColumnRead:
    key, value = (read_of(argument, strings=strings) for argument in kind.arguments)
    return ColumnRead(pa.map_(key.arrow, value.arrow), f"Map({key.target}, {value.target})")


def _tuple(kind: TypeName, strings: pa.DataType) -> ColumnRead:
    if not kind.arguments:
        return ColumnRead(pa.string(), "String")
    fields, targets = [], []
    for position, argument in enumerate(kind.arguments, 1):
        name, native = parse_element(argument)
        inner = read_of(native, strings=strings)
        fields.append(pa.field(name or str(position), inner.arrow))
        targets.append(f"{_quoted(name)} {inner.target}" if name else inner.target)
    return ColumnRead(pa.struct(fields), f"Tuple({', '.join(targets)})")


def _nested(kind: TypeName, strings: pa.DataType) -> ColumnRead:
    inner = _tuple(kind, strings)
    return ColumnRead(pa.list_(inner.arrow), f"Array({inner.target})")


def _vector(kind: TypeName, strings: pa.DataType) -> ColumnRead:
    element = "Float64" if kind.arguments[0] == "Float64" else "Float32"
    return _array(TypeName("Array", (element,)), strings)


def _quoted(name: str) -> str:
    return exp.to_identifier(name, quoted=True).sql(dialect="clickhouse")


def _same(family: str, arrow: pa.DataType) -> tuple[str, ColumnRead]:
    return family, ColumnRead(arrow, family, compared_as=family)


_MICROSECONDS = ColumnRead(
    pa.timestamp("us", "UTC"), "DateTime64(6, 'UTC')", compared_as="DateTime64(6, 'UTC')"
)
_NANOSECONDS = ColumnRead(
    pa.timestamp("ns", "UTC"), "DateTime64(9, 'UTC')", compared_as="DateTime64(9, 'UTC')"
)
_ASCII_TEXT = ColumnRead(pa.string(), "String")
_USER_TEXT = ColumnRead(pa.string(), "String", nullable=True)

_FIXED: MappingProxyType[str, ColumnRead] = MappingProxyType(
    dict(
        (
            _same("Int8", pa.int8()),
            _same("Int16", pa.int16()),
            _same("Int32", pa.int32()),
            _same("Int64", pa.int64()),
            _same("UInt8", pa.uint8()),
            _same("UInt16", pa.uint16()),
            _same("UInt32", pa.uint32()),
            _same("UInt64", pa.uint64()),
            _same("Float32", pa.float32()),
            _same("Float64", pa.float64()),
            _same("Bool", pa.bool_()),
        )
    )
    | {
        "BFloat16": ColumnRead(pa.float32(), "Float32", compared_as="Float32"),
        # 39 digits are one more than a decimal128 holds; 256 bits are more than any decimal does.
        "Int128": ColumnRead(pa.decimal256(39, 0), "String", compared_as="Int128"),
        "UInt128": ColumnRead(pa.decimal256(39, 0), "String", compared_as="UInt128"),
        "Int256": _ASCII_TEXT,
        "UInt256": _ASCII_TEXT,
        "Date": ColumnRead(pa.date32(), "Date32", compared_as="Date32"),
        "Date32": ColumnRead(pa.date32(), "Date32", compared_as="Date32"),
        "DateTime": _MICROSECONDS,
        # From -999:59:59 to 999:59:59: not the time of a day.
        "Time": _ASCII_TEXT,
        "Time64": _ASCII_TEXT,
        "UUID": _ASCII_TEXT,
        "IPv4": _ASCII_TEXT,
        "IPv6": _ASCII_TEXT,
        "Enum8": _USER_TEXT,
        "Enum16": _USER_TEXT,
        "JSON": _USER_TEXT,
        "AggregateFunction": ColumnRead(pa.binary(), "String"),
    }
)
_ALIASES: MappingProxyType[str, str] = MappingProxyType(
    {
        "Point": "Tuple(Float64, Float64)",
        "Ring": "Array(Point)",
        "LineString": "Array(Point)",
        "MultiLineString": "Array(LineString)",
        "Polygon": "Array(Ring)",
        "MultiPolygon": "Array(Polygon)",
    }
)
_READERS: MappingProxyType[str, _Reader] = MappingProxyType(
    {
        "String": _string,
        "FixedString": _fixed_string,
        "Decimal": _decimal,
        "DateTime64": _datetime64,
        "Nullable": _nullable,
        "LowCardinality": _low_cardinality,
        "SimpleAggregateFunction": _simple_aggregate,
        "Array": _array,
        "Map": _map,
        "Tuple": _tuple,
        "Nested": _nested,
        "QBit": _vector,
    }
)
