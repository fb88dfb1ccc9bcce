"""The table of the benchmarks: any number of rows in order of ``id``, seven columns of mixed types."""

from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

_PART_ROWS = 1_000_000
_WORDS = pa.array([f"name{n} value" for n in range(1_000)])


def points_file(out_folder: Path, rows: int) -> Path:
    """Return a Parquet file of so many points, made at the first call."""
    path = out_folder / "cache" / f"points-{rows}.parquet"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        with pq.ParquetWriter(partial, make_points(0, 1).schema) as writer:
            for first in range(0, rows, _PART_ROWS):
                writer.write_table(make_points(first, min(_PART_ROWS, rows - first)))
        partial.rename(path)
    return path


def converted_points(out_folder: Path, rows: int, format_name: str) -> Path:
    """Return the same points as csv (with a header) or json (a line per row), kept like them."""
    source = points_file(out_folder, rows)
    path = source.with_suffix(f".{format_name}")
    if not path.exists():
        partial = path.with_suffix(".partial")
        duckdb.execute(f"COPY (SELECT * FROM '{source}') TO '{partial}' (FORMAT {format_name})")
        partial.rename(path)
    return path


def make_points(first_id: int, rows: int) -> pa.Table:
    """Make rows ``first_id`` and following; the same ids always have the same values."""
    rng = np.random.default_rng(first_id)
    # Odd, so that no instant is a whole second: DuckDB's JSON reader takes the format of the first
    # rows for that of all, and fails at such a row.
    micros = rng.integers(0, 2 * 10**15, rows) | 1
    cents = np.column_stack((rng.integers(0, 10**9, rows), np.zeros(rows, np.int64))).ravel()
    return pa.table(
        {
            "id": pa.array(np.arange(first_id, first_id + rows)),
            "name": _WORDS.take(rng.integers(0, len(_WORDS), rows)),
            "score": pa.array(np.round(rng.normal(size=rows) * 1_000, 6)),
            "price": pa.Array.from_buffers(
                pa.decimal128(12, 2), rows, [None, pa.array(cents).buffers()[1]]
            ),
            "is_new": pa.array(rng.random(rows) < 0.5),
            "day": pa.array(rng.integers(0, 20_000, rows).astype(np.int32)).view(pa.date32()),
            "seen_at": pa.array(micros).view(pa.timestamp("us")),
        }
    )
