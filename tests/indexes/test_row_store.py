"""Rows by number, of one file and of several: what was written comes, in the order asked for."""

import random
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pytest

from engine.indexes.row_store import RowStore, RowWriter
from engine.indexes.row_union import RowUnion

Row = dict[str, Any]

FIELDS: list["pa.Field[Any]"] = [
    pa.field("id", pa.int64(), nullable=False),
    pa.field("text", pa.large_string()),
    pa.field("tags", pa.list_(pa.string())),
    pa.field("place", pa.struct([pa.field("x", pa.float64())])),
]
SCHEMA = pa.schema(FIELDS)
LATER = SCHEMA.append(pa.field("vector", pa.list_(pa.float32(), 2)))


def rows_of(count: int, first: int) -> list[Row]:
    return [
        {
            "id": first + n,
            "text": None if n % 5 == 0 else "x" * (n % 7) + str(first + n),
            "tags": None if n % 4 == 0 else [str(n)] * (n % 3),
            "place": {"x": n / 2},
            "vector": None if n % 6 == 0 else [float(n), 0.5],
        }
        for n in range(count)
    ]


def write(
    path: Path, schema: pa.Schema, rows: Sequence[Row], compression: Literal["lz4"] | None
) -> RowStore:
    writer = RowWriter(path, schema, compression=compression, batch_rows=4)
    names = schema.names
    for start in range(0, len(rows), 11):
        part = [{name: row[name] for name in names} for row in rows[start : start + 11]]
        writer.write(pa.RecordBatch.from_pylist(part, schema))
    writer.finish()
    return RowStore(path)


@pytest.mark.parametrize("compression", ["lz4", None])
def test_rows_come_as_they_were_written_in_the_order_asked_for(
    tmp_path: Path, compression: Literal["lz4"] | None
) -> None:
    rows = rows_of(50, 0)
    store = write(tmp_path / "rows", LATER, rows, compression)
    chance = random.Random(1)
    for _ in range(100):
        wanted = chance.choices(range(50), k=chance.choice([0, 1, 5, 60]))
        columns = chance.sample(LATER.names, chance.randint(1, 5))
        taken = store.take(np.array(wanted, np.int64), columns)
        assert taken.schema == pa.schema([LATER.field(name) for name in columns])
        assert taken.to_pylist() == [{name: rows[n][name] for name in columns} for n in wanted]
    read = [row for batch in store.batches(["text", "id"]) for row in batch.to_pylist()]
    assert read == [{"id": row["id"], "text": row["text"]} for row in rows]


def test_what_a_store_lacks_is_null_in_all_of_them(tmp_path: Path) -> None:
    loose = pa.schema([field.with_nullable(True) for field in LATER])
    schemas, counts = [SCHEMA, LATER, loose, SCHEMA, LATER], [9, 30, 7, 0, 1]
    stores, rows = [], []
    for number, (schema, count) in enumerate(zip(schemas, counts, strict=True)):
        here = rows_of(count, 1000 * number)
        stores.append(write(tmp_path / str(number), schema, here, "lz4" if number % 2 else None))
        rows += [row if "vector" in schema.names else row | {"vector": None} for row in here]
    union = RowUnion(LATER, [partial(stores.__getitem__, n) for n in range(5)], counts)
    chance = random.Random(2)
    for _ in range(100):
        wanted = chance.choices(range(len(rows)), k=chance.choice([0, 1, 5, 60]))
        columns = chance.sample(LATER.names, chance.randint(1, 5))
        taken = union.take(np.array(wanted, np.int64), columns)
        assert taken.schema == pa.schema([LATER.field(name) for name in columns])
        assert taken.to_pylist() == [{name: rows[n][name] for name in columns} for n in wanted]
