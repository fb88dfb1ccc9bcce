"""JSON as text: where its values begin and end, and what Postgres writes them as.

A text keeps what the ``json`` of Postgres keeps: spaces, the order of keys, the digits of numbers. What
``jsonb`` is, :func:`binary_text` writes.
"""

import json
import re
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

import orjson

from engine.errors import SqlInvalid

# A value of JSON: dict, list, str, int, Decimal, bool or None.
Json = Any
_SPACE = " \t\n\r"
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_SCALAR = re.compile(r"[^\s,\]}]+")
_BRACKET = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)
_KINDS = {"{": "object", "[": "array", '"': "string", "t": "boolean", "f": "boolean", "n": "null"}
_ESCAPES = {
    '"': '\\"',
    "\\": "\\\\",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
}
_ESCAPED = re.compile(r'["\\\x00-\x1f]')
_LARGE_EXPONENT = 10_000


def quote_json(text: str) -> str:
    r"""Write a text as a string of JSON: only what must be is escaped.

    >>> quote_json('a"b')
    '"a\\"b"'
    """
    escaped = _ESCAPED.sub(lambda m: _ESCAPES.get(m[0]) or f"\\u{ord(m[0]):04x}", text)
    return f'"{escaped}"'


def read_json(text: str) -> Json:
    """Read JSON; numbers with a point or an exponent become decimals.

    Raises:
        SqlInvalid: it is none.
    """
    try:
        return json.loads(text, parse_float=Decimal, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise SqlInvalid("invalid input syntax for type json") from error


def _refuse_constant(name: str) -> Json:
    raise ValueError(name)


def kind_of(text: str) -> str:
    """What ``json_typeof`` answers.

    >>> kind_of(" [1]"), kind_of("-1")
    ('array', 'number')
    """
    return _KINDS.get(text.lstrip(_SPACE)[:1], "number")


def elements_of(text: str) -> Iterator[str]:
    """The values of an array, as they are written."""
    at = _after_space(text, text.index("[") + 1)
    while text[at] != "]":
        end = _end_of_value(text, at)
        yield text[at:end]
        at = _after_comma(text, end)


def members_of(text: str) -> Iterator[tuple[str, str]]:
    """The keys of an object and their values, as they are written."""
    at = _after_space(text, text.index("{") + 1)
    while text[at] != "}":
        end = _end_of_value(text, at)
        key = json.loads(text[at:end])
        at = _after_space(text, text.index(":", end) + 1)
        end = _end_of_value(text, at)
        yield key, text[at:end]
        at = _after_comma(text, end)


def member(text: str, key: str) -> str | None:
    """The value of a key, the last of several, if it is an object with it."""
    document = orjson.loads(text)
    if not isinstance(document, dict) or key not in document:
        return None
    value = document[key]
    if _is_plain_integer(value):
        return str(value)
    if isinstance(value, str) and "\\" not in text:
        return f'"{value}"'
    found = None
    for name, value in members_of(text):
        found = value if name == key else found
    return found


def member_text(text: str, key: str) -> str | None:
    """What ``->>`` answers of a key: most values are read at once, and not looked for in the text."""
    document = orjson.loads(text)
    value = document.get(key) if isinstance(document, dict) else None
    if value is None or isinstance(value, str):
        return value
    return str(value) if _is_plain_integer(value) else as_text(member(text, key))


def _is_plain_integer(value: Json) -> bool:
    """Whether its digits are what is in the text: of a zero there may be a sign before it."""
    return type(value) is int and value != 0


def element(text: str, place: int) -> str | None:
    """The value at a place, from 0, or from the end, if it is an array with it."""
    if kind_of(text) != "array":
        return None
    values = list(elements_of(text))
    return values[place] if -len(values) <= place < len(values) else None


def follow(text: str, path: Sequence[str | None]) -> str | None:
    """The value at the end of a path of keys and places."""
    found: str | None = text
    for step in path:
        if step is None or found is None:
            return None
        if kind_of(found) == "array":
            found = element(found, int(step)) if re.fullmatch(r"-?\d+", step) else None
        else:
            found = member(found, step)
    return found


def as_text(value: str | None) -> str | None:
    """What ``->>`` answers: a string without its quotes, NULL for null."""
    if value is None:
        return None
    plain = value.strip(_SPACE)
    if plain == "null":
        return None
    return str(json.loads(plain)) if plain.startswith('"') else value


def binary_text(text: str) -> str:
    """Write JSON as ``jsonb`` does: keys by length and bytes, the last of equal ones, one space."""
    return write_binary(read_json(text))


def write_binary(value: Json) -> str:
    """Write a value as ``jsonb`` does."""
    if isinstance(value, dict):
        members = ", ".join(
            f"{quote_json(key)}: {write_binary(value[key])}" for key in sorted_keys(value)
        )
        return f"{{{members}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(write_binary, value))}]"
    return write_scalar(value)


def write_scalar(value: Json) -> str:
    """Write a string, number, boolean or null."""
    if isinstance(value, str):
        return quote_json(value)
    if isinstance(value, Decimal):
        if abs(value.adjusted()) > _LARGE_EXPONENT:
            raise SqlInvalid("value overflows numeric format")
        return f"{value:f}"
    return "null" if value is None else json.dumps(value)


def sorted_keys(value: dict[str, Any]) -> list[str]:
    """The keys of an object in the order of ``jsonb``."""
    return sorted(value, key=lambda key: (len(key.encode()), key.encode()))


def _after_space(text: str, at: int) -> int:
    while text[at] in _SPACE:
        at += 1
    return at


def _after_comma(text: str, at: int) -> int:
    at = _after_space(text, at)
    return _after_space(text, at + 1) if text[at] == "," else at


def _end_of_value(text: str, at: int) -> int:
    first = text[at]
    if first == '"':
        match = _STRING.match(text, at)
    elif first in "[{":
        return _end_of_brackets(text, at)
    else:
        match = _SCALAR.match(text, at)
    assert match is not None, "the text was checked"
    return match.end()


def _end_of_brackets(text: str, at: int) -> int:
    depth = 0
    for token in _BRACKET.finditer(text, at):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(token[0], 0)
        if depth == 0:
            return token.end()
    raise AssertionError("the text was checked")
