"""Which texts of SQL are JSON: DataFusion has no such type, so the calls that are written say it."""

import re

from engine.query.sql_text import Unquoted

_CALL = re.compile(r"^(?:(?P<kind>jsonb?)_\w+|to_json|row_to_json|array_to_json)\(", re.IGNORECASE)
# What answers a number, a boolean, a text or rows, although it is named like JSON.
_OTHERS = re.compile(
    r"^jsonb?_(?:array_length|typeof|\w+_text|exists\w*|contains|pretty|object_keys|\w+_list)\(",
    re.IGNORECASE,
)
_NORMALISED = re.compile(r"^jsonb_text\(", re.IGNORECASE)
_EXACT = re.compile(r"-?\d+(?:\.\d+)?")
_BRACKETS = Unquoted(r"[()]", mark="(")


def json_kind(value: str) -> str:
    """Return ``json`` or ``jsonb`` when a value is a call that answers it; else nothing.

    >>> json_kind("json_build_array(a)"), json_kind("(jsonb_text(x))"), json_kind("to_json(x) || y")
    ('json', 'jsonb', '')
    """
    while value.startswith("(") and _closes_at_end(value):
        value = value[1:-1].strip()
    found = is_call(_CALL, value)
    if found is None or (_OTHERS.match(value) and not _NORMALISED.match(value)):
        return ""
    return (found["kind"] or "json").lower()


def is_call(pattern: re.Pattern[str], value: str) -> re.Match[str] | None:
    """Whether a value is one call and nothing else, whose name and bracket match."""
    found = pattern.match(value)
    return found if found is not None and _closes_at_end(value) else None


def _closes_at_end(value: str) -> bool:
    """Whether the first bracket is closed by the last character."""
    depth = 0
    for bracket in _BRACKETS.find(value):
        depth += 1 if bracket[0] == "(" else -1
        if depth == 0:
            return bracket.end() == len(value)
    return False


def json_value(value: str) -> str:
    """Write a value as JSON: what is JSON already stays.

    >>> json_value("x"), json_value("json_build_array(make_array())")
    ('to_json(x, arrow_typeof(x))', 'json_build_array(make_array())')
    """
    if json_kind(value):
        return value
    if _EXACT.fullmatch(value):
        return f"'{value}'"
    name = "array_to_json" if value.upper().startswith("ARRAY[") else "to_json"
    return f"{name}({value}, arrow_typeof({value}))"
