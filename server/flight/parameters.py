"""Parameters of prepared statements: placeholders in the text, values in an Arrow batch.

Placeholders are ``$1``, ``$2`` … or, in a text without these, ``?`` from left to right. Values that JSON
has are bound as they are. Others are bound as a whole number or as text, and the placeholder is wrapped in
the cast that makes exactly the Arrow value of it, so that nothing is rounded on the way through a text.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from engine.errors import InvalidRequest
from engine.query.parameters import count_placeholders, placeholder_number
from engine.query.sql_text import PLACEHOLDERS, Unquoted, replaced
from engine.query.type_text import arrow_type_text

_QUESTIONS = Unquoted(r"\?", mark="?")
_NANOSECONDS = 1_000_000_000

types = pa.types
# What an array holds is only known when it arrives.
_Array: TypeAlias = Any


@dataclass(frozen=True, slots=True)
class BoundText:
    """A text whose placeholders are ``$1`` … ``$n``, and their values as the engine takes them."""

    sql: str
    values: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class _Value:
    """A value that the engine can bind, and what is around its placeholder."""

    value: Any
    before: str = ""
    after: str = ""


def number_placeholders(sql: str) -> str:
    """Write ``$1`` … for ``?`` unless the text numbers its placeholders itself.

    >>> number_placeholders("SELECT ?, '?', ?")
    "SELECT $1, '?', $2"
    """
    if any(PLACEHOLDERS.find(sql)):
        return sql
    numbers = count(1)
    return replaced(sql, _QUESTIONS.find(sql), lambda _: f"${next(numbers)}")


def parameter_schema(wanted: int) -> pa.Schema:
    """Describe the parameters of a statement: how many, of types that nobody has inferred."""
    return pa.schema([pa.field(f"${number}", pa.null()) for number in range(1, wanted + 1)])


def bind(sql: str, row: pa.RecordBatch) -> BoundText:
    """Bind one row of values.

    Args:
        sql: with placeholders ``$1`` … ``$n``.
        row: one row, a column for each parameter in order; their names do not matter.

    Raises:
        InvalidRequest: a value has no literal, or there are not as many as placeholders.
    """
    wanted = count_placeholders(sql)
    if row.num_columns != wanted:
        raise InvalidRequest(
            f"The statement has {wanted} parameters, but {row.num_columns} values were bound."
        )
    values = [_value_of(column, number) for number, column in enumerate(row.columns, start=1)]

    def wrapped(found: re.Match[str]) -> str | None:
        number = placeholder_number(found["number"])
        if not 1 <= number <= wanted:
            return None
        value = values[number - 1]
        return f"{value.before}{found[0]}{value.after}"

    text = replaced(sql, PLACEHOLDERS.find(sql), wrapped)
    return BoundText(text, tuple(value.value for value in values))


def _value_of(column: _Array, number: int) -> _Value:
    kind = column.type
    if isinstance(kind, pa.DictionaryType):
        return _value_of(column.dictionary_decode(), number)
    for is_kind, convert in _CONVERSIONS:
        if is_kind(kind):
            if column[0].is_valid:
                return convert(column)
            return _Value(None) if convert is _plain else _typed(None, kind)
    raise InvalidRequest(f"Parameter ${number} has the type {kind}, which cannot be bound.")


def _plain(column: _Array) -> _Value:
    return _Value(column[0].as_py())


def _typed(value: Any, kind: pa.DataType, *, through: pa.DataType | None = None) -> _Value:  # noqa: ANN401 - any literal
    """Cast a literal to an Arrow type, by way of another if it needs that."""
    first = "" if through is None or value is None else "arrow_cast("
    then = "" if through is None or value is None else f", '{arrow_type_text(through)}')"
    name = arrow_type_text(kind).replace("'", "''")
    return _Value(value, f"arrow_cast({first}", f"{then}, '{name}')")


def _date(column: _Array) -> _Value:
    through = pa.int32() if types.is_date32(column.type) else pa.int64()
    return _typed(column.cast(through)[0].as_py(), column.type, through=through)


def _time(column: _Array) -> _Value:
    through = pa.int32() if types.is_time32(column.type) else pa.int64()
    return _typed(column.cast(through)[0].as_py(), column.type, through=through)


def _ticks(column: _Array) -> _Value:
    return _typed(column.cast(pa.int64())[0].as_py(), column.type, through=pa.int64())


def _decimal(column: _Array) -> _Value:
    return _typed(format(column[0].as_py(), "f"), column.type)


def _binary(column: _Array) -> _Value:
    return _Value(column[0].as_py().hex(), "decode(", ", 'hex')")


def _interval(column: _Array) -> _Value:
    months, days, nanoseconds = column[0].as_py()
    sign = "-" if nanoseconds < 0 else ""
    seconds, rest = divmod(abs(nanoseconds), _NANOSECONDS)
    text = f"{months} months {days} days {sign}{seconds}.{rest:09} seconds"
    return _Value(text, "CAST(", " AS INTERVAL)")


def _list(column: _Array) -> _Value:
    """Bind a list of what JSON has, its items cast to the type that the list says."""
    items: Any = pc.list_flatten(column)
    if items.type == pa.null():
        return _Value(items.to_pylist())
    if not _is_plain(items.type):
        raise InvalidRequest(f"A parameter of the type {column.type} cannot be bound.")
    # An array without items has no type of its own.
    return _typed(items.to_pylist(), pa.list_(_item_type(items.type)))


def _item_type(kind: pa.DataType) -> pa.DataType:
    return pa.string() if types.is_string_view(kind) else kind


def _is_plain(kind: pa.DataType) -> bool:
    return (
        types.is_null(kind)
        or types.is_boolean(kind)
        or types.is_integer(kind)
        or types.is_floating(kind)
        or types.is_string(kind)
        or types.is_large_string(kind)
        or types.is_string_view(kind)
    )


def _is_any_binary(kind: pa.DataType) -> bool:
    return (
        types.is_binary(kind)
        or types.is_large_binary(kind)
        or types.is_binary_view(kind)
        or types.is_fixed_size_binary(kind)
    )


def _is_any_list(kind: pa.DataType) -> bool:
    return types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind)


_CONVERSIONS: tuple[tuple[Callable[[pa.DataType], bool], Callable[[_Array], _Value]], ...] = (
    (_is_plain, _plain),
    (types.is_date, _date),
    (types.is_time, _time),
    (types.is_timestamp, _ticks),
    (types.is_duration, _ticks),
    (types.is_decimal, _decimal),
    (_is_any_binary, _binary),
    (types.is_interval, _interval),
    (_is_any_list, _list),
)
