"""A kept result is whole, or gone: the thread that writes it always ends."""

import threading
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datafusion import SessionContext

from engine.workers.keeper import Keeper

ALWAYS_A_FILE = -1
BATCH = pa.record_batch({"x": pa.array(range(100_000))})


def test_large_rows_are_kept_as_parquet(tmp_path: Path) -> None:
    path = tmp_path / "kept.parquet"
    keeper = Keeper(BATCH.schema, str(path), inline_bytes_max=1024)
    for _ in range(5):
        keeper.add(BATCH, BATCH.nbytes)
    assert keeper.finish() == path.stat().st_size
    keeper.close()
    assert pq.read_table(path).num_rows == 500_000


def test_no_more_waits_in_memory_than_may(tmp_path: Path) -> None:
    path = tmp_path / "kept.parquet"
    keeper = Keeper(BATCH.schema, str(path), ALWAYS_A_FILE, held_bytes_max=2 * BATCH.nbytes)
    keeper.add(BATCH, BATCH.nbytes)
    assert not path.exists()  # the response comes first
    for _ in range(20):
        keeper.add(BATCH, BATCH.nbytes)
        assert keeper.held_bytes <= 4 * BATCH.nbytes  # what waits, and the next row group
    assert path.exists()
    keeper.finish()
    assert keeper.held_bytes == 0
    assert pq.read_table(path).num_rows == 2_100_000


def test_a_file_nobody_waits_before_is_begun_at_once(tmp_path: Path) -> None:
    path = tmp_path / "kept.parquet"
    keeper = Keeper(BATCH.schema, str(path), ALWAYS_A_FILE, is_patient=False)
    before = threading.active_count()
    keeper.add(BATCH, BATCH.nbytes)
    keeper.add(BATCH, BATCH.nbytes)  # that fills a row group
    assert threading.active_count() == before + 1
    keeper.finish()
    assert pq.read_table(path).num_rows == 200_000


@pytest.mark.parametrize("is_patient", [True, False])
def test_what_is_given_up_leaves_no_thread(is_patient: bool) -> None:
    before = threading.active_count()
    keeper = Keeper(BATCH.schema, "/dev/null", 1024, is_patient=is_patient)
    for _ in range(20):
        keeper.add(BATCH, BATCH.nbytes)
    keeper.close()
    assert threading.active_count() == before


@pytest.mark.parametrize("rows", [1, 100_000])
@pytest.mark.parametrize("path", ["/dev/full", "/nonexistent/kept.parquet"])
def test_a_disk_that_refuses_is_an_error_and_no_hang(path: str, rows: int) -> None:
    keeper = Keeper(BATCH.schema, path, ALWAYS_A_FILE)
    keeper.add(BATCH.slice(0, rows), BATCH.nbytes)
    with pytest.raises(OSError, match=r"kept\.parquet|No space left"):
        keeper.finish()
    keeper.close()


def test_a_kept_nan_is_found(tmp_path: Path) -> None:
    path = tmp_path / "kept.parquet"
    nan = float("nan")
    batch = pa.record_batch({"k": [1, 2], "b": [nan, 2.0], "l": [[nan], [2.0]]})
    keeper = Keeper(batch.schema, str(path), ALWAYS_A_FILE)
    keeper.add(batch, batch.nbytes)
    keeper.finish()
    context = SessionContext()
    context.register_parquet("t", str(path))
    for sql, expected in (
        ("SELECT k, b FROM t", [(1, nan), (2, 2.0)]),
        ("SELECT max(b), max(l[1]) FROM t", [(nan, nan)]),
        ("SELECT k FROM t WHERE b = 2", [(2,)]),
        ("SELECT k FROM t WHERE isnan(b)", [(1,)]),
        ("SELECT b, count(*) FROM t GROUP BY b ORDER BY b", [(2.0, 1), (nan, 1)]),
    ):
        answer = [tuple(row.values()) for row in context.sql(sql).to_arrow_table().to_pylist()]
        assert repr(answer) == repr(expected)
    group = pq.ParquetFile(path).metadata.row_group(0)
    assert [group.column(position).is_stats_set for position in range(3)] == [True, False, False]
