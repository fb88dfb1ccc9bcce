"""Output names that repeat, planned by the real planner."""

import pytest
from datafusion import SessionConfig, SessionContext

from engine.query.duplicates import Renamed, rename_duplicates, shown_names


@pytest.fixture(scope="module")
def context() -> SessionContext:
    context = SessionContext(SessionConfig().set("datafusion.sql_parser.dialect", "PostgreSQL"))
    for statement in (
        "CREATE TABLE t AS SELECT * FROM (VALUES (1, 'u', 2.5), (2, 'v', 3.5)) AS v(id, b, x)",
        "CREATE TABLE s AS SELECT * FROM (VALUES (10), (9)) AS v(id)",
        'CREATE TABLE d AS SELECT 1 AS "a.b", 2 AS y, 3 AS "A"',
    ):
        context.sql(statement).collect()
    return context


def ask(
    context: SessionContext, sql: str, *, plans_max: int = 1000
) -> tuple[list[str], list[list[object]]]:
    """The shown names and the rows, in the way a worker plans."""
    renamed = Renamed(sql)
    for _ in range(plans_max):
        try:
            frame = context.sql(renamed.sql)
        except Exception as error:
            again = rename_duplicates(renamed, str(error))
            if again is None:
                raise
            renamed = again
            continue
        columns = [column for batch in frame.collect() for column in batch.columns]
        rows = [list(row) for row in zip(*(c.to_pylist() for c in columns), strict=True)]
        return shown_names(frame.schema().names, renamed), rows
    raise AssertionError(f"not planned after {plans_max} rounds")


@pytest.mark.parametrize(
    ("sql", "names", "first"),
    [
        ("SELECT b, b::text FROM t ORDER BY b", "b b", ["u", "u"]),
        ("SELECT b, cast(b AS varchar) FROM t ORDER BY b", "b b", ["u", "u"]),
        ("SELECT id::text, id::text FROM t WHERE id = 1", "t.id t.id", ["1", "1"]),
        (
            "SELECT id::text, id, id::bigint z, id FROM t WHERE id = 1",
            "t.id t.id z t.id",
            ["1", 1, 1, 1],
        ),
        ("SELECT id::double precision b, b FROM t ORDER BY 1", "b b", [1.0, "u"]),
        ("SELECT 1, 1::text", "Int64(1) Int64(1)", [1, "1"]),
        ("SELECT (1), 1", "Int64(1) Int64(1)", [1, 1]),
        ("SELECT null, null", "NULL NULL", [None, None]),
        ("SELECT 'a', 'a', 'a'", 'Utf8("a") Utf8("a") Utf8("a")', ["a", "a", "a"]),
        ("SELECT sum(x), sum(x) FROM t", "sum(t.x) sum(t.x)", [6.0, 6.0]),
        ("SELECT count(*), count(*) FROM t", "count(*) count(*)", [2, 2]),
        ("SELECT upper('x'), upper('x')", 'upper(Utf8("x")) upper(Utf8("x"))', ["X", "X"]),
        ("SELECT (SELECT 1), (SELECT 1)", "Int64(1) Int64(1)", [1, 1]),
        ('SELECT x."a.b", x."a.b" FROM d x', "a.b a.b", [1, 1]),
        ('SELECT "A", "A" FROM d', "A A", [3, 3]),
        ('SELECT y AS "A", "A" FROM d', "A A", [2, 3]),
        ("SELECT id::text FROM s ORDER BY id", "id", ["10"]),
        ("SELECT id::text FROM s ORDER BY s.id", "id", ["9"]),
        ("SELECT id::text AS id FROM s ORDER BY s.id", "id", ["9"]),
        ("SELECT id, x AS id FROM t ORDER BY 1", "id id", [1, 2.5]),
        ("SELECT *, x AS id FROM t ORDER BY 1", "id b x id", [1, "u", 2.5, 2.5]),
        ("SELECT *, b FROM t ORDER BY 1", "id b x b", [1, "u", 2.5, "u"]),
        ("SELECT *, b::text, id FROM t ORDER BY 1", "id b x b id", [1, "u", 2.5, "u", 1]),
        ("SELECT b, * FROM t ORDER BY 1", "b id b x", ["u", 1, "u", 2.5]),
        ("SELECT t.*, b, b FROM t ORDER BY 1", "id b x b b", [1, "u", 2.5, "u", "u"]),
        (
            "SELECT p.id, q.id, p.id + q.id AS id FROM t p JOIN t q ON p.id = q.id ORDER BY 1",
            "id id id",
            [1, 1, 2],
        ),
        ("SELECT DISTINCT ON (id) id, id FROM t ORDER BY id", "id id", [1, 1]),
        ("SELECT id AS b, b FROM t GROUP BY id, b ORDER BY 1", "b b", [1, "u"]),
        ("WITH c AS (SELECT id, id FROM t) SELECT * FROM c ORDER BY 1", "id id", [1, 1]),
        ("SELECT id, id FROM (SELECT id, b, b FROM t) s ORDER BY 1", "id id", [1, 1]),
        ("SELECT id, b FROM t WHERE id < 0 UNION ALL SELECT 7, 7", "id b", [7, "7"]),
        ("SELECT id, id FROM t WHERE id < 0 UNION ALL SELECT 7, 7", "id id", [7, 7]),
        ("SELECT 1 AS __repeat_0, 2 AS b, 3 AS b", "__repeat_0 b b", [1, 2, 3]),
        ('SELECT 2 b, 3 b, 4 AS b, 5 "b"', "b b b b", [2, 3, 4, 5]),
        ("SELECT id IS DISTINCT FROM 1, b, b FROM t ORDER BY b", None, [False, "u", "u"]),
    ],
)
def test_a_repeated_name_is_shown_and_its_values_are_right(
    context: SessionContext, sql: str, names: str | None, first: list[object]
) -> None:
    shown, rows = ask(context, sql)
    assert rows[0] == first
    assert names is None or " ".join(shown) == names


