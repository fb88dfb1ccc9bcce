"""What no client's statement shows: sessions, names and numbers, limits, and what is refused."""

import threading
from dataclasses import replace

import orjson
import pyarrow as pa
import pytest

from engine.encode.pg.pg_types import TYPE_KEY
from engine.errors import SqlInvalid, SqlTooComplex, StatementForbidden
from engine.pg_catalog import answer as answering
from engine.pg_catalog.answer import answer_catalog_statement
from engine.pg_catalog.functions import VERSION
from engine.pg_catalog.parsing import CHARS_MAX, TERMS_MAX
from engine.pg_catalog.snapshot import (
    FIRST_NORMAL_OID,
    CatalogColumn,
    CatalogIndex,
    CatalogSession,
    CatalogSnapshot,
    CatalogTable,
    carried,
    stable_oids,
    with_oids,
)
from engine.workers.pure_data import dump_data, load_data
from tests.pg_catalog.catalogs import SNAPSHOT

_INT8 = 20


def rows(sql: str, snapshot: CatalogSnapshot = SNAPSHOT) -> list[tuple[object, ...]]:
    table = answer_catalog_statement(carried(snapshot), sql).read_all()
    return list(zip(*(column.to_pylist() for column in table.columns), strict=True))


def session(**changes: object) -> CatalogSnapshot:
    return replace(SNAPSHOT, session=replace(SNAPSHOT.session, **changes))  # type: ignore[arg-type]


def snapshot_of(*names: str, database: str = "other") -> CatalogSnapshot:
    tables = tuple(CatalogTable("public", name, (CatalogColumn("id", _INT8),)) for name in names)
    return with_oids(
        CatalogSnapshot(database, (database,), ("public",), tables, (), (), CatalogSession("eve"))
    )


def test_sessions_of_one_snapshot_keep_their_facts_apart() -> None:
    sql = "SELECT current_user, pg_backend_pid(), current_schema(), current_setting('timezone')"
    ann = session(user="ann", backend_pid=1)
    bob = session(user="bob", backend_pid=2, search_path=("sales",), settings={"TimeZone": "CET"})
    assert rows(sql, ann) == [("ann", 1, "public", "UTC")]
    assert rows(sql, bob) == [("bob", 2, "sales", "CET")]
    assert rows("SHOW timezone", bob) == [("CET",)]
    assert rows("SELECT usename, pid FROM pg_stat_activity", bob) == [("bob", 2)]
    assert rows("SELECT name, setting FROM pg_settings", bob) == [("TimeZone", "CET")]
    assert carried(ann).digest == carried(bob).digest


@pytest.mark.parametrize(
    ("path", "first"),
    [
        (("information_schema", "public"), "information_schema"),
        (("pg_catalog", "public"), "pg_catalog"),
        (("absent", "public"), "public"),
        (("absent",), None),
    ],
)
def test_the_current_schema_is_the_first_of_the_path_that_exists(
    path: tuple[str, ...], first: str | None
) -> None:
    existing = [name for name in path if name != "absent"]
    sql = "SELECT current_schema(), current_schemas(false)"
    assert rows(sql, session(search_path=path)) == [(first, existing)]


def test_relations_say_that_they_are_only_read() -> None:
    sql = "SELECT DISTINCT relkind, relacl FROM pg_class WHERE relkind <> 'i' ORDER BY 1"
    found = rows(sql)
    assert found
    assert all(acl == ["tidemill=r/tidemill"] for _, acl in found)


def test_the_search_path_decides_which_names_need_their_schema() -> None:
    sql = (
        "SELECT oid::regclass FROM pg_class WHERE relname IN ('cars', 'Odd Name') ORDER BY relname"
    )
    assert rows(sql) == [('sales."Odd Name"',), ("cars",)]
    assert rows(sql, session(search_path=("sales",))) == [('"Odd Name"',), ("public.cars",)]
    visible = "SELECT relname FROM pg_class WHERE pg_table_is_visible(oid) AND relname = 'cars'"
    assert rows(visible) == [("cars",)]
    assert rows(visible, session(search_path=("sales",))) == []


def test_snapshots_are_answered_from_their_own_names() -> None:
    sql = "SELECT oid::regclass::text FROM pg_class WHERE relnamespace = 'public'::regnamespace"
    boats, planes = snapshot_of("boats"), snapshot_of("planes")
    for _ in range(2):
        assert rows(sql, boats) == [("boats",)]
        assert rows(sql, planes) == [("planes",)]


