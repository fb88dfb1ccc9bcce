"""Casts to types that DataFusion lacks, or reads the texts of otherwise: ``x::jsonb``, ``'{1,2}'::int[]``."""

import re
from collections.abc import Callable

from engine.dialect.json_values import is_call, json_kind, with_type
from engine.dialect.lexer import UNNAMED, Kind, Piece, text_of, written
from engine.dialect.literals import (
    DATES,
    digits,
    is_exact,
    is_plain_string,
    moment,
    quoted,
    rounded,
    string_value,
)

# Types of more than one word.
_PAIRS = frozenset(
    {("double", "precision"), ("character", "varying"), ("char", "varying"), ("bit", "varying")}
)
_ZONED = frozenset({"time", "timestamp"})
_INTERVAL_UNITS = frozenset({"year", "month", "day", "hour", "minute", "second", "to"})
_TEXTS = frozenset({"text", "varchar", "character varying", "char varying", "string"})
_SHORT = {"int": "int4", "integer": "int4", "bigint": "int8", "smallint": "int2", "boolean": "bool"}
_INTEGERS = frozenset({"int", "integer", "int4", "bigint", "int8", "smallint", "int2"})
_ZONED_NAMES = {
    "timestamp with time zone": "timestamptz",
    "timestamp without time zone": "timestamp",
}
_LENGTH = re.compile(r"(?P<name>.*?) ?\( ?(?P<length>\d+) ?\)")
# What DataFusion reads itself: numbers with units.
_PLAIN_INTERVAL = re.compile(r"'(?:\s*[-+]?\d+(?:\.\d+)?\s*[a-z]+\s*)+'", re.IGNORECASE)
_WHOLE = re.compile(
    r"(?:count|length|char_length|cardinality|array_length|row_number|rank|dense_rank|position|"
    r"strpos|ascii|floor|ceil|ceiling|json\w*|value_text|left|right|substr\w*)\s*\(",
    re.IGNORECASE,
)
_TEXT_CALL = re.compile(r"(?:value_text|array_text|left|rtrim|json_object_field_text)\(")
_AGO = re.compile(r"\bago\b", re.IGNORECASE)
_Write = Callable[[Piece], str | None]


def type_end(pieces: list[Piece], start: int) -> int:
    """Return the place behind a type that begins at ``start``; ``start`` where there is none."""
    place = start
    if place >= len(pieces) or pieces[place].kind not in (Kind.WORD, Kind.QUOTED):
        return start
    word = pieces[place].word
    while pieces[place + 1].word == "." and pieces[place + 2].kind in (Kind.WORD, Kind.QUOTED):
        place += 2
    place += 1
    if (word, pieces[place].word) in _PAIRS:
        place += 1
    if pieces[place].is_round:
        place += 1
    if word in _ZONED and pieces[place].word in ("with", "without"):
        zone = [piece.word for piece in pieces[place + 1 : place + 3]]
        place += 3 if zone == ["time", "zone"] else 0
    while pieces[place].is_square or pieces[place].word == "array":
        place += 1
    return place


def literal_end(pieces: list[Piece], start: int) -> int:
    """Return the place behind ``interval '1' day`` and its like, whose text is at ``start``."""
    place = start + 1
    if pieces[start - 1].word == "interval":
        while pieces[place].word in _INTERVAL_UNITS:
            place += 1
    return place


def cast(value: Piece, pieces: list[Piece]) -> Piece | None:
    """Write a cast of a value to the type that the pieces are; None when it stays as it is."""
    only = value.inner[0] if value.is_round and len(value.inner) == 1 else value
    text = _written(only if only.kind is Kind.STRING else value, _type_name(pieces))
    return None if text is None else written(text, value.gap, column_name(value, pieces))


def column_name(value: Piece, pieces: list[Piece]) -> str:
    """What Postgres calls a column of a cast: like the value, or else like the type."""
    short = _type_name(pieces).removesuffix("[]").partition("(")[0].strip()
    return value.name if value.name != UNNAMED else _SHORT.get(short, short)


