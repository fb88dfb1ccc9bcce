"""``tidemill connection``: made, listed, refreshed and deleted; the example of the README."""

import io
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pytest
from rich.console import Console
from typing_extensions import override

from server.client import Client, JobProgress
from server.commands.connections import refresh_copies
from tests.cli.conftest import ROOT, Run
from tests.cli.test_commands import assert_one_sentence
from tests.patience import PATIENCE_S
from tests.server.running import TOKEN, RunningServer, serving

_TABLES = """
CREATE TABLE fish AS SELECT * FROM (VALUES (1, 'Cod'), (2, 'Eel'), (3, 'Ide')) AS t(id, name);
CREATE SCHEMA far;
CREATE TABLE far.lakes AS SELECT i AS id FROM range(1000) AS t(i);
"""
_BROKEN = "CREATE VIEW broken AS SELECT error('on purpose') AS x FROM fish"
_NOWHERE = ("host=127.0.0.1", "port=1", "user=reader", "database=shop")


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("source") / "fish.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute(_TABLES)
    return path


@pytest.fixture(scope="module")
def source_server(
    tmp_path_factory: pytest.TempPathFactory, database: Path
) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("connections") / "data"
    with serving(folder, local_files=database.parent, egress_allow_private=True) as running:
        yield running


@pytest.fixture
def connection(tidemill: Run, source_server: RunningServer) -> Run:
    """Runs ``tidemill connection``."""

    def run(*arguments: object, **more: object) -> Any:
        place = {"url": source_server.url, "api_key": TOKEN}
        return tidemill("connection", *arguments, **{**place, **more})

    return run


@pytest.fixture
def query(tidemill: Run, source_server: RunningServer) -> Run:
    """Runs ``tidemill query``."""

    def run(sql: str) -> Any:
        place = {"url": source_server.url, "api_key": TOKEN}
        return tidemill("query", sql, "--format", "csv", **place)

    return run


def test_a_connection_is_made_queried_listed_refreshed_and_deleted(
    connection: Run, query: Run, database: Path
) -> None:
    made = connection("create", "My-Fish", "duckdb", f"path={database}")
    assert made.returncode == 0, made.stderr
    assert made.stdout == b'"My-Fish"\n'
    assert made.stderr == b"2 tables found.\n"
    assert_one_sentence(connection("create", "My-Fish", "duckdb", f"path={database}"), "exists")
    asked = 'SELECT name FROM "My-Fish".main.fish ORDER BY id LIMIT 1'
    assert query(asked).stdout.splitlines() == [b"name", b"Cod"]
    listed = connection("list").stdout.decode()
    assert re.search(r"│ My-Fish +│ duckdb +│ by copies +│ +2 │ +1 │", listed)
    one = connection("refresh", "My-Fish", "--table", "far.lakes")
    assert one.returncode == 0, one.stderr
    assert b"1 table copied, 1,000 rows, " in one.stderr
    both = connection("refresh", "My-Fish")
    assert b"2 tables: 0 new, 0 changed.\n2 tables copied, 1,003 rows, " in both.stderr
    assert connection("delete", "My-Fish").returncode == 0
    assert_one_sentence(connection("delete", "My-Fish"), "tidemill connection list")
    assert b"My-Fish" not in connection("list").stdout


def test_tables_without_a_copy_are_copied_when_asked(connection: Run, database: Path) -> None:
    connection("create", "fresh", "duckdb", f"path={database}", "--live")
    assert re.search(r"fresh +│ duckdb +│ live ", connection("list").stdout.decode())
    connection("delete", "fresh")
    connection("create", "fresh", "duckdb", f"path={database}")
    nothing = connection("refresh", "fresh").stderr
    assert b"0 tables copied" in nothing
    assert b"--all" in nothing
    assert b"2 tables copied, 1,003 rows" in connection("refresh", "fresh", "--all").stderr
    assert connection("delete", "fresh").returncode == 0


def test_a_table_that_fails_is_named_and_the_others_are_copied(
    connection: Run, database: Path
) -> None:
    path = database.with_name("broken.duckdb")
    shutil.copy(database, path)
    with duckdb.connect(str(path)) as writing:
        writing.execute(_BROKEN)
    connection("create", "partly", "duckdb", f"path={path}")
    finished = connection("refresh", "partly", "--all")
    assert finished.returncode == 1
    assert b"2 tables copied, 1,003 rows" in finished.stderr
    assert b"Error: 1 table could not be copied: Table 'partly.main.broken'" in finished.stderr
    assert b"Traceback" not in finished.stderr
    assert_one_sentence(connection("refresh", "partly", "--table", "main.broken"), "on purpose")
    assert_one_sentence(connection("refresh", "partly", "--table", "main.none"), "none")
    assert_one_sentence(connection("refresh", "partly", "--table", "fish"), "public.fish")
    connection("delete", "partly")


