"""Remote tables to Parquet: what a sync costs, and what a query on its copy and a look at a source cost.

Ours is a ``POST /v1/refresh`` of one table, durable at the end, with types exactly as the source has
them. The peers read the same table in processes of their own and write one Parquet file. All take
turns in every round; the servers run on the same cores.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

import psycopg

from bench.common import (
    ROOT,
    Report,
    Row,
    at_least,
    at_most,
    main,
    median_ratio,
    percentile,
    watched_memory,
)
from bench.service import Service, free_port, serving
from bench.sync_sources import TABLE, Source, duckdb_file, mariadb, postgres
from connectors.sources.postgres.discovery import columns_query

_LOOKUP = "SELECT name, amount FROM {} WHERE id = {}"
_AGGREGATE = "SELECT colour, count(*), sum(amount) FROM {} GROUP BY colour"


def add_arguments(arguments: argparse.ArgumentParser) -> None:
    arguments.add_argument("--rows", type=int, default=5_000_000)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--tables", type=int, default=2_000)


def run(arguments: argparse.Namespace) -> Report:
    rows, rounds, tables = arguments.rows, arguments.rounds, arguments.tables
    if arguments.quick:
        rows, rounds, tables = 5_000, 1, 20
    report = Report("sync", {"rows": rows, "rounds": rounds, "tables": tables})
    settings = {"EGRESS_ALLOW_PRIVATE": "true", "LOCAL_FILES": str(arguments.out.absolute())}
    arguments.out.mkdir(parents=True, exist_ok=True)
    with serving(arguments.out, settings) as service:
        with postgres(rows, tables=tables) as source:
            _measure_postgres(report, service, source, arguments.out, rows, rounds)
            _measure_queries(report, service, rows, 20 if arguments.quick else 300)
            _measure_discovery(report, service, source, tables, max(rounds, 3))
        with mariadb(rows // 5, free_port()) as other:
            if other is None:
                report.notes.append("MariaDB is not installed: not measured")
            else:
                _measure_mariadb(report, service, other, rows // 5, rounds)
        _measure_duckdb(report, service, arguments.out, rows, rounds)
    return report


def connect(service: Service, name: str, source: Source) -> str:
    """Connect a source; return the id of the connection."""
    body = {"name": name, "source_type": source.source_type, "config": source.config}
    made = service.call("POST", "/v1/connections", body)
    assert made["discovery_status"] == "success", made
    connection_id: str = made["id"]
    return connection_id


def sync(service: Service, connection_id: str, schema: str, table: str = TABLE) -> Row:
    """Refresh one table; seconds, rows, and the memory of server, workers and source process."""
    body = {
        "connection_id": connection_id,
        "schema_name": schema,
        "table_name": table,
        "data": True,
    }
    with watched_memory(service.pid) as memory:
        started_s = time.perf_counter()
        done = service.call("POST", "/v1/refresh", body)
        elapsed_s = time.perf_counter() - started_s
    # A copy is profiled in the background: not beside what is measured next.
    service.call("GET", f"/v1/connections/{connection_id}/tables/{schema}/{table}/profile")
    return {"elapsed_s": elapsed_s, "rows": done["rows_synced"], **memory.to_json()}


def peer(name: str, source: Source, out_folder: Path, table: str = TABLE) -> Row:
    """Let a peer read the table in a new process."""
    target = out_folder / "peer.parquet"
    command = [sys.executable, "-m", "bench.sync_peers", name, source.peer, table, str(target)]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True)
    target.unlink()
    row: Row = json.loads(done.stdout.splitlines()[-1])
    return row


def _measure_postgres(
    report: Report, service: Service, source: Source, out: Path, rows: int, rounds: int
) -> None:
    connection_id = connect(service, "pg", source)
    ours, streams, python_rows = [], [], []
    for number in range(rounds):
        ours.append(sync(service, connection_id, source.schema))
        streams.append(peer("connectorx_stream", source, out))
        if number == 0:  # minutes each
            python_rows.append(peer("psycopg_rows", source, out))
    _check_rows(ours + streams + python_rows, rows)
    rate = _add_rows(
        report,
        "postgres",
        {"tidemill": ours, "connectorx_stream": streams, "psycopg_rows": python_rows},
    )
    wide = sync(service, connection_id, source.schema, "wide")
    report.rows.append({"source": "postgres, 96 KB a row", "target": "tidemill", **_rounded(wide)})
    faster = median_ratio([r["elapsed_s"] for r in streams], [r["elapsed_s"] for r in ours])
    than_rows = python_rows[0]["elapsed_s"] / ours[0]["elapsed_s"]
    peak = max(row["tree_growth_mb"] for row in [*ours, wide])
    report.goals += [
        at_least("postgres: million rows/s", rate / 1e6, 1.0),
        at_least("postgres: connectorx's stream / ours", faster, 1.2),
        at_least("postgres: psycopg rows / ours", than_rows, 8.0),
        at_most("postgres: MB that all processes grow by", peak, 600),
    ]


def _measure_mariadb(
    report: Report, service: Service, source: Source, rows: int, rounds: int
) -> None:
    connection_id = connect(service, "maria", source)
    ours = [sync(service, connection_id, source.schema) for _ in range(rounds)]
    _check_rows(ours, rows)
    rate = _add_rows(report, "mariadb", {"tidemill": ours})
    report.goals.append(at_least("mariadb: million rows/s", rate / 1e6, 0.6))


def _measure_duckdb(report: Report, service: Service, out: Path, rows: int, rounds: int) -> None:
    source = duckdb_file(out, rows)
    connection_id = connect(service, "duck", source)
    ours, copies = [], []
    for _ in range(rounds):
        ours.append(sync(service, connection_id, source.schema))
        copies.append(peer("duckdb_copy", source, out))
    _check_rows(ours + copies, rows)
    _add_rows(report, "duckdb", {"tidemill": ours, "duckdb_copy": copies})
    share = median_ratio([r["elapsed_s"] for r in copies], [r["elapsed_s"] for r in ours])
    report.goals.append(at_least("duckdb: its own COPY / ours", share, 0.9))
    Path(source.peer).unlink()


def _measure_queries(report: Report, service: Service, rows: int, count: int) -> None:
    """The same rows as a copy and as a dataset, asked in turns."""
    service.call(
        "POST",
        "/v1/datasets",
        {
            "label": "points",
            "table_name": TABLE,
            "source": {"sql": f"SELECT * FROM pg.public.{TABLE}"},
        },
    )
    names = {"copy": f"pg.public.{TABLE}", "dataset": TABLE}
    for kind, template, times in (
        ("lookup", _LOOKUP, count),
        ("aggregate", _AGGREGATE, count // 2),
    ):
        took: dict[str, list[float]] = {name: [] for name in names}
        for number in range(times):
            turn = list(names.items())
            for name, table in turn if number % 2 else turn[::-1]:
                sql = template.format(table, 1 + number * 7919 % rows)
                started_s = time.perf_counter()
                service.query(sql)
                took[name].append(time.perf_counter() - started_s)
        middle = {name: percentile(values, 0.5) * 1000 for name, values in took.items()}
        report.rows += [
            {"source": kind, "target": name, "p50_ms": round(value, 3)}
            for name, value in middle.items()
        ]
        report.goals.append(
            at_most(f"{kind}: copy / dataset", middle["copy"] / middle["dataset"], 1.05)
        )


def _measure_discovery(
    report: Report, service: Service, source: Source, tables: int, rounds: int
) -> None:
    connection_id = connect(service, "pg_again", source)
    ours, queries = [], []
    for _ in range(rounds):
        started_s = time.perf_counter()
        found = service.call("POST", "/v1/refresh", {"connection_id": connection_id})
        ours.append(time.perf_counter() - started_s)
        assert found["tables_discovered"] == tables + 2, found
        with psycopg.connect(source.peer) as connection:
            started_s = time.perf_counter()
            connection.execute(columns_query().encode()).fetchall()
            queries.append(time.perf_counter() - started_s)
    report.rows += [
        {"source": f"{tables} tables", "target": "tidemill", "elapsed_s": percentile(ours, 0.5)},
        {
            "source": f"{tables} tables",
            "target": "pg_catalog",
            "elapsed_s": percentile(queries, 0.5),
        },
    ]
    report.goals.append(at_most("discovery / its query", median_ratio(ours, queries), 4.0))


def _check_rows(measured: list[Row], rows: int) -> None:
    assert {row["rows"] for row in measured} == {rows}, measured


def _add_rows(report: Report, source: str, targets: dict[str, list[Row]]) -> float:
    """Add the medians of each target; return our rows per second."""
    for target, rounds in targets.items():
        middle = {name: percentile([row[name] for row in rounds], 0.5) for name in rounds[0]}
        rate = middle["rows"] / middle["elapsed_s"]
        head = {"source": source, "target": target, "rows_per_s": round(rate)}
        report.rows.append(head | _rounded(middle))
    rates = sorted(row["rows"] / row["elapsed_s"] for row in targets["tidemill"])
    return float(rates[len(rates) // 2])


def _rounded(row: Row) -> Row:
    return {name: round(value, 3) for name, value in row.items()}


if __name__ == "__main__":
    main("Remote tables to Parquet.", run, add_arguments)
