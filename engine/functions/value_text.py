"""Values as Postgres writes them: casts to text, JSON, arrays.

A value comes as its Arrow text with the name of its type, as ``arrow_typeof`` answers it: a user function of
DataFusion cannot take any type, and its text alone does not say what it was.
"""

import re

import pyarrow as pa

from engine.encode.pg.floats import float_text
from engine.errors import SqlInvalid
from engine.functions.datetime_text import datetime_text
from engine.functions.json_text import quote_json
from engine.functions.moments import read_moments
from engine.functions.registry import TEXT, TEXTS, Function
from engine.functions.temporal import span_texts
from engine.functions.values import Column, by_value, map_distinct, map_rows, pc, relisted

_NAMES = {
    **{"Int8": "smallint", "Int16": "smallint", "Int32": "integer", "Int64": "bigint"},
    **{"UInt8": "smallint", "UInt16": "integer", "UInt32": "bigint", "UInt64": "numeric"},
    **{"Float16": "real", "Float32": "real", "Float64": "double precision"},
    **{"Utf8": "text", "LargeUtf8": "text", "Utf8View": "text", "Boolean": "boolean"},
    **{"Binary": "bytea", "LargeBinary": "bytea", "BinaryView": "bytea"},
    **{"Date32": "date", "Date64": "date", "Null": "unknown", "Duration": "interval"},
    **{"Interval": "interval", "Struct": "record", "Map": "json", "FixedSizeBinary": "bytea"},
    **{"Time32": "time without time zone", "Time64": "time without time zone"},
    **{
        "Decimal32": "numeric",
        "Decimal64": "numeric",
        "Decimal128": "numeric",
        "Decimal256": "numeric",
    },
}
_LISTS = ("List", "LargeList", "FixedSizeList", "ListView", "LargeListView")
_NUMBERS = ("smallint", "integer", "bigint", "numeric")
_FLOATS = {"real": pa.float32(), "double precision": pa.float64()}
_ZONE = re.compile(r'"(.*)"')
_FIELD_NAME = re.compile(r", field: '(?:[^']|'')*'$")
_ITEM_SIZE = re.compile(r"^(?:\d+ x )?(?:nullable |non-null )?")
_QUOTED_ITEM = re.compile(r'[{},"\\\s]')


def type_name(arrow_type: str) -> str:
    """The name of Postgres for a type, by what ``arrow_typeof`` calls it.

    >>> type_name('Timestamp(ns, "UTC")'), type_name("List(Int32)")
    ('timestamp with time zone', 'integer[]')
    """
    head, _, inner = arrow_type.partition("(")
    inner = inner.removesuffix(")")
    if head in _LISTS:
        name = type_name(item_type(arrow_type))
        return name if name.endswith("[]") else f"{name}[]"
    if head == "Dictionary":
        return type_name(inner.partition(", ")[2])
    if head == "Timestamp":
        return f"timestamp {'with' if ',' in inner else 'without'} time zone"
    return _NAMES.get(head, "text")


def item_type(list_type: str) -> str:
    """The type of the items of a list, as ``arrow_typeof`` writes both.

    >>> item_type("List(Int32)"), item_type("FixedSizeList(2 x non-null Float32, field: 'x y')")
    ('Int32', 'Float32')
    """
    inner = _FIELD_NAME.sub("", list_type.partition("(")[2].removesuffix(")"))
    return _ITEM_SIZE.sub("", inner)


def value_texts(arrow_type: str, values: Column) -> Column:
    """What a cast to text answers.

    Raises:
        SqlInvalid: the type has no text here: arrays have ``array_text``.
    """
    name = type_name(arrow_type)
    if name.endswith("[]"):
        raise SqlInvalid(
            f"a cast of {name} to text is not supported: write array_to_string(x, ',') or to_json(x)"
        )
    if name == "bytea":
        raise SqlInvalid("a cast of bytea to text is not supported: write encode(x, 'hex')")
    if name in _FLOATS:
        return float_text(pc.cast(values, _FLOATS[name])).cast(TEXT)
    if name.startswith(("timestamp", "date")):
        return _stamp_texts(_in_utc(arrow_type, values), " ", "+00", is_date=name == "date")
    if name.startswith("time "):
        return pc.replace_substring_regex(values, r"(\.\d*?)0+$", r"\1")
    if name == "interval":
        return span_texts(read_moments(values))
    return values


