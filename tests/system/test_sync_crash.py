"""A server that is killed in the middle of syncs: no table is half there, and nothing blocks.

Two sources go from state to state while clients query, refresh, purge and connect without pause. A
copy must be exactly one of the states, and none older than what a client was told. One long file:
the sources, the clients, the moments of the kills, the checks, and at the end the test.
"""

import asyncio
import json
import random
import re
import signal
import sqlite3
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import httpx
import psutil
import psycopg
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from sqlalchemy import Connection, select

from catalog.blob_store import open_blob_store
from catalog.database import Database
from catalog.garbage import collect_garbage
from catalog.settings import Settings
from catalog.tables import (
    dataset_files,
    dataset_versions,
    profiles,
    remote_table_files,
    remote_tables,
    results,
    uploads,
)
from tests.patience import PATIENCE_S
from tests.server.running import TOKEN, RunningServer, server_command, server_environment
from tests.service.remote import postgres_config
from tests.system.crash_checks import stored_keys
from tests.system.crash_writers import csv_of, name_of, seeded
from tests.system.folders import files_now

pytestmark = [pytest.mark.crash, pytest.mark.system]

KILLS = 20
PASSWORD = "canary-5b1e-of-the-source"
DUCK = ("duck.main.changed", "duck.main.rewritten", "duck.main.grown")
PG = ("pg.public.changed", "pg.public.grown")
TABLES = DUCK + PG

_AIM_S = 4
_SURPRISE = re.compile(r'"exception"|Traceback|panicked')
# What a purge does to a sync under way, and to a refresh that has just read the table.
_PURGED = re.compile("purged or deleted|synced by somebody else")
_SETTINGS = {
    "JOB_ATTEMPTS_MAX": 1000,
    "JOB_POLL_S": 0.1,
    "JOB_RETRY_S": 0,
    "EGRESS_ALLOW_PRIVATE": True,
}
_AGGREGATES = "count(*), sum(n), sum(v), sum(h)"
_HASH = "(n * 7919 + v * 104729) % 1000003"
_ALL_TABLES = " UNION ALL ".join(
    f"SELECT '{table}' AS name, {_AGGREGATES} FROM {table}" for table in TABLES
)

Content = tuple[int, int, int, int]
Step = Callable[["World", httpx.Client, random.Random], None]


# Sources


class Sources:
    """A DuckDB file that is replaced and a Postgres that is written to; both only move on."""

    def __init__(self, folder: Path, url: str) -> None:
        self.path = folder / "source.duckdb"
        self.url = url.replace("+psycopg", "")
        self._states: dict[str, list[Content]] = {table: [] for table in TABLES}
        self._moments: list[float] = []
        with psycopg.connect(self.url) as connection:
            for table in ("changed", "grown"):
                connection.execute(f"CREATE TABLE {table} (n bigint, v int, h bigint)".encode())
        self.advance()

    @property
    def state(self) -> int:
        """The number of the state that both are in, at least."""
        return len(self._moments) - 1

    def advance(self) -> None:
        """Move to the next state, each source at once."""
        state = len(self._moments)
        self._replace_file(state)
        self._write_postgres(state)
        self._moments.append(time.time())

    def at(self, moment: datetime) -> int:
        """The number of the state at a moment, at least."""
        return sum(1 for began in self._moments if began < moment.timestamp()) - 1

    def state_of(self, table: str, content: Content) -> int:
        """Say which state a copy is; there must be one."""
        known = self._states[table]
        assert content in known, f"{table} was never {content}"
        return known.index(content)

    def _replace_file(self, state: int) -> None:
        aside = self.path.with_name("next.duckdb")
        with duckdb.connect(str(aside), config={"threads": "1"}) as connection:
            for table, n, v in (
                ("changed", f"range({100_000 + state})", str(state)),
                ("rewritten", f"range({state}, {150_000 + state})", f"{state} + r.n % 7"),
                ("grown", f"range({100_000 + 3000 * state})", "r.n // 3000"),
            ):
                connection.execute(
                    f"CREATE TABLE {table} AS SELECT n, v, {_HASH} AS h"
                    f" FROM (SELECT r.n, CAST({v} AS INTEGER) AS v FROM {n} AS r(n))"
                )
                row = connection.execute(f"SELECT {_AGGREGATES} FROM {table}").fetchone()
                self._states[f"duck.main.{table}"].append(_content(row))
        aside.replace(self.path)

    def _write_postgres(self, state: int) -> None:
        with psycopg.connect(self.url) as connection:
            if state == 0:
                connection.execute(_rows_of("changed", 0, 30_000, 0))
                connection.execute(_rows_of("grown", 0, 50_000, 0))
            else:
                changed = f"UPDATE changed SET v = {state}, h = {_HASH.replace('v', str(state))}"
                connection.execute(changed.encode())
                start = 50_000 + 2000 * (state - 1)
                connection.execute(_rows_of("grown", start, start + 2000, state))
            for table in ("changed", "grown"):
                row = connection.execute(f"SELECT {_AGGREGATES} FROM {table}".encode()).fetchone()
                self._states[f"pg.public.{table}"].append(_content(row))


