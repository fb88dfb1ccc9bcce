"""What each pass writes: statements before and after, one file for each pass."""

import random
from contextlib import suppress
from pathlib import Path

import pytest

from engine.dialect import for_datafusion
from engine.dialect.lexer import split, text_of
from engine.dialect.session import CALLS, WORDS, mentions_session, write_session
from engine.errors import SqlInvalid, SqlTooComplex
from tests.golden.corpus import read_corpus

_MUTILATED = 3_000
_FOLDER = Path(__file__).parent / "rewrites"


def read_rewrites() -> list[tuple[str, str, str]]:
    """Name, before and after of each block: ``-- name``, SQL, ``-- becomes``, SQL."""
    rewrites = []
    for path in sorted(_FOLDER.glob("*.sql")):
        for block in path.read_text(encoding="utf-8").strip().split("\n\n"):
            before, after = block.split("\n-- becomes\n")
            name, before = before.split("\n", 1)
            name = f"{path.stem}.{name.removeprefix('-- ')}"
            rewrites.append((name, before.removesuffix(";"), after.removesuffix(";")))
    return rewrites


REWRITES = read_rewrites()


@pytest.mark.parametrize(("name", "before", "after"), REWRITES, ids=[each[0] for each in REWRITES])
def test_statement_is_written(name: str, before: str, after: str) -> None:
    assert for_datafusion(before) == after
    # Comments and spaces around change nothing.
    spaced = f"/* x */ {before} -- y"
    assert for_datafusion(spaced) == f"/* x */ {after} -- y"


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT a, count(*) FROM t WHERE b > 1 GROUP BY a",
        "SELECT 'a->b', \"c::d\", $$x ->> y$$, E'it\\'s ::' FROM t -- a::text",
        "SELECT * FROM a JOIN b USING (k) ORDER BY k",
        "SELECT a::bigint[], cast(b AS double precision), c::timestamp(3) with time zone FROM t",
        "SELECT date '2024-01-31', timestamp '2024-01-31 10:00:00', interval '2 days' FROM t",
        "SELECT sum(x) OVER (PARTITION BY a ORDER BY b ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM t",
        'SELECT a.format, a."->", x AS every, 1 AS mode FROM t a(format)',
        "EXPLAIN SELECT a FROM t WHERE b = ANY (ARRAY[1, 2])",
        "SELECT a FROM t WHERE b NOT IN (SELECT u.b FROM s.u JOIN v AS w ON w.c = u.c)",
        "SELECT extract(year FROM at), t.* FROM t WHERE a IS DISTINCT FROM b UNION ALL SELECT 1",
    ],
)
def test_what_datafusion_reads_stays(sql: str) -> None:
    assert for_datafusion(sql) == sql


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT (a ->> 'b'",
        "SELECT a) ->> 'b'",
        "SELECT 'a ->> 'b'",
        "SELECT ->> ::",
        "SELECT a ::",
        "->>",
        "",
        "SELECT " + "(" * 400 + "a ->> 'b'" + ")" * 400,
        "SELECT CASE WHEN a ->> 'b' THEN",
        "SELECT \x00 a ->> 'b'",
        "FETCH FIRST",
        "SELECT a LIKE ANY",
        "SELECT json_build_object( ->> ) FROM lateral",
        "SELECT FROM unnest(",
        "SELECT a FROM b USING",
        "SELECT p.id FROM p, LATERAL (SELECT p.. * 2 AS,) t",
        "SELECT pg_typeof(), array_to_json(), jsonb_set('a') FROM unnest()",
    ],
)
def test_broken_statements_are_left_to_the_planner(sql: str) -> None:
    with suppress(SqlInvalid):
        assert isinstance(for_datafusion(sql), str)


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("SELECT a -> b FROM t", "json_object_field"),
        ("SELECT a FROM t EXCEPT ALL SELECT b FROM u", "EXCEPT ALL"),
        ("SELECT a FROM t FETCH FIRST 2 ROWS WITH TIES", "WITH TIES"),
        ("SELECT sum(a) OVER (w ORDER BY b) FROM t WINDOW w AS (PARTITION BY c)", "PARTITION BY"),
        ("SELECT a FROM t LEFT JOIN LATERAL unnest(t.b) AS x ON true", "LEFT JOIN LATERAL"),
        ("SELECT a FROM t JOIN u ON true, unnest(t.b) AS x", "more than one table"),
        ("SELECT * FROM unnest(ARRAY[1]) WITH ORDINALITY", "ORDINALITY"),
        ("SELECT 'a' 'b'", "found 'b'"),
        ("SELECT a LIKE ANY (b) FROM t", "ARRAY"),
        ("SELECT array_to_json(ARRAY[json_build_array(1)])", "json_agg"),
        ("SELECT t.* FROM t, unnest(t.a) AS x", "name the columns"),
        ("SELECT 0b12", "'0b12' is no number"),
        ("SELECT a AT TIME ZONE '+02' FROM t", "name of a zone"),
        ("SELECT a::jsonb < b FROM t", "no order"),
        ("SELECT jsonb_set(a, '{b}', '1', false) FROM t", "create_if_missing"),
        ("SELECT " + "to_json(upper(" * 12 + "a" + "))" * 12, "inside one another"),
        ("SELECT '" + "x" * 50_000 + "' LIKE ANY (ARRAY[" + "'a'," * 9_000 + "'a'])", "too many"),
        ("SELECT a FROM t WHERE lower(b) > ANY (SELECT b FROM t)", "name of their table"),
        ("SELECT a FROM t WHERE b NOT IN (SELECT u.b FROM u WHERE u.c = t.c)", "NOT EXISTS"),
        ("SELECT a FROM t JOIN u ON true WHERE b > ALL (SELECT b FROM u)", "name of its table"),
    ],
)
def test_what_would_be_wrong_is_refused(sql: str, message: str) -> None:
    with pytest.raises(SqlInvalid, match=message):
        for_datafusion(sql)


