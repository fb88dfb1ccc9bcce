"""Which Postgres tables are found, how they are cut into parts, and what if they change."""

import random
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pytest

from connectors.base import Scan
from connectors.errors import (
    SourceFailed,
    SourceRefused,
    TableGone,
)
from connectors.sources.postgres import PostgresConnector, PostgresOptions
from tests.connectors.contract import context_for
from tests.connectors.sources.postgres_server import (
    all_rows,
    asked,
    connected,
    opened,
    socket_options,
)


@pytest.fixture
def database(postgres_database: str) -> Iterator[psycopg.Connection]:
    with connected(postgres_database) as connection:
        yield connection


@pytest.fixture
def connector(postgres_database: str, tmp_path: Path) -> Iterator[PostgresConnector]:
    with opened(postgres_database, tmp_path) as connector:
        yield connector


@pytest.fixture
def options(postgres_database: str) -> PostgresOptions:
    return socket_options(postgres_database)


def test_every_kind_of_table_is_found_and_partitions_are_not(
    database: psycopg.Connection, connector: PostgresConnector
) -> None:
    database.execute(
        """
        CREATE SCHEMA "Odd ""x"" name";
        CREATE TABLE "Odd ""x"" name"."t.1" (b integer, "a ""x" integer NOT NULL, c text,
          PRIMARY KEY (c, b));
        COMMENT ON TABLE "Odd ""x"" name"."t.1" IS 'it''s odd';
        CREATE TABLE parted (a integer) PARTITION BY RANGE (a);
        CREATE TABLE part_1 PARTITION OF parted FOR VALUES FROM (0) TO (9);
        CREATE VIEW seen AS SELECT * FROM parted;
        CREATE MATERIALIZED VIEW kept AS SELECT * FROM parted;
        CREATE FOREIGN DATA WRAPPER w;
        CREATE SERVER s FOREIGN DATA WRAPPER w;
        CREATE FOREIGN TABLE far (a integer NOT NULL) SERVER s;
        CREATE TABLE nothing ();
        CREATE TEMPORARY TABLE mine (a integer);
        """
    )
    found = {(table.schema, table.name): table for table in connector.discover()}
    odd = found['Odd "x" name', "t.1"]
    assert {key: table.kind for key, table in found.items()} == {
        ('Odd "x" name', "t.1"): "table",
        ("public", "parted"): "table",
        ("public", "seen"): "view",
        ("public", "kept"): "view",
        ("public", "far"): "table",
    }
    assert odd.primary_key == ("c", "b")
    assert odd.comment == "it's odd"
    assert [(c.name, c.nullable) for c in odd.columns] == [
        ("b", False),
        ('a "x', False),
        ("c", False),
    ]
    assert found["public", "far"].columns[0].nullable
    assert odd.row_estimate is None
    with pytest.raises(TableGone):
        connector.describe("public", "part_1")


def test_a_not_null_that_was_not_checked_promises_nothing(
    database: psycopg.Connection, connector: PostgresConnector
) -> None:
    database.execute("CREATE TABLE t (a integer); INSERT INTO t VALUES (NULL)")
    database.execute("ALTER TABLE t ADD CONSTRAINT a_there NOT NULL a NOT VALID")
    assert connector.describe("public", "t").columns[0].nullable
    assert all_rows(connector, "t") == [{"a": None}]


def test_the_estimate_is_that_of_the_last_count(
    database: psycopg.Connection, connector: PostgresConnector
) -> None:
    database.execute("CREATE TABLE t AS SELECT g FROM generate_series(1, 100) g; ANALYZE t")
    assert connector.describe("public", "t").row_estimate == 100


def test_only_what_the_user_may_read_is_shown(
    database: psycopg.Connection, options: PostgresOptions, tmp_path: Path
) -> None:
    name = f"reader_{random.getrandbits(64):x}"
    database.execute(
        f"""
        CREATE USER {name};
        CREATE TABLE open (a integer);
        CREATE TABLE half (a integer, b integer);
        CREATE TABLE closed (a integer);
        CREATE SCHEMA hidden;
        CREATE TABLE hidden.t (a integer);
        GRANT SELECT ON open, hidden.t TO {name};
        GRANT SELECT (b) ON half TO {name};
        INSERT INTO half VALUES (1, 2);
        """
    )
    try:
        reader = options.model_copy(update={"user": name})
        with PostgresConnector(reader, context_for(tmp_path)) as connector:
            names = {t.name: [c.name for c in t.columns] for t in connector.discover()}
            assert names == {"open": ["a"], "half": ["b"]}
            assert all_rows(connector, "half") == [{"b": 2}]
            with pytest.raises(SourceRefused, match="permission denied"):
                asked(connector, "SELECT a FROM closed", a=pa.int32())
    finally:
        database.execute(f"DROP OWNED BY {name}; DROP USER {name}")


def test_a_type_that_only_has_the_name_of_another_is_text(
    database: psycopg.Connection, connector: PostgresConnector
) -> None:
    database.execute("CREATE TYPE public.numeric AS ENUM ('a'); CREATE TYPE vector AS (a integer)")
    database.execute("CREATE TABLE t (a public.numeric, b vector, c public.numeric[])")
    database.execute("INSERT INTO t VALUES ('a', '(1)', '{a}')")
    assert all_rows(connector, "t") == [{"a": "a", "b": "(1)", "c": ["a"]}]


