"""TPC-H over HTTP, against DataFusion and DuckDB in this process, all over the files we store.

The queries are those of the specification with its validation parameters. Answers are compared to
DuckDB's: text exactly, numbers to 1e-9 relative. The trap: an average or a quotient of decimals is
a decimal with few places in DataFusion and a double in DuckDB, so a decimal may also differ by one
unit in its last place; such answers are counted apart.
"""

import argparse
import decimal
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from bench.common import Goal, Report, at_least, at_most, main, median_ratio
from bench.peers import InProcess
from bench.service import Service, serving

_TABLES = (
    "region",
    "nation",
    "supplier",
    "customer",
    "part",
    "partsupp",
    "orders",
    "lineitem",
)
_QUERY_FOLDER = Path(__file__).with_name("tpch_queries")
_ARROW = "application/vnd.apache.arrow.stream"
_RELATIVE = 1e-9

Cells = list[tuple[Any, ...]]


@dataclass(frozen=True)
class Agreement:
    """How an answer compares to DuckDB's."""

    is_equal: bool
    is_exact: bool
    reason: str = ""


def read_queries(scale_factor: float) -> dict[str, str]:
    """The 22 statements; Q11 depends on the scale factor, as the specification says."""
    fraction = f"{decimal.Decimal('0.0001') / decimal.Decimal(str(scale_factor)):f}"
    paths = sorted(_QUERY_FOLDER.glob("q*.sql"))
    return {path.stem: path.read_text().replace("{fraction}", fraction) for path in paths}


def generated(out_folder: Path, scale_factor: float) -> Path:
    """Return the folder of the eight Parquet files, made at the first call."""
    folder = out_folder / "cache" / f"tpch-sf{scale_factor:g}"
    if not all((folder / f"{table}.parquet").exists() for table in _TABLES):
        generator = Path(sys.executable).with_name("tpchgen-cli")
        options = ["-s", f"{scale_factor:g}", "--output-dir", str(folder), "--overwrite", "--quiet"]
        subprocess.run([str(generator), "parquet", *options], check=True)
    return folder


def compare(ours: Cells, theirs: Cells) -> Agreement:
    """Compare two answers row by row."""
    if len(ours) != len(theirs):
        return Agreement(False, False, f"{len(ours)} rows instead of {len(theirs)}")
    is_exact = True
    for number, (row, other) in enumerate(zip(ours, theirs, strict=True)):
        for mine, expected in zip(row, other, strict=True):
            if _is_close(mine, expected):
                continue
            if not _is_last_place(mine, expected):
                return Agreement(False, False, f"row {number}: {mine!r} instead of {expected!r}")
            is_exact = False
    return Agreement(True, is_exact)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float | decimal.Decimal) and not isinstance(value, bool)


def _is_close(mine: Any, expected: Any) -> bool:  # noqa: ANN401 - any cell
    if not (_is_number(mine) and _is_number(expected)):
        return bool(mine == expected)
    left, right = decimal.Decimal(mine), decimal.Decimal(expected)
    return bool(abs(left - right) <= decimal.Decimal(_RELATIVE) * abs(right))


def _is_last_place(mine: Any, expected: Any) -> bool:  # noqa: ANN401 - any cell
    if not isinstance(mine, decimal.Decimal) or not _is_number(expected):
        return False
    exponent = mine.as_tuple().exponent
    assert isinstance(exponent, int)
    return bool(abs(mine - decimal.Decimal(expected)) <= decimal.Decimal(1).scaleb(exponent))


def _cells(table: pa.Table) -> Cells:
    columns = [column.to_pylist() for column in table.columns]
    return list(zip(*columns, strict=True))


def measure(
    runners: dict[str, Callable[[str], object]], queries: dict[str, str], rounds: int
) -> dict[str, dict[str, list[float]]]:
    """Time every query on every runner in turns; seconds by runner and query, one per round."""
    seconds: dict[str, dict[str, list[float]]] = {
        name: {query: [] for query in queries} for name in runners
    }
    for number in range(rounds + 1):  # the first round warms up
        for query, sql in queries.items():
            for name, run_query in runners.items():
                started_s = time.perf_counter()
                run_query(sql)
                elapsed_s = time.perf_counter() - started_s
                if number:
                    seconds[name][query].append(elapsed_s)
    return seconds


