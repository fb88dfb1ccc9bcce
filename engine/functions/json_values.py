"""Functions of JSON, which is text here: loops over distinct values, as no vectorised parser keeps the text.

Whoever writes ``json_build_object('a', x)`` calls them through what :mod:`engine.dialect.call_table` says:
variadic arguments are gathered into arrays, and values become JSON by ``to_json`` first.
"""

import re
from collections.abc import Callable
from typing import Any

import orjson
import pyarrow as pa

from engine.errors import SqlInvalid
from engine.functions.json_text import (
    Json,
    as_text,
    binary_text,
    element,
    elements_of,
    follow,
    kind_of,
    member,
    member_text,
    members_of,
    quote_json,
    read_json,
    sorted_keys,
    write_binary,
    write_scalar,
)
from engine.functions.registry import BOOLEAN, INTEGER, TEXT, TEXTS, Function
from engine.functions.value_text import item_type, json_texts
from engine.functions.values import Column, by_value, map_distinct, map_rows, pc, relisted

_MEMBER = pa.struct([("key", pa.string()), ("value", pa.string())])
_MEMBERS = pa.list_(_MEMBER)


def _checked(text: str) -> str:
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise SqlInvalid("invalid input syntax for type json") from error
    return text


def _reading(run: Callable[..., Any], answer: pa.DataType) -> Callable[..., Column]:
    """A function whose first argument is JSON, checked before it is read."""

    def call(*columns: Column) -> Column:
        return map_rows(columns, answer, lambda text, *rest: run(_checked(text), *rest))

    return call


def _array(text: str) -> list[str]:
    if kind_of(text) != "array":
        raise SqlInvalid(f"cannot read the elements of a JSON {kind_of(text)}")
    return list(elements_of(text))


def _object(text: str) -> list[tuple[str, str]]:
    if kind_of(text) != "object":
        raise SqlInvalid(f"cannot read the keys of a JSON {kind_of(text)}")
    return list(members_of(text))


def _elements_text(text: str) -> list[str | None]:
    return [as_text(value) for value in _array(text)]


def _keys(text: str) -> list[str]:
    return [key for key, _ in _object(text)]


def _each(text: str) -> list[dict[str, Any]]:
    return [{"key": key, "value": value} for key, value in _object(text)]


def _each_text(text: str) -> list[dict[str, Any]]:
    return [{"key": key, "value": as_text(value)} for key, value in _object(text)]


def _to_json(values: Column, types: Column) -> Column:
    """The value by its Arrow text, and its type by that of ``arrow_typeof``."""
    return by_value(types, values, TEXT, json_texts)


def _array_to_json(values: Column, types: Column) -> Column:
    def written(type_name: str, rows: Column) -> Column:
        items = json_texts(item_type(type_name), rows.flatten())
        return _joined(rows, items, "[", ",", "]")

    return by_value(types, values, TEXT, written)


def _build_array(values: Column) -> Column:
    return _joined(values, values.flatten(), "[", ", ", "]")


def _joined(lists: Column, items: Column, start: str, separator: str, end: str) -> Column:
    """Join the items of each list: NULL items are ``null``, a NULL list is NULL."""
    whole = relisted(lists, pc.fill_null(items, "null"))
    text = pc.binary_join_element_wise(start, pc.binary_join(whole, separator), end, "")
    return pc.if_else(pc.is_valid(lists), text, pa.scalar(None, TEXT))


def _members(keys: Column, values: Column, separator: str) -> Column:
    """The members of objects, as items of their lists."""
    names = keys.flatten()
    if names.null_count:
        raise SqlInvalid("argument of a JSON object: key must not be null")
    if len(names) != len(values.flatten()):
        raise SqlInvalid("mismatched array dimensions")
    quoted = map_distinct(names, TEXT, quote_json)
    return pc.binary_join_element_wise(quoted, pc.fill_null(values.flatten(), "null"), separator)


def _build_object(keys: Column, values: Column) -> Column:
    return _joined(keys, _members(keys, values, " : "), "{", ", ", "}")


def _row_to_json(keys: Column, values: Column) -> Column:
    return _joined(keys, _members(keys, values, ":"), "{", ",", "}")


