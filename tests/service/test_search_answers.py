"""Indexes against brute force: the same rows, the same scores and distances, on many random queries."""

import random
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from catalog.model import Classification
from engine.errors import EngineError, SqlInvalid
from engine.service import saved_queries
from engine.service.context import Caller, Engine
from tests.service.searching import (
    WORDS,
    array,
    distance,
    documents,
    make_dataset,
    make_index,
    plan_of,
    rows_of,
)
from tests.service.steps import new_caller

pytestmark = pytest.mark.anyio

ROWS = documents(6_000)
FUNCTIONS = {"l2": "l2_distance", "cosine": "cosine_distance", "dot": "negative_dot_product"}


@pytest.fixture(scope="module")
async def searcher(shared_engine: Engine) -> Caller:
    """A workspace whose table ``docs`` has every kind of index, and ``plain`` none."""
    engine, caller = shared_engine, await new_caller(shared_engine)
    for name in ("docs", "plain"):
        dataset = await make_dataset(engine, caller, ROWS, name)
        if name == "docs":
            await make_index(engine, caller, dataset.id, "words", ["body"], index_type="bm25")
            await make_index(engine, caller, dataset.id, "prices", ["price", "id"])
            await make_index(engine, caller, dataset.id, "kinds", ["kind", "stock"])
            for metric in FUNCTIONS:
                await make_index(
                    engine, caller, dataset.id, metric, ["v"], index_type="vector", metric=metric
                )
    return caller


def predicate(draw: random.Random) -> str:
    number, other = round(draw.uniform(-5, 105), 1), round(draw.uniform(0, 20), 1)
    whole = draw.randint(-60, 60)
    kind = draw.choice(["'a'", "'b'", "'c'", "'d'", "''"])
    terms = [
        f"price = {number}",
        f"price < {number}",
        f"{number} >= price",
        f"price BETWEEN {number} AND {number + other}",
        f"price IN ({number}, {number + 1}, {other})",
        f"price > {number} AND price <= {number + other} AND id % 3 = 1",
        f"price IS NULL OR price = {number}",
        f"kind = {kind}",
        f"kind = {kind} AND stock = {whole}",
        f"kind > {kind} AND stock BETWEEN {whole} AND {whole + 10}",
        f"kind IN ({kind}, 'c') AND NOT stock < {whole}",
        f"kind = {kind} OR price < {other}",
        f"kind IS NULL AND stock >= {whole}",
        f"kind LIKE {kind[:-1]}%' AND price <> {number}",
    ]
    return draw.choice(terms)


async def test_sorted_indexes_answer_as_the_table_does(
    shared_engine: Engine, searcher: Caller
) -> None:
    oracle = duckdb.connect()
    oracle.register("docs", ROWS)
    draw = random.Random(11)
    used = 0
    for _ in range(1_000):
        sql = f"SELECT id, price, stock, kind, body FROM docs WHERE {predicate(draw)}"
        order = draw.choice(
            [
                "ORDER BY id",
                "ORDER BY price, id LIMIT 20",
                "ORDER BY price DESC NULLS LAST, id LIMIT 7",
                "ORDER BY kind NULLS LAST, stock NULLS LAST, id LIMIT 30 OFFSET 3",
            ]
        )
        found = await rows_of(shared_engine, searcher, f"{sql} {order}")
        expected = [list(row) for row in oracle.execute(f"{sql} {order}").fetchall()]
        assert found == expected, f"{sql} {order}"
    for sql in ("SELECT id FROM docs WHERE price = 5", "SELECT id FROM docs WHERE kind = 'a'"):
        used += "by sorted index" in await plan_of(shared_engine, searcher, sql)
    assert used == 2


