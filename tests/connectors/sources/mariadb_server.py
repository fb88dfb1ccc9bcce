"""A private MariaDB for tests: its own folder, Unix socket and port on 127.0.0.1.

Needs ``mariadbd`` and ``mariadb-install-db`` (Debian: ``apt-get install mariadb-server``); without
them a test that asks for the server is skipped.
"""

import os
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from connectors.drivers import load_driver
from tests.patience import PATIENCE_S

_SYSTEM_FOLDERS = "/usr/sbin:/usr/local/sbin:/usr/libexec"


@dataclass(frozen=True)
class MariaDB:
    """A running server and its administrator, who may log in from 127.0.0.1 and the socket."""

    host: str
    port: int
    user: str
    password: str
    socket: Path
    database: str = "tidemill"

    def connect(self, **changes: Any) -> Any:
        """Open a connection of pymysql as the administrator, with autocommit."""
        given: dict[str, Any] = {
            "host": self.host,
            "port": self.port,
            "user": self.user,
            "password": self.password,
            "database": self.database,
            "charset": "utf8mb4",
            "autocommit": True,
            **changes,
        }
        return load_driver("pymysql").connect(**given)

    def run(self, *statements: str) -> None:
        """Run statements as the administrator."""
        connection = self.connect()
        try:
            with connection.cursor() as cursor:
                for statement in statements:
                    cursor.execute(statement)
        finally:
            connection.close()


@contextmanager
def mariadb_server(arguments: Sequence[str] = ()) -> Iterator[MariaDB]:
    """Start a server that is gone at the end of the block, with everything in it.

    Args:
        arguments: further ones of ``mariadbd``, such as ``--ssl-cert=…``.
    """
    search = f"{os.environ.get('PATH', '')}:{_SYSTEM_FOLDERS}"
    daemon = shutil.which("mariadbd", path=search)
    installer = shutil.which("mariadb-install-db", path=search)
    if daemon is None or installer is None:
        pytest.skip("MariaDB is not installed: apt-get install mariadb-server")
    folder = Path(tempfile.mkdtemp(prefix="mariadb-"))
    try:
        base = ["--no-defaults", f"--datadir={folder / 'data'}"]
        if os.geteuid() == 0:
            base.append("--user=root")
        subprocess.run(
            [installer, *base, "--auth-root-authentication-method=normal", "--skip-test-db"],
            check=True,
            capture_output=True,
        )
        server = MariaDB(
            "127.0.0.1", _free_port(), "admin", secrets.token_hex(8), folder / "mysqld.sock"
        )
        with _running([daemon, *base, *arguments], server, folder):
            yield server
    finally:
        shutil.rmtree(folder)


@contextmanager
def _running(command: Sequence[str], server: MariaDB, folder: Path) -> Iterator[None]:
    prepare = folder / "prepare.sql"
    prepare.write_text(
        f"CREATE DATABASE {server.database} CHARACTER SET utf8mb4;\n"
        f"CREATE USER {server.user}@'%' IDENTIFIED BY '{server.password}';\n"
        f"GRANT ALL ON *.* TO {server.user}@'%' WITH GRANT OPTION;\n"
        "DROP USER root@localhost;\n"
    )
    log = folder / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [
                *command,
                f"--socket={server.socket}",
                f"--port={server.port}",
                "--bind-address=127.0.0.1",
                f"--pid-file={folder / 'pid'}",
                f"--init-file={prepare}",
                "--skip-log-bin",
                "--skip-name-resolve",
                "--innodb-buffer-pool-size=64M",
                "--innodb-flush-log-at-trx-commit=0",
            ],
            stdout=output,
            stderr=output,
        )
    try:
        _wait(server, process, log)
        yield
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(server: MariaDB, process: "subprocess.Popen[bytes]", log: Path) -> None:
    """Wait until the administrator can log in."""
    give_up = time.monotonic() + PATIENCE_S
    while True:
        try:
            server.connect().close()
        except load_driver("pymysql").err.OperationalError as error:
            if process.poll() is not None or time.monotonic() > give_up:
                raise RuntimeError(log.read_text(errors="replace")) from error
            time.sleep(0.05)
        else:
            return


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])
