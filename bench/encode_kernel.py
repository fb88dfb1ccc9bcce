"""Rows per second of the result encoders on one core, per column type and for a 7-column mix."""

import json
import sys
import time
from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from engine.encode import open_encoder
from engine.encode.strings import Array

ROWS = 1_000_000
BATCH_ROWS = 8_192
REPEATS = 3


def columns() -> dict[str, Array]:
    rng = np.random.default_rng(7)
    ids: Array = pa.array(rng.integers(-(10**9), 10**9, ROWS))
    words: Array = pa.array([f"name{n} value" for n in range(1_000)])
    picks: Array = pa.array(rng.integers(0, 1_000, ROWS))
    instants = rng.integers(0, 2 * 10**15, ROWS)
    cents = pa.array(
        np.column_stack((rng.integers(0, 10**9, ROWS), np.zeros(ROWS, np.int64))).ravel()
    )
    vectors: Array = pa.array(rng.normal(size=ROWS).astype(np.float32))
    few: Array = pa.array(rng.random(ROWS) < 0.1)
    by_4: Array = pa.array(np.arange(0, ROWS + 1, 4, dtype=np.int32))
    by_100: Array = pa.array(np.arange(0, ROWS + 1, 100, dtype=np.int32))
    return {
        "int64": ids,
        "float64": pa.array(rng.normal(size=ROWS) * 1_000),
        "utf8": words.take(picks),
        "bool": pa.array(rng.random(ROWS) < 0.5),
        "date32": pa.array(rng.integers(0, 20_000, ROWS).astype(np.int32)).view(pa.date32()),
        "timestamp[us]": pa.array(instants).view(pa.timestamp("us")),
        "decimal128(12,2)": pa.Array.from_buffers(
            pa.decimal128(12, 2), ROWS, [None, cents.buffers()[1]]
        ),
        "utf8 10% null": pa.array(words.take(picks).to_pylist(), mask=few.to_numpy(False)),
        "utf8 escaped": pa.array(['a "quoted"\nline'] * ROWS),
        "float32": vectors,
        "decimal128(38,10)": pa.Array.from_buffers(
            pa.decimal128(38, 10), ROWS, [None, cents.buffers()[1]]
        ),
        "timestamp[us, New York]": pa.array(instants).view(pa.timestamp("us", "America/New_York")),
        "timestamp[us] mixed fractions": pa.array(
            np.where(instants % 2, instants, instants - instants % 1_000_000)
        ).view(pa.timestamp("us")),
        "list<int64>[4]": pa.ListArray.from_arrays(by_4, ids),
        "list<float32>[100]": pa.ListArray.from_arrays(by_100, vectors),
        "struct<int64, utf8>": pa.StructArray.from_arrays([ids, words.take(picks)], ["a", "b"]),
        "dictionary<utf8>": pa.DictionaryArray.from_arrays(picks.cast(pa.int32()), words),
        "binary": words.take(picks).cast(pa.binary()),
    }


def batches(table: pa.Table) -> Iterator[pa.RecordBatch]:
    yield from table.combine_chunks().to_batches(max_chunksize=BATCH_ROWS)


def rate(table: pa.Table, format_name: str) -> dict[str, float]:
    parts, seconds = list(batches(table)), []
    for _ in range(REPEATS):
        encoder = open_encoder(format_name, table.schema)
        start = time.process_time()
        size_bytes = sum(len(chunk) for part in parts for chunk in encoder.encode(part))
        encoder.finish()
        seconds.append(time.process_time() - start)
    return {
        "rows_per_s": round(table.num_rows / min(seconds)),
        "mb_per_s": round(size_bytes / min(seconds) / 1e6),
    }


def main() -> None:
    pa.set_cpu_count(1)
    made = columns()
    mix = pa.table({name: made[name] for name in list(made)[:7]})
    report: dict[str, object] = {"rows": ROWS, "batch_rows": BATCH_ROWS}
    report["mix"] = {name: rate(mix, name) for name in ("json", "csv", "md", "arrow")}
    report["json_by_type"] = {
        name: rate(pa.table({"x": column}), "json") for name, column in made.items()
    }
    json.dump(report, sys.stdout, indent=2)
    print()


if __name__ == "__main__":
    main()
