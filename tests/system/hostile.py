"""Statements that try to write, to reach the host, to crash the planner or to eat the machine.

Each ends in exactly one way: a typed error, or the right rows. Only what grows step by step may
meet either limit first, depending on the machine. The limits are those of ``test_hostile``: 2 s and
256 MiB for a query.
"""

from dataclasses import dataclass, field
from itertools import repeat
from typing import Any

FORBIDDEN = (400, "STATEMENT_FORBIDDEN")
INVALID = (400, "SQL_INVALID")
COMPLEX = (400, "SQL_TOO_COMPLEX")
TIMEOUT = (408, "QUERY_TIMEOUT")
# Lawful but slow: a fast machine answers within the limit.
ANSWER = (200, "ANSWER")
EXHAUSTED = (503, "RESOURCE_EXHAUSTED")


@dataclass(frozen=True)
class Hostile:
    """One statement and how it may end: (status, code), or the rows of a 200."""

    name: str
    sql: str = field(repr=False)
    ends: tuple[tuple[int, str], ...] = ()
    rows: list[list[Any]] | None = None


def _all(*ends: tuple[int, str], **statements: str) -> list[Hostile]:
    return [Hostile(name, sql, ends) for name, sql in statements.items()]


def _deep(opening: str, core: str, closing: str, levels: int) -> str:
    return opening * levels + core + closing * levels


def _chain(item: str, operator: str, count: int) -> str:
    return "SELECT " + operator.join(repeat(item, count))


_SERIES = "FROM generate_series(1, 1000000000000) AS t(x)"

WRITES = _all(
    FORBIDDEN,
    copy_to="COPY (SELECT 1) TO '/tmp/tidemill-hostile.csv'",
    copy_from_program="COPY t FROM PROGRAM 'id'",
    create_external_table="CREATE EXTERNAL TABLE t STORED AS CSV LOCATION '/etc/passwd'",
    create_table_as="CREATE TABLE t AS SELECT 1",
    create_view="CREATE VIEW v AS SELECT 1",
    create_function="CREATE FUNCTION f() RETURNS INT AS 'x' LANGUAGE c",
    create_after_comment="/* harmless */ -- yes\n CREATE DATABASE d",
    drop="DROP TABLE cars",
    insert="INSERT INTO cars SELECT * FROM cars",
    update="UPDATE cars SET mpg = 0",
    delete="DELETE FROM cars",
    truncate="TRUNCATE cars",
    merge="MERGE INTO cars USING cars c ON true WHEN MATCHED THEN DELETE",
    alter="ALTER TABLE cars RENAME TO bikes",
    set_option="SET datafusion.execution.batch_size = 1",
    reset_option="RESET ALL",
    show_all="SHOW ALL",
    show_option="SHOW datafusion.runtime.memory_limit",
    prepare="PREPARE p AS SELECT 1",
    execute="EXECUTE p",
    begin="BEGIN",
    use="USE other",
    grant="GRANT ALL ON cars TO public",
    call="CALL f()",
    do_block="DO $$ BEGIN END $$",
    attach="ATTACH '/tmp/x.db' AS x",
    install="INSTALL httpfs",
    load="LOAD httpfs",
    pragma="PRAGMA database_list",
    load_data="LOAD DATA LOCAL INFILE '/etc/passwd' INTO TABLE cars",
    two_statements="SELECT 1; SELECT 2",
    a_query_then_a_drop="SELECT 1; DROP TABLE cars",
    select_into="SELECT 1 AS a INTO bikes",
    explain_insert="EXPLAIN INSERT INTO cars SELECT * FROM cars",
    explain_copy="EXPLAIN COPY (SELECT 1) TO '/tmp/tidemill-hostile.csv'",
    explain_analyze_insert="EXPLAIN ANALYZE INSERT INTO cars SELECT * FROM cars",
    explain_analyze_verbose_delete="EXPLAIN ANALYZE VERBOSE DELETE FROM cars",
    explain_analyze_in_brackets="EXPLAIN (ANALYZE true) DELETE FROM cars",
    with_insert="WITH a AS (SELECT 1) INSERT INTO cars SELECT * FROM a",
    with_delete_inside="WITH a AS (DELETE FROM cars RETURNING *) SELECT * FROM a",
    with_update="WITH a AS (SELECT 1) UPDATE cars SET mpg = 0",
)

