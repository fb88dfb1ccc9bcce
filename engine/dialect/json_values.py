"""Which texts of SQL are JSON: DataFusion has no such type, so the calls that are written say it."""

import re

from engine.dialect.lexer import Kind, Piece, items_of, text_of
from engine.dialect.literals import digits, quoted
from engine.dialect.tree import read_tree
from engine.query.sql_text import Unquoted

_CALL = re.compile(r"^(?:(?P<kind>jsonb?)_\w+|to_json|row_to_json|array_to_json)\(", re.IGNORECASE)
# What answers a number, a boolean, a text or rows, although it is named like JSON.
_OTHERS = re.compile(
    r"^jsonb?_(?:array_length|typeof|\w+_text|exists\w*|contains|pretty|object_keys|\w+_list)\(",
    re.IGNORECASE,
)
_CHOICE = re.compile(r"(?:SELECT|CASE)\b|coalesce\s*(?=\()", re.IGNORECASE)
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
    if choice := _CHOICE.match(value):
        return _kind_of_choice(choice[0].upper(), value)
    found = is_call(_CALL, value)
    if found is None or (_OTHERS.match(value) and not _NORMALISED.match(value)):
        return ""
    return (found["kind"] or "json").lower()


def _kind_of_choice(word: str, value: str) -> str:
    """The kind of a subquery's column, of a CASE, or of the first that is not NULL."""
    level = read_tree(value) or []
    if word.startswith("SELECT"):
        values = [level[1:]]
    elif word.startswith("CASE"):
        values = _results(level[0].inner) if len(level) == 1 + 1 else []
    else:
        values = items_of(level[1]) if len(level) == len(["coalesce", "(…)", "end"]) else []
    kinds = {json_kind(text_of(_first(each)).strip()) for each in values if not _is_open(each)}
    return kinds.pop() if len(kinds) == 1 else ""


def _first(pieces: list[Piece]) -> list[Piece]:
    """The first column of a list, without its alias."""
    ends = (
        n for n, piece in enumerate(pieces) if piece.word in (",", "as", "from") or not piece.text
    )
    return pieces[: next(ends, len(pieces))]


def _results(pieces: list[Piece]) -> list[list[Piece]]:
    """What is behind THEN and ELSE."""
    results: list[list[Piece]] = []
    is_result = False
    for piece in pieces:
        if piece.word in ("then", "else", "when"):
            is_result = piece.word != "when"
            results += [[]] if is_result else []
        elif is_result:
            results[-1].append(piece)
    return results


def _is_open(pieces: list[Piece]) -> bool:
    """Whether a value is of any type: NULL, or a literal."""
    return len(pieces) == 1 and (pieces[0].word == "null" or pieces[0].kind is Kind.STRING)


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
    ('to_json(CAST(x AS VARCHAR), arrow_typeof(x))', 'json_build_array(make_array())')
    """
    if json_kind(value):
        return value
    if _EXACT.fullmatch(value):
        return quoted(digits(value))
    if value.upper().startswith("ARRAY["):
        return f"array_to_json({value}, arrow_typeof({value}))"
    return with_type("to_json", value)


def with_type(name: str, value: str) -> str:
    """Write a call of a function that takes the text of any value, and its type."""
    return f"{name}(CAST({value} AS VARCHAR), arrow_typeof({value}))"
