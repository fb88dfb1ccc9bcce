"""What is known of a statement before it is planned."""

import pytest

from engine.errors import SqlEmpty, SqlInvalid, SqlTooComplex, StatementForbidden
from engine.query.parse import SMALL_CHARS_MAX, parse_sql, read_sql


def tables(sql: str) -> set[str]:
    return {".".join(name) for name in parse_sql(sql, terms_max=2000).tables}


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT 1", set()),
        ("SELECT * FROM Cars", {"cars"}),
        ('SELECT * FROM "Cars"', {"Cars"}),
        ('SELECT * FROM a JOIN B."C".d USING (x), e', {"a", "b.C.d", "e"}),
        ("SELECT * FROM a, b AS c, LATERAL (SELECT 1 FROM d) x", {"a", "b", "d"}),
        (
            "WITH x AS (SELECT * FROM q), y (i) AS MATERIALIZED (SELECT 1) SELECT * FROM x, y, z",
            {"q", "z"},
        ),
        ("WITH t AS (SELECT * FROM t JOIN v ON true) SELECT * FROM t, u", {"t", "v", "u"}),
        ("SELECT * FROM (WITH t AS (SELECT 1 AS x) SELECT x FROM t) s, t, u", {"t", "u"}),
        ("WITH RECURSIVE r AS (SELECT 1 UNION SELECT * FROM r, a) SELECT * FROM r", {"a"}),
        ("SELECT sum(b) OVER t FROM t WINDOW w AS (ORDER BY a), t AS (ORDER BY b)", {"t"}),
        ("SELECT * FROM bm25_search('a', 'b', 'c') s JOIN d ON true", {"a", "d"}),
        (
            "SELECT * FROM t WHERE EXISTS (SELECT 1 FROM u WHERE u.i IN (SELECT i FROM v))",
            {"t", "u", "v"},
        ),
        ("(SELECT * FROM a) UNION ALL SELECT * FROM b", {"a", "b"}),
        ("SELECT * FROM (a JOIN b ON true) JOIN c ON true", {"a", "b", "c"}),
        ("EXPLAIN ANALYZE SELECT * FROM a", {"a"}),
        ("DESCRIBE datasets.main.cars", {"datasets.main.cars"}),
        ("SHOW COLUMNS FROM a.b", {"a.b"}),
        ("SHOW TABLES", {"information_schema.tables"}),
        ("/* a /* b */ */ ; /**/ SELECT * FROM a", {"a"}),
        ("-- SELECT * FROM x\nSELECT * FROM a /* FROM b */ WHERE c = 'FROM d'", {"a"}),
    ],
)
def test_tables_are_named(sql: str, expected: set[str]) -> None:
    assert tables(sql) == expected


@pytest.mark.parametrize(
    "sql", ["", "  \n", "-- nothing", "/* nothing */", ";", "/* /* */ SELECT 1"]
)
def test_a_text_without_a_statement_is_empty(sql: str) -> None:
    with pytest.raises(SqlEmpty):
        parse_sql(sql, terms_max=10)


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO t VALUES (1)",
        "COPY (SELECT 1) TO '/tmp/x'",
        "SET a = 1",
        "SELECT 1; SELECT 2",
        "SELECT 1; DROP TABLE t",
        "EXPLAIN COPY t TO 'x'",
        "EXPLAIN ANALYZE; DELETE FROM t",
        "SHOW ALL",
        "SHOW datafusion.catalog.location",
        "/* x */ DROP TABLE t",
        "EXECUTE p",
    ],
)
def test_what_is_not_one_read_only_statement_is_forbidden(sql: str) -> None:
    with pytest.raises(StatementForbidden):
        parse_sql(sql, terms_max=10)


@pytest.mark.parametrize(("sql", "word"), [("SELCT 1", "SELCT"), ("-- x\nfoo", "foo"), ("1", "1")])
def test_a_misspelt_statement_is_a_parse_error_that_names_the_word(sql: str, word: str) -> None:
    with pytest.raises(SqlInvalid, match=f"expected a statement, found '{word}'") as caught:
        parse_sql(sql, terms_max=10)
    assert type(caught.value) is SqlInvalid