async def test_exact_distances_are_the_formula(shared_engine: Engine, searcher: Caller) -> None:
    vectors = dict(zip(ROWS["id"].to_pylist(), ROWS["v"].to_pylist(), strict=True))
    rng = np.random.default_rng(5)
    for metric, function in FUNCTIONS.items():
        for _ in range(8):
            query = rng.random(8, dtype=np.float32).tolist()
            sql = f"SELECT id, {function}(v, {array(query)}) AS d FROM %s ORDER BY d, id LIMIT 25"
            brute = await rows_of(shared_engine, searcher, sql % "plain")
            expected = sorted(
                (distance(metric, vector, query), row)
                for row, vector in vectors.items()
                if vector is not None
            )[:25]
            assert [row for row, _ in brute] == [row for _, row in expected]
            assert [d for _, d in brute] == pytest.approx([d for d, _ in expected], rel=1e-6)


@pytest.mark.parametrize("metric", FUNCTIONS)
@pytest.mark.parametrize("where", ["", "WHERE price < 1", "WHERE kind = 'a' AND stock > 0"])
async def test_nearest_rows_by_index_are_those_of_brute_force(
    shared_engine: Engine, searcher: Caller, metric: str, where: str
) -> None:
    rng = np.random.default_rng(6)
    for _ in range(10):
        query = array(rng.random(8, dtype=np.float32).tolist())
        sql = f"SELECT id, {FUNCTIONS[metric]}(v, {query}) AS d FROM %s {where} ORDER BY d LIMIT 10"
        by_index = await rows_of(shared_engine, searcher, sql % "docs")
        brute = await rows_of(shared_engine, searcher, sql % "plain")
        assert by_index == brute
        assert f"by vector index {metric}" in await plan_of(shared_engine, searcher, sql % "docs")


@pytest.mark.parametrize("metric", FUNCTIONS)
@pytest.mark.parametrize("where", ["", "WHERE price < 50", "WHERE body LIKE 'red%%' OR stock > 0"])
async def test_neither_the_distance_nor_a_filtered_column_need_be_selected(
    shared_engine: Engine, searcher: Caller, metric: str, where: str
) -> None:
    query = array(np.random.default_rng(9).random(8, dtype=np.float32).tolist())
    sql = f"SELECT id FROM %s {where} ORDER BY {FUNCTIONS[metric]}(v, {query}) LIMIT 10"
    by_index = await rows_of(shared_engine, searcher, sql % "docs")
    assert by_index == await rows_of(shared_engine, searcher, sql % "plain")
    assert f"by vector index {metric}" in await plan_of(shared_engine, searcher, sql % "docs")


async def test_a_filter_that_is_another_for_every_row_is_applied_once(
    shared_engine: Engine, searcher: Caller
) -> None:
    query = array([0.5] * 8)
    sql = f"SELECT id FROM docs WHERE random() < 0.5 ORDER BY l2_distance(v, {query}) LIMIT 40"
    for _ in range(5):
        assert len(await rows_of(shared_engine, searcher, sql)) == 40


async def test_vector_search_gives_the_nearest(shared_engine: Engine, searcher: Caller) -> None:
    rng = np.random.default_rng(8)
    for _ in range(20):
        query = array(rng.random(8, dtype=np.float32).tolist())
        found = await rows_of(
            shared_engine,
            searcher,
            f"SELECT id, _distance FROM vector_search('docs', 'v', {query}, 12) ORDER BY _distance",
        )
        # Three indexes are over the column: the first of them by name answers.
        brute = await rows_of(
            shared_engine,
            searcher,
            f"SELECT id, cosine_distance(v, {query}) AS d FROM plain ORDER BY d LIMIT 12",
        )
        assert [row for row, _ in found] == [row for row, _ in brute]
        assert [d for _, d in found] == pytest.approx([d for _, d in brute], rel=1e-6)


