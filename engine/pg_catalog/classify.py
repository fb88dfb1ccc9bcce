"""Tells statements about the system catalogs from all others, by tokens alone.

A catalog statement names catalog relations only, or no table at all and a function of the system. Anything else
is for the query engine, where catalog relations do not exist: the tables of users and those of the system never
meet in one statement.
"""

from sqlglot.tokenizer_core import Token, TokenType

from engine.errors import SqlInvalid
from engine.pg_catalog.functions import SYSTEM_FUNCTIONS
from engine.pg_catalog.layout import find_relation
from engine.pg_catalog.parsing import CHARS_MAX
from engine.pg_catalog.pg_types import REG_TYPES
from engine.pg_catalog.show import shown_setting
from engine.query.table_names import table_names
from engine.query.tokens import start_of, tokenize

_T = TokenType
SESSION_WORDS = frozenset(
    ("current_user", "session_user", "current_role", "current_catalog", "current_schema", "user")
)
_QUERY_WORDS = ("select", "with", "values", "(")
# Their arguments have a FROM that reads no table.
_WITH_FROM = frozenset(("extract", "trim", "substring", "overlay"))


def is_catalog_statement(sql: str, database: str | None = None) -> bool:
    """Tell whether a statement is for :func:`~engine.pg_catalog.answer.answer_catalog_statement`.

    Args:
        sql: one statement.
        database: the current database, which a name of three parts may start with; any when None.

    >>> is_catalog_statement("SELECT relname FROM pg_class"), is_catalog_statement("SHOW timezone")
    (True, True)
    >>> is_catalog_statement("SELECT * FROM cars JOIN pg_class ON true")
    False
    """
    if len(sql) > CHARS_MAX:
        return False
    if shown_setting(sql) is not None:
        return True
    if not sql[start_of(sql) :].lower().startswith(_QUERY_WORDS):
        return False
    try:
        tokens = _table_tokens(tokenize(sql))
    except SqlInvalid:
        return False
    ctes = _cte_names(tokens)
    names = [name for name in table_names(tokens) if len(name) > 1 or name[0] not in ctes]
    if names:
        return all(find_relation(name, database) is not None for name in names)
    return _asks_the_system(tokens)


def _table_tokens(tokens: list[Token]) -> list[Token]:
    """Leave out each FROM that is followed by no table, and lists of VALUES."""
    kept: list[Token] = []
    callers = [""]
    values_depth = 0
    for index, token in enumerate(tokens):
        before = tokens[index - 1] if index else None
        if token.token_type is _T.VALUES and not values_depth:
            values_depth = len(callers)
        if token.token_type is _T.L_PAREN:
            callers.append(before.text.lower() if before is not None else "")
        elif token.token_type is _T.R_PAREN and len(callers) > 1:
            callers.pop()
        is_distinct = before is not None and before.token_type is _T.DISTINCT
        if len(callers) < values_depth:
            values_depth = 0
        if values_depth and len(callers) >= values_depth:
            continue
        if token.token_type is _T.FROM and (is_distinct or callers[-1] in _WITH_FROM):
            continue
        kept.append(token)
    return kept


def _cte_names(tokens: list[Token]) -> set[str]:
    """Names that WITH gives, at any depth: ``name [(columns)] AS [NOT MATERIALIZED] (``."""
    found = set()
    for index, token in enumerate(tokens):
        if token.token_type not in (_T.WITH, _T.RECURSIVE, _T.COMMA) or index + 1 >= len(tokens):
            continue
        name = tokens[index + 1]
        after = index + 2
        if after < len(tokens) and tokens[after].token_type is _T.L_PAREN:
            while after < len(tokens) and tokens[after].token_type is not _T.R_PAREN:
                after += 1
            after += 1
        if after < len(tokens) and tokens[after].token_type is _T.ALIAS:
            found.add(name.text if name.token_type is _T.IDENTIFIER else name.text.lower())
    return found


def _asks_the_system(tokens: list[Token]) -> bool:
    for index, token in enumerate(tokens):
        word = token.text.lower()
        is_call = index + 1 < len(tokens) and tokens[index + 1].token_type is _T.L_PAREN
        if token.token_type in (_T.STRING, _T.IDENTIFIER):
            continue
        if is_call and word in SYSTEM_FUNCTIONS:
            return True
        is_part = index > 0 and tokens[index - 1].token_type in (_T.DOT, _T.ALIAS)
        if (word in SESSION_WORDS and not is_part) or word in REG_TYPES:
            return True
    return False
