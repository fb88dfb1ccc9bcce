"""The others in the same run: DataFusion in this process, a bare FastAPI route, and roapi."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
from datafusion import RuntimeEnvBuilder, SessionConfig, SessionContext

from bench.service import free_port, running

_FASTAPI = "bench.fastapi_peer:app"


class InProcess:
    """DataFusion with its defaults: a context per query, one runtime and its caches for all.

    A table is a Parquet file, or a folder of them.
    """

    def __init__(self, tables: dict[str, Path]) -> None:
        self._tables = {
            name: f"{path}/" if path.is_dir() else str(path) for name, path in tables.items()
        }
        self._runtime = RuntimeEnvBuilder()
        self._keeper = self._registered(" ".join(tables))

    def query(self, sql: str) -> pa.Table:
        """Run a statement in a context that registers the files it names itself."""
        return _collected(self._registered(sql), sql)

    def query_kept(self, sql: str) -> pa.Table:
        """Run a statement in a context that takes over tables opened once."""
        context = SessionContext(SessionConfig(), self._runtime)
        for name in self._tables:
            if name in sql:
                context.register_table(name, self._keeper.table(name))
        return _collected(context, sql)

    def _registered(self, sql: str) -> SessionContext:
        context = SessionContext(SessionConfig(), self._runtime)
        for name, path in self._tables.items():
            if name in sql:
                context.register_parquet(name, path)
        return context


def _collected(context: SessionContext, sql: str) -> pa.Table:
    frame = context.sql(sql)
    return pa.Table.from_batches(frame.collect(), frame.schema())


@contextmanager
def fastapi_peer(folder: Path, out_folder: Path) -> Iterator[int]:
    """Run ``bench/fastapi_peer.py`` over the Parquet files of a folder; yields its port."""
    port = free_port()
    options = ["--loop", "uvloop", "--http", "httptools", "--no-access-log"]
    command = [sys.executable, "-m", "uvicorn", _FASTAPI, "--port", str(port), *options]
    environment = {"BENCH_POINTS": str(folder)}
    with running(command, port, out_folder / "fastapi.log", environment):
        yield port


@contextmanager
def roapi_peer(stored: Path, uploaded: Path, out_folder: Path) -> Iterator[int]:
    """Run roapi over a file as we store it and as it was uploaded; yields its port.

    Its tables are ``points_file`` and ``points_memory`` (stored) and ``points_upload``. One process
    holds all: a second one would fail on the address of Flight SQL.
    """
    http_port, postgres_port, flight_port = (free_port() for _ in range(3))
    command = [
        str(Path(sys.executable).with_name("roapi")),
        *_option("--addr-http", http_port),
        *_option("--addr-postgres", postgres_port),
        *_option("--addr-flight-sql", flight_port),
        *("--table", f"points_file={stored},format=parquet,use_memory_table=false"),
        *("--table", f"points_memory={stored},format=parquet"),
        *("--table", f"points_upload={uploaded},format=parquet,use_memory_table=false"),
    ]
    environment = {"RUST_LOG": "warn"}
    with running(command, http_port, out_folder / "roapi.log", environment):
        yield http_port


def _option(name: str, port: int) -> Sequence[str]:
    return name, f"127.0.0.1:{port}"