@pytest.mark.parametrize(
    "item",
    [
        "1 + 1",
        "CASE WHEN id = 1 THEN 2 END",
        "CASE WHEN id = 1 THEN 2 ELSE id END",
        "sum(x) OVER (ORDER BY id)",
        "interval '1' day",
        "timestamp '2020-01-01' AT TIME ZONE 'UTC'",
        "extract(year FROM date '2020-01-01')",
        "id IN (1, 2)",
        "[id, 1]",
    ],
)
def test_an_expression_written_three_times_has_one_name(context: SessionContext, item: str) -> None:
    shown, rows = ask(context, f"SELECT {item}, b, {item}, {item} FROM t ORDER BY b")
    once, values = ask(context, f"SELECT {item} FROM t ORDER BY b")
    assert shown == [once[0], "b", once[0], once[0]]
    for place in (0, 2, 3):
        assert [row[place] for row in rows] == [value[0] for value in values]


def test_explain_plans_repeated_names(context: SessionContext) -> None:
    assert ask(context, "EXPLAIN SELECT id, id FROM t")[0] == ["plan_type", "plan"]


def test_a_user_cannot_write_the_private_alias(context: SessionContext) -> None:
    renamed = Renamed("SELECT 2 AS b, 3 AS b")
    try:
        context.sql(renamed.sql)
    except Exception as error:  # noqa: BLE001 - DataFusion raises no narrower class
        renamed = rename_duplicates(renamed, str(error)) or renamed
    alias = next(iter(renamed.aliases))
    shown, _ = ask(context, f"SELECT 1 AS {alias}, 2 AS b, 3 AS b")
    assert shown == [alias, "b", "b"]


def test_other_refusals_are_not_touched() -> None:
    assert rename_duplicates(Renamed("SELECT 1"), "No field named x") is None


def test_a_thousand_repeats_take_one_round(context: SessionContext) -> None:
    shown, _ = ask(context, "SELECT " + ", ".join(["1"] * 1000), plans_max=2)
    assert shown == ["Int64(1)"] * 1000


def test_rounds_are_bounded(context: SessionContext) -> None:
    pairs = ", ".join(f"{n} AS c{n}, {n + 1} AS c{n}" for n in range(300))
    with pytest.raises(Exception, match="unique expression names"):
        ask(context, f"SELECT {pairs}")
