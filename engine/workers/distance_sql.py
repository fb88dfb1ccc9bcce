"""Writes ``vector_distance(column, 'text')`` as the distance it stands for.

The function takes a column as a name, which no function of an engine does: the name leads to a vector index,
and that to the column of vectors, the metric and, of a text, the provider. So it is replaced in the tokens
of the statement, and everything else stays as it was written.
"""

from collections.abc import Callable, Iterable, Sequence

from sqlglot.tokenizer_core import Token, TokenType

from catalog.index_model import IndexType, Metric
from engine.errors import SqlInvalid
from engine.query.sql_text import quoted_name
from engine.query.tokens import body_start, tokenize
from engine.workers.bound_indexes import not_ready
from engine.workers.tasks import EmbeddingBinding, IndexBinding, TableBinding

WriteText = Callable[[EmbeddingBinding, str], str]

_NAME = "vector_distance"
_VECTORS = frozenset({"array", "[", "numbers_of_statement", "null"})
_FUNCTIONS = {"l2": "l2_distance", "cosine": "cosine_distance", "dot": "negative_dot_product"}


def has_vector_distance(sql: str) -> bool:
    """Tell whether there may be something to replace."""
    return _NAME in sql.lower()


def write_distances(sql: str, tables: Sequence[TableBinding], write_text: WriteText) -> str:
    """Replace every ``vector_distance`` whose column has a vector index in one of the tables.

    Args:
        sql: the statement.
        tables: it may name.
        write_text: gives the SQL that stands for a text as a vector.

    Raises:
        SqlInvalid: two tables have a vector index on the column, of different kinds; or what it is
            compared with is no literal.
    """
    start = body_start(sql)
    head, sql = sql[:start], sql[start:]
    tokens = tokenize(sql)
    pieces: list[str] = [head]
    at = 0
    for place, token in enumerate(tokens[:-4]):
        if token.text.lower() != _NAME or tokens[place + 1].token_type is not TokenType.L_PAREN:
            continue
        last = _last_part(tokens, place + 2)
        if last is None:
            continue
        column = tokens[last]
        index = _index_of(_folded(column), tables)
        if index is None or index.metric is None:
            continue
        if index.folder is None and index.source_column is not None:
            raise not_ready(index)  # its column of vectors is not there
        pieces += [
            sql[at : token.start],
            _FUNCTIONS[index.metric],
            sql[token.end + 1 : column.start],
        ]
        pieces.append(quoted_name(index.columns[0]))
        at = column.end + 1
        if index.embedding is not None and not _is_vector(tokens[last + 2]):
            text = _whole_text(tokens, last + 2)
            pieces += [sql[at : text.start], write_text(index.embedding, text.text)]
            at = text.end + 1
    return "".join([*pieces, sql[at:]])


def unwritten(error: BaseException) -> SqlInvalid | None:
    """Say why a call was not replaced, when that is what a statement failed with."""
    if f"'{_NAME}'" not in str(error):
        return None
    return SqlInvalid(
        f"{_NAME}: the first argument must be the name of a column, with a vector index, of a table of "
        "the statement"
    )


def _is_vector(first: Token) -> bool:
    return first.token_type is not TokenType.STRING and first.text.lower() in _VECTORS


def _whole_text(tokens: Sequence[Token], place: int) -> Token:
    """Return the argument when it is a literal text; only that is embedded before planning."""
    ends = place + 1 < len(tokens) and tokens[place + 1].token_type is TokenType.R_PAREN
    if not ends or tokens[place].token_type is not TokenType.STRING:
        raise SqlInvalid(
            "vector_distance: the second argument must be a text or an ARRAY of numbers, as a literal or "
            "a bound parameter"
        )
    return tokens[place]


def _last_part(tokens: Sequence[Token], start: int) -> int | None:
    """Find the last part of a dotted name that a comma follows."""
    place = start
    while place + 1 < len(tokens):
        after = tokens[place + 1].token_type
        if after is TokenType.COMMA:
            return place
        if after is not TokenType.DOT:
            return None
        place += 2
    return None


def _folded(token: Token) -> str:
    return token.text if token.token_type is TokenType.IDENTIFIER else token.text.lower()


def _index_of(column: str, tables: Sequence[TableBinding]) -> IndexBinding | None:
    found = {
        (index.columns, index.metric, index.embedding): index
        for table in tables
        for index in table.indexes
        if index.index_type is IndexType.VECTOR and column in (*index.columns, index.source_column)
    }
    if len(found) > 1:
        raise SqlInvalid(
            f"vector_distance: more than one vector index has the column '{column}'. {_advice(found)}"
        )
    return next(iter(found.values()), None)


def _advice(found: Iterable[tuple[tuple[str, ...], Metric | None, EmbeddingBinding | None]]) -> str:
    """Say how to choose: by the column that an index makes, or by the metric."""
    columns = sorted({columns[0] for columns, _, _ in found})
    if len(columns) > 1:
        return f"Name the column of one of them: {', '.join(columns)}."
    return "Compare with l2_distance, cosine_distance or negative_dot_product instead."
