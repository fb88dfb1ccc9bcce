"""Real DuckLake catalogs, made by DuckLake itself in a process, and an environment, of its own.

Run as a script, by the interpreter of that environment, this file reads one request from its
standard input (a catalog to attach, statements, queries) and prints the rows of the queries. The
extension is bound to one release of DuckDB, older than the one the connector reads files with.
"""

import fcntl
import json
import subprocess
import sys
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

EXTENSIONS = ("ducklake", "postgres_scanner", "sqlite_scanner")

_ENVIRONMENT = Path(__file__).parents[3] / ".venv-ducklake"
_REQUIREMENTS = Path(__file__).with_name("requirements-ducklake.txt")
# As tests.patience, which is not there in the other environment.
_PATIENCE_S = 300


@dataclass(frozen=True)
class LakeMaker:
    """A catalog that DuckLake writes to; each call is a connection of its own.

    ``catalog`` is what follows ``ducklake:`` in ATTACH, ``settings`` further options of it.
    """

    catalog: str
    data_path: Path
    settings: str = ""

    def run(self, *statements: str, answers: tuple[str, ...] = ()) -> list[list[list[Any]]]:
        """Run statements, then queries; returns the rows of each query.

        Values are numbers, texts and None: cast what is something else.
        """
        attach = f"ATTACH 'ducklake:{self.catalog}' AS lake (DATA_PATH '{self.data_path}/'"
        attach += f", {self.settings})" if self.settings else ")"
        request = {"statements": [attach, "USE lake", *statements], "answers": answers}
        finished = subprocess.run(
            [str(_ducklake_python()), __file__],
            input=json.dumps(request),
            capture_output=True,
            text=True,
            timeout=_PATIENCE_S,
            check=False,
        )
        assert finished.returncode == 0, finished.stderr
        rows: list[list[list[Any]]] = json.loads(finished.stdout)
        return rows


@lru_cache
def _ducklake_python() -> Path:
    """The interpreter of an environment with exactly the pinned packages; made when missing."""
    _ENVIRONMENT.mkdir(exist_ok=True)
    stamp = _ENVIRONMENT / "installed.txt"
    python = _ENVIRONMENT / "env" / "bin" / "python"
    wanted = _REQUIREMENTS.read_text()
    with (_ENVIRONMENT / "lock").open("w") as lock:
        # Two test processes may find it missing at the same time.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not stamp.exists() or stamp.read_text() != wanted:
            uv = [sys.executable, "-m", "uv"]
            for command in (
                [*uv, "venv", "--clear", "--python", sys.executable, str(python.parents[1])],
                [*uv, "pip", "install", "--python", str(python), "-r", str(_REQUIREMENTS)],
            ):
                subprocess.run(command, check=True, timeout=_PATIENCE_S)
            stamp.write_text(wanted)
    return python


def _serve() -> None:
    import duckdb
    import duckdb_extensions  # type: ignore[import-not-found]  # only in the environment of its own

    request = json.load(sys.stdin)
    connection = duckdb.connect()
    for extension in EXTENSIONS:
        duckdb_extensions.import_extension(extension, con=connection)
        connection.load_extension(extension)
    connection.execute("SET TimeZone = 'UTC'")
    for statement in request["statements"]:
        connection.execute(statement)
    print(json.dumps([connection.execute(query).fetchall() for query in request["answers"]]))


if __name__ == "__main__":
    _serve()
