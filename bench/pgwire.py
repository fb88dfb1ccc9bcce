"""Postgres clients: what they wait for of us, and of a real Postgres with the same table.

Both servers run on the same cores; clients take turns with them in every round, in this process and for JDBC in one
of Java, which measures itself. Rows are fetched as the client gives them, and not looked at; by JDBC each value is
read. Nothing is kept of our answers, as by default of this door.
"""

import argparse
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

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
_DRIVER = Path("/usr/share/java/postgresql.jar")
_PROGRAM = Path(__file__).with_name("jdbc") / "Fetch.java"

# From a URL to the seconds that it took, and the rows.
Fetch = Callable[[str], tuple[float, int]]


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
    port, peer_port = free_port(), free_port()
    settings = {"PG_PORT": str(port), "EGRESS_ALLOW_PRIVATE": "true"}
    with (
        serving(arguments.out, settings) as service,
        postgres(rows, port=peer_port) as source,
    ):
        where = {
            _OURS: f"postgresql://{_USER}:{TOKEN}@127.0.0.1:{port}/datasets",
            _PEER: source.peer,
        }
        with psycopg.connect(source.peer, autocommit=True) as peer:
            peer.execute(f"CREATE TABLE big AS SELECT {_COLUMNS} FROM points")
            peer.execute("VACUUM ANALYZE big")
        _copy_table(service, source.config)
        for name, fetch in (
            ("psycopg text", _psycopg(binary=False)),
            ("psycopg binary", _psycopg(binary=True)),
            ("ADBC COPY", _adbc),
        ):
            _measure_fetch(report, name, fetch, where, rows, rounds)
        if shutil.which("javac") is None or not _DRIVER.exists():
            report.notes.append("JDBC is not installed: not measured")
        else:
            by_jdbc = {
                _OURS: _jdbc_url(port, "datasets", f"user={_USER}&password={TOKEN}"),
                _PEER: _jdbc_url(peer_port, "postgres", "user=postgres"),
            }
            with _jdbc() as fetch:
                _measure_fetch(report, "JDBC", fetch, by_jdbc, rows, rounds)
        _measure_tiny(report, where, tiny, rounds)
        _measure_idle(report, service, where[_OURS], idle)
    return report


def _copy_table(service: Service, config: dict[str, Any]) -> None:
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

    return _timed(fetch)


def _fetch_by_adbc(url: str) -> int:
    with adbc_driver_postgresql.dbapi.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute(_QUERY)
        return int(cursor.fetch_arrow_table().num_rows)


def _timed(fetch: Callable[[str], int]) -> Fetch:
    def timed(url: str) -> tuple[float, int]:
        started_s = time.perf_counter()
        rows = fetch(url)
        return time.perf_counter() - started_s, rows

    return timed


_adbc = _timed(_fetch_by_adbc)


def _jdbc_url(port: int, database: str, login: str) -> str:
    return f"jdbc:postgresql://127.0.0.1:{port}/{database}?{login}"


@contextmanager
def _jdbc() -> Iterator[Fetch]:
    """Run a Java process during the block, which fetches and measures."""
    with subprocess.Popen(
        ["java", "-cp", str(_DRIVER), str(_PROGRAM)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        requests, answers = process.stdin, process.stdout

        def fetch(url: str) -> tuple[float, int]:
            requests.write(f"{url}\t{_QUERY}\n")
            requests.flush()
            seconds, rows = answers.readline().split()
            return float(seconds), int(rows)

        yield fetch


def _in_turns(where: dict[str, str], number: int) -> list[tuple[str, str]]:
    """Both targets, in every second round the other one first."""
    return list(where.items())[:: -1 if number % 2 else 1]


def _measure_fetch(
    report: Report, name: str, fetch: Fetch, where: dict[str, str], rows: int, rounds: int
) -> None:
    took: dict[str, list[float]] = {_OURS: [], _PEER: []}
    for number in range(rounds + 1):
        for target, url in _in_turns(where, number):
            seconds, found = fetch(url)
            assert found == rows, (name, target, found)
            if number:  # the first fills caches, and Java compiles what it runs
                took[target].append(seconds)
    for target, values in took.items():
        report.rows.append(
            {"client": name, "target": target, "p50_s": round(percentile(values, 0.5), 3)}
        )
    ratio = median_ratio(took[_OURS], took[_PEER])
    report.goals.append(at_most(f"{rows} rows, {name}: ours / Postgres", ratio, 1.1))


def _measure_tiny(report: Report, where: dict[str, str], count: int, rounds: int) -> None:
    rates: dict[str, list[float]] = {_OURS: [], _PEER: []}
    for number in range(rounds):
        for target, url in _in_turns(where, number):
            rates[target].append(_rate(url, count))
    for target, found in rates.items():
        report.rows.append(
            {
                "client": f"SELECT 1 on {_CLIENTS} connections",
                "target": target,
                "queries_per_s": round(percentile(found, 0.5)),
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