def test_snapshots_used_long_ago_are_built_anew() -> None:
    sql = "SELECT relname FROM pg_class WHERE relnamespace = 2200"
    snapshots = [snapshot_of(f"t{n}") for n in range(answering.DATABASES_MAX + 2)]
    for _ in range(2):
        for n, snapshot in enumerate(snapshots):
            assert rows(sql, snapshot) == [(f"t{n}",)]


def test_threads_may_ask_at_once() -> None:
    snapshots = [snapshot_of(f"t{n}") for n in range(answering.DATABASES_MAX + 2)]
    wrong: list[object] = []

    def ask(n: int) -> None:
        for _ in range(5):
            found = rows(
                "SELECT oid::regclass::text FROM pg_class WHERE relnamespace = 2200", snapshots[n]
            )
            if found != [(f"t{n}",)]:
                wrong.append(found)

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(len(snapshots))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_snapshot_crosses_a_process_border() -> None:
    crossed = load_data(CatalogSnapshot, orjson.loads(dump_data(SNAPSHOT)))
    assert crossed == SNAPSHOT
    assert carried(crossed) == carried(SNAPSHOT)


def test_numbers_stay_when_other_tables_come() -> None:
    few, more = snapshot_of("b"), snapshot_of("a", "b", "c")
    assert few.tables[0].oid == more.tables[1].oid
    oids = [table.oid for table in more.tables]
    assert len(set(oids)) == len(oids)
    assert all(FIRST_NORMAL_OID <= oid < 2**31 for oid in oids)


def test_colliding_names_get_different_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.pg_catalog.snapshot._OID_COUNT", 3)
    found = stable_oids([("a",), ("b",), ("c",)])
    assert sorted(found.values()) == [FIRST_NORMAL_OID, FIRST_NORMAL_OID + 1, FIRST_NORMAL_OID + 2]
    assert found == stable_oids([("c",), ("b",), ("a",)])


def test_an_index_of_tidemill_is_an_access_method() -> None:
    table = CatalogTable("public", "notes", (CatalogColumn("body", 25),))
    index = CatalogIndex("public", "notes", "notes_words", ("body",), kind="bm25")
    snapshot = with_oids(
        CatalogSnapshot(
            "docs", ("docs",), ("public",), (table,), (index,), (), CatalogSession("eve")
        )
    )
    sql = """SELECT am.amname, pg_get_indexdef(i.indexrelid), i.indkey[0]
        FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am am ON am.oid = c.relam"""
    assert rows(sql, snapshot) == [
        ("bm25", "CREATE INDEX notes_words ON public.notes USING bm25 (body)", 1)
    ]


def test_columns_say_which_type_of_postgres_they_are() -> None:
    schema = answer_catalog_statement(
        carried(SNAPSHOT),
        "SELECT oid, relname, relkind, oid::regclass AS shown, relnatts, NULL AS nothing,"
        " current_schemas(true) AS path FROM pg_class",
    ).schema
    named = {field.name: (field.metadata or {}).get(TYPE_KEY) for field in schema}
    assert named == {
        "oid": b"oid",
        "relname": b"name",
        "relkind": b"char",
        "shown": b"regclass",
        "relnatts": b"int2",
        "nothing": None,
        "path": b"_name",
    }
    assert schema.field("nothing").type == pa.string()


@pytest.mark.parametrize(
    ("sql", "name"),
    [
        ("SELECT 1", "?column?"),
        ("SELECT 'a'::text", "text"),
        ("SELECT relname::text FROM pg_class", "relname"),
        ("SELECT count(*) FROM pg_class", "count"),
        ("SELECT CASE WHEN true THEN 1 END", "case"),
        ("SELECT (SELECT max(relname) FROM pg_class)", "max"),
        ("SELECT ARRAY(SELECT 1)", "array"),
        ("SELECT coalesce(NULL, 1)", "coalesce"),
        ("SELECT EXISTS (SELECT 1)", "exists"),
        ("SELECT current_user", "current_user"),
        ("SELECT 'int8'::regtype::oid", "oid"),
        ("SELECT user", "user"),
        ("SELECT pg_catalog.version()", "version"),
    ],
)
def test_columns_are_named_as_postgres_names_them(sql: str, name: str) -> None:
    assert answer_catalog_statement(carried(SNAPSHOT), sql).schema.names == [name]


def test_parameters_without_a_value_are_null() -> None:
    assert rows("SELECT oid FROM pg_class WHERE relname = $1 AND oid = ANY($2::oid[])") == []
    schema = answer_catalog_statement(
        carried(SNAPSHOT),
        "SELECT attname, atttypid FROM pg_attribute WHERE attrelid = $1::regclass::oid",
    ).schema
    assert schema.names == ["attname", "atttypid"]