def _rows_of(table: str, start: int, stop: int, v: int) -> bytes:
    return (
        f"INSERT INTO {table} SELECT n, {v}, {_HASH.replace('v', str(v))}"
        f" FROM generate_series({start}, {stop - 1}) AS r(n)"
    ).encode()


def _content(row: Any) -> Content:
    count, *sums = map(int, row)
    return (count, sums[0], sums[1], sums[2])


# Clients


@dataclass
class World:
    """What the clients know. ``floors``: no copy of a table may be older than this state."""

    sources: Sources
    connection_ids: dict[str, str] = field(default_factory=dict)
    floors: Counter[str] = field(default_factory=Counter)
    jobs: dict[str, str] = field(default_factory=dict)
    surprises: list[str] = field(default_factory=list)
    tally: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def acknowledge(self, table: str, state: int) -> None:
        """Remember that somebody was told of a copy of this state, or of none before it."""
        with self.lock:
            self.floors[table] = max(self.floors[table], state)
            self.tally["acknowledged"] += 1

    def place_of(self, table: str) -> dict[str, str]:
        """The fields that name a table in a request."""
        connection, schema, name = table.split(".")
        return {
            "connection_id": self.connection_ids[connection],
            "schema_name": schema,
            "table_name": name,
        }

    def check_rows(self, rows: list[list[Any]], floors: Counter[str]) -> dict[str, int]:
        """Check rows of name and aggregates; return the count of rows by name."""
        for table, *content in rows:
            state = self.sources.state_of(table, _content(content))
            assert state >= floors[table], f"{table} is of state {state}, after {floors[table]}"
            self.acknowledge(table, state)
        return {table: count for table, count, *_ in rows}


def call(
    client: httpx.Client, method: str, path: str, *statuses: int, **body: object
) -> dict[str, Any] | None:
    """Send a request; return its body, or None when a purge undid what it waited for."""
    answer = client.request(method, path, json=body or None)
    if answer.status_code == 409 and _PURGED.search(answer.text):
        return None
    assert answer.status_code in statuses, f"{path}: {answer.status_code} {answer.text[:300]}"
    found: dict[str, Any] = answer.json() if answer.content else {}
    return found


def ask(world: World, client: httpx.Client, rng: random.Random) -> None:
    tables = rng.sample(TABLES, rng.choice([1, 1, 2]))
    sql = " UNION ALL ".join(f"SELECT '{each}', {_AGGREGATES} FROM {each}" for each in tables)
    floors = world.floors.copy()
    answer = call(client, "POST", "/v1/query", 200, sql=sql)
    if answer is not None:
        assert len(world.check_rows(answer["rows"], floors)) == len(tables)