def _type_name(pieces: list[Piece]) -> str:
    return " ".join(text_of(pieces).lower().split()).removeprefix("pg_catalog.")


def _written(value: Piece, type_name: str) -> str | None:
    if type_name in _CASTS:
        return _CASTS[type_name](value)
    if value.kind in (Kind.STRING, Kind.NUMBER):
        text = _literal(value, type_name)
        if text is not None:
            return text
    if type_name in _INTEGERS:
        return _rounded(value, type_name)
    length = _LENGTH.fullmatch(type_name)
    return None if length is None else _shortened(value, length["name"], length["length"])


def _shortened(value: Piece, type_name: str, length: str) -> str | None:
    """``x::varchar(3)`` and ``x::char(3)``: DataFusion forgets the length."""
    if type_name in _TEXTS:
        return f"left({_text(value) or value.text}, {length})"
    return _blank_padded(value, length) if type_name in ("char", "character", "bpchar") else None


def _literal(value: Piece, type_name: str) -> str | None:
    """A literal in a form of its type that DataFusion does not read, or reads otherwise."""
    text: str | None = None
    if type_name in _INTEGERS and is_exact(value) and "." in value.text:
        text = f"CAST({rounded(value.text)} AS {type_name})"
    elif not is_plain_string(value):
        text = None
    elif type_name.endswith("[]"):
        item = type_name.removesuffix("[]").strip()
        text = f"array_of_text({value.text})"
        if item not in _TEXTS:
            text = None if item.endswith("[]") else f"CAST({text} AS {item}[])"
    elif type_name in DATES | _ZONED_NAMES.keys():
        instant = moment(string_value(value), _ZONED_NAMES.get(type_name, type_name))
        text = None if instant is None else f"CAST({quoted(instant)} AS {type_name})"
    elif type_name == "interval":
        is_plain = _PLAIN_INTERVAL.fullmatch(value.text) and not _AGO.search(value.text)
        text = None if is_plain else f"interval_of_text({value.text})"
    return text


def _rounded(value: Piece, type_name: str) -> str | None:
    """A value of a type that is not known here as an integer: DataFusion cuts what Postgres rounds."""
    is_whole = value.kind in (Kind.STRING, Kind.NUMBER, Kind.PARAMETER) or _WHOLE.match(
        value.text.lstrip("(")
    )
    if is_whole or value.text.upper() in ("NULL", "TRUE", "FALSE"):
        return None
    return f"CAST({with_type('integer_of', value.text)} AS {type_name})"


def _json(value: Piece) -> str:
    return value.text if json_kind(value.text) else f"json_checked({value.text})"


def _jsonb(value: Piece) -> str:
    return value.text if json_kind(value.text) == "jsonb" else f"jsonb_text({value.text})"


def _text(value: Piece) -> str | None:
    """The text of a value whose type is not known here."""
    if (
        value.kind in (Kind.STRING, Kind.PARAMETER)
        or json_kind(value.text)
        or is_call(_TEXT_CALL, value.text)
    ):
        return None
    if value.kind is Kind.NUMBER:
        return quoted(digits(value.text))
    if value.text.startswith("bytea_of_text("):
        return f"('\\x' || encode({value.text}, 'hex'))"
    if value.text.upper().startswith("ARRAY["):
        return f"array_text({value.text}, arrow_typeof({value.text}))"
    return with_type("value_text", value.text)


def _blank_padded(value: Piece, length: str = "1") -> str:
    """A text of so many characters, without the blanks at its end, which do not count."""
    return f"rtrim(left({_text(value) or value.text}, {length}))"


def _bytes(value: Piece) -> str | None:
    return f"bytea_of_text({value.text})" if is_plain_string(value) else None


_CASTS: dict[str, _Write] = {
    **dict.fromkeys(_TEXTS, _text),
    **dict.fromkeys(("char", "character"), _blank_padded),
    "json": _json,
    "jsonb": _jsonb,
    "uuid": lambda value: f"uuid_of_text({value.text})",
    "bytea": _bytes,
}
