"""Vectors in statements, as text and as parameters: read apart from the rest, and the same in every place."""

import numpy as np
import pytest

from engine.service.context import Caller, Engine
from tests.service.searching import array, documents, make_dataset, make_index, plan_of, rows_of

pytestmark = pytest.mark.anyio
WIDTH = 32


def vector(seed: int = 0) -> list[float]:
    numbers: list[float] = (np.random.default_rng(seed).random(WIDTH) - 0.5).tolist()
    return numbers


async def test_an_array_is_what_was_written(engine: Engine, caller: Caller) -> None:
    one, other = vector(1), [*vector(2), 3, -4]
    sql = f"SELECT {array(one)} AS a, {array(other)} AS b, $1 AS c, {array(one)}[2] AS d"
    (row,) = await rows_of(engine, caller, sql, params=(one,))
    assert row == [one, other, one, one[1]]


async def test_it_may_stand_in_a_subquery_and_beside_others(engine: Engine, caller: Caller) -> None:
    one = vector(3)
    sql = f"""WITH w AS (SELECT {array(one)} AS v UNION ALL SELECT {array(one[::-1])})
              SELECT array_length(v), v[1], id, id FROM w, (VALUES (1)) AS x (id)
              WHERE v[1] <> {one[1]} ORDER BY v[1] = {one[0]} DESC"""
    rows = await rows_of(engine, caller, sql)
    assert rows == [[WIDTH, one[0], 1, 1], [WIDTH, one[-1], 1, 1]]


async def test_searches_take_it_as_text_and_as_a_parameter(engine: Engine, caller: Caller) -> None:
    made = await make_dataset(engine, caller, documents(500, width=WIDTH))
    one = vector(4)
    by_distance = "SELECT id FROM docs WHERE stock > 0 ORDER BY cosine_distance(v, {}) LIMIT 5"
    exact = await rows_of(engine, caller, by_distance.format(array(one)))
    await make_index(engine, caller, made.id, "near", ["v"], index_type="vector", metric="cosine")
    search = "SELECT id FROM vector_search('docs', 'v', {}, 5) ORDER BY _distance"
    for sql in (by_distance, search):
        as_text = await rows_of(engine, caller, sql.format(array(one)))
        assert as_text == await rows_of(engine, caller, sql.format("$1"), params=(one,))
        assert len(as_text) == 5
    assert await rows_of(engine, caller, by_distance.format("$1"), params=(one,)) == exact
    plan = await plan_of(engine, caller, by_distance.format(array(one)))
    assert "by vector index near" in plan
