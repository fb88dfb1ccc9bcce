"""Functions of texts: quoting, formats, regular expressions."""

import re
from uuid import UUID

import pyarrow as pa

from engine.errors import SqlInvalid
from engine.functions.registry import BOOLEAN, TEXT, TEXTS, Function
from engine.functions.regular_expressions import compiled
from engine.functions.reserved_words import RESERVED_WORDS
from engine.functions.values import Column, by_value, map_distinct, map_rows, pc

# As wide as format() makes one argument.
_COLUMNS_MAX = 1_000_000
_PLAIN_NAME = r"^[a-z_][a-z0-9_]*$"
_SPECIFIER = re.compile(
    r"%(?:(?P<percent>%)|(?:(?P<place>\d+)\$)?(?P<flag>-*)(?P<width>\d+|\*(?:\d+\$)?)?(?P<kind>[sIL]))"
)


def _quote_ident(names: Column) -> Column:
    is_plain = pc.and_(
        pc.match_substring_regex(names, _PLAIN_NAME),
        pc.invert(pc.is_in(names, pa.array(sorted(RESERVED_WORDS)))),
    )
    doubled = pc.replace_substring(names, '"', '""')
    return pc.if_else(is_plain, names, pc.binary_join_element_wise('"', doubled, '"', ""))


def _quote_literal(texts: Column) -> Column:
    escaped = pc.replace_substring(pc.replace_substring(texts, "'", "''"), "\\", "\\\\")
    start = pc.if_else(pc.match_substring(texts, "\\"), " E'", "'")
    # A backslash needs the form E'…'; a space keeps it from the word before.
    quoted = pc.binary_join_element_wise(start, escaped, "'", "")
    return pc.utf8_ltrim(quoted, " ")


def _quote_nullable(texts: Column) -> Column:
    return pc.fill_null(_quote_literal(texts), "NULL")


def _format(patterns: Column, arguments: Column) -> Column:
    """A loop over the rows: the places of the arguments depend on the pattern.

    Raises:
        SqlInvalid: there are fewer arguments than the pattern takes, or it is no pattern.
    """
    rows = zip(patterns.to_pylist(), arguments.to_pylist(), strict=True)
    return pa.array(
        [None if pattern is None else _formatted(pattern, given or []) for pattern, given in rows],
        TEXT,
    )


def _formatted(pattern: str, given: list[str | None]) -> str:
    next_place = 0

    def take(place: str | None) -> str | None:
        nonlocal next_place
        next_place = int(place) if place else next_place + 1
        if not 1 <= next_place <= len(given):
            raise SqlInvalid("too few arguments for format()")
        return given[next_place - 1]

    def write(match: re.Match[str]) -> str:
        if match["percent"]:
            return "%"
        width, is_left = match["width"], bool(match["flag"])
        if width and width.startswith("*"):
            columns = int(take(width[1:-1] or None) or 0)
            is_left, columns = is_left or columns < 0, abs(columns)
        else:
            columns = int(width or 0)
        if columns > _COLUMNS_MAX:
            raise SqlInvalid("a width of format() is too large")
        text = _converted(take(match["place"]), match["kind"])
        return text.ljust(columns) if is_left else text.rjust(columns)

    left = _SPECIFIER.sub("", pattern)
    if "%" in left:
        raise SqlInvalid("unrecognized format() type specifier")
    return _SPECIFIER.sub(write, pattern)


def _converted(text: str | None, kind: str) -> str:
    if kind == "I":
        if text is None:
            raise SqlInvalid("null values cannot be formatted as an SQL identifier")
        return str(_quote_ident(pa.array([text], TEXT))[0].as_py())
    if kind == "L":
        return str(_quote_nullable(pa.array([text], TEXT))[0].as_py())
    return text or ""


def _regexp_matches(texts: Column, patterns: Column, flags: Column) -> Column:
    """All matches as a list of lists: Postgres makes a row of each. A loop over distinct rows."""
    return map_rows((texts, patterns, flags), pa.list_(TEXTS), _matches)


def _matches(text: str, pattern: str, flags: str) -> list[list[str | None]]:
    form = compiled(pattern, flags)
    found = [list(match.groups() or (match[0],)) for match in form.finditer(text)]
    return found if "g" in flags else found[:1]


def _regexp_substr(texts: Column, patterns: Column) -> Column:
    def first(text: str, pattern: str) -> str | None:
        match = compiled(pattern, "").search(text)
        return match[0] if match else None

    return map_rows((texts, patterns), TEXT, first)


