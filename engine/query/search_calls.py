"""Finds calls of search functions in the tokens of a statement, without a syntax tree.

What they name as text (tables, and texts to embed) is not seen by who looks for names of tables. A call that
is missed, because an argument is no plain literal, is asked about by the worker.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlglot.tokenizer_core import Token, TokenType

from engine.errors import SqlInvalid
from engine.query.table_names import names_at
from engine.query.tokens import tokenize

_T = TokenType
# Places of the column and the text to embed among the arguments; None = nothing is embedded.
_FUNCTIONS: dict[str, tuple[int, int] | None] = {
    "bm25_search": None,
    "vector_search": (1, 2),
    "hybrid_search": (2, 3),
    "sorted_scan": None,
}
TABLE_FUNCTIONS = tuple(_FUNCTIONS)
"""The functions that stand for a table."""
_DISTANCE = "vector_distance"
_HIGHLIGHT = "bm25_highlight"

SEARCH_CHARS_MAX = 32_768
"""What is searched for is read, embedded, and for highlights repeated for every row."""


@dataclass(frozen=True, slots=True)
class SearchCall:
    """A call whose table, or whose text, is known before planning.

    Attributes:
        table: the name of the table, folded; None when the column must tell.
        column: what is compared with the text.
        text: what to embed; None when nothing is.
    """

    table: tuple[str, ...] | None
    column: str
    text: str | None


def search_calls(tokens: Sequence[Token]) -> tuple[SearchCall, ...]:
    """Return the calls whose arguments can be read.

    Raises:
        SqlInvalid: a text is longer than what can be searched for.
    """
    found: dict[SearchCall, None] = {}
    for place, token in enumerate(tokens[:-1]):
        name = token.text.lower()
        if tokens[place + 1].token_type is not _T.L_PAREN:
            continue
        if name in _FUNCTIONS:
            call = _read_search(name, _checked(_texts(tokens, place + 2)))
        elif name == _DISTANCE:
            call = _read_distance(tokens, place + 2)
        elif name == _HIGHLIGHT:
            _checked(_texts(tokens, place + 2)[1:])
            continue
        else:
            continue
        if call is not None:
            found[call] = None
    return tuple(found)


def check_search_text(text: str) -> None:
    """See that a text can be searched for.

    Raises:
        SqlInvalid: it is too long.
    """
    if len(text) > SEARCH_CHARS_MAX:
        raise SqlInvalid(
            f"A text that is searched for may have at most {SEARCH_CHARS_MAX:,} characters, not "
            f"{len(text):,}"
        )


def _checked(texts: list[str | None]) -> list[str | None]:
    for text in texts:
        check_search_text(text or "")
    return texts


def table_of(name: str) -> tuple[str, ...] | None:
    """Read the name of a table as SQL would, folded; None when it is none."""
    try:
        tokens = tokenize(name)
    except SqlInvalid:
        return None
    names, after = names_at(tokens, 0)
    return names[0] if names and after == len(tokens) else None


def _read_search(function: str, texts: list[str | None]) -> SearchCall | None:
    table = table_of(texts[0]) if texts and texts[0] is not None else None
    if table is None:
        return None
    places = _FUNCTIONS[function]
    if places is None or len(texts) <= places[1]:
        return SearchCall(table, "", None)
    column, text = texts[places[0]], texts[places[1]]
    return SearchCall(table, column or "", text if column else None)


def _read_distance(tokens: Sequence[Token], start: int) -> SearchCall | None:
    """Read ``column, 'text'``, the column perhaps with its table."""
    place = start
    while place + 2 < len(tokens) and tokens[place + 1].token_type is _T.DOT:
        place += 2
    ahead = tokens[place : place + 4]
    kinds = [token.token_type for token in ahead[1:]]
    if kinds != [_T.COMMA, _T.STRING, _T.R_PAREN]:
        return None
    check_search_text(ahead[2].text)
    column = ahead[0].text
    if ahead[0].token_type is not _T.IDENTIFIER:
        column = column.lower()
    return SearchCall(None, column, ahead[2].text)


def _texts(tokens: Sequence[Token], start: int) -> list[str | None]:
    """Read arguments that are plain texts; None stands for any other."""
    texts: list[str | None] = []
    depth, begin, place = 0, start, start
    while place < len(tokens):
        kind = tokens[place].token_type
        if depth == 0 and kind in (_T.COMMA, _T.R_PAREN):
            is_text = place == begin + 1 and tokens[begin].token_type is _T.STRING
            texts.append(tokens[begin].text if is_text else None)
            begin = place + 1
            if kind is _T.R_PAREN:
                break
        elif kind in (_T.L_PAREN, _T.L_BRACKET):
            depth += 1
        elif kind in (_T.R_PAREN, _T.R_BRACKET):
            depth -= 1
        place += 1
    return texts
