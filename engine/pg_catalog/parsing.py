"""Parses a catalog statement into a syntax tree that a rewrite can trust.

Before parsing, tokens are made plain: qualifiers of ``pg_catalog`` go, operators and collations written at length
become the operator or go, and every function that has no syntax of its own gets a prefix, so that sqlglot keeps it
as it was called and brings no meaning of its own.
"""

import logging
from itertools import pairwise

from sqlglot import exp
from sqlglot.dialects.dialect import Dialect
from sqlglot.errors import SqlglotError
from sqlglot.tokenizer_core import Token, TokenType

from engine.errors import SqlInvalid, SqlTooComplex
from engine.query.parse import parse_sql

FUNCTION_PREFIX = "pgfn_"
# Client statements reach some sixty terms; the recursive parser is asked for no more than this.
TERMS_MAX = 300
CHARS_MAX = 65_536
_OPEN_JOINS_MAX = 8

# It would log the text of statements it does not know.
logging.getLogger("sqlglot").setLevel(logging.ERROR)

_T = TokenType
_DIALECT = Dialect.get_or_raise("postgres")
# These are read by syntax: FROM, FOR, AS or BOTH may be among their arguments.
_SYNTAX = frozenset(
    (
        *("CAST", "EXTRACT", "SUBSTRING", "TRIM", "POSITION", "OVERLAY", "COALESCE", "NULLIF"),
        *("GREATEST", "LEAST", "IN", "ARRAY", "ROW", "VALUES", "EXISTS", "ANY", "ALL", "SOME"),
    )
)
_NAMED_LIKE_FUNCTIONS = frozenset(("LEFT", "RIGHT", "REPLACE", "FORMAT", "CURRENT_SCHEMA"))
_NAMES = (_T.VAR, _T.IDENTIFIER)
# Reserved words that are names behind AS.
_LABELS = frozenset(
    (
        *("SELECT", "TABLE", "ORDER", "GROUP", "DEFAULT", "CHECK", "COLUMN", "USER", "END"),
        *("LIMIT", "OFFSET", "UNION", "CASE", "WHEN", "ALL", "ANY", "TO", "ON", "UNIQUE"),
        *("FOREIGN", "REFERENCES", "DESC", "ASC", "FROM", "CONSTRAINT", "DISTINCT", "USING"),
        *("WHERE", "PRIMARY", "IN"),
    )
)
_BEFORE_ALIAS = (*_NAMES, _T.ALIAS, _T.R_PAREN, _T.WITH, _T.RECURSIVE)
_LISTED_TYPES = dict.fromkeys(
    ("oid", "regclass", "regtype", "regproc", "regnamespace", "regrole"), "bigint"
) | {"name": "text"}


def parse_catalog(sql: str) -> exp.Expr:
    """Parse one statement.

    Raises:
        SqlInvalid: or a subclass: it is no single query, too large, or does not parse.
    """
    if len(sql) > CHARS_MAX:
        raise SqlTooComplex(f"A catalog statement has {CHARS_MAX} characters at most.")
    parse_sql(sql, terms_max=TERMS_MAX)
    try:
        tokens = plain_tokens(_DIALECT.tokenize(sql))
        _check_joins(tokens)
        (tree, *more) = _DIALECT.parser().parse(tokens, sql)
    except SqlglotError as error:
        raise SqlInvalid("SQL parse error: " + str(error).partition("\n")[0]) from None
    except (AttributeError, TypeError, ValueError):
        # The parser takes for granted that operands are there.
        raise SqlInvalid("SQL parse error: an operand is missing.") from None
    except RecursionError:
        raise SqlTooComplex("The SQL nests too deeply.") from None
    if more or not isinstance(tree, exp.Query):
        raise SqlInvalid("Only a single query of the system catalogs can be answered.")
    return tree


def plain_tokens(tokens: list[Token]) -> list[Token]:
    """Return the tokens without what Postgres alone writes."""
    while tokens and tokens[-1].token_type is _T.SEMICOLON:
        tokens = tokens[:-1]
    plain = _without_operator_calls(_without_qualifiers(tokens))
    plain = _without_collations(plain)
    return [_plain(plain, index) for index in range(len(plain))]


