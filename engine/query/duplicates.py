"""Lets a SELECT list repeat an output name, as Postgres does and DataFusion refuses to.

Works from the refusal: DataFusion says which expression is repeated, so statements without
repeats pay nothing. The last item of that name gets a private alias at its place in the text, and
the answer shows the original name. Nothing else in the statement changes.
"""

import re
from dataclasses import dataclass

import sqlglot
from sqlglot.errors import SqlglotError
from sqlglot.tokenizer_core import Token, TokenType

_REFUSAL = re.compile(
    r'Projections require unique expression names but the expression ".+?" at position '
    r'(?P<one>\d+) and "(?P<expression>.+?)" at position (?P<other>\d+) have the same name',
    re.DOTALL,
)
_ALIASED = re.compile(r"\sAS\s+(?P<alias>[^\s].*)$", re.DOTALL)
_ENDS = {TokenType.FROM, TokenType.WHERE, TokenType.GROUP_BY, TokenType.HAVING, TokenType.ORDER_BY}
_ENDS |= {TokenType.LIMIT, TokenType.OFFSET, TokenType.UNION, TokenType.EXCEPT, TokenType.INTERSECT}
_ENDS |= {TokenType.WINDOW, TokenType.QUALIFY, TokenType.FETCH}
_PREFIX = "__tidemill_repeat_"


@dataclass(frozen=True, slots=True)
class Renamed:
    """A statement, and the private aliases in it with the names they stand for."""

    sql: str
    names: dict[str, str]


def rename_duplicates(statement: Renamed, refusal: str) -> Renamed | None:
    """Give one repeated output column a private alias.

    Returns:
        The statement to plan next, or None when the refusal is about something else or the
        repeated item cannot be found.

    >>> text = ('Projections require unique expression names but the expression "t.id" at '
    ...         'position 0 and "t.id" at position 1 have the same name.')
    >>> rename_duplicates(Renamed("SELECT id, id FROM t", {}), text).sql
    'SELECT id, id AS "__tidemill_repeat_0" FROM t'
    """
    found = _REFUSAL.search(refusal)
    if found is None:
        return None
    name = _output_name(found["expression"])
    try:
        tokens = sqlglot.tokenize(statement.sql, dialect="postgres")
    except SqlglotError:
        return None
    for items in _select_lists(tokens):
        same = [item for item in items if _item_name(item, statement.sql) == name]
        starred = any(item[-1].token_type is TokenType.STAR and len(item) < 4 for item in items)  # noqa: PLR2004 - *, t.*
        if len(same) > 1 or (same and starred):
            return _alias(statement, same[-1], name)
        one, other = int(found["one"]), int(found["other"])
        if not starred and other < len(items):
            texts = [_squeezed(items[index], statement.sql) for index in (one, other)]
            if texts[0] == texts[1]:  # an expression whose name only DataFusion knows
                return _alias(statement, items[other], name)
    return None


def _alias(statement: Renamed, item: list[Token], name: str) -> Renamed:
    alias = f"{_PREFIX}{len(statement.names)}"
    end = item[_alias_start(item) - 1].end + 1
    rest = item[-1].end + 1
    sql = f'{statement.sql[:end]} AS "{alias}"{statement.sql[rest:]}'
    return Renamed(sql, {**statement.names, alias: name})


def _output_name(expression: str) -> str:
    """``count(Int64(1)) AS count(*)`` -> ``count(*)``; ``t.id`` -> ``id``."""
    aliased = _ALIASED.search(expression)
    if aliased:
        return aliased["alias"]
    plain = re.fullmatch(r'(?:[\w"]+\.)*"?([^".()]+)"?', expression)
    return plain.group(1) if plain else expression


def _item_name(item: list[Token], sql: str) -> str:
    start = _alias_start(item)
    if start < len(item):
        return _fold(item[-1])
    if all(
        token.token_type in (TokenType.DOT, TokenType.VAR, TokenType.IDENTIFIER) for token in item
    ):
        return _fold(item[-1])
    text = _squeezed(item, sql)
    if len(item) == 1 and item[0].token_type is TokenType.NUMBER:
        return f"Int64({text})" if text.isdigit() else f"Float64({text})"
    if len(item) == 1 and item[0].token_type is TokenType.STRING:
        return f'Utf8("{item[0].text}")'
    return text


def _squeezed(item: list[Token], sql: str) -> str:
    return re.sub(r"\s+", "", sql[item[0].start : item[-1].end + 1])


def _alias_start(item: list[Token]) -> int:
    """Index of the alias part (``AS x`` or a bare ``x``), or the length when there is none."""
    if len(item) > 2 and item[-2].token_type is TokenType.ALIAS:  # noqa: PLR2004 - expr AS name
        return len(item) - 2
    if len(item) > 1 and item[-1].token_type in (TokenType.VAR, TokenType.IDENTIFIER):
        before = item[-2].token_type
        if before in (TokenType.VAR, TokenType.IDENTIFIER, TokenType.R_PAREN, TokenType.NUMBER):
            return len(item) - 1
        if before in (TokenType.STRING, TokenType.END, TokenType.R_BRACKET):
            return len(item) - 1
    return len(item)


def _fold(token: Token) -> str:
    return token.text if token.token_type is TokenType.IDENTIFIER else token.text.lower()


def _select_lists(tokens: list[Token]) -> list[list[list[Token]]]:
    """The items of every SELECT list, each item a run of tokens."""
    return [
        _split_items(tokens, index + 1)
        for index, token in enumerate(tokens)
        if token.token_type is TokenType.SELECT
    ]


def _split_items(tokens: list[Token], start: int) -> list[list[Token]]:
    if start < len(tokens) and tokens[start].token_type in (TokenType.DISTINCT, TokenType.ALL):
        start += 1
    items: list[list[Token]] = [[]]
    depth = 0
    for token in tokens[start:]:
        kind = token.token_type
        if kind in (TokenType.L_PAREN, TokenType.L_BRACKET):
            depth += 1
        elif kind in (TokenType.R_PAREN, TokenType.R_BRACKET):
            depth -= 1
        if depth < 0 or (depth == 0 and kind in (*_ENDS, TokenType.SEMICOLON)):
            break
        if depth == 0 and kind is TokenType.COMMA:
            items.append([])
        else:
            items[-1].append(token)
    return [item for item in items if item]