HOST = _all(
    INVALID,
    file_in_quotes="SELECT * FROM '/etc/passwd'",
    file_in_double_quotes='SELECT * FROM "/etc/passwd"',
    file_in_backticks="SELECT * FROM `/etc/passwd`",
    file_in_dollars="SELECT * FROM $$/etc/passwd$$",
    file_escaped="SELECT * FROM E'/etc/passwd'",
    file_in_unicode="SELECT * FROM U&'\\002fetc\\002fpasswd'",
    file_with_a_format="SELECT * FROM '/etc/passwd.csv'",
    file_bare="SELECT * FROM /etc/passwd",
    file_by_climbing='SELECT * FROM datasets.main."../../../../etc/passwd"',
    file_in_a_cte="WITH t AS (SELECT * FROM '/etc/passwd') SELECT * FROM t",
    file_in_a_union="SELECT '1' UNION ALL SELECT * FROM '/etc/passwd'",
    file_in_a_subquery="SELECT (SELECT count(*) FROM '/etc/passwd')",
    file_described="DESCRIBE '/etc/passwd'",
    file_url="SELECT * FROM 'file:///etc/passwd'",
    http_url="SELECT * FROM 'http://127.0.0.1:1/x.parquet'",
    s3_url="SELECT * FROM 's3://bucket/x.parquet'",
    own_store_url="SELECT * FROM 'tidemill://data/catalog.db'",
    own_catalog_file="SELECT * FROM 'catalog.db'",
    read_csv="SELECT * FROM read_csv('/etc/passwd')",
    read_parquet="SELECT * FROM read_parquet('/etc/passwd')",
    read_text="SELECT read_text('/etc/passwd')",
    glob="SELECT * FROM glob('/etc/*')",
    pg_read_file="SELECT pg_read_file('/etc/passwd')",
    lo_import="SELECT lo_import('/etc/passwd')",
    dblink="SELECT * FROM dblink('host=127.0.0.1')",
    outfile="SELECT 1 INTO OUTFILE '/tmp/tidemill-hostile.csv'",
    time_zone_file="SELECT TIMESTAMP '2020-01-01' AT TIME ZONE '../../../etc/passwd'",
)

PLANNER = [
    *_all(
        COMPLEX,
        sum_of_10_000=_chain("1", "+", 10_000),
        or_of_20_000="SELECT 1 WHERE " + " OR ".join(f"1 = {i}" for i in range(20_000)),
        union_of_50_000=" UNION ALL ".join(repeat("SELECT 1", 50_000)),
        brackets=_deep("(", "1", ")", 100_000).join(("SELECT ", "")),
        short_brackets=_deep("(", "1", ")", 150).join(("SELECT ", "")),
        case=_deep("CASE WHEN true THEN ", "1", " END", 5_000).join(("SELECT ", "")),
        nots="SELECT " + "NOT " * 50_000 + "true",
        minuses="SELECT " + "- " * 50_000 + "1",
        casts="SELECT 1" + "::int" * 10_000,
        subqueries=_deep("SELECT * FROM (", "SELECT 1", ")", 1_000),
        arrays=_deep("[", "1", "]", 150).join(("SELECT ", "")),
        structs=_deep("named_struct('a', ", "1", ")", 150).join(("SELECT ", "")),
        dotted_name="SELECT " + ".".join(repeat("a", 10_000)),
        long_text="SELECT 1 -- " + "x" * 1_000_000,
    ),
    *_all(
        TIMEOUT,
        EXHAUSTED,  # whichever comes first
        ANSWER,
        joins_without_on="SELECT count(*) FROM (SELECT 1) a0 "
        + " ".join(f"JOIN (SELECT 1) a{i}" for i in range(1, 500)),
        comma_joins="SELECT count(*) FROM " + ", ".join(f"(VALUES (1)) a{i}" for i in range(1_000)),
        columns_10_000="SELECT " + ", ".join(f"{i} AS c{i}" for i in range(10_000)),
        equals_of_10_000=_chain("1", " = ", 10_000),
    ),
    *_all(
        INVALID,
        commas="SELECT " + "," * 100_000,
        huge_regex="SELECT 'a' ~ '((((a{1,1000}){1,1000}){1,1000}){1,1000})'",
        unclosed_quote="SELECT 'abc",
        unclosed_comment="SELECT /* 1",
        unclosed_dollar="SELECT $tag$x",
        only_comments="/* nothing */ -- at all",
        limit_overflow="SELECT 1 LIMIT 18446744073709551615 OFFSET 18446744073709551615",
        decimal_too_wide="SELECT 1::decimal(100, 2)",
        divide_by_zero="SELECT 1 / 0",
        negate_the_least="SELECT abs(-9223372036854775808)",
        series_without_step="SELECT * FROM generate_series(1, 10, 0)",
        empty_date_bin="SELECT date_bin(interval '0 seconds', now())",
        interval_overflow="SELECT interval '99999999999999999999 years'",
    ),
]