def json_texts(arrow_type: str, values: Column) -> Column:
    """What ``to_json`` answers.

    Raises:
        SqlInvalid: the type is an array or a row, which have functions of their own.
    """
    name = type_name(arrow_type)
    if name in ("record", "json"):
        raise SqlInvalid("to_json of rows and maps is not supported: use json_build_object")
    if name in ("boolean", *_NUMBERS):
        return values
    if name.startswith(("timestamp", "date")):
        stamps = _in_utc(arrow_type, values)
        values = _stamp_texts(stamps, "T", "+00:00", is_date=name == "date")
    else:
        values = value_texts(arrow_type, values)
    if name in _FLOATS:
        # NaN and infinities are strings.
        is_number = pc.match_substring_regex(values, r"^[-\d]+\.?\d*(?:e[+-]\d+)?$")
        return pc.if_else(is_number, values, map_distinct(values, TEXT, quote_json))
    return map_distinct(values, TEXT, quote_json)


def _in_utc(arrow_type: str, values: Column) -> Column:
    """Moments whose texts are of another zone, such as those of AT TIME ZONE, by the clock of UTC."""
    zone = _ZONE.search(arrow_type)
    if zone is None or zone[1] in ("UTC", "+00:00"):
        return values
    return pc.cast(pc.cast(values, pa.timestamp("us", "UTC")), TEXT)


def _stamp_texts(values: Column, separator: str, zone: str, *, is_date: bool) -> Column:
    moments = read_moments(values)
    pattern = "YYYY-MM-DD" if is_date else f'YYYY-MM-DD"{separator}"HH24:MI:SS.US'
    texts = datetime_text(moments, pattern)
    if not is_date:
        # The zeros at the end of the fraction go, then a point without a fraction.
        texts = pc.replace_substring_regex(texts, r"(\.\d*?)0+$", r"\1")
        texts = pc.replace_substring_regex(texts, r"\.$", "")
    if moments.has_zone:
        texts = pc.binary_join_element_wise(texts, zone, "")
    era = pc.if_else(pa.array(moments.year <= 0), " BC", "")
    return pc.binary_join_element_wise(texts, era, "")


def array_text(items: list[str | None]) -> str:
    """Write an array as Postgres does.

    >>> array_text(["a", "b c", None, ""])
    '{a,"b c",NULL,""}'
    """
    return "{" + ",".join("NULL" if item is None else _item_text(item) for item in items) + "}"


def _item_text(item: str) -> str:
    if item == "" or item.upper() == "NULL" or _QUOTED_ITEM.search(item):
        return '"' + item.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return item


def _value_text(values: Column, types: Column) -> Column:
    return by_value(types, values, TEXT, value_texts)


def _array_text(values: Column, types: Column) -> Column:
    def written(arrow_type: str, rows: Column) -> Column:
        items = value_texts(item_type(arrow_type), rows.flatten())
        texts = map_rows((relisted(rows, items),), TEXT, array_text)
        return pc.if_else(pc.is_valid(rows), texts, pa.scalar(None, TEXT))

    return by_value(types, values, TEXT, written)


def _type_names(types: Column) -> Column:
    return map_distinct(types, TEXT, type_name)


FUNCTIONS = (
    Function("value_text", _value_text, (TEXT, TEXT), TEXT),
    Function("array_text", _array_text, (TEXTS, TEXT), TEXT),
    Function("type_name", _type_names, (TEXT,), TEXT),
)
