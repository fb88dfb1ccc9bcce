"""Reads one SQL statement far enough to know its kind, its tables and its size.

DataFusion parses and plans the statement in the worker and has the last word; this pass decides
what may be sent there at all, and names the tables so that they are found before planning starts.
It is one pass over tokens, linear in the text, and never rewrites SQL: what DataFusion sees is what
the user wrote. A name it misses is asked for by the worker; a name too many costs one look-up.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from sqlglot.tokenizer_core import Token, TokenType

from engine.errors import SqlEmpty, SqlInvalid, SqlTooComplex, StatementForbidden
from engine.query.number_lists import chars_besides_numbers
from engine.query.search_calls import SearchCall, search_calls
from engine.query.sql_text import quoted_name
from engine.query.table_names import names_at, table_names
from engine.query.tokens import start_of, tokenize

# What the server reads itself, in well under a millisecond; long lists of numbers do not count.
SMALL_CHARS_MAX = 8_192
_WITH_NUMBERS_CHARS_MAX = 8 * SMALL_CHARS_MAX
_DEPTH_MAX = 200
_WORD_CHARS_MAX = 60

_T = TokenType
_OPENING = {_T.L_PAREN, _T.L_BRACKET, _T.L_BRACE, _T.CASE}
_CLOSING = {_T.R_PAREN, _T.R_BRACKET, _T.R_BRACE, _T.END}
# Each of these makes the plan one level deeper, and planning recurses.
_CHAINING = {
    *(_T.AND, _T.OR, _T.NOT, _T.PLUS, _T.DASH, _T.STAR, _T.SLASH, _T.MOD, _T.CARET, _T.TILDE),
    *(_T.DPIPE, _T.PIPE, _T.AMP, _T.DCOLON, _T.ARROW, _T.DARROW, _T.INTERVAL),
    *(_T.UNION, _T.EXCEPT, _T.INTERSECT, _T.JOIN, _T.SELECT),
}
_NOT_PLAIN = {
    *(_T.JOIN, _T.GROUP_BY, _T.DISTINCT, _T.UNION, _T.EXCEPT, _T.INTERSECT, _T.WITH, _T.OVER),
}
_KINDS = {
    "SELECT": "select",
    "WITH": "select",
    "VALUES": "select",
    "(": "select",
    "EXPLAIN": "explain",
    "SHOW": "show",
    "DESCRIBE": "describe",
    "DESC": "describe",
}
# What starts a statement somewhere in SQL, but is not for readers; any other word is a mistake.
_FORBIDDEN = frozenset(
    [
        "ABORT",
        "ALTER",
        "ANALYZE",
        "ATTACH",
        "BEGIN",
        "CALL",
        "CHECKPOINT",
        "CLOSE",
        "CLUSTER",
        "COMMENT",
        "COMMIT",
        "COPY",
        "CREATE",
        "DEALLOCATE",
        "DECLARE",
        "DELETE",
        "DETACH",
        "DISCARD",
        "DO",
        "DROP",
        "END",
        "EXECUTE",
        "EXPORT",
        "FETCH",
        "GRANT",
        "IMPORT",
        "INSERT",
        "INSTALL",
        "KILL",
        "LISTEN",
        "LOAD",
        "LOCK",
        "MERGE",
        "MOVE",
        "MSCK",
        "NOTIFY",
        "OPTIMIZE",
        "PRAGMA",
        "PREPARE",
        "REASSIGN",
        "REFRESH",
        "REINDEX",
        "RELEASE",
        "RENAME",
        "REPLACE",
        "RESET",
        "REVOKE",
        "ROLLBACK",
        "SAVEPOINT",
        "SECURITY",
        "SET",
        "START",
        "TABLE",
        "TRUNCATE",
        "UNCACHE",
        "UNLISTEN",
        "UNLOAD",
        "UPDATE",
        "UPSERT",
        "USE",
        "VACUUM",
    ]
)
_EXPLAINED = {"SELECT", "WITH", "VALUES", "("}
_EXPLAIN_OPTIONS = {"ANALYZE", "VERBOSE", "FORMAT"}
_SHOW_COLUMNS = (["COLUMNS", "FROM"], ["COLUMNS", "IN"])
_SAMPLE_SIZES = {_T.L_PAREN, _T.NUMBER, _T.VAR}  # else it is a column of that name
_BEFORE_ALL = {_T.SELECT, _T.DISTINCT, _T.ALL, _T.COMMA, _T.DOT}
_NAMES = {_T.VAR, _T.IDENTIFIER}
_BEFORE_ALIAS = {_T.ALIAS, _T.R_PAREN, *_NAMES}
_TABLE_ENDS = {_T.VAR, _T.IDENTIFIER, _T.R_PAREN}
_OUTER_SIDES = {_T.RIGHT, _T.FULL}
_TABLES_VIEW = (("information_schema", "tables"),)
_FIRST_WORD = re.compile(r"\w+|\(")


@dataclass(frozen=True, slots=True)
class ParsedSql:
    """What is known of one statement before it is planned.

    Attributes:
        sql: the text to plan, without a closing semicolon.
        kind: ``select``, ``explain``, ``show`` or ``describe``.
        tables: dotted names of one to three parts, folded as Postgres folds; without CTEs.
        reads_rows: False when only the plan or the columns are asked for.
        is_plain: filtered rows of one table, or of none: no join, grouping, window or subquery.
        is_deferred: nothing is known yet, the worker reads the text first.
        searches: calls of search functions; the tables they name are among ``tables``.
    """

    sql: str
    kind: str
    tables: tuple[tuple[str, ...], ...]
    is_plain: bool
    reads_rows: bool = True
    is_deferred: bool = False
    searches: tuple[SearchCall, ...] = ()


def read_sql(sql: str, *, terms_max: int) -> ParsedSql:
    """Read a statement here if it is short; leave a long one to the worker that runs it.

    Raises:
        SqlInvalid: or a subclass; see :func:`parse_sql`.
    """
    if len(sql) <= SMALL_CHARS_MAX:
        return _parse_small(sql, terms_max=terms_max)
    if len(sql) <= _WITH_NUMBERS_CHARS_MAX and chars_besides_numbers(sql) <= SMALL_CHARS_MAX:
        return parse_sql(sql, terms_max=terms_max)
    return ParsedSql(
        sql, "select", (), is_plain=False, reads_rows=_reads_rows(sql), is_deferred=True
    )


def parse_sql(sql: str, *, terms_max: int) -> ParsedSql:
    """Read one statement.

    Args:
        sql: one statement; a closing semicolon is fine.
        terms_max: operators in one chain at most.

    Raises:
        SqlEmpty: nothing but white space and comments.
        StatementForbidden: not a read-only statement, or more than one.
        SqlTooComplex: longer chains or deeper nesting than allowed.
        SqlInvalid: the text does not split into tokens, starts with no statement's word, or has
            what DataFusion answers wrongly: TABLESAMPLE, or an outer join by USING from the right.

    >>> parse_sql("SELECT * FROM a JOIN b.c ON true;", terms_max=10).tables
    (('a',), ('b', 'c'))
    """
    word = _FIRST_WORD.match(sql, start_of(sql))
    if word is None:
        raise SqlEmpty
    kind = _kind_of(word[0])
    # sqlglot takes all after EXPLAIN or SHOW for one string: read what follows on its own.
    start = word.end() if kind in ("explain", "show", "describe") else word.start()
    tokens = tokenize(sql[start:])
    if any(token.token_type is _T.SEMICOLON for token in tokens):
        raise StatementForbidden("Only one statement per request is allowed.")
    _check_size(tokens, terms_max)
    _check_sampling(tokens)
    _check_joins(tokens)
    text = sql[: start + tokens[-1].end + 1] if tokens else sql
    if kind == "show":
        return _parse_show(tokens)
    words = {token.text.upper() for token in tokens[:1]}
    if kind == "explain" and not _explains_a_query(tokens):
        raise StatementForbidden("EXPLAIN is allowed of SELECT, WITH and VALUES only.")
    if kind == "describe" and words.isdisjoint(_EXPLAINED):
        return ParsedSql(text, kind, names_at(tokens, 0)[0], is_plain=False, reads_rows=False)
    searches = search_calls(tokens)
    named = [call.table for call in searches if call.table is not None]
    return ParsedSql(
        text,
        kind,
        tuple(dict.fromkeys([*table_names(tokens), *named])),
        is_plain=_is_plain(tokens),
        reads_rows=_reads_rows(sql),
        searches=searches,
    )


# What the worker parses is long, and seldom seen again.
_parse_small = lru_cache(maxsize=4096)(parse_sql)


def explained_query(sql: str) -> str | None:
    """Return what an EXPLAIN without ANALYZE explains; None for any other statement.

    >>> explained_query("EXPLAIN VERBOSE SELECT 1")
    'SELECT 1'
    """
    words = _words(sql)
    if _KINDS.get(next(words, ("", 0))[0]) != "explain":
        return None
    for word, at in words:
        if word == "FORMAT":
            next(words, None)
        elif word == "ANALYZE":
            return None
        elif word not in _EXPLAIN_OPTIONS:
            return sql[at:]
    return ""


def names_all_columns(sql: str) -> bool:
    """Tell whether all columns of a table are meant somewhere, without their names.

    By ``*``, by a join that finds its columns itself, or by ``t AS a (x, y)``, which counts them.
    """
    tokens = tokenize(sql)
    kinds = [token.token_type for token in tokens]
    # Behind brackets it is a product, but for DISTINCT ON (…).
    before_all = _BEFORE_ALL | ({_T.R_PAREN} if (_T.DISTINCT, _T.ON) in pairwise(kinds) else set())
    return any(
        (each.token_type is _T.STAR and before.token_type in before_all)
        or each.token_type is _T.NATURAL
        for before, each in pairwise(tokens)
    ) or any(
        after.token_type is _T.L_PAREN
        and alias.token_type in _NAMES
        and before.token_type in _BEFORE_ALIAS
        for before, alias, after in zip(tokens, tokens[1:], tokens[2:], strict=False)
    )


def _reads_rows(sql: str) -> bool:
    """Tell a statement that runs from EXPLAIN without ANALYZE and from DESCRIBE."""
    word, _ = next(_words(sql), ("", 0))
    return _KINDS.get(word) != "describe" and explained_query(sql) is None


def _words(sql: str) -> Iterator[tuple[str, int]]:
    """Yield the words a statement starts with, in capitals, and where they are."""
    at = start_of(sql)
    while word := _FIRST_WORD.match(sql, at):
        yield word[0].upper(), word.start()
        at = start_of(sql, word.end())


def _kind_of(word: str) -> str:
    kind = _KINDS.get(word.upper())
    if kind is not None:
        return kind
    if word.upper() in _FORBIDDEN:
        raise StatementForbidden
    raise SqlInvalid(f"SQL parse error: expected a statement, found '{word[:_WORD_CHARS_MAX]}'")


def _explains_a_query(tokens: list[Token]) -> bool:
    words = [token.text.upper() for token in tokens]
    start = 0
    while start < len(words) and words[start] in _EXPLAIN_OPTIONS:
        start += 2 if words[start] == "FORMAT" else 1
    return start < len(words) and words[start] in _EXPLAINED


def _check_size(tokens: list[Token], terms_max: int) -> None:
    chains = [0]
    for token in tokens:
        kind = token.token_type
        if kind in _OPENING:
            chains.append(0)
            if len(chains) > _DEPTH_MAX:
                raise SqlTooComplex(f"The SQL nests more than {_DEPTH_MAX} levels deep.")
        elif kind in _CLOSING:
            if len(chains) > 1:
                chains.pop()
        elif kind is _T.COMMA:
            chains[-1] = 0
        elif kind in _CHAINING:
            chains[-1] += 1
            if chains[-1] > terms_max:
                raise SqlTooComplex(
                    f"The SQL chains more than {terms_max} operators. "
                    "Use IN (…), a VALUES list or a dataset instead."
                )


def _check_sampling(tokens: list[Token]) -> None:
    """DataFusion reads TABLESAMPLE and answers from all rows, which no one would notice."""
    for index, (token, after) in enumerate(pairwise(tokens)):
        is_sample = token.token_type is _T.TABLE_SAMPLE and after.token_type in _SAMPLE_SIZES
        if token.text.upper() == "SAMPLE":  # also an alias with a list of columns
            ahead = [other.token_type for other in tokens[index + 1 : index + 3]]
            before = tokens[index - 1].token_type if index else None
            is_sample = ahead == [_T.L_PAREN, _T.NUMBER] and before in _TABLE_ENDS
        if is_sample:
            raise SqlInvalid("TABLESAMPLE is not supported. Use WHERE random() < 0.1 instead.")


def _check_joins(tokens: list[Token]) -> None:
    """DataFusion takes the key of RIGHT and FULL JOIN … USING from the left, where it is NULL."""
    for index, token in enumerate(tokens):
        if token.token_type not in _OUTER_SIDES:
            continue
        is_natural = index > 0 and tokens[index - 1].token_type is _T.NATURAL
        if is_natural or _condition_of_join(tokens, index + 1) is _T.USING:
            side = token.text.upper()
            raise SqlInvalid(
                f"{side} JOIN with USING or NATURAL is not supported. Write ON, and the key as "
                "COALESCE of both."
            )


def _condition_of_join(tokens: list[Token], start: int) -> TokenType | None:
    """Return whether ON or USING follows the table of the join whose side is before ``start``."""
    if all(token.token_type is not _T.JOIN for token in tokens[start : start + 2]):
        return None  # a function or a name that is called so
    depth = 0
    for token in tokens[start:]:
        kind = token.token_type
        depth += (kind is _T.L_PAREN) - (kind is _T.R_PAREN)
        if depth < 0:
            return None
        if depth == 0 and kind in (_T.ON, _T.USING):
            return kind
    return None


def _parse_show(tokens: list[Token]) -> ParsedSql:
    """SHOW TABLES and SHOW COLUMNS read the information schema; other settings are not shown."""
    words = [token.text.upper() for token in tokens]
    if words == ["TABLES"]:
        return ParsedSql("SHOW TABLES", "show", _TABLES_VIEW, is_plain=False)
    names, after = names_at(tokens, 2) if words[:2] in _SHOW_COLUMNS else ((), 0)
    if names and after == len(tokens):
        described = f"DESCRIBE {quoted_name(*names[0])}"
        return ParsedSql(described, "describe", names, is_plain=False, reads_rows=False)
    raise StatementForbidden("Only SHOW TABLES and SHOW COLUMNS FROM a table are supported.")


def _is_plain(tokens: list[Token]) -> bool:
    kinds = [token.token_type for token in tokens]
    if kinds[0] is not _T.SELECT or kinds.count(_T.SELECT) != 1 or kinds.count(_T.FROM) > 1:
        return False
    if _T.FROM not in kinds:
        return True
    if _T.WHERE not in kinds or not _NOT_PLAIN.isdisjoint(kinds):
        return False
    source = kinds.index(_T.FROM)
    # A call before FROM may be an aggregate; a comma between FROM and WHERE is a join.
    if _T.L_PAREN in kinds[:source]:
        return False
    return _T.COMMA not in kinds[source : kinds.index(_T.WHERE)]