async def test_a_search_finds_the_rows_that_hold_its_words(
    shared_engine: Engine, searcher: Caller
) -> None:
    texts = dict(zip(ROWS["id"].to_pylist(), ROWS["body"].to_pylist(), strict=True))
    draw = random.Random(3)
    for _ in range(60):
        one, other = draw.sample(WORDS, 2)
        found = await rows_of(
            shared_engine,
            searcher,
            f"SELECT id, score, body FROM bm25_search('docs', 'body', '+{one} -{other}')",
        )
        expected = {
            row
            for row, text in texts.items()
            if text and one in text.split() and other not in text.split()
        }
        assert {row for row, _, _ in found} == expected
        assert all(texts[row] == body and score > 0 for row, score, body in found)
        scores = [score for _, score, _ in found]
        assert scores == sorted(scores, reverse=True)


async def test_best_rows_are_the_same_however_many_are_asked_for(
    shared_engine: Engine, searcher: Caller
) -> None:
    search = "bm25_search('docs', 'body', 'warm leather boots'%s)"
    everything = await rows_of(
        shared_engine, searcher, f"SELECT score FROM {search % ''} ORDER BY score DESC"
    )
    for sql in (
        f"SELECT score FROM {search % ', 15'} ORDER BY score DESC",
        f"SELECT score FROM {search % ''} ORDER BY score DESC LIMIT 15",
        f"SELECT score FROM (SELECT * FROM {search % ''}) x ORDER BY score DESC LIMIT 10 OFFSET 5",
    ):
        found = await rows_of(shared_engine, searcher, sql)
        start = 5 if "OFFSET" in sql else 0
        assert found == everything[start:15]


async def test_joins_and_subqueries_read_the_same_rows(
    shared_engine: Engine, searcher: Caller
) -> None:
    search = "bm25_search('docs', 'body', 'winter')"
    ids = await rows_of(shared_engine, searcher, f"SELECT id FROM {search} ORDER BY id")
    assert ids
    for sql in (
        f"SELECT d.id FROM {search} s JOIN plain d ON d.id = s.id ORDER BY 1",
        f"WITH s AS (SELECT * FROM {search}) SELECT a.id FROM s a JOIN s b USING (id) ORDER BY 1",
        f"SELECT id FROM plain WHERE id IN (SELECT id FROM {search}) ORDER BY 1",
        f"SELECT id FROM plain p WHERE EXISTS (SELECT 1 FROM {search} s WHERE s.id = p.id) ORDER BY 1",
        f"SELECT id FROM {search} s WHERE score > 0 ORDER BY 1",
        f"SELECT id FROM (SELECT id FROM {search} UNION SELECT id FROM {search}) ORDER BY 1",
        f"SELECT id FROM plain WHERE id <= (SELECT max(id) FROM {search}) "
        f"AND body LIKE '%winter%' ORDER BY 1",
    ):
        assert await rows_of(shared_engine, searcher, sql) == ids, sql
    (counted,) = await rows_of(
        shared_engine, searcher, f"SELECT count(*), count(DISTINCT id) FROM {search}"
    )
    assert counted == [len(ids), len(ids)]


async def test_a_table_function_has_every_column_and_its_value_last(
    shared_engine: Engine, searcher: Caller
) -> None:
    answer: Any = await rows_of(
        shared_engine, searcher, "SELECT * FROM bm25_search('docs', 'body', 'red', 5)"
    )
    by_id = {row["id"]: row for row in ROWS.to_pylist()}
    for row in answer:
        known = by_id[row[0]]
        expected = [known[name] for name in ROWS.schema.names]
        assert row[:5] == expected[:5]
        assert row[5] == pytest.approx(expected[5], rel=1e-6)
        assert len(row) == 7


def test_the_rows_are_what_the_tests_need() -> None:
    assert ROWS["body"].null_count > 0
    assert ROWS["v"].null_count > 0
    assert "" in ROWS["body"].to_pylist()


async def test_a_long_array_may_be_written_several_times(
    shared_engine: Engine, searcher: Caller
) -> None:
    numbers = array([round(n / 7, 3) for n in range(20)])
    sql = (
        f"SELECT count(*) AS n, array_length({numbers}) AS long FROM plain "
        f"GROUP BY array_length({numbers}) HAVING array_length({numbers}) = 20"
    )
    assert await rows_of(shared_engine, searcher, sql) == [[6_000, 20]]


