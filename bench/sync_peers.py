"""One read of a remote table by a peer, in a process of its own: seconds, rows, peak memory as JSON.

``python -m bench.sync_peers PEER SOURCE TABLE TARGET``: the peers do what a careful user of them would, writing
one Parquet file with the same compression as ours.
"""

import json
import resource
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

_BATCH_ROWS = 100_000


def connectorx_stream(source: str, table: str, target: Path) -> int:
    """connectorx's stream of Arrow batches, which is its fastest way; decimals as it makes them."""
    import connectorx  # noqa: PLC0415 - its memory is measured: no other peer is loaded

    reader = connectorx.read_sql(
        source, f"SELECT * FROM {table}", return_type="arrow_stream", batch_size=_BATCH_ROWS
    )
    return _write(iter(reader), reader.schema, target)


def psycopg_rows(source: str, table: str, target: Path) -> int:
    """A server-side cursor and Python rows: what most scripts do."""
    import psycopg  # noqa: PLC0415 - its memory is measured: no other peer is loaded

    rows = 0
    writer: pq.ParquetWriter | None = None
    with psycopg.connect(source) as connection, connection.cursor(name="rows") as cursor:
        cursor.execute(f"SELECT * FROM {table}".encode())
        while batch := cursor.fetchmany(_BATCH_ROWS):
            assert cursor.description is not None
            names = [column.name for column in cursor.description]
            columns = [
                [str(v) if i in _TEXTS else v for v in c]
                for i, c in enumerate(zip(*batch, strict=True))
            ]
            made = pa.table(columns, names=names)
            writer = writer or pq.ParquetWriter(target, made.schema, compression="lz4")
            writer.write_table(made)
            rows += len(batch)
    if writer is not None:
        writer.close()
    return rows


# uuid, which has no Arrow type of its own here.
_TEXTS = frozenset({5})


def duckdb_copy(source: str, table: str, target: Path) -> int:
    """DuckDB's own COPY of a table of a DuckDB file."""
    import duckdb  # noqa: PLC0415 - its memory is measured: no other peer is loaded

    connection = duckdb.connect(source, read_only=True)
    connection.execute("SET enable_progress_bar = false")
    connection.execute(f"COPY {table} TO '{target}' (FORMAT parquet, COMPRESSION lz4)")
    found = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
    assert found is not None
    return int(found[0])


def _write(batches: Iterator[pa.RecordBatch], schema: pa.Schema, target: Path) -> int:
    rows = 0
    with pq.ParquetWriter(target, schema, compression="lz4") as writer:
        for batch in batches:
            writer.write_batch(batch)
            rows += batch.num_rows
    return rows


PEERS: dict[str, Callable[[str, str, Path], int]] = {
    "connectorx_stream": connectorx_stream,
    "psycopg_rows": psycopg_rows,
    "duckdb_copy": duckdb_copy,
}


def main() -> None:
    peer, source, table, target = sys.argv[1:]
    started_s = time.perf_counter()
    rows = PEERS[peer](source, table, Path(target))
    elapsed_s = time.perf_counter() - started_s
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
    print(json.dumps({"elapsed_s": elapsed_s, "rows": rows, "peak_mb": round(peak_mb, 1)}))


if __name__ == "__main__":
    main()
