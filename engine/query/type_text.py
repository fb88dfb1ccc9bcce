"""Arrow types as text, exactly as the query engine's ``arrow_typeof`` prints them.

The text is what ``data_type`` shows in information_schema, dataset columns and profiles. It is built
from the stored schema alone, so that a listing never starts a worker. The tests compare every
form with the engine: when its printing changes, they fail.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

import pyarrow as pa

from engine.arrow_types import read_schema

# Which Arrow type a printer is given, the predicate beside it in ``_PRINTERS`` decides.
_Arrow: TypeAlias = Any

_UNITS = {"us": "µs"}
_WORDS: dict[Any, str] = {
    pa.null(): "Null",
    pa.bool_(): "Boolean",
    pa.float16(): "Float16",
    pa.float32(): "Float32",
    pa.float64(): "Float64",
    pa.string(): "Utf8",
    pa.large_string(): "LargeUtf8",
    pa.string_view(): "Utf8View",
    pa.binary(): "Binary",
    pa.large_binary(): "LargeBinary",
    pa.binary_view(): "BinaryView",
    pa.date32(): "Date32",
    pa.date64(): "Date64",
    pa.month_day_nano_interval(): "Interval(MonthDayNano)",
    **{
        integer(): str(integer()).capitalize()
        for integer in (pa.int8, pa.int16, pa.int32, pa.int64)
    },
    **{
        integer(): str(integer()).replace("uint", "UInt")
        for integer in (pa.uint8, pa.uint16, pa.uint32, pa.uint64)
    },
}
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t", "\0": "\\0"}


@dataclass(frozen=True, slots=True)
class Column:
    """One column as a client sees it; ``data_type`` is Arrow's text."""

    name: str
    data_type: str
    nullable: bool


def describe_columns(schema: pa.Schema) -> tuple[Column, ...]:
    """Describe the columns of a schema, in order."""
    return tuple(Column(item.name, arrow_type_text(item.type), item.nullable) for item in schema)


def read_columns(
    schema_ipc: bytes, generated: Iterable[tuple[str, int]] = ()
) -> tuple[Column, ...]:
    """Describe the columns of a serialized schema, in order; see :func:`read_schema`."""
    return describe_columns(read_schema(schema_ipc, generated))


def arrow_type_text(data_type: pa.DataType) -> str:
    """Print an Arrow type.

    >>> arrow_type_text(pa.timestamp("us", "UTC")), arrow_type_text(pa.list_(pa.float32()))
    ('Timestamp(µs, "UTC")', 'List(Float32)')
    """
    word = _WORDS.get(data_type)
    if word is not None:
        return word
    for matches, printer in _PRINTERS:
        if matches(data_type):
            return printer(data_type)
    return str(data_type)


def _timestamp(data_type: _Arrow) -> str:
    zone = "" if data_type.tz is None else f", {_quoted(data_type.tz)}"
    return f"Timestamp({_unit(data_type)}{zone})"


def _with_unit(name: str, data_type: _Arrow) -> str:
    return f"{name}({_unit(data_type)})"


def _unit(data_type: _Arrow) -> str:
    unit = str(data_type.unit)
    return _UNITS.get(unit, unit)


def _decimal(data_type: _Arrow) -> str:
    return f"Decimal{data_type.bit_width}({data_type.precision}, {data_type.scale})"


def _list(name: str, data_type: _Arrow) -> str:
    return f"{name}({_item(data_type.value_field)})"


def _fixed_size_list(data_type: _Arrow) -> str:
    return f"FixedSizeList({data_type.list_size} x {_item(data_type.value_field)})"


def _item(field: _Arrow) -> str:
    name = "" if field.name == "item" else f", field: '{field.name}'"
    return f"{_nullness(field)}{arrow_type_text(field.type)}{name}{_metadata(field)}"


def _struct(data_type: _Arrow) -> str:
    return f"Struct({', '.join(_field(field) for field in data_type)})"


def _map(data_type: _Arrow) -> str:
    order = "sorted" if data_type.keys_sorted else "unsorted"
    entries = f"Struct({_field(data_type.key_field)}, {_field(data_type.item_field)})"
    return f'Map("entries": non-null {entries}, {order})'


def _dictionary(data_type: _Arrow) -> str:
    index, value = arrow_type_text(data_type.index_type), arrow_type_text(data_type.value_type)
    return f"Dictionary({index}, {value})"


def _run_end_encoded(data_type: _Arrow) -> str:
    ends, values = arrow_type_text(data_type.run_end_type), arrow_type_text(data_type.value_type)
    return f'RunEndEncoded("run_ends": non-null {ends}, "values": {values})'


def _field(field: _Arrow) -> str:
    type_text = arrow_type_text(field.type)
    return f"{_quoted(field.name)}: {_nullness(field)}{type_text}{_metadata(field)}"


def _nullness(field: _Arrow) -> str:
    return "" if field.nullable else "non-null "


def _metadata(field: _Arrow) -> str:
    if not field.metadata:
        return ""
    pairs = sorted((key.decode(), value.decode()) for key, value in field.metadata.items())
    inner = ", ".join(f"{_quoted(key)}: {_quoted(value)}" for key, value in pairs)
    return f", metadata: {{{inner}}}"


def _quoted(text: str) -> str:
    return '"' + "".join(_ESCAPES.get(char, char) for char in text) + '"'


_PRINTERS: tuple[tuple[Callable[[Any], bool], Callable[[Any], str]], ...] = (
    (pa.types.is_timestamp, _timestamp),
    (pa.types.is_time32, partial(_with_unit, "Time32")),
    (pa.types.is_time64, partial(_with_unit, "Time64")),
    (pa.types.is_duration, partial(_with_unit, "Duration")),
    (pa.types.is_decimal, _decimal),
    (pa.types.is_fixed_size_binary, lambda kind: f"FixedSizeBinary({kind.byte_width})"),
    (pa.types.is_list, partial(_list, "List")),
    (pa.types.is_large_list, partial(_list, "LargeList")),
    (pa.types.is_list_view, partial(_list, "ListView")),
    (pa.types.is_large_list_view, partial(_list, "LargeListView")),
    (pa.types.is_fixed_size_list, _fixed_size_list),
    (pa.types.is_map, _map),
    (pa.types.is_struct, _struct),
    (pa.types.is_dictionary, _dictionary),
    (pa.types.is_run_end_encoded, _run_end_encoded),
)