@pytest.mark.parametrize("name", ["numbers_of_statement", "embedding_of_statement"])
@pytest.mark.parametrize("place", ["0", "-1", "99", "NULL", "id"])
async def test_what_stands_for_a_literal_cannot_be_called(
    shared_engine: Engine, searcher: Caller, name: str, place: str
) -> None:
    with pytest.raises(SqlInvalid, match="not to be called"):
        await rows_of(shared_engine, searcher, f"SELECT {name}({place}) FROM plain")


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT id FROM %s ORDER BY CAST(l2_distance(v, {q}) AS VARCHAR), id LIMIT 5",
        "SELECT id FROM %s ORDER BY CAST(l2_distance(v, {q}) * 9 AS TINYINT), id LIMIT 5",
        "SELECT sum(l2_distance(CAST(v AS BIGINT[]), {q})) FROM (SELECT v FROM %s "
        "ORDER BY l2_distance(CAST(v AS BIGINT[]), {q}) LIMIT 20)",
        "SELECT count(*) FROM (SELECT id FROM %s ORDER BY l2_distance(v, ARRAY[1e39]) LIMIT 3)",
        "SELECT count(*) FROM (SELECT id FROM %s ORDER BY l2_distance(v, ARRAY[]) LIMIT 3)",
        "SELECT id FROM %s ORDER BY l2_distance(v, {q}) DESC NULLS LAST, id LIMIT 4",
        "SELECT id, l2_distance(v, {q}) AS price FROM %s ORDER BY price NULLS FIRST, id LIMIT 4",
        "SELECT kind FROM %s WHERE id > 5 ORDER BY cosine_distance(v, {q}) LIMIT 4",
    ],
)
async def test_what_an_index_does_not_answer_the_table_does(
    shared_engine: Engine, searcher: Caller, sql: str
) -> None:
    query = sql.replace("{q}", array([0.25] * 8))
    answers = []
    for table in ("docs", "plain"):
        try:
            answers.append(await rows_of(shared_engine, searcher, query % table))
        except EngineError as error:
            answers.append([[error.message.replace("docs", "plain")]])
    assert answers[0] == answers[1]


async def test_zeros_of_both_signs_are_one_value_in_a_sorted_index(
    shared_engine: Engine, searcher: Caller
) -> None:
    draw = random.Random(2)
    zeros = [draw.choice([-0.0, 0.0, float("nan"), 1.5]) for _ in range(400)]
    rows = pa.table({"id": range(400), "f": pa.array(zeros, pa.float64())})
    dataset = await make_dataset(shared_engine, searcher, rows, "zeros")
    await make_index(shared_engine, searcher, dataset.id, "s", ["f", "id"])
    found = await rows_of(
        shared_engine, searcher, "SELECT id FROM zeros WHERE f = 0 ORDER BY id LIMIT 9"
    )
    assert [row for (row,) in found] == [n for n in range(400) if zeros[n] == 0][:9]


async def test_a_failing_function_says_what_was_wrong_and_nothing_else(
    shared_engine: Engine, searcher: Caller
) -> None:
    with pytest.raises(EngineError) as refused:
        await rows_of(shared_engine, searcher, "SELECT l2_distance(ARRAY[1, 2], ARRAY[1.5])")
    assert "PyErr" not in refused.value.message
    assert "2" in refused.value.message


@pytest.mark.parametrize("name", ["Bm25_Search", "bm25_SEARCH", "BM25_SEARCH"])
async def test_a_function_is_found_in_any_case(
    shared_engine: Engine, searcher: Caller, name: str
) -> None:
    sql = "SELECT id FROM {}('docs', 'body', 'red boots', 5)"
    expected = await rows_of(shared_engine, searcher, sql.format("bm25_search"))
    assert await rows_of(shared_engine, searcher, sql.format(name)) == expected


