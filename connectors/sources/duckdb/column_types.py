"""What becomes of each DuckDB type: an Arrow type, and the SQL that brings a value to it.

The invariant: the SQL gives what Arrow and Parquet hold exactly, so that a stream and ``COPY`` agree.
A value that neither holds (an infinite date, 24:00:00, a HUGEINT of 39 digits) becomes NULL, and
there is SQL that counts it.

The traps: DuckDB's own Parquet and Arrow forms lose values silently (UHUGEINT's largest becomes -1
in Arrow and HUGEINT a DOUBLE in Parquet, infinity a timestamp in the year 294247, a UNION its tag);
and a nullable ARRAY is written to Parquet in a way that pyarrow cannot read, so arrays become lists.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import pyarrow as pa
from sqlglot import exp

SqlOf = Callable[[str], str]
"""Makes an SQL expression from another one, which it may repeat."""

ROW_VARIABLE = "v"
"""The parameter of every lambda; an inner one hides the outer, which it never needs."""


@dataclass(frozen=True, slots=True)
class ColumnType:
    """How values of one DuckDB type arrive.

    Attributes:
        arrow: the type they arrive in.
        kept: SQL of the value as ``arrow``, NULL for one that cannot be kept; None when it is the
            value as it is.
        lost: by what became of them (see :meth:`connectors.base.Losses.add`), SQL that counts the
            values of one row that cannot be kept: a whole number, never NULL.
    """

    arrow: pa.DataType
    kept: SqlOf | None = None
    lost: Mapping[str, SqlOf] = field(default_factory=dict)

    def keep(self, value: str) -> str:
        """Return SQL of a value in the Arrow type."""
        return value if self.kept is None else self.kept(value)


class TypeParser:
    """Finds how a type arrives from its name; each name is parsed once."""

    def __init__(self, connection: Any) -> None:  # noqa: ANN401 - a driver
        self._connection = connection
        self._parsed: dict[str, ColumnType] = {}

    def __call__(self, native: str) -> ColumnType:
        """Return how values of a type arrive."""
        if native not in self._parsed:
            self._parsed[native] = column_type(self._connection.sqltype(native))
        return self._parsed[native]


def quoted(name: str) -> str:
    """Quote an identifier.

    >>> quoted('a "b" c')
    '"a ""b"" c"'
    """
    return exp.to_identifier(name, quoted=True).sql(dialect="duckdb")


def literal(text: str) -> str:
    """Quote a text.

    >>> literal("it's")
    "'it''s'"
    """
    return exp.Literal.string(text).sql(dialect="duckdb")


def column_type(native: Any) -> ColumnType:  # noqa: ANN401 - a DuckDBPyType of a lazily loaded driver
    """Return how values of a type arrive; of an unknown one, as its text.

    Args:
        native: as the driver parses it, e.g. ``connection.sqltype("STRUCT(a HUGEINT[])")``.
    """
    kind = str(native.id)
    if kind == "decimal":
        (_, precision), (_, scale) = native.children
        return ColumnType(pa.decimal128(precision, scale))
    if kind == "varchar" and str(native) != "VARCHAR":
        return _TEXT
    if kind in _NESTED:
        return _NESTED[kind](native)
    return _SCALARS.get(kind, _TEXT)


def _as_text(value: str) -> str:
    return f"CAST({value} AS VARCHAR)"


def _itself(value: str) -> str:
    return value


def _without(odd: SqlOf, rule: str, arrow: pa.DataType, kept: SqlOf = _itself) -> ColumnType:
    """Make a type whose odd values become NULL; ``odd`` is a condition, NULL for NULL."""
    return ColumnType(
        arrow,
        lambda value: f"CASE WHEN NOT {odd(value)} THEN {kept(value)} END",
        {rule: lambda value: f"CASE WHEN {odd(value)} THEN 1 ELSE 0 END"},
    )


def _finite(arrow: pa.DataType, native: str | None = None) -> ColumnType:
    """Make a type of dates or timestamps; ``native`` is what they must be cast to."""

    def cast(value: str) -> str:
        return value if native is None else f"CAST({value} AS {native})"

    return _without(
        lambda value: f"({value} IN ('infinity', '-infinity'))",
        "of infinity became NULL",
        arrow,
        cast,
    )


def _within_a_day(arrow: pa.DataType) -> ColumnType:
    return _without(lambda value: f"({value} = '24:00:00')", "of 24:00:00 became NULL", arrow)


_TEXT = ColumnType(pa.string(), _as_text)
_DIGITS_38 = "9" * 38
_SCALARS: MappingProxyType[str, ColumnType] = MappingProxyType(
    {
        "boolean": ColumnType(pa.bool_()),
        "tinyint": ColumnType(pa.int8()),
        "smallint": ColumnType(pa.int16()),
        "integer": ColumnType(pa.int32()),
        "bigint": ColumnType(pa.int64()),
        "utinyint": ColumnType(pa.uint8()),
        "usmallint": ColumnType(pa.uint16()),
        "uinteger": ColumnType(pa.uint32()),
        "ubigint": ColumnType(pa.uint64()),
        "hugeint": _without(
            lambda value: f"({value} NOT BETWEEN -{_DIGITS_38} AND {_DIGITS_38})",
            "of more than 38 digits became NULL",
            pa.decimal128(38, 0),
            lambda value: f"CAST({value} AS DECIMAL(38, 0))",
        ),
        "float": ColumnType(pa.float32()),
        "double": ColumnType(pa.float64()),
        "varchar": ColumnType(pa.string()),
        "blob": ColumnType(pa.binary()),
        "date": _finite(pa.date32()),
        "timestamp": _finite(pa.timestamp("us")),
        "timestamp_s": _finite(pa.timestamp("us"), "TIMESTAMP"),
        "timestamp_ms": _finite(pa.timestamp("us"), "TIMESTAMP"),
        "timestamp_ns": _finite(pa.timestamp("ns")),
        "timestamp with time zone": _finite(pa.timestamp("us", "UTC")),
        "timestamptz_ns": _finite(pa.timestamp("ns", "UTC")),
        "time": _within_a_day(pa.time64("us")),
        "time_ns": _within_a_day(pa.time64("ns")),
        "geometry": ColumnType(pa.binary(), lambda value: f"ST_AsWKB({value})"),
        "variant": ColumnType(pa.string(), lambda value: f"CAST(CAST({value} AS JSON) AS VARCHAR)"),
    }
)


def _list_type(native: Any) -> ColumnType:  # noqa: ANN401 - see column_type
    child = native.children[0][1]
    element = column_type(child)
    if element.kept is None:
        kept = _list_of_array(str(child)) if native.id == "array" else None
    else:
        kept = _each(element.kept)
    return ColumnType(pa.list_(element.arrow), kept, _sums(element.lost, _itself, _itself))


def _struct_type(native: Any) -> ColumnType:  # noqa: ANN401 - see column_type
    names = [name for name, _ in native.children]
    members = [column_type(child) for _, child in native.children]
    steps = [_member(literal(name)) for name in names]
    return _struct_of(names, members, steps, as_is=not any(m.kept for m in members))


def _tuple_type(native: Any) -> ColumnType:  # noqa: ANN401 - see column_type
    members = [column_type(child) for _, child in native.children]
    places = range(1, len(members) + 1)
    steps = [_member(str(place)) for place in places]
    return _struct_of([f"element{place}" for place in places], members, steps)


def _union_type(native: Any) -> ColumnType:  # noqa: ANN401 - see column_type
    children = native.children[1:]
    names = [name for name, _ in children]
    members = [_TAG, *(column_type(child) for _, child in children)]
    steps = [_itself, *(_union_member(literal(name)) for name in names)]
    tag = "tag"
    while tag.lower() in {name.lower() for name in names}:
        tag += "_"
    return _struct_of([tag, *names], members, steps)


def _map_type(native: Any) -> ColumnType:  # noqa: ANN401 - see column_type
    key, value = (column_type(child) for _, child in native.children)
    if key.lost:
        # A key cannot be NULL, so one that may not be kept is a text.
        key = _TEXT
    return ColumnType(
        pa.map_(key.arrow, value.arrow),
        None if key.kept is value.kept is None else _map_of(key, value),
        _sums(value.lost, _member("'value'"), _entries),
    )


_NESTED: MappingProxyType[str, Callable[[Any], ColumnType]] = MappingProxyType(
    {
        "list": _list_type,
        "array": _list_type,
        "struct": _struct_type,
        "tuple": _tuple_type,
        "union": _union_type,
        "map": _map_type,
    }
)
_TAG = ColumnType(pa.string(), lambda value: _as_text(f"union_tag({value})"))


def _list_of_array(child: str) -> SqlOf:
    return lambda value: f"CAST({value} AS {child}[])"


def _each(of_element: SqlOf) -> SqlOf:
    return lambda value: (
        f"list_transform({value}, lambda {ROW_VARIABLE}: {of_element(ROW_VARIABLE)})"
    )


def _entries(value: str) -> str:
    return f"map_entries({value})"


def _map_of(key: ColumnType, value: ColumnType) -> SqlOf:
    entry = _each(
        lambda v: f"{{'key': {key.keep(f'{v}.key')}, 'value': {value.keep(f'{v}.value')}}}"
    )
    return lambda whole: f"map_from_entries({entry(_entries(whole))})"


def _member(place: str) -> SqlOf:
    return lambda value: f"struct_extract({value}, {place})"


def _union_member(name: str) -> SqlOf:
    return lambda value: f"union_extract({value}, {name})"


def _struct_of(
    names: list[str], members: list[ColumnType], steps: list[SqlOf], *, as_is: bool = False
) -> ColumnType:
    """Make a struct; ``steps`` lead from the whole to each member."""

    def kept(value: str) -> str:
        parts = ", ".join(
            f"{quoted(name)} := {member.keep(step(value))}"
            for name, member, step in zip(names, members, steps, strict=True)
        )
        return f"CASE WHEN {value} IS NOT NULL THEN struct_pack({parts}) END"

    lost: dict[str, list[SqlOf]] = {}
    for member, step in zip(members, steps, strict=True):
        for rule, count in member.lost.items():
            lost.setdefault(rule, []).append(_after(step, count))
    arrow = pa.struct([pa.field(n, m.arrow) for n, m in zip(names, members, strict=True)])
    return ColumnType(
        arrow, None if as_is else kept, {rule: _plus(counts) for rule, counts in lost.items()}
    )


def _after(step: SqlOf, count: SqlOf) -> SqlOf:
    return lambda value: count(step(value))


def _plus(counts: list[SqlOf]) -> SqlOf:
    return lambda value: "(" + " + ".join(count(value) for count in counts) + ")"


def _sums(lost: Mapping[str, SqlOf], step: SqlOf, elements: SqlOf) -> Mapping[str, SqlOf]:
    """Count the losses of every element of a list."""

    def total(count: SqlOf) -> SqlOf:
        counts = _each(_after(step, count))
        return lambda value: f"coalesce(list_sum({counts(elements(value))}), 0)"

    return {rule: total(count) for rule, count in lost.items()}
