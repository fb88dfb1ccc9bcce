"""A file to Parquet, without the service around it: our conversion against DuckDB's COPY.

Every conversion runs in a process of its own, so its peak memory is its own; ours and DuckDB's
alternate, and the figures are the medians of the rounds. CPU seconds are given too: on a shared
machine they vary less than wall time.

    python -m bench.load_kernel --mb 200 --rounds 3
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import duckdb

from engine.datasets.load import LoadSpec, load_file

MEMORY_BYTES = 1 << 30
MB = 1_000_000
FORMATS = ("csv", "json", "parquet")
_READERS = {"csv": "read_csv", "json": "read_json", "parquet": "read_parquet"}


def make_inputs(folder: Path, size_mb: int) -> dict[str, Path]:
    """TPC-H lineitem as CSV of about the size asked for, and the same rows in the other formats."""
    scale = size_mb / 768  # lineitem takes 768 MB of CSV at scale 1
    command = [
        "tpchgen-cli",
        "csv",
        "-s",
        str(scale),
        "--tables",
        "lineitem",
        "--output-dir",
        str(folder),
    ]
    subprocess.run(
        [str(Path(sys.executable).parent / command[0]), *command[1:]],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    source = folder / "lineitem.csv"
    inputs = {"csv": source}
    for name in ("json", "parquet"):
        inputs[name] = folder / f"lineitem.{name}"
        duckdb.execute(f"COPY (FROM read_csv('{source}')) TO '{inputs[name]}' (FORMAT {name})")
    return inputs


def convert(who: str, source: Path, format_name: str, output: Path) -> dict[str, Any]:
    """Convert once in this process; returns seconds, CPU seconds and peak MB."""
    started, usage = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF)
    if who == "ours":
        spec = LoadSpec(str(source), format_name, None, str(output), MEMORY_BYTES)
        rows = load_file(spec, on_progress=lambda _rows, _read, _total: None).row_count
    else:
        connection = duckdb.connect(config={"threads": 2, "memory_limit": f"{MEMORY_BYTES}B"})
        rows = connection.execute(
            f"COPY (FROM {_READERS[format_name]}('{source}')) "
            f"TO '{output}/x.parquet' (FORMAT parquet)"
        ).fetchall()[0][0]
    after = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "rows": rows,
        "seconds": time.perf_counter() - started,
        "cpu_seconds": after.ru_utime + after.ru_stime - usage.ru_utime - usage.ru_stime,
        "peak_mb": _peak_bytes() / MB,
    }


def _peak_bytes() -> int:
    """Peak resident memory of this program; ``ru_maxrss`` includes the process it came from."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024


def measure(who: str, source: Path, format_name: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as output:
        command = [
            sys.executable,
            "-m",
            "bench.load_kernel",
            "--one",
            who,
            str(source),
            format_name,
            output,
        ]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        figures: dict[str, Any] = json.loads(done.stdout)
        figures["output_mb"] = sum(file.stat().st_size for file in Path(output).iterdir()) / MB
        return figures


def compare(source: Path, format_name: str, rounds: int) -> dict[str, Any]:
    runs: dict[str, list[dict[str, Any]]] = {"ours": [], "duckdb": []}
    for _ in range(rounds):
        for who, figures in runs.items():
            figures.append(measure(who, source, format_name))
    size_mb = source.stat().st_size / MB
    summary: dict[str, Any] = {"input_mb": round(size_mb)}
    for who, figures in runs.items():
        assert len({run["rows"] for run in figures}) == 1
        seconds = statistics.median(run["seconds"] for run in figures)
        summary[who] = {
            "mb_per_second": round(size_mb / seconds, 1),
            "seconds": round(seconds, 2),
            "cpu_seconds": round(statistics.median(run["cpu_seconds"] for run in figures), 2),
            "peak_mb": round(max(run["peak_mb"] for run in figures)),
            "output_mb": round(figures[0]["output_mb"]),
        }
    paired = zip(runs["ours"], runs["duckdb"], strict=True)
    summary["time_ratio"] = round(
        statistics.median(a["seconds"] / b["seconds"] for a, b in paired), 2
    )
    summary["cpu_ratio"] = round(
        summary["ours"]["cpu_seconds"] / summary["duckdb"]["cpu_seconds"], 2
    )
    return summary


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mb", type=int, default=200, help="size of the CSV in MB")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--formats", nargs="+", default=FORMATS, choices=FORMATS)
    parser.add_argument(
        "--one", nargs=4, metavar=("WHO", "SOURCE", "FORMAT", "OUTPUT"), help=argparse.SUPPRESS
    )
    given = parser.parse_args()
    if given.one:
        who, source, format_name, output = given.one
        print(json.dumps(convert(who, Path(source), format_name, Path(output))))
        return
    with tempfile.TemporaryDirectory() as folder:
        inputs = make_inputs(Path(folder), given.mb)
        results = {name: compare(inputs[name], name, given.rounds) for name in given.formats}
    print(json.dumps({"csv_mb": given.mb, "rounds": given.rounds, "formats": results}, indent=2))


if __name__ == "__main__":
    main()
