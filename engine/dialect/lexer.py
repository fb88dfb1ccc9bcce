"""Splits SQL into what an expression is read from, as Postgres does.

The pieces and the gaps between them are the text again, so what nobody changes stays as it was written.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum, auto

from engine.errors import SqlTooComplex
from engine.query.sql_text import comment_end


class Kind(Enum):
    """What a piece is."""

    WORD = auto()
    QUOTED = auto()
    STRING = auto()
    NUMBER = auto()
    PARAMETER = auto()
    OPERATOR = auto()
    MARK = auto()
    GROUP = auto()
    """Brackets of any kind, or CASE … END, with all between."""
    VALUE = auto()
    """An operand of several pieces."""


TEXT_CHARS_MAX = 4_000_000
UNNAMED = "?column?"
"""What Postgres calls a column of an expression."""


@dataclass(slots=True)
class Piece:
    """A part of a statement, on one level of brackets.

    Attributes:
        kind: what it is.
        text: what is written.
        gap: the white space and comments before it.
        name: what Postgres would call a column that is this.
        word: a bare word in small letters, an operator or a mark as it was read; empty for anything else.
        inner: the pieces between the brackets of a group.
        closer: what ends a group.
        is_changed: whether the text is not the user's.
        is_prefixed: whether it begins with a sign.
    """

    kind: Kind
    text: str
    gap: str = ""
    name: str = UNNAMED
    word: str = ""
    inner: list["Piece"] = field(default_factory=list)
    closer: "Piece | None" = None
    is_changed: bool = False
    is_prefixed: bool = False

    @property
    def is_round(self) -> bool:
        """Whether it is something in round brackets."""
        return self.kind is Kind.GROUP and self.text.startswith("(")

    @property
    def is_square(self) -> bool:
        """Whether it is something in square brackets."""
        return self.kind is Kind.GROUP and self.text.startswith("[")


_PIECE = re.compile(
    r"""
      (?P<comment>/\*)
    | (?P<gap>(?:\s+|--[^\n]*)+)
    | (?P<string>[eE]'(?:[^'\\]|\\.|'')*+' | (?:[bBxXnN]|[uU]&)?'(?:[^']|'')*+'
        | \$(?P<tag>[^\W\d]\w*|)\$.*?\$(?P=tag)\$)
    | (?P<quoted>(?:[uU]&)?"(?:[^"]|"")*+")
    | (?P<word>[^\W\d][\w$]*)
    | (?P<number>0[xXoObB][0-9a-fA-F_]+ | (?:\d[\d_]*(?:\.(?!\.)[\d_]*)?|\.\d[\d_]*)(?:[eE][+-]?\d+)?)
    | (?P<parameter>\$\d+)
    | (?P<mark>::|[()\[\]{},;.:])
    | (?P<operator>[-+*/<>=~!@\#%^&|`?]+)
    """,
    re.VERBOSE | re.DOTALL,
)
_KINDS = {
    "string": Kind.STRING,
    "quoted": Kind.QUOTED,
    "word": Kind.WORD,
    "number": Kind.NUMBER,
    "parameter": Kind.PARAMETER,
    "mark": Kind.MARK,
    "operator": Kind.OPERATOR,
}
_WORDED = frozenset({Kind.OPERATOR, Kind.MARK})
_COMMENT = re.compile(r"--|/\*")
# An operator ends in a sign only if it has one of these.
_SIGN_KEEPERS = frozenset("~!@#%^&|`?")


def split(sql: str) -> Iterator[Piece]:
    """Yield the pieces of a statement in order; the last one is empty and has the gap at the end.

    What does not split ends the pieces: a character no SQL has, a quote that is never closed.

    >>> [piece.text for piece in split("a->'x y' -- end")]
    ['a', '->', "'x y'", '']
    """
    at, gap = 0, ""
    while at < len(sql):
        found = _PIECE.match(sql, at)
        if found is None:
            yield Piece(Kind.MARK, sql[at:], gap)
            return
        text = found[0]
        if found["comment"]:
            text = sql[at : comment_end(sql, at)]
            gap += text
        elif found["gap"]:
            gap += text
        else:
            kind = _KINDS[found.lastgroup or ""]
            text = _operator(text) if kind is Kind.OPERATOR else text
            word = text.lower() if kind is Kind.WORD else text if kind in _WORDED else ""
            yield Piece(kind, text, gap, _name(kind, text), word)
            gap = ""
        at += len(text)
    yield Piece(Kind.MARK, "", gap)


def _operator(text: str) -> str:
    """An operator as Postgres reads it: a comment ends it, and mostly a sign is the next one."""
    if comment := _COMMENT.search(text):
        text = text[: comment.start()]
    while len(text) > 1 and text[-1] in "+-" and _SIGN_KEEPERS.isdisjoint(text):
        text = text[:-1]
    return text


def _name(kind: Kind, text: str) -> str:
    if kind is Kind.WORD:
        return text.lower()
    return text[1:-1].replace('""', '"') if kind is Kind.QUOTED else UNNAMED


def text_of(pieces: list[Piece]) -> str:
    """Write pieces again."""
    return "".join([part for piece in pieces for part in (piece.gap, piece.text)])


def joined(pieces: list[Piece], *, name: str = UNNAMED, is_prefixed: bool = False) -> Piece:
    """Make one operand of several pieces, as they are written."""
    gap, pieces[0].gap = pieces[0].gap, ""
    return Piece(
        Kind.VALUE,
        text_of(pieces),
        gap,
        name,
        is_changed=any(piece.is_changed for piece in pieces),
        is_prefixed=is_prefixed,
    )


def written(text: str, gap: str, name: str = UNNAMED) -> Piece:
    """Make an operand of a text of ours.

    Raises:
        SqlTooComplex: what is written for calls in calls grows beyond all bounds.
    """
    if len(text) > TEXT_CHARS_MAX:
        raise SqlTooComplex("The SQL has too many casts and calls inside one another.")
    return Piece(Kind.VALUE, text, gap, name, is_changed=True)


def items_of(group: Piece) -> list[list[Piece]]:
    """Return what is between brackets, by commas; nothing where there is nothing."""
    items: list[list[Piece]] = [[]]
    for piece in group.inner:
        if piece.word == ",":
            items.append([])
        else:
            items[-1].append(piece)
    return items if items != [[]] else []
