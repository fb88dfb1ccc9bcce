"""Which statements are for the system catalogs."""

import pytest

from engine.pg_catalog.classify import is_catalog_statement


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM pg_class",
        "select * from PG_CATALOG.PG_CLASS c, pg_namespace n",
        "SELECT * FROM information_schema.tables",
        "SELECT * FROM shop.information_schema.tables",
        "/* client */ SELECT version();",
        "SELECT current_schema",
        "SELECT 'cars'::regclass",
        "SHOW server_version",
        "SHOW transaction isolation level",
        "WITH t AS (SELECT oid FROM pg_type) SELECT * FROM t",
        "SELECT (SELECT count(*) FROM pg_class), trim(both '\"' from pg_get_indexdef(1))",
        "SELECT extract(epoch from pg_postmaster_start_time())",
        "SELECT * FROM pg_catalog.pg_get_keywords()",
    ],
)
def test_a_statement_of_the_catalogs(sql: str) -> None:
    assert is_catalog_statement(sql, "shop")


@pytest.mark.parametrize(
    "sql",
    [
        "",
        "SELECT 1",
        "SELECT now()",
        "SELECT * FROM cars",
        "SELECT * FROM cars JOIN pg_class ON true",
        "SELECT * FROM sales.pg_class",
        "SELECT * FROM other.information_schema.tables",
        "SELECT * FROM information_schema.indexes",
        "SELECT version() FROM cars",
        "SELECT 'version()'",
        'SELECT "current_user" FROM cars',
        "SHOW TABLES",
        "SHOW COLUMNS FROM cars",
        "EXPLAIN SELECT * FROM pg_class",
        "DELETE FROM pg_class",
        "WITH pg AS (SELECT 1 AS a) SELECT a FROM pg",
        "SELECT 'never closed",
        "SELECT $1",
    ],
)
def test_a_statement_of_the_query_engine(sql: str) -> None:
    assert not is_catalog_statement(sql, "shop")