@pytest.mark.parametrize(
    "call", ["vector_distance(kind, 'x')", "vector_distance(lower(body), 'x')"]
)
async def test_a_distance_without_an_index_says_what_it_needs(
    shared_engine: Engine, searcher: Caller, call: str
) -> None:
    with pytest.raises(SqlInvalid, match="must be the name of a column, with a vector index"):
        await rows_of(shared_engine, searcher, f"SELECT {call} FROM docs")


async def test_all_columns_are_those_that_are_made_too(
    shared_engine: Engine, searcher: Caller
) -> None:
    rows = pa.table({"id": [1, 2, 2], "body": ["red", "blue", "green"]})
    dataset = await make_dataset(shared_engine, searcher, rows, "made")
    await make_index(
        shared_engine, searcher, dataset.id, "near", ["body"], index_type="vector", dimensions=64
    )
    for sql in (
        "SELECT * FROM made",
        "SELECT DISTINCT ON (id) * FROM made ORDER BY id",
        "SELECT DISTINCT ON (id, body) made.* FROM made ORDER BY id, body",
        "SELECT ALL * FROM made",
    ):
        found = await rows_of(shared_engine, searcher, sql)
        assert {len(row) for row in found} == {3}, sql
    product = "SELECT (id) * 2 FROM made ORDER BY id LIMIT 1"
    assert await rows_of(shared_engine, searcher, product) == [[2]]


async def test_a_distance_by_one_of_two_indexes_names_its_column(
    shared_engine: Engine, searcher: Caller
) -> None:
    rows = pa.table({"id": [1, 2], "body": ["red", "blue"]})
    dataset = await make_dataset(shared_engine, searcher, rows, "twice")
    for name, width in (("one", 64), ("two", 128)):
        options = {"index_type": "vector", "dimensions": width, "output_column": f"v_{name}"}
        await make_index(shared_engine, searcher, dataset.id, name, ["body"], **options)
    with pytest.raises(SqlInvalid, match="Name the column of one of them: v_one, v_two"):
        await rows_of(shared_engine, searcher, "SELECT vector_distance(body, 'red') FROM twice")
    sql = "SELECT id FROM twice ORDER BY vector_distance(v_two, 'red') LIMIT 1"
    assert await rows_of(shared_engine, searcher, sql) == [[1]]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT id FROM saved ORDER BY vector_distance(body, 'red') LIMIT 1",
        "SELECT id FROM hybrid_search('saved', 'body', 'body', 'red', 1)",
        "SELECT id FROM vector_search('saved', 'body', 'red', 1)",
    ],
)
async def test_a_search_by_text_can_be_saved(
    shared_engine: Engine, searcher: Caller, sql: str
) -> None:
    caller = await new_caller(shared_engine)
    rows = pa.table({"id": [1, 2], "body": ["red", "blue"]})
    dataset = await make_dataset(shared_engine, caller, rows, "saved")
    await make_index(shared_engine, caller, dataset.id, "words", ["body"], index_type="bm25")
    await make_index(
        shared_engine, caller, dataset.id, "near", ["body"], index_type="vector", dimensions=64
    )
    saved = await saved_queries.create_saved_query(
        shared_engine, caller, name="near", description="", tags=[], sql=sql
    )
    assert saved.version.classification != Classification()
    assert await rows_of(shared_engine, caller, sql) == [[1]]


@pytest.mark.parametrize("name", ["bm25_search", "Bm25_Search", "BM25_SEARCH"])
async def test_letters_that_become_two_in_small_letters_are_only_letters(
    shared_engine: Engine, searcher: Caller, name: str
) -> None:
    sql = f"SELECT 'İİİ', count(*) FROM {name}('docs', 'body', '{WORDS[0]}', 3)"
    assert await rows_of(shared_engine, searcher, sql) == [["İİİ", 3]]