def keep_a_large_answer(world: World, client: httpx.Client, rng: random.Random) -> None:
    sql = f"SELECT * FROM {rng.choice(TABLES)} LIMIT 20000"
    answer = call(client, "POST", "/v1/query", 200, sql=sql)
    assert answer is None or answer["row_count"] == 20_000


def refresh(world: World, client: httpx.Client, rng: random.Random) -> None:
    table = rng.choice(TABLES)
    state = world.sources.state
    done = call(client, "POST", "/v1/refresh", 200, **world.place_of(table), data=True)
    if done is not None:
        world.acknowledge(table, state)


def refresh_all(world: World, client: httpx.Client, rng: random.Random) -> None:
    connection = rng.choice(["duck", "pg"])
    state = world.sources.state
    body = {"connection_id": world.connection_ids[connection], "data": True}
    done = call(client, "POST", "/v1/refresh", 200, include_uncached=True, **body)
    assert done is not None
    assert all(_PURGED.search(error["error"]) for error in done["errors"]), done["errors"]
    failed = {error["table_name"] for error in done["errors"]}
    for table in TABLES:
        if table.startswith(connection) and table.rpartition(".")[2] not in failed:
            world.acknowledge(table, state)


def submit(world: World, client: httpx.Client, rng: random.Random) -> None:
    table = rng.choice(TABLES)
    body: dict[str, object] = {**world.place_of(table), "data": True, "async": True}
    job = call(client, "POST", "/v1/refresh", 202, **body)
    assert job is not None
    world.jobs[job["id"]] = table
    while (found := call(client, "GET", f"/v1/jobs/{job['id']}", 200)) and not end_job(
        world, found
    ):
        time.sleep(0.02)


def end_job(world: World, job: dict[str, Any]) -> bool:
    """Check a job that has ended; it may have been submitted by somebody else before."""
    if job["status"] in {"pending", "running"}:
        return False
    if job["status"] == "failed":
        assert _PURGED.search(job["error_message"]), job
    else:
        assert job["status"] == "succeeded", job
        created = datetime.fromisoformat(job["created_at"])
        world.acknowledge(world.jobs[job["id"]], world.sources.at(created))
    return True


def purge(world: World, client: httpx.Client, rng: random.Random) -> None:
    time.sleep(rng.uniform(0.0, 0.3))
    state = world.sources.state
    table = rng.choice(TABLES)
    path = "/v1/connections/{connection_id}/tables/{schema_name}/{table_name}/cache"
    if rng.random() < 0.1:
        path = "/v1/connections/{connection_id}/cache"
    assert call(client, "DELETE", path.format(**world.place_of(table)), 204) is not None
    world.acknowledge(table, state)


def connect_and_leave(world: World, client: httpx.Client, rng: random.Random) -> None:
    made = connect(client, "c_" + name_of(rng), "postgres", world)
    sql = f"SELECT count(*) FROM {made['name']}.public.changed"
    answer = call(client, "POST", "/v1/query", 200, sql=sql)
    assert answer is not None
    assert answer["rows"] == [[30_000]]
    call(client, "DELETE", f"/v1/connections/{made['id']}", 204)


def connect(client: httpx.Client, name: str, kind: str, world: World) -> dict[str, Any]:
    config: dict[str, Any] = {"path": str(world.sources.path)}
    if kind == "postgres":
        config = {**postgres_config(world.sources.url), "password": PASSWORD}
    made = call(client, "POST", "/v1/connections", 201, name=name, source_type=kind, config=config)
    assert made is not None
    assert made["tables_discovered"] == (2 if kind == "postgres" else 3), made
    return made


def make_datasets(world: World, client: httpx.Client, rng: random.Random) -> None:
    headers = {"Content-Type": "text/csv"}
    assert client.post("/v1/files", content=csv_of(50), headers=headers).status_code == 201
    name = "d_" + name_of(rng)
    source = {"sql": f"SELECT n, h FROM {rng.choice(TABLES)} LIMIT 10000"}
    body = {"label": name, "table_name": name, "source": source}
    made = call(client, "POST", "/v1/datasets", 201, **body)
    if made is not None:
        call(client, "GET", f"/v1/datasets/{made['id']}/profile", 200)
        if rng.random() < 0.6:
            call(client, "DELETE", f"/v1/datasets/{made['id']}", 204)