@pytest.mark.parametrize(
    ("sql", "value"),
    [
        ("SELECT version()", VERSION),
        ("SELECT 'cars'::regclass::text", "cars"),
        ("SELECT to_regclass('nothing') IS NULL", True),
        ("SELECT to_regtype('character varying(3)')::text", "character varying"),
        ("SELECT format_type('numeric'::regtype, 655366)", "numeric(10,2)"),
        ("SELECT quote_ident('Odd Name')", '"Odd Name"'),
        ("SELECT quote_literal('it''s')", "'it''s'"),
        ("SELECT pg_size_pretty(20971520::bigint)", "20 MB"),
        ("SELECT pg_relation_size('cars')", 8192),
        ("SELECT has_table_privilege('cars', 'SELECT')", True),
        ("SELECT pg_is_in_recovery()", False),
        ("SELECT has_table_privilege('cars', 'INSERT')", False),
        ("SELECT has_schema_privilege('public', 'CREATE, USAGE')", True),
        (
            "SELECT current_timestamp > '2020-01-01'::timestamp AND current_date > '2020-01-01'",
            True,
        ),
        ("SELECT user", "ann"),
        ("SELECT array_upper(ARRAY[4,5], 1)", 2),
        ("SELECT count(*) FROM pg_class WHERE relname LIKE 'pg\\_class'", 1),
        ("SELECT 'pg_class'::regclass::oid", 1259),
        (
            "SELECT string_agg(nspname, ',' ORDER BY nspname) FROM pg_namespace WHERE oid > 11 AND nspname !~ '^inf'",
            "public,sales",
        ),
    ],
)
def test_functions_answer_as_in_postgres(sql: str, value: object) -> None:
    assert rows(sql) == [(value,)]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM cars",
        "SELECT * FROM 'cars.parquet'",
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM duckdb_settings()",
        "SELECT * FROM pg_class, glob('*')",
        "SELECT getenv('HOME') FROM pg_class",
        "SELECT * FROM made",
        "SELECT * FROM pgc.pg_class",
        "SELECT query('SELECT 1') FROM pg_class",
        "SELECT current_setting('memory_limit')",
        "SELECT of_snapshot_oid_size(1, 1)",
        "SELECT 'nothing'::regclass",
    ],
)
def test_nothing_else_can_be_reached(sql: str) -> None:
    with pytest.raises(SqlInvalid):
        rows(sql)


def test_other_snapshots_of_the_process_are_out_of_reach() -> None:
    rows("SELECT count(*) FROM pg_class", snapshot_of("secret"))
    for number in range(1, 200):
        with pytest.raises(SqlInvalid, match="does not exist"):
            rows(f"SELECT * FROM catalog_{number}.pgc.pg_class")
        named = snapshot_of("own", database=f"catalog_{number}")
        sql = f"SELECT relname FROM catalog_{number}.pg_catalog.pg_class WHERE relnamespace = 2200"
        if number <= 2:
            assert rows(sql, named) == [("own",)]


@pytest.mark.parametrize(
    "sql",
    ["DELETE FROM pg_class", "CREATE TABLE t (a int)", "SELECT 1; SELECT 2", "SET x = 1"],
    ids=["delete", "create", "two", "set"],
)
def test_only_one_query_is_answered(sql: str) -> None:
    with pytest.raises(StatementForbidden):
        rows(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT " + "NOT " * (TERMS_MAX + 1) + "true FROM pg_class",
        "SELECT " + "(" * 300 + "1" + ")" * 300 + " FROM pg_class",
        "SELECT 1 FROM pg_class" + " JOIN pg_class" * 20,
        "SELECT '" + "x" * CHARS_MAX + "' FROM pg_class",
    ],
    ids=["chain", "depth", "joins", "length"],
)
def test_statements_have_limits(sql: str) -> None:
    with pytest.raises(SqlTooComplex):
        rows(sql)


def test_errors_are_sentences_without_the_statement() -> None:
    with pytest.raises(SqlInvalid, match=r'^relation "nothing" does not exist$'):
        rows("SELECT 'nothing'::regclass")
    with pytest.raises(SqlInvalid, match=r"^function pg_nothing does not exist$"):
        rows("SELECT pg_nothing()")
    with pytest.raises(SqlInvalid) as caught:
        rows("SELECT nothing FROM pg_class")
    assert "SELECT" not in caught.value.message