def test_a_long_first_word_is_not_repeated_whole() -> None:
    with pytest.raises(SqlInvalid) as caught:
        parse_sql("x" * 5000, terms_max=10)
    assert len(str(caught.value)) < 200


def test_sampling_is_refused_and_a_column_of_that_name_is_not() -> None:
    for sql in (
        "SELECT * FROM t TABLESAMPLE BERNOULLI (10)",
        "SELECT * FROM (SELECT * FROM t tablesample system (1)) u",
        "SELECT * FROM t SAMPLE (10)",
    ):
        with pytest.raises(SqlInvalid, match="TABLESAMPLE is not supported"):
            parse_sql(sql, terms_max=10)
    for sql in (
        "SELECT \"tablesample\", 'tablesample' FROM t",
        "SELECT tablesample FROM (SELECT 1)",
    ):
        assert parse_sql(sql, terms_max=10).kind == "select"


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM a RIGHT JOIN b USING (id)",
        "SELECT * FROM a FULL OUTER JOIN b USING (id)",
        "SELECT * FROM a JOIN b ON a.x = b.x RIGHT OUTER JOIN (SELECT 1 AS id) c USING (id)",
        "SELECT * FROM a NATURAL FULL JOIN b",
    ],
)
def test_joins_that_would_take_the_key_from_the_wrong_side_are_refused(sql: str) -> None:
    with pytest.raises(SqlInvalid, match="JOIN with USING or NATURAL is not supported"):
        parse_sql(sql, terms_max=100)


def test_other_joins_and_names_like_their_sides_are_not() -> None:
    for sql in (
        "SELECT right(name, 2), left(name, 1) FROM a LEFT JOIN b USING (id)",
        "SELECT * FROM a RIGHT JOIN b ON a.id = b.id JOIN c USING (id)",
        "SELECT * FROM (SELECT 1 AS id) a FULL JOIN b ON a.id = b.id",
        'SELECT "right" FROM a NATURAL JOIN b',
    ):
        assert parse_sql(sql, terms_max=100).kind == "select"


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT " + "+".join(["1"] * 102),
        "SELECT 1 WHERE " + " OR ".join(["1 = 1"] * 102),
        "SELECT " + "NOT " * 101 + "true",
        "SELECT 1 " + "UNION ALL SELECT 1 " * 101,
        "SELECT * FROM " + " JOIN ".join(["a"] * 102),
        "SELECT " + "(" * 201 + "1" + ")" * 201,
        "SELECT " + "CASE WHEN " * 201 + "true" + " END" * 201,
    ],
)
def test_long_chains_and_deep_nesting_are_refused(sql: str) -> None:
    with pytest.raises(SqlTooComplex):
        parse_sql(sql, terms_max=100)


def test_a_long_list_is_no_chain() -> None:
    assert parse_sql(f"SELECT 1 IN ({', '.join(['1'] * 5000)})", terms_max=100).kind == "select"


def test_a_chain_is_allowed_up_to_the_limit() -> None:
    assert parse_sql("SELECT " + "+".join(["1"] * 100), terms_max=100).kind == "select"


def test_only_filtered_rows_of_one_table_are_plain() -> None:
    def is_plain(sql: str) -> bool:
        return parse_sql(sql, terms_max=10).is_plain

    assert is_plain("SELECT a, b FROM t WHERE c = 1 ORDER BY a LIMIT 5")
    assert not is_plain("SELECT count(*) FROM t WHERE c = 1")
    assert not is_plain("SELECT * FROM t, u WHERE c = 1")
    assert not is_plain("SELECT * FROM t JOIN u USING (i) WHERE c = 1")
    assert not is_plain("SELECT * FROM t WHERE c IN (SELECT c FROM u)")
    assert not is_plain("SELECT * FROM t")


def test_nul_and_unfinished_strings_are_invalid() -> None:
    for sql in ("SELECT '\x00'", "SELECT 'abc"):
        with pytest.raises(SqlInvalid):
            parse_sql(sql, terms_max=10)


def test_a_long_text_is_left_to_the_worker() -> None:
    sql = "SELECT '" + "x" * SMALL_CHARS_MAX + "' FROM t"
    parsed = read_sql(sql, terms_max=10)
    assert parsed.is_deferred
    assert parsed.tables == ()