def advance(world: World, _client: httpx.Client, rng: random.Random) -> None:
    time.sleep(rng.uniform(0.1, 0.4))
    world.sources.advance()


CLIENTS: tuple[tuple[Step, ...], ...] = (
    (ask,),
    (ask, ask, ask, keep_a_large_answer),
    (refresh, refresh, refresh, refresh_all),
    (submit,),
    (purge, ask),
    (make_datasets, connect_and_leave),
    (advance,),
)


class Clients:
    """One thread each, from the start of a server to its death."""

    def __init__(self, server: RunningServer, world: World, rng: random.Random) -> None:
        self._world = world
        self._is_over = threading.Event()
        self._threads = [
            threading.Thread(target=self._work, args=(server, steps, seeded(rng.random())))
            for steps in CLIENTS
        ]
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        self._is_over.set()
        for thread in self._threads:
            thread.join(2 * PATIENCE_S)
            assert not thread.is_alive(), "a client did not notice that the server is dead"

    def _work(self, server: RunningServer, steps: tuple[Step, ...], rng: random.Random) -> None:
        with client_of(server) as client:
            while not self._is_over.is_set():
                step = rng.choice(steps)
                try:
                    step(self._world, client, rng)
                except httpx.TransportError as error:
                    if isinstance(error, httpx.TimeoutException) or not self._is_over.wait(
                        PATIENCE_S
                    ):
                        self._world.surprises.append(f"{step.__name__}: {error!r}")
                    return
                except Exception as error:  # noqa: BLE001 - a thread has nobody above it
                    self._world.surprises.append(f"{step.__name__}: {error!r}")
                    return


def client_of(server: RunningServer) -> httpx.Client:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    return httpx.Client(base_url=server.url, headers=headers, timeout=PATIENCE_S)


# Moments


def at_random(_data_dir: Path, rng: random.Random) -> bool:
    time.sleep(rng.uniform(0.02, 1.2))
    return True


def while_rows_arrive(data_dir: Path, rng: random.Random) -> bool:
    return _changed(lambda: files_now(data_dir / "staging", "part-*.parquet"), rng)


def between_files_and_row(data_dir: Path, rng: random.Random) -> bool:
    return _changed(lambda: files_now(data_dir / "blobs" / "tables"), rng)


def under_a_new_lease(data_dir: Path, rng: random.Random) -> bool:
    sql = "SELECT sync_token FROM remote_tables WHERE sync_token IS NOT NULL"
    return _row_appears(data_dir, sql, rng)


def after_a_new_copy(data_dir: Path, rng: random.Random) -> bool:
    sql = "SELECT version_id FROM remote_tables WHERE version_id IS NOT NULL"
    return _row_appears(data_dir, sql, rng)


def after_a_profile(data_dir: Path, rng: random.Random) -> bool:
    return _row_appears(data_dir, "SELECT version_id FROM profiles", rng)


def _row_appears(data_dir: Path, sql: str, rng: random.Random) -> bool:
    with _catalog(data_dir) as connection:
        return _changed(lambda: set(connection.execute(sql)), rng)


def _changed(look: Callable[[], set[Any]], rng: random.Random) -> bool:
    """Wait until there is something new; False when nothing comes."""
    time.sleep(rng.uniform(0.0, 0.4))
    seen, until = look(), time.monotonic() + _AIM_S
    while time.monotonic() < until:
        found = look()
        if found - seen:
            return True
        seen = found
        time.sleep(0.0003)
    return False


def during_the_start(_data_dir: Path, rng: random.Random) -> bool:
    time.sleep(rng.uniform(0.02, 1.2))
    return True


