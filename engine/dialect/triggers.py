"""Which statements have something of Postgres to be rewritten: most have not, and are not split."""

import re

from engine.dialect.call_table import CALLS, SETS

# Every branch begins with a character of its own: the expression looks at few places of a text.
_SIGNS = re.compile(
    r"""
      -> | \#> | @ | <@ | \? | \^ | && | ~ | \|/ | <\#> | <=> | <-> | ::
    | -\s*\([^)]*[&|] | \[\s*[-:] | :\s*\] | '\s+' | 0[xXoObB] | \d_\d | \.\d+\s*\|\| | \|\|\s*\d
    """,
    re.VERBOSE,
)
_WORD = re.compile(r"[a-z_]\w*")
_WORDS = frozenset(
    {
        *CALLS,
        *SETS,
        *("extract", "trim", "substring", "unnest", "operator", "cast", "pg_catalog"),
        *("date", "timestamp", "timestamptz", "zone", "interval", "uuid", "json", "jsonb", "bytea"),
        *("isnull", "notnull", "similar", "symmetric", "escape", "any", "some", "all"),
        *("fetch", "rows", "row", "using", "collate", "lateral", "except", "intersect", "window"),
        *("localtime", "localtimestamp"),
    }
)
_TOGETHER = (
    frozenset({"is", "distinct", "from"}),
    frozenset({"not", "in", "select"}),
    frozenset({"in", "values"}),
)


def has_postgres(sql: str) -> bool:
    """Whether a statement may have something to rewrite.

    >>> has_postgres("SELECT a FROM t WHERE b > 1"), has_postgres("SELECT a->'b' FROM t")
    (False, True)
    """
    if _SIGNS.search(sql) is not None:
        return True
    words = {*_WORD.findall(sql.lower())}
    return not _WORDS.isdisjoint(words) or any(words >= each for each in _TOGETHER)
