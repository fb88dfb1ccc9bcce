"""What was acknowledged survives ``kill -9``; what was not is there whole or not at all."""

import os
import random
import secrets
import subprocess
import sys
from pathlib import Path

import pytest

from catalog.database import Database
from catalog.jobs import get_job
from catalog.model import RunStatus, UploadStatus
from catalog.store.datasets import get_version, list_tables
from catalog.store.results import get_result
from catalog.store.runs import get_run
from catalog.store.uploads import get_upload, list_uploads
from catalog.store.workspaces import ensure_default

pytestmark = [pytest.mark.anyio, pytest.mark.crash]

ROOT = Path(__file__).parents[2]
KILLS = 3


def run_and_kill(url: str, workspace_id: str, lines: int) -> list[tuple[str, str]]:
    """Kill the writer after so many acknowledgements; return all that it printed whole."""
    command = [sys.executable, "-m", "tests.catalog.crash_writer", url, workspace_id]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, env=os.environ | {"PYTHONPATH": str(ROOT)}
    ) as process:
        assert process.stdout is not None
        output = b"".join(process.stdout.readline() for _ in range(lines))
        process.kill()
        output += process.stdout.read()
    whole = output[: output.rfind(b"\n")].decode().splitlines()
    return [(kind, identifier) for kind, identifier in (line.split() for line in whole)]


async def check(db: Database, workspace_id: str, kind: str, identifier: str) -> None:
    if kind == "query":
        run = await db.read(get_run, workspace_id, identifier)
        assert run.status is RunStatus.SUCCEEDED
        assert run.result_id is not None
        result = await db.read(get_result, workspace_id, run.result_id)
        assert run.sql_text == f"SELECT '{result.id}'"
    elif kind == "upload":
        await db.read(get_upload, workspace_id, identifier)
    elif kind == "dataset":
        assert len((await db.read(get_version, workspace_id, identifier, 1)).files) == 2
    else:
        await db.read(get_job, workspace_id, identifier)


async def test_everything_acknowledged_is_there_after_a_kill(catalog_url: str) -> None:
    db = await Database.open(catalog_url)
    workspace = await db.write(ensure_default)
    await db.close()
    seed = secrets.randbelow(2**32)
    moments = random.Random(seed)
    acknowledged: list[tuple[str, str]] = []
    for _ in range(KILLS):
        lines = moments.randrange(1, 1500)
        acknowledged += run_and_kill(catalog_url, workspace.id, lines)
    db = await Database.open(catalog_url)
    assert len(acknowledged) >= KILLS, f"seed {seed}"
    for kind, identifier in acknowledged:
        await check(db, workspace.id, kind, identifier)
    # One transaction made the dataset and consumed its upload: both or none.
    consumed = await db.read(list_uploads, workspace.id, status=UploadStatus.CONSUMED)
    tables = await db.read(list_tables, workspace.id)
    assert {dataset.source["upload_id"] for dataset, _ in tables} == {u.id for u in consumed}
    assert all(len(version.files) == 2 for _, version in tables), f"seed {seed}"
    await db.close()


def test_a_killed_migration_is_run_again(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/catalog.db"
    script = (
        "import os, asyncio\n"
        "from catalog import connections\n"
        "from alembic import command\n"
        "upgrade = command.upgrade\n"
        "def die(*args):\n"
        "    upgrade(*args)\n"
        "    os.kill(os.getpid(), 9)\n"
        "command.upgrade = die\n"
        f"connections.open_engines({url!r}, readers=1)\n"
    )
    died = subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=False)
    assert died.returncode == -9
    from catalog.connections import open_engines

    engines = open_engines(url, readers=1)
    with engines.reader.connect() as connection, connection.begin():
        tables = connection.exec_driver_sql("SELECT count(*) FROM sqlite_master").scalar()
    assert tables
    engines.dispose()