def _plain(tokens: list[Token], index: int) -> Token:
    token = tokens[index]
    kinds = [each.token_type for each in tokens[index + 1 : index + 3]]
    is_label = index > 0 and tokens[index - 1].token_type is _T.ALIAS
    if is_label and token.token_type is not _T.IDENTIFIER and token.text.upper() in _LABELS:
        return Token(
            _T.IDENTIFIER, token.text.lower(), token.line, token.col, token.start, token.end
        )
    if kinds == [_T.L_BRACKET, _T.R_BRACKET] and token.text.lower() in _LISTED_TYPES:
        return _renamed(token, _LISTED_TYPES[token.text.lower()])
    is_call = (
        kinds[:1] == [_T.L_PAREN] and token.token_type in _NAMES and not _is_alias(tokens, index)
    )
    named = token.text.upper()
    is_like = kinds[:1] == [_T.L_PAREN] and named in _NAMED_LIKE_FUNCTIONS
    is_quoted = token.token_type is _T.IDENTIFIER
    if is_like or (is_call and (is_quoted or named not in _SYNTAX)):
        return _renamed(token, FUNCTION_PREFIX + token.text.lower())
    return token


def _is_alias(tokens: list[Token], index: int) -> bool:
    """Tell ``name (columns)`` behind what it names, or before AS in WITH, from a call."""
    if index and tokens[index - 1].token_type in _BEFORE_ALIAS:
        return True
    closing = index + 1
    while closing < len(tokens) and tokens[closing].token_type is not _T.R_PAREN:
        closing += 1
    after = [each.token_type for each in tokens[closing + 1 : closing + 3]]
    return after == [_T.ALIAS, _T.L_PAREN]


def _without_qualifiers(tokens: list[Token]) -> list[Token]:
    """Drop ``pg_catalog.`` before names, and ``information_schema.`` before functions."""
    kept: list[Token] = []
    skip = 0
    for index, token in enumerate(tokens):
        if skip:
            skip -= 1
            continue
        after = [each.token_type for each in tokens[index + 1 : index + 4]]
        is_first = index == 0 or tokens[index - 1].token_type is not _T.DOT
        if after[:1] == [_T.DOT] and token.token_type in _NAMES and is_first:
            schema = token.text if token.token_type is _T.IDENTIFIER else token.text.lower()
            is_call = len(after) > 2 and after[2] is _T.L_PAREN  # noqa: PLR2004 - name . name (
            if schema == "pg_catalog" or (schema == "information_schema" and is_call):
                skip = 1
                continue
        kept.append(token)
    return kept


def _without_operator_calls(tokens: list[Token]) -> list[Token]:
    """``OPERATOR(~)``, whose qualifier is gone, is the operator."""
    kept: list[Token] = []
    index = 0
    while index < len(tokens):
        is_bare = tokens[index].token_type not in (_T.STRING, _T.IDENTIFIER)
        is_called = [each.token_type for each in tokens[index + 1 : index + 2]] == [_T.L_PAREN]
        if is_bare and is_called and tokens[index].text.upper() == "OPERATOR":
            closing = index + 2
            while closing < len(tokens) and tokens[closing].token_type is not _T.R_PAREN:
                closing += 1
            kept += tokens[index + 2 : closing]
            index = closing + 1
        else:
            kept.append(tokens[index])
            index += 1
    return kept


def _without_collations(tokens: list[Token]) -> list[Token]:
    """All texts are compared by their bytes, as the collations C and default are here."""
    kept: list[Token] = []
    for before, token in pairwise([None, *tokens]):
        assert token is not None
        if token.token_type is _T.COLLATE or (
            before is not None and before.token_type is _T.COLLATE
        ):
            continue
        kept.append(token)
    return kept


def _renamed(token: Token, text: str) -> Token:
    return Token(_T.VAR, text, token.line, token.col, token.start, token.end, token.comments)


def _check_joins(tokens: list[Token]) -> None:
    """Each join that waits for its condition doubles what the parser tries."""
    kinds = [token.token_type for token in tokens]
    joins = kinds.count(_T.JOIN) - kinds.count(_T.CROSS) - kinds.count(_T.NATURAL)
    if joins - kinds.count(_T.ON) - kinds.count(_T.USING) > _OPEN_JOINS_MAX:
        raise SqlTooComplex("The SQL has too many joins without a condition.")
