"""For the types where the spec says so, our JSON equals what DataFusion's own writer prints."""

import json
from pathlib import Path
from typing import Any

import datafusion
import numpy as np
import pyarrow as pa
import pytest

from engine.encode import open_encoder

ROWS = 400
RNG = np.random.default_rng(11)
SECONDS = RNG.integers(-60_000_000_000, 4_000_000_000, ROWS)
NEAR_SECONDS = RNG.integers(-9_000_000_000, 4_000_000_000, ROWS)
NANOS = RNG.integers(-(2**62), 2**62, ROWS)
NANOS[::3] -= NANOS[::3] % 10**9
NANOS[1::3] -= NANOS[1::3] % 10**6


def stored(values: Any, kind: pa.DataType) -> Any:
    """View integers as `kind`, with a null now and then."""
    array: Any = pa.array(values, mask=np.arange(ROWS) % 17 == 0)
    return array.view(kind)


INTERVALS: Any = pa.array(
    [
        (int(a % 30), int(b % 9) - 4, int(c) * (i % 3))
        for i, (a, b, c) in enumerate(zip(SECONDS, NANOS, NANOS, strict=True))
    ],
    pa.month_day_nano_interval(),
)
WORDS = ['q"uote', "back\\slash", "tab\t nl\n", "\x00\x01\x1f\x7f", "😀 é \u2028", "", None, "/"]
COLUMNS: dict[str, Any] = {
    "int64": stored(NANOS, pa.int64()),
    "uint64": stored(NANOS.view(np.uint64), pa.uint64()),
    "float64": pa.array(np.exp(RNG.normal(size=ROWS) * 40) * RNG.choice([-1, 1], ROWS)),
    "float32": pa.array((RNG.normal(size=ROWS) * 1000).astype(np.float32)),
    "nonfinite": pa.array([1.0, float("nan"), float("inf"), None]),
    "bool": pa.array([True, False, None]),
    "utf8": pa.array(WORDS),
    "utf8view": pa.array(WORDS, pa.string_view()),
    "binary": pa.array([b"", b"\x00\xff", None]),
    "decimal": pa.array([None, "1.50", "-0.01", "99999999999999999999.99"], pa.string()).cast(
        pa.decimal128(38, 2)
    ),
    "tiny decimal": pa.array(["0", "0.000000000001", "-5"], pa.string()).cast(
        pa.decimal128(20, 12)
    ),
    "date32": stored(RNG.integers(-1_000_000, 4_000_000, ROWS).astype(np.int32), pa.date32()),
    "date64": stored(SECONDS // 86400 * 86_400_000, pa.date64()),
    "timestamp[s]": stored(SECONDS * 9, pa.timestamp("s")),
    "timestamp[us]": stored(SECONDS * 10**6 + 120_000, pa.timestamp("us")),
    "timestamp[ns]": stored(NANOS, pa.timestamp("ns")),
    "utc": stored(NANOS, pa.timestamp("ns", "UTC")),
    "offset": stored(NANOS, pa.timestamp("ns", "+05:30")),
    "new york": stored(NEAR_SECONDS, pa.timestamp("s", "America/New_York")),
    "brussels": stored(NEAR_SECONDS, pa.timestamp("s", "Europe/Brussels")),
    "london": stored(NEAR_SECONDS * 1000 + 5, pa.timestamp("ms", "Europe/London")),
    "time64": stored(np.abs(NANOS) % 86_400_000_000, pa.time64("us")),
    "duration[ns]": stored(NANOS, pa.duration("ns")),
    "duration[s]": stored(SECONDS, pa.duration("s")),
    "interval": INTERVALS,
    "list": pa.array([[1, None], [], None]),
    "struct": pa.array([{"a": 1, "b": None}, {"a": None, "b": None}, None, {"a": 2, "b": "x"}]),
    "struct of nan": pa.array([{"a": float("nan")}, {"a": None}]),
    "map": pa.array([[("k", 1), ("n", None)], [], None], pa.map_(pa.string(), pa.int64())),
    "dictionary": pa.array(["a", None, "b", "a"]).dictionary_encode(),
}


@pytest.mark.parametrize("name", list(COLUMNS))
def test_our_json_equals_the_engines(name: str, tmp_path: Path) -> None:
    batch = pa.RecordBatch.from_arrays([COLUMNS[name]], names=["x"])
    context = datafusion.SessionContext(datafusion.SessionConfig().with_target_partitions(1))
    context.from_arrow(pa.table(batch)).write_json(tmp_path)
    lines = [
        line for path in sorted(tmp_path.iterdir()) for line in path.read_text().split("\n") if line
    ]
    theirs = [json.loads(line).get("x") for line in lines]
    text = b"[" + b"".join(open_encoder("json", batch.schema).encode(batch)) + b"]"
    ours = [row[0] for row in json.loads(text)]
    assert ours == theirs