def _object_agg(keys: Column, values: Column) -> Column:
    return _joined(keys, _members(keys, values, " : "), "{ ", ", ", " }")


def _object_of_texts(keys: list[str | None], values: list[str | None]) -> str:
    if len(keys) != len(values):
        raise SqlInvalid("mismatched array dimensions")
    members: list[str] = []
    for key, value in zip(keys, values, strict=True):
        if key is None:
            raise SqlInvalid("null value not allowed for object key")
        written = "null" if value is None else quote_json(value)
        members.append(f"{quote_json(key)} : {written}")
    return "{" + ", ".join(members) + "}"


def _strip_nulls(text: str) -> str:
    def stripped(value: str) -> str:
        kind = kind_of(value)
        if kind == "array":
            return f"[{','.join(map(stripped, elements_of(value)))}]"
        if kind != "object":
            return value.strip()
        kept = [(k, v) for k, v in members_of(value) if kind_of(v) != "null"]
        return "{" + ",".join(f"{quote_json(k)}:{stripped(v)}" for k, v in kept) + "}"

    return stripped(text)


def _pretty(text: str) -> str:
    def written(value: Json, depth: int) -> str:
        inner, outer = " " * 4 * (depth + 1), " " * 4 * depth
        if isinstance(value, dict):
            items = [f"{quote_json(k)}: {written(value[k], depth + 1)}" for k in sorted_keys(value)]
            marks = "{}"
        elif isinstance(value, list):
            items, marks = [written(item, depth + 1) for item in value], "[]"
        else:
            return write_scalar(value)
        # An empty one has its end on a line of its own.
        lines = f"\n{inner}" + f",\n{inner}".join(items) if items else ""
        return f"{marks[0]}{lines}\n{outer}{marks[1]}"

    return written(read_json(text), 0)


def _contains(left: str, right: str) -> bool:
    return _has(read_json(left), read_json(right), is_top=True)


def _has(left: Json, right: Json, *, is_top: bool = False) -> bool:
    if isinstance(left, dict):
        return isinstance(right, dict) and all(
            key in left and _has(left[key], value) for key, value in right.items()
        )
    if isinstance(left, list):
        if isinstance(right, list):
            return all(any(_has(item, other) for item in left) for other in right)
        # The one exception of Postgres: an array contains a scalar.
        return is_top and not isinstance(right, dict) and any(_is_same(i, right) for i in left)
    return _is_same(left, right)


def _is_same(left: Json, right: Json) -> bool:
    """Equality that keeps 1 and true apart."""
    return isinstance(left, bool) == isinstance(right, bool) and bool(left == right)


def _exists(text: str, key: str) -> bool:
    value = read_json(text)
    if isinstance(value, list):
        return any(item == key for item in value if isinstance(item, str))
    return key in value if isinstance(value, dict) else value == key


def _exists_any(text: str, keys: list[str | None]) -> bool:
    return any(_exists(text, key) for key in keys if key is not None)


def _exists_all(text: str, keys: list[str | None]) -> bool:
    return all(_exists(text, key) for key in keys if key is not None)


def _delete(text: str, key: str) -> str:
    value = read_json(text)
    if isinstance(value, dict):
        value.pop(key, None)
    elif isinstance(value, list):
        value = [item for item in value if item != key]
    else:
        raise SqlInvalid("cannot delete from scalar")
    return write_binary(value)


def _concat(left: str, right: str) -> str:
    one, other = read_json(left), read_json(right)
    if isinstance(one, dict) and isinstance(other, dict):
        return write_binary({**one, **other})
    one = one if isinstance(one, list) else [one]
    return write_binary([*one, *(other if isinstance(other, list) else [other])])


def _set(text: str, path: list[str | None], new: str) -> str:
    return write_binary(_with(read_json(text), [step or "" for step in path], read_json(new)))