def test_shapes_are_asked_for_where_their_extension_is(
    database: psycopg.Connection, connector: PostgresConnector
) -> None:
    # A type of this name stands in for PostGIS, which few servers have.
    database.execute(
        """
        CREATE SCHEMA "Geo x";
        CREATE TYPE "Geo x".geometry;
        CREATE FUNCTION "Geo x".i(cstring) RETURNS "Geo x".geometry
          LANGUAGE internal STRICT IMMUTABLE AS 'byteain';
        CREATE FUNCTION "Geo x".o("Geo x".geometry) RETURNS cstring
          LANGUAGE internal STRICT IMMUTABLE AS 'byteaout';
        CREATE TYPE "Geo x".geometry (INPUT = "Geo x".i, OUTPUT = "Geo x".o, LIKE = bytea);
        CREATE CAST ("Geo x".geometry AS bytea) WITHOUT FUNCTION;
        CREATE FUNCTION "Geo x".ST_AsBinary("Geo x".geometry) RETURNS bytea
          LANGUAGE sql AS $$ SELECT 'wkb'::bytea || $1::bytea $$;
        CREATE TABLE t (a "Geo x".geometry);
        INSERT INTO t VALUES ('x'), (NULL);
        """
    )
    assert all_rows(connector, "t") == [{"a": b"wkbx"}, {"a": None}]


def test_arrays_seen_through_a_view_are_lists(
    database: psycopg.Connection, connector: PostgresConnector
) -> None:
    database.execute("CREATE VIEW v AS SELECT ARRAY[1, 2] AS a, ARRAY[[1], [2]] AS b")
    assert all_rows(connector, "v") == [{"a": [1, 2], "b": None}]
    assert connector.context.losses.warnings() == [
        "Column 'b': 1 value of several dimensions became NULL."
    ]


def test_text_that_is_no_utf8_is_refused(
    database: psycopg.Connection, options: PostgresOptions, tmp_path: Path
) -> None:
    name = f"bytes_{random.getrandbits(64):x}"
    database.execute(
        f"CREATE DATABASE {name} ENCODING SQL_ASCII LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
    )
    changed = options.model_copy(update={"database": name})
    try:
        with psycopg.connect(
            host=changed.host, user="postgres", dbname=name, autocommit=True
        ) as other:
            other.execute("CREATE TABLE t AS SELECT E'\\\\xff'::bytea AS b, 'ok'::text AS a")
            other.execute("CREATE VIEW v AS SELECT convert_from(b, 'SQL_ASCII') AS b FROM t")
        with PostgresConnector(changed, context_for(tmp_path)) as connector:
            assert all_rows(connector, "t") == [{"b": b"\xff", "a": "ok"}]
            with pytest.raises(SourceFailed, match="invalid byte sequence"):
                all_rows(connector, "v")
    finally:
        database.execute(f"DROP DATABASE {name} WITH (FORCE)")


def make_large(database: psycopg.Connection, rows: int = 400_000) -> None:
    database.execute(
        "CREATE TABLE large AS SELECT g AS id, repeat('x', 70) AS text"
        f" FROM generate_series(1, {rows}) g"
    )


def ids(connector: PostgresConnector, parts: Any) -> list[list[Any]]:
    return [
        [value for batch in connector.open(part) for value in batch.column(0).to_pylist()]
        for part in parts
    ]


def test_the_parts_of_a_large_table_are_one_state_of_it(
    database: psycopg.Connection, connector: PostgresConnector
) -> None:
    make_large(database)
    table = connector.describe("public", "large")
    parts = connector.plan_fetch(table, Scan(columns=("id",)))
    assert len(parts) == 2
    database.execute("INSERT INTO large SELECT -g FROM generate_series(1, 100000) g")
    database.execute("DELETE FROM large WHERE id % 2 = 0")
    first, second = ids(connector, parts)
    assert first
    assert second
    assert sorted(first + second) == list(range(1, 400_001))
    assert len(connector.plan_fetch(table, Scan(limit=5))) == 1
    assert len(connector.plan_fetch(table, Scan(where="id < 5"))) == 1


def test_a_table_keeps_its_form_until_its_parts_are_read(
    database: psycopg.Connection, connector: PostgresConnector
) -> None:
    make_large(database)
    parts = connector.plan_fetch(connector.describe("public", "large"), Scan())
    database.execute("SET lock_timeout = 100")
    with pytest.raises(psycopg.errors.LockNotAvailable):
        database.execute("ALTER TABLE large DROP COLUMN text")
    assert sum(map(len, ids(connector, parts))) == 400_000
    connector.close()
    database.execute("ALTER TABLE large DROP COLUMN text")


