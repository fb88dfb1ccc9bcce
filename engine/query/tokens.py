"""Splits SQL into tokens, and finds where its text begins.

Why not a syntax tree: sqlglot's compiled parser recurses without a guard (nested NOT ends in a
crash) and takes exponential time on joins without ON. Its tokenizer does neither.
"""

import re

from sqlglot.dialects.dialect import Dialect
from sqlglot.errors import SqlglotError
from sqlglot.tokenizer_core import Token, TokenType

from engine.errors import SqlInvalid
from engine.query.number_lists import blank_numbers
from engine.query.sql_text import PLACEHOLDERS, comment_end, replaced

_DIALECT = Dialect.get_or_raise("postgres")
_BLANK = re.compile(r"(?:\s|--[^\n]*(?:\n|$)|;)*")
# What the tokenizer takes together with all that follows for one word.
_COMMAND = re.compile(r"(?:EXPLAIN|DESCRIBE|DESC|SHOW)\b", re.IGNORECASE)


def tokenize(sql: str) -> list[Token]:
    """Split one statement into tokens, without a closing semicolon.

    A long list of numbers is read as an empty one.

    Raises:
        SqlInvalid: it does not split.
    """
    if "\x00" in sql:
        raise SqlInvalid("SQL must not contain NUL characters.")
    try:
        tokens = _DIALECT.tokenize(_as_names(blank_numbers(sql)))
    except SqlglotError as error:
        raise SqlInvalid("SQL parse error: " + str(error).partition("\n")[0]) from None
    while tokens and tokens[-1].token_type is TokenType.SEMICOLON:
        tokens.pop()
    return tokens


def _as_names(sql: str) -> str:
    """Write ``$1`` as ``_1``: of ``$1,$2`` sqlglot takes ``$1,$`` for the beginning of a text."""
    return replaced(sql, PLACEHOLDERS.find(sql), lambda found: "_" + found["number"])


def body_start(sql: str) -> int:
    """Return where a statement goes on that EXPLAIN or DESCRIBE may stand before.

    >>> body_start("EXPLAIN SELECT 1"), body_start("SELECT 1")
    (7, 0)
    """
    at = start_of(sql)
    command = _COMMAND.match(sql, at)
    return command.end() if command else at


def words_of(sql: str) -> frozenset[str]:
    """Return every word and quoted name of a statement, in small letters."""
    return frozenset(token.text.lower() for token in tokenize(sql))


def start_of(sql: str, at: int = 0) -> int:
    """Return where the text goes on after white space, semicolons and comments, which nest."""
    while True:
        at = _BLANK.match(sql, at).end()  # type: ignore[union-attr]  # it matches nothing as well
        if not sql.startswith("/*", at):
            return at
        at = comment_end(sql, at)
