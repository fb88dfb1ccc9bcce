"""Writes SQL as Postgres reads it for DataFusion: calls, operators, casts and clauses that it lacks or reads otherwise.

A statement is read as a tree of brackets. Passes over a whole level come first (:mod:`engine.dialect.laterals`,
:mod:`engine.dialect.using`, :mod:`engine.dialect.documents`), as they need names before they are folded into operands; then the levels are folded,
the innermost first (:mod:`engine.dialect.expressions`). What no pass knows stays as it was written, and DataFusion
says what is wrong with it. Which types values have is not known here: what depends on them takes ``arrow_typeof``
of its argument.
"""

from engine.dialect.documents import json_columns, mark_documents
from engine.dialect.expressions import folded
from engine.dialect.laterals import write_laterals
from engine.dialect.lexer import Kind, Piece, text_of
from engine.dialect.tree import read_tree, rewrite_group
from engine.dialect.triggers import has_postgres
from engine.dialect.using import write_keys
from engine.errors import SqlTooComplex

# What is given with its type is written twice, and what is in it four times: planning such texts takes minutes.
_GROWTH_MAX = 20
_GROWTH_FREE = 2_000


def for_datafusion(sql: str) -> str:
    r"""Write a statement of Postgres for DataFusion, with the functions of :mod:`engine.functions`.

    Args:
        sql: one statement, or an expression, nested no deeper than :mod:`engine.query.parse` lets pass.

    Returns:
        SQL of the same meaning; the very text when there is nothing to write otherwise.

    Raises:
        SqlInvalid: something that DataFusion would answer wrongly, and what to write instead.
        SqlTooComplex: calls in calls would be written too often.

    >>> for_datafusion("SELECT doc ->> 'a' FROM t FETCH FIRST ROW ONLY")
    'SELECT json_object_field_text(doc, \'a\') AS "?column?" FROM t LIMIT 1'
    """
    if not has_postgres(sql):
        return sql
    level = read_tree(sql)
    if level is None:
        return sql
    text = text_of(_written(level, json_columns(level)))
    if len(text) > _GROWTH_MAX * len(sql) + _GROWTH_FREE:
        raise SqlTooComplex("The SQL has too many casts and calls inside one another.")
    return text


def _written(level: list[Piece], documents: dict[str, str]) -> list[Piece]:
    level = mark_documents(write_laterals(write_keys(level)), documents)
    for piece in level:
        if piece.kind is Kind.GROUP:
            rewrite_group(piece, _written(piece.inner, documents))
    return folded(level)