def test_a_partitioned_table_is_cut_through_all_its_partitions(
    database: psycopg.Connection, connector: PostgresConnector
) -> None:
    make_large(database)
    database.execute(
        """
        CREATE TABLE parted (id integer, text text) PARTITION BY RANGE (id);
        CREATE TABLE p1 PARTITION OF parted FOR VALUES FROM (0) TO (300000);
        CREATE TABLE p2 PARTITION OF parted DEFAULT PARTITION BY LIST (text);
        CREATE TABLE p3 PARTITION OF p2 DEFAULT;
        INSERT INTO parted SELECT * FROM large;
        """
    )
    parts = connector.plan_fetch(connector.describe("public", "parted"), Scan(columns=("id",)))
    first, second = ids(connector, parts)
    assert min(len(first), len(second)) > 100_000
    assert sorted(first + second) == list(range(1, 400_001))


def test_a_table_with_children_is_cut_with_them(
    database: psycopg.Connection, connector: PostgresConnector
) -> None:
    make_large(database)
    database.execute("CREATE TABLE child () INHERITS (large); INSERT INTO child VALUES (0, '')")
    parts = connector.plan_fetch(connector.describe("public", "large"), Scan(columns=("id",)))
    assert len(parts) == 2
    assert sorted(chain.from_iterable(ids(connector, parts))) == list(range(400_001))


def test_what_cannot_be_cut_is_one_part(
    database: psycopg.Connection, connector: PostgresConnector
) -> None:
    make_large(database)
    database.execute("CREATE VIEW v AS SELECT * FROM large")
    database.execute("CREATE MATERIALIZED VIEW m AS SELECT * FROM large")
    for name in ("v", "m"):
        parts = connector.plan_fetch(connector.describe("public", name), Scan(columns=("id",)))
        assert [len(part) for part in ids(connector, parts)] == [400_000]


def test_a_server_that_exports_no_snapshot_is_read_in_one_part(
    database: psycopg.Connection, options: PostgresOptions, tmp_path: Path
) -> None:
    make_large(database)
    name = f"reader_{random.getrandbits(64):x}"
    database.execute(f"CREATE USER {name}; GRANT SELECT ON large TO {name}")
    database.execute("REVOKE EXECUTE ON FUNCTION pg_export_snapshot() FROM PUBLIC")
    try:
        reader = options.model_copy(update={"user": name})
        with PostgresConnector(reader, context_for(tmp_path)) as connector:
            parts = connector.plan_fetch(connector.describe("public", "large"), Scan())
            assert [len(part) for part in ids(connector, parts)] == [400_000]
    finally:
        database.execute(f"DROP OWNED BY {name}; DROP USER {name}")


def test_no_column_at_all_still_counts(
    database: psycopg.Connection, connector: PostgresConnector
) -> None:
    database.execute("CREATE TABLE t AS SELECT g FROM generate_series(1, 7) g")
    (part,) = connector.plan_fetch(connector.describe("public", "t"), Scan(columns=()))
    assert part.schema == pa.schema([])
    batches = list(connector.open(part))
    assert [batch.num_columns for batch in batches] == [0]
    assert sum(batch.num_rows for batch in batches) == 7
    counted = list(connector.query("SELECT * FROM t", pa.schema([])))
    assert sum(batch.num_rows for batch in counted) == 7


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE t DROP COLUMN name",
        "ALTER TABLE t RENAME COLUMN name TO other",
        "ALTER TABLE t ALTER COLUMN name TYPE integer USING 1",
        "ALTER TABLE t RENAME COLUMN name TO x; ALTER TABLE t RENAME COLUMN id TO name;"
        " ALTER TABLE t RENAME COLUMN x TO id",
        "ALTER TABLE t ALTER COLUMN id DROP NOT NULL",
    ],
)
def test_a_table_that_changed_is_never_misread(
    database: psycopg.Connection, connector: PostgresConnector, change: str
) -> None:
    database.execute(
        "CREATE TABLE t (id integer NOT NULL, name text); INSERT INTO t VALUES (1, 'a')"
    )
    table = connector.describe("public", "t")
    (part,) = connector.plan_fetch(table, Scan())
    database.execute(change)
    with pytest.raises(SourceFailed, match="has changed"):
        connector.plan_fetch(table, Scan())
    if "NOT NULL" not in change:
        with pytest.raises(SourceFailed, match="has changed"):
            list(connector.open(part))


def test_a_column_that_came_later_changes_nothing(
    database: psycopg.Connection, connector: PostgresConnector
) -> None:
    database.execute("CREATE TABLE t (id integer); INSERT INTO t VALUES (1)")
    table = connector.describe("public", "t")
    database.execute("ALTER TABLE t ADD COLUMN more text")
    (part,) = connector.plan_fetch(table, Scan())
    assert [batch.to_pylist() for batch in connector.open(part)] == [[{"id": 1}]]


def test_a_table_that_is_dropped_is_gone(
    database: psycopg.Connection, connector: PostgresConnector
) -> None:
    database.execute("CREATE TABLE t (id integer)")
    table = connector.describe("public", "t")
    (part,) = connector.plan_fetch(table, Scan())
    database.execute("DROP TABLE t")
    with pytest.raises(TableGone):
        list(connector.open(part))
    with pytest.raises(TableGone):
        connector.plan_fetch(table, Scan())