def add_arguments(arguments: argparse.ArgumentParser) -> None:
    arguments.add_argument("--scale-factor", type=float, default=1.0)
    arguments.add_argument("--rounds", type=int, default=3)


def run(arguments: argparse.Namespace) -> Report:
    scale_factor, rounds = (
        (0.01, 1) if arguments.quick else (arguments.scale_factor, arguments.rounds)
    )
    report = Report("tpch", {"scale_factor": scale_factor, "rounds": rounds})
    queries = read_queries(scale_factor)
    source = generated(arguments.out, scale_factor)
    with serving(arguments.out) as service, duckdb.connect() as other:
        folders = {table: service.load(table, source / f"{table}.parquet") for table in _TABLES}
        for table, folder in folders.items():
            other.execute(f"CREATE VIEW {table} AS SELECT * FROM '{folder}/*.parquet'")
        inside = InProcess(folders)
        agreements = _check(service, other, queries)
        runners: dict[str, Callable[[str], object]] = {
            "tidemill_http": service.query,
            "datafusion_in_process": inside.query,
            "datafusion_kept_tables": inside.query_kept,
            "duckdb_in_process": lambda sql: other.execute(sql).fetchall(),
        }
        seconds = measure(runners, queries, rounds)
    _conclude(report, seconds, agreements)
    return report


def _check(
    service: Service, other: duckdb.DuckDBPyConnection, queries: dict[str, str]
) -> dict[str, Agreement]:
    agreements = {}
    for name, sql in queries.items():
        theirs = other.execute(sql).fetchall()
        json_rows = json.loads(service.query(sql))["rows"]
        ours = _cells(pa.ipc.open_stream(service.query(sql, accept=_ARROW)).read_all())
        assert len(json_rows) == len(ours), f"{name}: JSON and Arrow differ"
        agreements[name] = compare(ours, theirs)
    return agreements


def _conclude(
    report: Report,
    seconds: dict[str, dict[str, list[float]]],
    agreements: dict[str, Agreement],
) -> None:
    for query, agreement in agreements.items():
        medians = {name: statistics.median(taken[query]) for name, taken in seconds.items()}
        figures = {f"{name}_ms": round(value * 1e3, 1) for name, value in medians.items()}
        equal = {"equal": agreement.is_equal, "to_1e-9": agreement.is_exact}
        report.rows.append({"query": query, **figures, **equal, "difference": agreement.reason})
    sums = {name: _sums(taken) for name, taken in seconds.items()}
    totals = {f"{name}_ms": round(statistics.median(s) * 1e3, 1) for name, s in sums.items()}
    report.rows.append({"query": "sum of 22", **totals})
    ours = sums["tidemill_http"]
    for peer in ("datafusion_in_process", "datafusion_kept_tables", "duckdb_in_process"):
        report.ratios[f"sum of 22 over HTTP / {peer}"] = median_ratio(ours, sums[peer])
    ratio = median_ratio(sums["datafusion_in_process"], sums["duckdb_in_process"])
    report.ratios["sum of 22, datafusion_in_process / duckdb_in_process"] = ratio
    report.goals = _goals(report.ratios["sum of 22 over HTTP / datafusion_in_process"], agreements)
    exact = sum(agreement.is_exact for agreement in agreements.values())
    report.notes.append(
        f"{exact} of 22 answers agree to 1e-9; the other equal ones hold a decimal that differs "
        "from DuckDB's double by at most one unit in its last place."
    )


def _sums(taken: dict[str, list[float]]) -> Sequence[float]:
    return [sum(round_) for round_ in zip(*taken.values(), strict=True)]


def _goals(ratio: float, agreements: dict[str, Agreement]) -> list[Goal]:
    equal = sum(agreement.is_equal for agreement in agreements.values())
    return [
        at_most("sum of 22 over HTTP / DataFusion in process", ratio, 1.15),
        at_least("answers equal to DuckDB's", equal, 22),
    ]


if __name__ == "__main__":
    main("TPC-H over HTTP.", run, add_arguments)
