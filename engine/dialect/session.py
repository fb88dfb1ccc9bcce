"""What a session knows of itself, as literals: ``current_user``, ``current_schema()``, ``current_setting('…')``."""

import re
from collections.abc import Mapping

from engine.dialect.clauses import name_columns
from engine.dialect.lexer import Kind, Piece, text_of, written
from engine.dialect.literals import is_plain_string, quoted, string_value
from engine.dialect.tree import read_tree, rewrite_group
from engine.dialect.words import is_operand
from engine.errors import SqlInvalid

WORDS = frozenset(
    ("current_user", "session_user", "current_role", "user", "current_catalog", "current_schema")
)
"""What is asked without brackets."""
CALLS = frozenset(("current_database", "current_schema", "version", "pg_backend_pid"))
"""What is asked with empty brackets."""
_SETTING = "current_setting"
_MENTIONED = re.compile(rf"\b(?:{'|'.join(WORDS | CALLS | {_SETTING})})\b", re.IGNORECASE)


def mentions_session(sql: str) -> bool:
    """Whether a statement may ask for something of its session."""
    return _MENTIONED.search(sql) is not None


def write_session(sql: str, facts: Mapping[str, str], settings: Mapping[str, str]) -> str:
    r"""Write what a session knows of itself into a statement.

    Args:
        sql: one statement, nested no deeper than :mod:`engine.query.parse` lets pass.
        facts: values by the names of WORDS and CALLS.
        settings: values by their names in small letters.

    Raises:
        SqlInvalid: there is no such setting.

    >>> write_session("SELECT current_user, t.user FROM t", {"current_user": "ann"}, {})
    'SELECT \'ann\' AS "current_user", t.user FROM t'
    """
    level = read_tree(sql)
    return sql if level is None else text_of(_written(level, facts, settings))


def _written(
    level: list[Piece], facts: Mapping[str, str], settings: Mapping[str, str]
) -> list[Piece]:
    out: list[Piece] = []
    at = 0
    while at < len(level):
        piece = level[at]
        group = level[at + 1] if at + 1 < len(level) and level[at + 1].is_round else None
        value = None
        is_alias = bool(out) and (out[-1].word in (".", "as") or is_operand(out[-1]))
        if piece.kind is Kind.WORD and not is_alias:
            value = _value(piece.word, group, facts, settings)
        if piece.kind is Kind.GROUP:
            rewrite_group(piece, _written(piece.inner, facts, settings))
            piece.is_changed = False  # what it is called is the engine's to say
        if value is None:
            out.append(piece)
        else:
            out.append(written(value, piece.gap, piece.word))
            at += group is not None
        at += 1
    name_columns(out)
    return out


def _value(
    word: str, group: Piece | None, facts: Mapping[str, str], settings: Mapping[str, str]
) -> str | None:
    if group is None:
        return quoted(facts[word]) if word in WORDS and word in facts else None
    if word in CALLS and not group.inner and word in facts:
        return facts[word] if word == "pg_backend_pid" else quoted(facts[word])
    if word == _SETTING and group.inner and is_plain_string(group.inner[0]):
        name = string_value(group.inner[0])
        value = settings.get(name.lower())
        if value is None and group.inner[-1].word != "true":
            raise SqlInvalid(f'unrecognized configuration parameter "{name}"')
        return "CAST(NULL AS VARCHAR)" if value is None else quoted(value)
    return None