def _substring_regex(texts: Column, patterns: Column) -> Column:
    """What ``substring(text from pattern)`` is: the first group, or the match."""

    def first(text: str, pattern: str) -> str | None:
        match = compiled(pattern, "").search(text)
        return None if match is None else match[1 if match.re.groups else 0]

    return map_rows((texts, patterns), TEXT, first)


def _regexp_split(texts: Column, patterns: Column, flags: Column) -> Column:
    return map_rows((texts, patterns, flags), TEXTS, _split)


def _split(text: str, pattern: str, flags: str) -> list[str]:
    """Split at matches; an empty match at an end, or right after a match, is none."""
    pieces, start = [], 0
    for match in compiled(pattern, flags).finditer(text):
        if match.end() == match.start() and match.start() in (start, len(text)):
            continue
        pieces.append(text[start : match.start()])
        start = match.end()
    return [*pieces, text[start:]]


def _regexp_test(texts: Column, patterns: Column, flags: Column) -> Column:
    """What ``~`` is; ``~*`` with the flag ``i``. A loop over distinct rows."""

    def test(text: str, pattern: str, flag: str) -> bool:
        return compiled(pattern, flag).search(text) is not None

    return map_rows((texts, patterns, flags), BOOLEAN, test)


def _similar(texts: Column, patterns: Column) -> Column:
    """What ``SIMILAR TO`` is: the whole text, ``%`` and ``_`` as wildcards."""
    return by_value(
        patterns, texts, BOOLEAN, lambda p, rows: pc.match_substring_regex(rows, similar_form(p))
    )


def similar_form(pattern: str) -> str:
    """Write a pattern of SIMILAR TO as a regular expression.

    >>> similar_form("%(b|d)_")
    '(?s)^(?:.*(?:b|d).)$'
    """
    out: list[str] = []
    is_class = is_escaped = False
    for character in pattern:
        if is_escaped:
            out.append(re.escape(character))
            is_escaped = False
        elif character == "\\":
            is_escaped = True
        elif is_class:
            is_class = character != "]"
            out.append(character)
        else:
            is_class = character == "["
            special = {"%": ".*", "_": ".", "(": "(?:", ".": r"\.", "^": r"\^", "$": r"\$"}
            out.append(special.get(character, character))
    return f"(?s)^(?:{''.join(out)})$"


def _parse_ident(names: Column) -> Column:
    def parts(name: str) -> list[str]:
        found = re.findall(r'\s*(?:"((?:[^"]|"")+)"|([A-Za-z_][\w$]*))\s*(?:\.|$)', name)
        rebuilt = [
            quoted.replace('""', '"') if quoted else plain.lower() for quoted, plain in found
        ]
        if not rebuilt:
            raise SqlInvalid(f'string is not a valid identifier: "{name}"')
        return rebuilt

    return map_rows((names,), TEXTS, parts)


def _uuid_of_text(texts: Column) -> Column:
    """The form that Postgres writes: in small letters, with hyphens."""

    def read(text: str) -> str:
        try:
            return str(UUID(text))
        except ValueError as error:
            raise SqlInvalid(f'invalid input syntax for type uuid: "{text}"') from error

    return map_distinct(texts, TEXT, read)


FUNCTIONS = (
    Function("quote_ident", _quote_ident, (TEXT,), TEXT),
    Function("quote_literal", _quote_literal, (TEXT,), TEXT),
    Function("quote_nullable", _quote_nullable, (TEXT,), TEXT),
    Function("format", _format, (TEXT, TEXTS), TEXT),
    Function("regexp_matches_list", _regexp_matches, (TEXT, TEXT, TEXT), pa.list_(TEXTS)),
    Function("regexp_split_to_array", _regexp_split, (TEXT, TEXT, TEXT), TEXTS),
    Function("regexp_substr", _regexp_substr, (TEXT, TEXT), TEXT),
    Function("substring_by_regexp", _substring_regex, (TEXT, TEXT), TEXT),
    Function("regexp_test", _regexp_test, (TEXT, TEXT, TEXT), BOOLEAN),
    Function("similar_to", _similar, (TEXT, TEXT), BOOLEAN),
    Function("uuid_of_text", _uuid_of_text, (TEXT,), TEXT),
    Function("parse_ident", _parse_ident, (TEXT,), TEXTS),
)