EATERS = [
    *_all(
        TIMEOUT,
        endless_recursion="WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) "
        "SELECT count(*) FROM r",
        endless_sum=f"SELECT sum(x) {_SERIES}",
        endless_explain_analyze=f"EXPLAIN ANALYZE SELECT sum(x) {_SERIES}",
        endless_sort=f"SELECT row_number() OVER (ORDER BY x % 7) {_SERIES}",
        cross_join="SELECT count(*) FROM cars3000 a, cars3000 b, cars3000 c "
        "WHERE a.x * b.x + c.x = -1",
        levenshtein="SELECT levenshtein(repeat('a', 100000), repeat('b', 100000))",
    ),
    *_all(
        EXHAUSTED,
        repeated_text="SELECT repeat('x', 1000000000)",
        length_of_repeated_text="SELECT length(repeat('x', 1000000000))",
        padded_text="SELECT rpad('a', 2000000000, 'b')",
        text_past_all_offsets="SELECT md5(string_agg(repeat('x', 1000000), '')) "
        "FROM generate_series(1, 100000) AS t(x)",
        array_of_ten_billion="SELECT array_length(range(1, 10000000000))",
        fixed_size_list="SELECT arrow_cast([1], 'FixedSizeList(2147483647, Int64)')",
    ),
    *_all(
        EXHAUSTED,
        TIMEOUT,
        three_way_cross_join="SELECT count(*) FROM generate_series(1, 100000) a(x), "
        "generate_series(1, 100000) b(y), generate_series(1, 100000) c(z) WHERE x + y + z = 7",
        replaced_text="SELECT length(replace(repeat('a', 1000000), 'a', repeat('b', 1000)))",
        array_of_all="SELECT array_agg(x) FROM generate_series(1, 100000000) AS t(x)",
        text_of_all="SELECT length(string_agg(repeat('x', 1000), ',')) "
        "FROM generate_series(1, 100000000) AS t(x)",
        window_over_all=f"SELECT sum(x) OVER (), repeat('x', 10000) || x AS t {_SERIES}",
        unnested_array="SELECT count(*) FROM (SELECT unnest(range(1, 50000000)))",
        distinct_texts="SELECT count(DISTINCT x || repeat('x', 1000)) "
        "FROM generate_series(1, 100000000) AS t(x)",
        grouping_cube="SELECT count(*) FROM (SELECT "
        + ", ".join(f"1 AS a{i}" for i in range(25))
        + ") GROUP BY CUBE ("
        + ", ".join(f"a{i}" for i in range(25))
        + ")",
        doubling_ctes="WITH a0 AS (SELECT 1 AS x)"
        + "".join(f", a{i} AS (SELECT l.x FROM a{i - 1} l, a{i - 1} r)" for i in range(1, 40))
        + " SELECT count(*) FROM a39",
    ),
    *_all(INVALID, text_past_two_gigabytes="SELECT repeat(repeat('x', 100000), 100000)"),
]

HARMLESS = [
    Hostile(
        "in_list_of_20_000",
        "SELECT count(*) FROM generate_series(1, 1000) AS t(x) WHERE x IN ("
        + ", ".join(map(str, range(20_000)))
        + ")",
        rows=[[1000]],
    ),
    Hostile(
        "values_of_20_000",
        "SELECT sum(x) FROM (VALUES " + ", ".join(f"({i})" for i in range(20_000)) + ") v(x)",
        rows=[[199_990_000]],
    ),
    Hostile("and_of_900", "SELECT 1 WHERE " + " AND ".join(repeat("1 < 2", 900)), rows=[[1]]),
    Hostile(
        "columns_of_1_000", "SELECT " + ", ".join(map(str, range(1_000))), rows=[[*range(1_000)]]
    ),
    Hostile("long_name", 'SELECT 1 AS "' + "a" * 100_000 + '"', rows=[[1]]),
    Hostile("text_of_a_file_name", "SELECT '/etc/passwd' AS name", rows=[["/etc/passwd"]]),
    Hostile(
        "text_of_a_statement",
        "SELECT '; DROP TABLE cars; --' AS t",
        rows=[["; DROP TABLE cars; --"]],
    ),
    Hostile(
        "regex_bomb", "SELECT regexp_replace(repeat('a', 100000), '(a|aa)+$', 'x')", rows=[["x"]]
    ),
    Hostile(
        "regex_bomb_over_rows",
        "SELECT count(*) FROM generate_series(1, 10000) AS t(x) "
        "WHERE repeat('a', 100) || x::text ~ '(a+)+$'",
        rows=[[0]],
    ),
    Hostile(
        "like_bomb",
        "SELECT count(*) FROM generate_series(1, 10000) AS t(x) "
        f"WHERE repeat('a', 1000) LIKE '{'%a' * 200}b'",
        rows=[[0]],
    ),
    Hostile("huge_number", "SELECT " + "9" * 5_000, rows=[[None]]),
    Hostile("closing_semicolons", "SELECT 1;;;", rows=[[1]]),
]

STATEMENTS = [*WRITES, *HOST, *PLANNER, *EATERS, *HARMLESS]
