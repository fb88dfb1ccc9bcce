"""The nearest rows among those that pass a filter, in a table of many files."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from catalog.index_model import IndexType, Metric, VectorStorage
from engine.indexes.row_store import RowWriter
from engine.indexes.vector import VectorBuilder, VectorSpec
from engine.workers.index_use import use_indexes
from engine.workers.session import Sessions
from engine.workers.tasks import IndexBinding, ScanMode, TableBinding

FILES, ROWS, WIDTH = 12, 30, 4
DEFAULTS = ("datasets", "main")


@pytest.fixture
def rows() -> pa.Table:
    rng = np.random.default_rng(3)
    count = FILES * ROWS
    vectors = rng.random((count, WIDTH), dtype=np.float32)
    return pa.table(
        {
            "id": np.arange(count),
            "price": rng.permutation(count),
            "v": pa.array(vectors.tolist(), pa.list_(pa.float32())),
        }
    )


@pytest.fixture
def table(tmp_path: Path, rows: pa.Table) -> TableBinding:
    """Files whose names are in another order than their numbers, and an index over all."""
    folder, index = tmp_path / "docs", tmp_path / "near"
    folder.mkdir()
    index.mkdir()
    writer = RowWriter(tmp_path / "rows.arrow", rows.schema)
    builder = VectorBuilder(VectorSpec("v", "l2", WIDTH), index, threads=1)
    for number in range(FILES):
        part = rows.slice(number * ROWS, ROWS)
        pq.write_table(part, folder / f"part-{number}.parquet")
        for batch in part.to_batches():
            writer.write(batch)
        builder.add(part.column("v"), number * ROWS)
    writer.finish()
    builder.finish()
    near = IndexBinding(
        "near",
        IndexType.VECTOR,
        ("v",),
        str(index),
        metric=Metric.L2,
        storage=VectorStorage.I8,
        dimensions=WIDTH,
    )
    return TableBinding(
        *DEFAULTS,
        "docs",
        folder=str(folder),
        file_count=FILES,
        indexes=(near,),
        rows=str(tmp_path / "rows.arrow"),
    )


def test_rows_are_counted_through_the_files_in_the_order_of_their_numbers(
    tmp_path: Path, table: TableBinding, rows: pa.Table
) -> None:
    sessions = Sessions(tmp_path)
    query = "l2_distance(v, ARRAY[0.5, 0.5, 0.5, 0.5])"
    for least in (0, 100, 350):
        sql = f"SELECT id FROM docs WHERE price >= {least} ORDER BY {query} LIMIT 10"
        found = []
        for is_indexed in (False, True):
            context = sessions.open(
                [table],
                default_catalog=DEFAULTS[0],
                default_schema=DEFAULTS[1],
                memory_bytes=1 << 28,
                scan=ScanMode.PARALLEL,
                sql=sql,
            )
            frame = context.sql(sql)
            if is_indexed:
                assert use_indexes(frame, context, sessions, DEFAULTS)
                frame = context.sql(sql)
                assert "by vector index near" in frame.logical_plan().display_indent()
            found.append([row for batch in frame.collect() for row in batch.column(0).to_pylist()])
        assert found[0] == found[1]
        assert len(found[0]) == 10