def test_a_credential_comes_from_standard_input(
    connection: Run, source_server: RunningServer
) -> None:
    made = connection("create", "shop", "postgres", *_NOWHERE, "--secret-stdin", stdin=b"hidden\n")
    assert_one_sentence(made, "Connection 'shop' is made, but its tables could not be listed")
    with source_server.client() as client:
        secrets = client.get("/v1/secrets").json()["secrets"]
    assert [secret["name"] for secret in secrets] == ["conn-shop-password"]
    assert_one_sentence(connection("refresh", "shop"))
    assert connection("delete", "shop").returncode == 0


def test_wrong_options_are_explained(connection: Run, database: Path) -> None:
    path = f"path={database}"
    assert_one_sentence(connection("create", "x", "duckdb", "path"), "key=value")
    assert_one_sentence(connection("create", "x", "duckdb"), "path")
    assert_one_sentence(connection("create", "x", "nonsense", path), "nonsense")
    assert_one_sentence(connection("create", "x", "duckdb", path, "--secret-stdin"), "credential")
    assert_one_sentence(connection("create", "x", "sqlite", path, "text_columns=a"), "JSON")
    assert_one_sentence(connection("refresh", "x"), "no connection 'x'")
    assert connection("create", "x").returncode == 2


def test_the_bar_follows_the_job(source_server: RunningServer) -> None:
    class Told(Client):
        @override
        def refresh(self, on_progress: JobProgress | None = None, **fields: Any) -> dict[str, Any]:
            assert on_progress is not None
            shown: Mapping[str, int] = {"rows": 12345, "bytes": 67890, "tables": 1}
            on_progress({**shown, "tables_total": 3})
            return {"rows_synced": 2, "duration_ms": 5, "warnings": [], **fields}

    page = Console(file=io.StringIO(), force_terminal=True, width=100)
    with Told(source_server.url, TOKEN) as client:
        refresh_copies(client, page, "conn")
    assert isinstance(page.file, io.StringIO)
    assert "1 of 3 tables, 12,345 rows, 67.9 kB" in page.file.getvalue()
    assert "1 table copied, 2 rows, 5 ms" in page.file.getvalue()


@pytest.mark.skipif(shutil.which("curl") is None, reason="the example uses curl")
def test_the_example_of_the_readme_runs(
    postgres_url: str, source_server: RunningServer, tmp_path: Path
) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"<!-- connect -->\n```sh\n(.*?)```", readme, re.DOTALL)
    assert len(blocks) == 2
    folder = postgres_url.partition("?host=")[2]
    command = tmp_path / "tidemill"
    command.write_text(
        f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -m server.cli "$@"\n'
    )
    command.chmod(0o755)
    with _shop(postgres_url):
        finished = subprocess.run(
            ["bash", "-euo", "pipefail"],
            input="\n".join(blocks).replace("db.example.com", folder),
            env={
                **os.environ,
                "PATH": f"{tmp_path}:{os.environ['PATH']}",
                "TIDEMILL_URL": source_server.url,
                "TIDEMILL_API_KEY": TOKEN,
                "PASSWORD": "secret",
                "URL": source_server.url,
                "AUTH": f"Authorization: Bearer {TOKEN}",
                "JSON": "Content-Type: application/json",
            },
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
    assert finished.returncode == 0, finished.stderr
    assert "│ Norway  │   5.00 │" in finished.stdout
    assert "1 table copied, 3 rows" in finished.stderr
    assert '"name":"live_shop","source_type":"postgres","tables_discovered":1' in finished.stdout


@contextmanager
def _shop(postgres_url: str) -> Iterator[None]:
    """The database of the example for as long as the block runs."""
    with psycopg.connect(postgres_url, autocommit=True) as server:
        server.execute("CREATE ROLE reader LOGIN PASSWORD 'secret'")
        server.execute("CREATE DATABASE shop")
        with psycopg.connect(postgres_url.replace("/postgres?", "/shop?")) as database:
            database.execute("CREATE TABLE orders (country text, amount numeric(8, 2))")
            database.execute("INSERT INTO orders VALUES ('Norway', 2), ('Norway', 3), ('Peru', 4)")
            database.execute("GRANT SELECT ON orders TO reader")
        yield
        server.execute("DROP DATABASE shop WITH (FORCE)")
        server.execute("DROP ROLE reader")
