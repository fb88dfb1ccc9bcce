"""Postgres clients: what they wait for of us, and of a real Postgres with the same table.

Both servers run on the same cores; clients take turns with them in every round, in this process. Rows are
fetched as the client gives them, and not looked at. Nothing is kept of our answers, as by default of this door.
"""

import argparse
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import adbc_driver_postgresql.dbapi
import psutil
import psycopg

from bench.common import Report, at_least, at_most, main, median_ratio, percentile
from bench.service import TOKEN, Service, free_port, serving
from bench.sync_sources import postgres

_COLUMNS = "id, name, ratio, created_at, paid"
_QUERY = f"SELECT {_COLUMNS} FROM big"
_USER = "TIDEMILL_API_KEY"
_CLIENTS = 8
_OURS, _PEER = "tidemill", "postgres"

Fetch = Callable[[str], int]


def add_arguments(arguments: argparse.ArgumentParser) -> None:
    arguments.add_argument("--rows", type=int, default=1_000_000)
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--tiny", type=int, default=1_000)
    arguments.add_argument("--idle", type=int, default=500)


def run(arguments: argparse.Namespace) -> Report:
    rows, rounds, tiny, idle = arguments.rows, arguments.rounds, arguments.tiny, arguments.idle
    if arguments.quick:
        rows, rounds, tiny, idle = 5_000, 1, 40, 20
    report = Report("pgwire", {"rows": rows, "rounds": rounds, "tiny": tiny, "idle": idle})
    arguments.out.mkdir(parents=True, exist_ok=True)
    port = free_port()
    settings = {"PG_PORT": str(port), "EGRESS_ALLOW_PRIVATE": "true"}
    with serving(arguments.out, settings) as service, postgres(rows) as source:
        config = source.config
        where = {
            _OURS: f"postgresql://{_USER}:{TOKEN}@127.0.0.1:{port}/datasets",
            _PEER: source.peer,
        }
        with psycopg.connect(source.peer, autocommit=True) as peer:
            peer.execute(f"CREATE TABLE big AS SELECT {_COLUMNS} FROM points")
            peer.execute("VACUUM ANALYZE big")
        _copy_table(service, config, arguments.out)
        _measure_fetches(report, where, rows, rounds)
        _measure_tiny(report, where, tiny, rounds)
        _measure_idle(report, service, where[_OURS], idle)
    return report


def _copy_table(service: Service, config: dict[str, object], _out: Path) -> None:
    body = {"name": "pg", "source_type": "postgres", "config": config}
    service.call("POST", "/v1/connections", body)
    sql = f"SELECT {_COLUMNS} FROM pg.public.points"
    service.call(
        "POST", "/v1/datasets", {"label": "big", "table_name": "big", "source": {"sql": sql}}
    )


def _psycopg(*, binary: bool) -> Fetch:
    def fetch(url: str) -> int:
        with psycopg.connect(url) as connection, connection.cursor(binary=binary) as cursor:
            return len(cursor.execute(_QUERY).fetchall())

    return fetch


def _adbc(url: str) -> int:
    with adbc_driver_postgresql.dbapi.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute(_QUERY)
        return int(cursor.fetch_arrow_table().num_rows)


def _measure_fetches(report: Report, where: dict[str, str], rows: int, rounds: int) -> None:
    for name, fetch in (
        ("psycopg text", _psycopg(binary=False)),
        ("psycopg binary", _psycopg(binary=True)),
        ("ADBC COPY", _adbc),
    ):
        took: dict[str, list[float]] = {_OURS: [], _PEER: []}
        for _ in range(rounds + 1):
            for target, url in where.items():
                started_s = time.perf_counter()
                found = fetch(url)
                took[target].append(time.perf_counter() - started_s)
                assert found == rows, (name, target, found)
        for target, seconds in took.items():
            report.rows.append(
                {"client": name, "target": target, "p50_s": round(percentile(seconds[1:], 50), 3)}
            )
        ratio = median_ratio(took[_OURS][1:], took[_PEER][1:])
        report.goals.append(at_most(f"{rows} rows, {name}: ours / Postgres", ratio, 1.1))


def _measure_tiny(report: Report, where: dict[str, str], count: int, rounds: int) -> None:
    rates: dict[str, list[float]] = {_OURS: [], _PEER: []}
    for _ in range(rounds):
        for target, url in where.items():
            rates[target].append(_rate(url, count))
    for target, found in rates.items():
        report.rows.append(
            {
                "client": f"SELECT 1 on {_CLIENTS} connections",
                "target": target,
                "queries_per_s": round(percentile(found, 50)),
            }
        )
    ratio = median_ratio(rates[_OURS], rates[_PEER])
    report.goals.append(at_least("tiny queries: our rate / Postgres's", ratio, 0.12))


def _rate(url: str, count: int) -> float:
    connections = [psycopg.connect(url, autocommit=True) for _ in range(_CLIENTS)]
    try:

        def ask(connection: "psycopg.Connection[tuple[int]]") -> None:
            for number in range(count // _CLIENTS):
                connection.execute(f"SELECT {number}").fetchone()

        with ThreadPoolExecutor(_CLIENTS) as pool:
            started_s = time.perf_counter()
            list(pool.map(ask, connections))
            return count / (time.perf_counter() - started_s)
    finally:
        for connection in connections:
            connection.close()


def _measure_idle(report: Report, service: Service, url: str, count: int) -> None:
    server = psutil.Process(service.pid)
    before = server.memory_info().rss
    connections = [psycopg.connect(url, autocommit=True) for _ in range(count)]
    grown_mb = (server.memory_info().rss - before) / 1e6
    for connection in connections:
        connection.close()
    report.rows.append({"client": f"{count} idle", "target": _OURS, "grown_mb": round(grown_mb, 1)})
    report.goals.append(at_most(f"{count} idle connections: MB", grown_mb, 150))


if __name__ == "__main__":
    main("Postgres clients.", run, add_arguments)