def test_mutilated_statements_are_written_or_refused() -> None:
    """Pieces of the golden corpus in any order: nothing but a refusal is raised, and nothing is lost."""
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    statements = [[piece.gap + piece.text for piece in split(each.sql)] for each in read_corpus()]
    pool = [text for statement in statements for text in statement]
    for _ in range(_MUTILATED):
        texts = [*rng.choice(statements)]
        for _ in range(rng.randint(0, 4)):
            place = rng.randrange(len(texts))
            texts[place : place + rng.randint(0, 2)] = rng.choices(pool, k=rng.randint(1, 2))
        sql = "".join(texts)
        assert text_of(list(split(sql))) == sql
        with suppress(SqlInvalid):
            for_datafusion(sql)


def test_calls_in_calls_end() -> None:
    with pytest.raises(SqlTooComplex, match="inside one another"):
        for_datafusion("SELECT " + "array_dims(" * 150 + "a" + ")" * 150)


def test_session_words_become_literals_where_they_are_values() -> None:
    facts = dict.fromkeys((*WORDS, *CALLS), "it's") | {"pg_backend_pid": "7"}
    sql = (
        'SELECT current_user, "user", t.user, upper(current_role), current_schema() AS s, '
        "pg_backend_pid(), current_setting('TimeZone') FROM t WHERE a = user AND b = 'user'"
    )
    assert write_session(sql, facts, {"timezone": "UTC"}) == (
        "SELECT 'it''s' AS \"current_user\", \"user\", t.user, upper('it''s'), 'it''s' AS s, "
        "7 AS \"pg_backend_pid\", 'UTC' AS \"current_setting\" FROM t WHERE a = 'it''s' AND b = 'user'"
    )
    assert not mentions_session("SELECT users, version_id FROM t")
