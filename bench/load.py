"""Files to tables: CSV, JSON and Parquet over HTTP, against DuckDB's COPY in a process of its own.

Ours is the whole way of a client: the upload, then the dataset, durable at the end. DuckDB reads the
file where it lies and writes one Parquet file. Both take turns in every round.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

from bench.common import (
    MB,
    ROOT,
    Report,
    Row,
    at_most,
    main,
    median_ratio,
    percentile,
    watched_memory,
)
from bench.points import converted_points, points_file
from bench.service import Service, serving

_FORMATS = ("csv", "json", "parquet")
_SAMPLE_ROWS = 200_000
_DUCKDB = """
import duckdb, json, resource, sys, time
read, source, target = sys.argv[1:]
duckdb.execute("SET enable_progress_bar = false")  # it would go to standard output
started_s = time.perf_counter()
duckdb.execute(f"COPY (SELECT * FROM {read}('{source}')) TO '{target}' (FORMAT parquet)")
elapsed_s = time.perf_counter() - started_s
peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
rows = duckdb.execute(f"SELECT count(*) FROM '{target}'").fetchone()[0]
print(json.dumps({"elapsed_s": elapsed_s, "peak_mb": peak_mb, "rows": rows}))
"""


def source_file(out_folder: Path, format_name: str, size_bytes: int) -> tuple[Path, int]:
    """Return a file of about this size, and its rows."""
    sample = _file(out_folder, format_name, min(_SAMPLE_ROWS, size_bytes // 10))
    sample_rows = min(_SAMPLE_ROWS, size_bytes // 10)
    rows = int(size_bytes / (sample.stat().st_size / sample_rows))
    return _file(out_folder, format_name, rows), rows


def _file(out_folder: Path, format_name: str, rows: int) -> Path:
    if format_name == "parquet":
        return points_file(out_folder, rows)
    return converted_points(out_folder, rows, format_name)


def load_ours(service: Service, path: Path, format_name: str, rows: int) -> Row:
    """Upload and convert; seconds of both, and the memory of server and workers."""
    with watched_memory(service.pid) as memory:
        started_s = time.perf_counter()
        upload_id = service.upload(path)
        uploaded_s = time.perf_counter()
        service.create_dataset("loaded", upload_id, format_name)
        ended_s = time.perf_counter()
    body = json.loads(service.query("SELECT count(*) FROM loaded"))
    assert body["rows"] == [[rows]], body
    service.delete_datasets()
    return {
        "upload_s": uploaded_s - started_s,
        "dataset_s": ended_s - uploaded_s,
        "elapsed_s": ended_s - started_s,
        **memory.to_json(),
    }


def load_duckdb(out_folder: Path, path: Path, format_name: str, rows: int) -> Row:
    """Let DuckDB copy the file in a new process."""
    target = out_folder / "copied.parquet"
    command = [sys.executable, "-c", _DUCKDB, f"read_{format_name}", str(path), str(target)]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True)
    target.unlink()
    row: Row = json.loads(done.stdout)
    assert row["rows"] == rows, row
    return row


def add_arguments(arguments: argparse.ArgumentParser) -> None:
    arguments.add_argument("--size-mb", type=int, default=1_000)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--formats", nargs="+", choices=_FORMATS, default=_FORMATS)


def run(arguments: argparse.Namespace) -> Report:
    size_mb, rounds = (2, 1) if arguments.quick else (arguments.size_mb, arguments.rounds)
    report = Report("load", {"size_mb": size_mb, "rounds": rounds})
    with serving(arguments.out) as service:
        for format_name in arguments.formats:
            path, rows = source_file(arguments.out, format_name, size_mb * MB)
            ours, peers = [], []
            for _ in range(rounds):
                ours.append(load_ours(service, path, format_name, rows))
                peers.append(load_duckdb(arguments.out, path, format_name, rows))
            _conclude(report, format_name, path, ours, peers)
    return report


def _conclude(
    report: Report, format_name: str, path: Path, ours: list[Row], peers: list[Row]
) -> None:
    file_mb = path.stat().st_size / MB
    for target, rounds in (("tidemill", ours), ("duckdb_copy", peers)):
        middle = {
            name: round(percentile([row[name] for row in rounds], 0.5), 3) for name in rounds[0]
        }
        head = {"format": format_name, "target": target, "file_mb": round(file_mb, 1)}
        rate = round(file_mb / middle["elapsed_s"], 1)
        report.rows.append(head | {"mb_per_s": rate} | middle)
    whole, dataset = (
        median_ratio([row[name] for row in ours], [row["elapsed_s"] for row in peers])
        for name in ("elapsed_s", "dataset_s")
    )
    peak_mb = max(row["tree_peak_mb"] for row in ours)
    report.ratios[f"{format_name}: upload and dataset / DuckDB COPY"] = whole
    report.ratios[f"{format_name}: dataset alone / DuckDB COPY"] = dataset
    if format_name == "csv":
        report.goals.append(at_most("CSV: upload and dataset / DuckDB COPY", whole, 2.0))
    report.goals.append(at_most(f"{format_name}: peak MB of server and workers", peak_mb, 1000))


if __name__ == "__main__":
    main("Files to tables.", run, add_arguments)
