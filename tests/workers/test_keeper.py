"""A kept result is whole, or gone: the thread that writes it always ends."""

import threading
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.workers.keeper import Keeper

ALWAYS_A_FILE = -1
BATCH = pa.record_batch({"x": pa.array(range(100_000))})


def test_large_rows_are_kept_as_parquet(tmp_path: Path) -> None:
    path = tmp_path / "kept.parquet"
    keeper = Keeper(BATCH.schema, str(path), inline_bytes_max=1024)
    for _ in range(5):
        keeper.add(BATCH)
    assert keeper.finish() == path.stat().st_size
    keeper.close()
    assert pq.read_table(path).num_rows == 500_000


def test_what_is_given_up_leaves_no_thread() -> None:
    before = threading.active_count()
    keeper = Keeper(BATCH.schema, "/dev/null", inline_bytes_max=1024)
    for _ in range(20):
        keeper.add(BATCH)
    keeper.close()
    assert threading.active_count() == before


@pytest.mark.parametrize("rows", [1, 100_000])
@pytest.mark.parametrize("path", ["/dev/full", "/nonexistent/kept.parquet"])
def test_a_disk_that_refuses_is_an_error_and_no_hang(path: str, rows: int) -> None:
    keeper = Keeper(BATCH.schema, path, ALWAYS_A_FILE)
    keeper.add(BATCH.slice(0, rows))
    with pytest.raises(OSError, match=r"kept\.parquet|No space left"):
        keeper.finish()
    keeper.close()
