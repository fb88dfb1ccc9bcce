"""Reads the types that ClickHouse writes in its catalog.

The invariant: an argument comes out exactly as it was written. The trap: commas and brackets also
stand in quoted names (``Enum8('a)' = 1)``), and the names of tuple elements may be quoted or not.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

_PIECE = re.compile(r"'(?:\\.|[^'\\])*'|`(?:\\.|[^`\\])*`|[(),]|[^'`(),]+|['`]", re.DOTALL)
_QUOTED_ELEMENT = re.compile(r"`((?:\\.|[^`\\])*)`\s+(.+)", re.DOTALL)
_PLAIN_ELEMENT = re.compile(r"([^\s`'(),]+)\s+([^\s(].*)", re.DOTALL)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPED = {"b": "\b", "f": "\f", "r": "\r", "n": "\n", "t": "\t", "0": "\0"}


@dataclass(frozen=True, slots=True)
class TypeName:
    """A type: its family, and its arguments as text."""

    family: str
    arguments: tuple[str, ...] = ()


def parse_type(text: str) -> TypeName:
    """Take a type apart, one level deep.

    >>> parse_type("Map(LowCardinality(String), Decimal(9, 2))")
    TypeName(family='Map', arguments=('LowCardinality(String)', 'Decimal(9, 2)'))
    >>> parse_type("Enum8('a,)' = 1, 'b' = 2)").arguments
    ("'a,)' = 1", "'b' = 2")
    """
    family, bracket, rest = text.strip().partition("(")
    if not bracket:
        return TypeName(family)
    return TypeName(family.strip(), tuple(_split(rest.removesuffix(")"))))


def parse_element(text: str) -> tuple[str | None, str]:
    r"""Split an element of a tuple into its name, None when it has none, and its type.

    >>> parse_element("`a b` Int8"), parse_element("b Array(Int8)"), parse_element("Decimal(9, 2)")
    (('a b', 'Int8'), ('b', 'Array(Int8)'), (None, 'Decimal(9, 2)'))
    """
    quoted = _QUOTED_ELEMENT.fullmatch(text)
    if quoted:
        name = _ESCAPE.sub(lambda found: _ESCAPED.get(found[1], found[1]), quoted[1])
        return name, quoted[2]
    plain = _PLAIN_ELEMENT.fullmatch(text)
    return (plain[1], plain[2]) if plain else (None, text)


def _split(text: str) -> Iterator[str]:
    """Yield what stands between the commas that are in no bracket."""
    argument, depth = "", 0
    for piece in _PIECE.findall(text):
        depth += (piece == "(") - (piece == ")")
        if piece == "," and not depth:
            yield argument.strip()
            argument = ""
        else:
            argument += piece
    if argument.strip():
        yield argument.strip()
