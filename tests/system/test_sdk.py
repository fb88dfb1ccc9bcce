"""Three generations of the hotdata SDK work against the server, each in its own environment.

The checks are in ``sdk/check_*.py``; one process per version runs all of them on a server of its
own, because the first version cannot say which workspace it means.
"""

import json
import re
import subprocess
import sys
from functools import lru_cache
from pathlib import Path

import duckdb
import pytest

from tests.patience import PATIENCE_S
from tests.server.running import TOKEN
from tests.system.conftest import StartServer

pytestmark = pytest.mark.system

VERSIONS = ("0.0.1", "0.2.0", "0.4.1")
_ROOT = Path(__file__).parents[2]
_SDK = Path(__file__).parent / "sdk"

# A table of each kind of column, one with values that cannot be kept, one that cannot be read.
_TABLES = """
CREATE TABLE people AS SELECT i::INTEGER AS id, 'person ' || i AS name, i / 2 AS height,
  CASE WHEN i % 2 = 0 THEN 'red' WHEN i % 10 IN (3, 5) THEN 'blue' END AS colour,
  DATE '1950-01-01' + i::INTEGER AS born, i % 2 = 0 AS active, NULL::INTEGER AS nothing
  FROM range(1000) AS t(i);
CREATE SCHEMA other;
CREATE TABLE other.things (id INTEGER NOT NULL, word VARCHAR);
INSERT INTO other.things VALUES (0, 'zero'), (1, 'one'), (2, NULL);
CREATE TABLE endless AS SELECT unnest([DATE '2024-02-29', DATE 'infinity']) AS day;
CREATE VIEW broken AS SELECT CASE WHEN id >= 0 THEN error('on purpose') END AS x FROM people;
"""

CHECKS = tuple(
    name
    for path in sorted(_SDK.glob("check_*.py"))
    for name in re.findall(r"^def (check_\w+)", path.read_text(), re.MULTILINE)
)


@lru_cache
def sdk_python(version: str) -> Path:
    """The interpreter of an environment with exactly the pinned packages; made when missing."""
    requirements = _SDK / f"requirements-{version}.txt"
    environment = _ROOT / ".venv-sdk" / version
    stamp = environment / "installed.txt"
    python = environment / "bin" / "python"
    wanted = requirements.read_text()
    if not stamp.exists() or stamp.read_text() != wanted:
        uv = [sys.executable, "-m", "uv"]
        for command in (
            [*uv, "venv", "--clear", "--python", sys.executable, str(environment)],
            [*uv, "pip", "install", "--python", str(python), "--requirement", str(requirements)],
        ):
            subprocess.run(command, check=True, timeout=PATIENCE_S)
        stamp.write_text(wanted)
    return python


@pytest.fixture(scope="module")
def duckdb_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file to connect; the environments of the SDK have no DuckDB."""
    path = tmp_path_factory.mktemp("sdk") / "people.duckdb"
    with duckdb.connect(str(path)) as database:
        database.execute(_TABLES)
    return path


@pytest.fixture(scope="module", params=VERSIONS)
def outcomes(
    request: pytest.FixtureRequest, start_server: StartServer, duckdb_path: Path
) -> dict[str, str | None]:
    """What came of each check with one version: None, or its traceback."""
    server = start_server(local_files=duckdb_path.parent)
    program = [str(sdk_python(request.param)), "-m", "tests.system.sdk.run_checks"]
    command = [*program, server.url, TOKEN, request.param, str(duckdb_path)]
    finished = subprocess.run(
        command, cwd=_ROOT, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    assert finished.returncode == 0, finished.stderr
    lines = map(json.loads, finished.stdout.splitlines())
    return {line["check"]: line["failure"] for line in lines}


@pytest.mark.parametrize("check", CHECKS)
def test_sdk(outcomes: dict[str, str | None], check: str) -> None:
    if failure := outcomes[check]:
        pytest.fail(failure, pytrace=False)