AIMS = (
    at_random,
    while_rows_arrive,
    between_files_and_row,
    under_a_new_lease,
    after_a_new_copy,
    after_a_profile,
    during_the_start,
)


# Servers


class Spare:
    """A server process that has imported everything, and opens its data folder when told to."""

    _WAIT = "import sys, server.app; sys.stdin.readline(); "

    def __init__(self, data_dir: Path, folder: Path) -> None:
        settings = {**_SETTINGS, "LOCAL_FILES": folder}
        *interpreter, program = server_command()
        self._log: list[str] = []
        self._ports: list[int] = []
        self._is_ready = threading.Event()
        self.process = subprocess.Popen(
            [*interpreter, self._WAIT + program],
            env=server_environment(data_dir, settings),
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._collector = threading.Thread(target=self._collect)
        self._collector.start()

    def let_go(self) -> None:
        """Start, sooner or later."""
        assert self.process.stdin is not None
        self.process.stdin.close()

    @contextmanager
    def running(self) -> Iterator[RunningServer]:
        """Start, be ready in time, and log no surprise."""
        self.let_go()
        assert self._is_ready.wait(PATIENCE_S), "the server did not start in time"
        assert self._ports, "".join(self._log)
        try:
            yield RunningServer(self.process, f"http://127.0.0.1:{self._ports[0]}", self._log)
        finally:
            self.close()
        surprises = [n for n, line in enumerate(self._log) if _SURPRISE.search(line)]
        assert not surprises, "".join(self._log[surprises[0] :][:50])
        assert PASSWORD not in "".join(self._log)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self._collector.join()
        for pipe in (self.process.stdin, self.process.stderr):
            assert pipe is not None
            pipe.close()

    def _collect(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self._log.append(line)
            if '"server.ready"' in line:
                self._ports.append(json.loads(line)["port"])
                self._is_ready.set()
        self._is_ready.set()


def kill(process: subprocess.Popen[str]) -> None:
    """Kill the server alone; what it forked must end by itself, also who reads a source."""
    # Nothing of it moves while its children are counted.
    process.send_signal(signal.SIGSTOP)
    alive = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.wait()
    until = time.monotonic() + PATIENCE_S
    while alive := [each for each in alive if _is_alive(each)]:
        assert time.monotonic() < until, f"outlived the server: {alive}"
        time.sleep(0.002)


def _is_alive(process: psutil.Process) -> bool:
    """Whether it may still do something; a process nobody has waited for may not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


# Checks


@contextmanager
def _catalog(data_dir: Path) -> Iterator[sqlite3.Connection]:
    """The catalog as it is on disk; nothing is changed by looking."""
    uri = f"file:{data_dir / 'catalog.db'}?mode=ro"
    with closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as connection:
        yield connection


@dataclass
class Checker:
    """Looks at what a dead server left, and at the next one. Each file is opened once."""

    world: World
    data_dir: Path
    seen: set[str] = field(default_factory=set)

    def check_remains(self) -> None:
        """Count what was cut off, and find no credential in any file."""
        with _catalog(self.data_dir) as catalog:
            for what, sql in (
                ("leases", "SELECT count(*) FROM remote_tables WHERE sync_token IS NOT NULL"),
                ("jobs", "SELECT count(*) FROM jobs WHERE status = 'running'"),
            ):
                self.world.tally[what] += catalog.execute(sql).fetchone()[0]
        keys = (self.data_dir / "secret-keys").read_bytes().split()
        canaries = [PASSWORD.encode(), TOKEN.encode(), *keys]
        for path in sorted(self.data_dir.rglob("*")):
            is_known = path.name == "secret-keys" or str(path) in self.seen
            if is_known or not path.is_file():
                continue
            content = path.read_bytes()
            assert not [secret for secret in canaries if secret in content], path
            if "blobs" in path.parts:
                self.seen.add(str(path))
            elif "staging" in path.parts:
                self.world.tally["staged files"] += 1

    def check(self, server: RunningServer) -> None:
        assert not self.world.surprises, self.world.surprises
        # Its own folder and lock, nobody else's.
        assert len(list((self.data_dir / "staging").iterdir())) == 2
        self._check_copies()
        with client_of(server) as client:
            self._check_jobs(client)
            floors = self.world.floors.copy()
            answer = call(client, "POST", "/v1/query", 200, sql=_ALL_TABLES)
            assert answer is not None
            counts = self.world.check_rows(answer["rows"], floors)
        assert set(counts) == set(TABLES)
        assert self._check_copies().items() >= counts.items()
        self._check_rows()

    def _check_jobs(self, client: httpx.Client) -> None:
        """Those that were running go on, and all of them end."""
        until = time.monotonic() + PATIENCE_S
        while left := client.get("/v1/jobs?status=pending,running").json()["jobs"]:
            assert time.monotonic() < until, f"stuck: {left}"
            time.sleep(0.02)
        for job_id in list(self.world.jobs):
            job = call(client, "GET", f"/v1/jobs/{job_id}", 200)
            assert job is not None
            assert end_job(self.world, job)
            del self.world.jobs[job_id]

    def _check_copies(self) -> dict[str, int]:
        """Every copy is whole, one state of its source, and as new as somebody was told."""
        floors = self.world.floors.copy()
        sql = """
            SELECT c.name || '.' || t.schema_name || '.' || t.table_name, t.version_id, t.row_count,
                   t.size_bytes, f.key, f.size_bytes, f.row_count, f.position
            FROM remote_tables t JOIN connections c ON c.id = t.connection_id
            LEFT JOIN remote_table_files f ON f.table_id = t.id ORDER BY t.id, f.position
        """
        with _catalog(self.data_dir) as catalog:
            found: dict[tuple[Any, ...], list[tuple[Any, ...]]] = {}
            for row in catalog.execute(sql):
                found.setdefault(row[:4], []).append(row[4:])
        for (table, version_id, row_count, size_bytes), files in found.items():
            if version_id is None:
                assert (row_count, size_bytes, files) == (None, None, [(None,) * 4]), table
                continue
            assert [file[3] for file in files] == list(range(len(files))), table
            assert (size_bytes, row_count) == tuple(sum(f[i] for f in files) for i in (1, 2))
            if version_id not in self.seen and table in TABLES:
                self.seen.add(version_id)
                content = self._content_of([file[:3] for file in files])
                assert content[0] == row_count
                assert self.world.sources.state_of(table, content) >= floors[table], table
        return {key[0]: key[2] for key in found if key[1] is not None}

    def _content_of(self, files: list[tuple[Any, ...]]) -> Content:
        total = [0, 0, 0, 0]
        for key, size_bytes, row_count in files:
            path = self.data_dir / "blobs" / key
            assert path.stat().st_size == size_bytes
            rows = pq.read_table(path)
            assert rows.num_rows == row_count
            for place, name in enumerate(("n", "v", "h"), start=1):
                total[place] += pc.sum(rows[name]).as_py() or 0
            total[0] += row_count
        return _content(total)

    def _check_rows(self) -> None:
        """Nothing is leased, and a connection and its secret are there or gone together."""
        with _catalog(self.data_dir) as catalog:
            for sql in (
                "SELECT id FROM remote_tables WHERE sync_token IS NOT NULL",
                "SELECT id FROM secrets WHERE id NOT IN (SELECT secret_id FROM connections "
                "WHERE owns_secret)",
                "SELECT id FROM connections WHERE secret_id NOT IN (SELECT id FROM secrets)",
                "SELECT key FROM remote_table_files f JOIN remote_tables t ON t.id = f.table_id "
                "WHERE t.version_id IS NULL",
            ):
                assert not catalog.execute(sql).fetchall(), sql


async def check_collection(data_dir: Path) -> tuple[int, int]:
    """After one collection exactly the files are left that rows name; say how many went and stayed."""
    assert not list((data_dir / "staging").glob("*/*"))
    db = await Database.open(f"sqlite:///{data_dir / 'catalog.db'}")
    try:
        blobs = open_blob_store(Settings.model_validate({"data_dir": data_dir, "blob_url": None}))
        named = await db.read(_named_keys)
        before = stored_keys(data_dir)
        assert not named - before, f"lost: {named - before}"
        await collect_garbage(db, blobs, grace_s=0, now=datetime.now(UTC))
        assert stored_keys(data_dir) == named == await db.read(_named_keys)
        assert await db.read(_profiles_of_nothing) == set()
        return len(before) - len(named), len(named)
    finally:
        await db.close()


def _named_keys(conn: Connection) -> set[str]:
    columns = (
        uploads.c.blob_key,
        dataset_files.c.key,
        results.c.blob_key,
        remote_table_files.c.key,
    )
    return {key for column in columns for key in conn.scalars(select(column)) if key is not None}


def _profiles_of_nothing(conn: Connection) -> set[str]:
    versions = {*conn.scalars(select(remote_tables.c.version_id))}
    versions |= {*conn.scalars(select(dataset_versions.c.id))}
    found = {*conn.scalars(select(profiles.c.version_id))}
    assert found & versions
    return found - versions


# The test


def test_no_kill_leaves_a_table_half_there_or_blocked(
    tmp_path: Path, postgres_database: str, request: pytest.FixtureRequest
) -> None:
    arguments = map(str, request.config.invocation_params.args)
    was_asked = any(each.startswith("--kills") for each in arguments)
    kills = request.config.getoption("--kills") if was_asked else KILLS
    seed = request.config.getoption("--crash-seed") or random.SystemRandom().randrange(2**32)
    print(f"to repeat: pytest -m crash --kills {kills} --crash-seed {seed}")
    rng = seeded(seed)
    data_dir, folder = tmp_path / "data", tmp_path / "sources"
    folder.mkdir()
    world = World(Sources(folder, postgres_database))
    checker = Checker(world, data_dir)
    aims = [AIMS[number % len(AIMS)] for number in range(kills)]
    rng.shuffle(aims)
    spare = Spare(data_dir, folder)
    try:
        for aim in aims:
            next_one, spare = spare, Spare(data_dir, folder)
            with closing(next_one):
                live_and_die(next_one, checker, aim, rng)
        with spare.running() as server:
            checker.check(server)
            server.terminate()
            assert server.wait() == 0, "".join(server.log)
    finally:
        spare.close()
    gone, kept = asyncio.run(check_collection(data_dir))
    print(f"{kills} kills, {gone} files collected, {kept} kept, {dict(world.tally)}")
    cut_off = {world.tally[what] for what in ("leases", "jobs", "staged files")}
    assert kills < KILLS or 0 not in cut_off, "no kill came in the middle of a sync"


def live_and_die(
    spare: Spare, checker: Checker, aim: Callable[[Path, random.Random], bool], rng: random.Random
) -> None:
    world, data_dir = checker.world, checker.data_dir
    if aim is during_the_start and world.connection_ids:
        spare.let_go()
        aim(data_dir, rng)
        kill(spare.process)
        checker.check_remains()
        return
    with spare.running() as server:
        if not world.connection_ids:
            set_up(server, world)
        checker.check(server)
        clients = Clients(server, world, rng)
        try:
            world.tally[f"{aim.__name__}: {aim(data_dir, rng)}"] += 1
            kill(server.process)
        finally:
            server.process.kill()
            clients.join()
    checker.check_remains()


def set_up(server: RunningServer, world: World) -> None:
    with client_of(server) as client:
        for name, kind in (("duck", "duckdb"), ("pg", "postgres")):
            world.connection_ids[name] = connect(client, name, kind, world)["id"]
        for table in (DUCK[-1], PG[-1]):
            place = "/v1/connections/{connection_id}/tables/{schema_name}/{table_name}"
            path = place.format(**world.place_of(table))
            assert call(client, "PATCH", path, 200, cursor_column="n") is not None
