"""Profiles of copies and datasets, against counts made in Python."""

from pathlib import Path
from typing import Any

import pytest

from engine import errors
from engine.service import connections, datasets, profiles, refresh
from engine.service.context import Caller, Engine
from tests.service.remote import connect_duckdb, rows_of, write_duckdb

pytestmark = pytest.mark.anyio

TABLE = """
CREATE TABLE t AS SELECT
  i AS id,
  'name ' || i AS name,
  CASE WHEN i % 10 = 0 THEN NULL ELSE 'c' || i % 3 END AS category,
  (i % 5)::DECIMAL(9, 2) AS price,
  i / 7.0 AS ratio,
  i % 4 = 0 AS flag,
  DATE '2024-01-01' + (i % 1000)::INT AS day,
  TIMESTAMPTZ '2024-01-01 00:00:00+00' + i * INTERVAL 1 SECOND AS at,
  NULL::INT AS nothing,
  [i, i + 1] AS list,
  i::VARCHAR::BLOB AS data,
  'x' AS "odd ""name"
FROM range(1000) r(i)
"""


def described(columns: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {column["name"]: column for column in columns}


async def test_every_kind_of_column_is_described(
    engine: Engine, caller: Caller, tmp_path: Path
) -> None:
    write_duckdb(tmp_path / "x.duckdb", "SET TimeZone = 'UTC'", TABLE)
    made = await connect_duckdb(engine, caller, tmp_path / "x.duckdb")
    await rows_of(engine, caller, "SELECT count(*) FROM duck.main.t")
    profile = await profiles.profile_remote_table(engine, caller, made.id, "main", "t")
    assert (profile.owner, profile.schema, profile.table) == ("duck", "main", "t")
    assert profile.row_count == 1000
    columns = described(profile.columns)
    assert columns["id"]["profile"] == {
        "type": "numeric",
        "min": "0",
        "max": "999",
        "mean": 499.5,
    }
    assert abs(columns["id"]["cardinality"] - 1000) < 50
    lengths = [len(f"name {i}") for i in range(1000)]
    assert columns["name"]["profile"] == {
        "type": "text",
        "min_length": min(lengths),
        "max_length": max(lengths),
        "avg_length": pytest.approx(sum(lengths) / 1000),
    }
    category = columns["category"]
    assert (category["null_count"], category["null_percentage"], category["cardinality"]) == (
        100,
        10.0,
        3,
    )
    counts = {value["value"]: value["count"] for value in category["profile"]["values"]}
    expected = [None if i % 10 == 0 else f"c{i % 3}" for i in range(1000)]
    assert counts == {value: expected.count(value) for value in set(expected)}
    assert list(counts.values()) == sorted(counts.values(), reverse=True)
    assert columns["price"]["profile"]["type"] == "categorical"
    assert {value["value"] for value in columns["price"]["profile"]["values"]} == {
        f"{n}.00" for n in range(5)
    }
    assert columns["ratio"]["profile"]["type"] == "numeric"
    assert columns["flag"]["profile"] == {"type": "boolean", "true_count": 250, "false_count": 750}
    assert columns["day"]["profile"] == {
        "type": "temporal",
        "min": "2024-01-01",
        "max": "2026-09-26",
    }
    assert columns["at"]["profile"]["min"] == "2024-01-01T00:00:00Z"
    assert columns["nothing"]["profile"] is None
    assert columns["nothing"]["null_percentage"] == 100.0
    for name in ("list", "data"):
        assert columns[name]["profile"] is None
        assert columns[name]["cardinality"] > 900
    assert columns['odd "name']["profile"]["values"] == [{"value": "x", "count": 1000}]
    assert columns["at"]["data_type"] == 'Timestamp(µs, "UTC")'


async def test_a_profile_belongs_to_one_copy(
    engine: Engine, caller: Caller, stranger: Caller, tmp_path: Path
) -> None:
    write_duckdb(tmp_path / "x.duckdb", "CREATE TABLE t AS SELECT 1 AS n")
    made = await connect_duckdb(engine, caller, tmp_path / "x.duckdb")
    where = (made.id, "main", "t")
    with pytest.raises(errors.NotFound, match="not synced"):
        await profiles.profile_remote_table(engine, caller, *where)
    await refresh.refresh_table(engine, caller, *where)
    first = await profiles.profile_remote_table(engine, caller, *where)
    write_duckdb(tmp_path / "x.duckdb", "INSERT INTO t VALUES (2)")
    await refresh.refresh_table(engine, caller, *where)
    second = await profiles.profile_remote_table(engine, caller, *where)
    assert (first.row_count, second.row_count) == (1, 2)
    assert second.columns[0]["cardinality"] == 2
    with pytest.raises(errors.NotFound):
        await profiles.profile_remote_table(engine, stranger, *where)
    await connections.purge(engine, caller, made.id)
    with pytest.raises(errors.NotFound, match="not synced"):
        await profiles.profile_remote_table(engine, caller, *where)


async def test_an_empty_table_has_a_profile(engine: Engine, caller: Caller, tmp_path: Path) -> None:
    write_duckdb(tmp_path / "x.duckdb", "CREATE TABLE t (n INT, m TEXT)")
    made = await connect_duckdb(engine, caller, tmp_path / "x.duckdb")
    await refresh.refresh_table(engine, caller, made.id, "main", "t")
    profile = await profiles.profile_remote_table(engine, caller, made.id, "main", "t")
    assert [column["null_percentage"] for column in profile.columns] == [0.0, 0.0]
    assert [column["profile"] for column in profile.columns] == [None, None]


async def test_a_dataset_has_one_too(engine: Engine, caller: Caller) -> None:
    source = {"inline": {"format": "csv", "content": "a,b\n1,x\n2,\n"}}
    dataset = await datasets.create_dataset(
        engine, caller, label="Small", source=source, table_name="small"
    )
    profile = await profiles.profile_dataset(engine, caller, dataset.id)
    assert (profile.owner, profile.table, profile.row_count) == ("datasets", "small", 2)
    assert [column["null_count"] for column in profile.columns] == [0, 1]
    again = await profiles.profile_dataset(engine, caller, dataset.id)
    assert again == profile