def _with(value: Json, path: list[str], new: Json) -> Json:
    """Return a value with another at the end of a path; missing keys on the way change nothing."""
    if not path:
        return new
    step, rest = path[0], path[1:]
    if isinstance(value, dict) and (step in value or not rest):
        return {**value, step: _with(value.get(step), rest, new)}
    if isinstance(value, list):
        if not re.fullmatch(r"-?\d{1,9}", step):
            raise SqlInvalid(f'path element is not an integer: "{step}"')
        place = int(step) + (len(value) if int(step) < 0 else 0)
        if 0 <= place < len(value):
            return [*value[:place], _with(value[place], rest, new), *value[place + 1 :]]
        if not rest:
            return [new, *value] if place < 0 else [*value, new]
    return value


def _follow_text(text: str, path: list[str | None]) -> str | None:
    return as_text(follow(text, path))


def _element_text(text: str, place: int) -> str | None:
    return as_text(element(text, place))


_PAIRED: tuple[tuple[str, Callable[..., Any], tuple[pa.DataType, ...], pa.DataType], ...] = (
    ("extract_path", follow, (TEXT, TEXTS), TEXT),
    ("extract_path_text", _follow_text, (TEXT, TEXTS), TEXT),
    ("object_field", member, (TEXT, TEXT), TEXT),
    ("object_field_text", member_text, (TEXT, TEXT), TEXT),
    ("array_element", element, (TEXT, INTEGER), TEXT),
    ("array_element_text", _element_text, (TEXT, INTEGER), TEXT),
    ("array_length", lambda text: len(_array(text)), (TEXT,), INTEGER),
    ("typeof", kind_of, (TEXT,), TEXT),
    ("array_elements_list", _array, (TEXT,), TEXTS),
    ("array_elements_text_list", _elements_text, (TEXT,), TEXTS),
    ("object_keys_list", _keys, (TEXT,), TEXTS),
    ("each_list", _each, (TEXT,), _MEMBERS),
    ("each_text_list", _each_text, (TEXT,), _MEMBERS),
    ("strip_nulls", _strip_nulls, (TEXT,), TEXT),
)


def _paired() -> list[Function]:
    """The functions that exist for ``json`` and for ``jsonb``, which is normalised first."""
    functions: list[Function] = []
    for name, run, arguments, answer in _PAIRED:
        functions.append(Function(f"json_{name}", _reading(run, answer), arguments, answer))

        def binary(text: str, *rest: Json, run: Callable[..., Any] = run) -> Json:
            return run(binary_text(text), *rest)

        functions.append(Function(f"jsonb_{name}", _reading(binary, answer), arguments, answer))
    return functions


FUNCTIONS = (
    *_paired(),
    Function("json_checked", _reading(lambda text: text, TEXT), (TEXT,), TEXT),
    Function("jsonb_text", _reading(binary_text, TEXT), (TEXT,), TEXT),
    Function("to_json", _to_json, (TEXT, TEXT), TEXT),
    Function("array_to_json", _array_to_json, (TEXTS, TEXT), TEXT),
    Function("json_build_array", _build_array, (TEXTS,), TEXT),
    Function("json_build_object", _build_object, (TEXTS, TEXTS), TEXT),
    Function("json_row", _row_to_json, (TEXTS, TEXTS), TEXT),
    Function("json_object_of_groups", _object_agg, (TEXTS, TEXTS), TEXT),
    Function(
        "json_object",
        lambda keys, values: map_rows((keys, values), TEXT, _object_of_texts),
        (TEXTS, TEXTS),
        TEXT,
    ),
    Function("jsonb_pretty", _reading(_pretty, TEXT), (TEXT,), TEXT),
    Function("jsonb_contains", _reading(_contains, BOOLEAN), (TEXT, TEXT), BOOLEAN),
    Function("jsonb_exists", _reading(_exists, BOOLEAN), (TEXT, TEXT), BOOLEAN),
    Function("jsonb_exists_any", _reading(_exists_any, BOOLEAN), (TEXT, TEXTS), BOOLEAN),
    Function("jsonb_exists_all", _reading(_exists_all, BOOLEAN), (TEXT, TEXTS), BOOLEAN),
    Function("jsonb_delete", _reading(_delete, TEXT), (TEXT, TEXT), TEXT),
    Function("jsonb_concat", _reading(_concat, TEXT), (TEXT, TEXT), TEXT),
    Function("jsonb_set", _reading(_set, TEXT), (TEXT, TEXTS, TEXT), TEXT),
)
