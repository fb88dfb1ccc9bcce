"""Group commit, isolation of failures, lost connections, closing."""

import asyncio
import stat
import threading
from collections.abc import Sequence
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Connection, Engine, event, func, select, text

from catalog.database import Database
from catalog.errors import CatalogError, Conflict, InvalidValue, Unavailable
from catalog.model import QueryRun, Workspace
from catalog.store.runs import get_run, list_runs, upsert_runs
from catalog.store.uploads import insert_upload, list_uploads
from catalog.store.workspaces import ensure_default, list_workspaces
from catalog.tables import organizations, uploads
from tests.catalog.samples import make_run, make_upload
from tests.patience import PATIENCE_S

pytestmark = pytest.mark.anyio


def read_modes(folder: Path) -> dict[str, int]:
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}


def count_commits(db: Database) -> list[None]:
    commits: list[None] = []
    event.listen(db._engines.writer, "commit", lambda _connection: commits.append(None))
    return commits


def hold_writer(db: Database) -> tuple[threading.Event, "asyncio.Future[None]"]:
    """Keep the writer busy until the event is set, so that what follows forms one group."""
    release = threading.Event()

    def wait(_conn: Connection) -> None:
        assert release.wait(PATIENCE_S)

    return release, asyncio.ensure_future(db.write(wait))


async def test_what_waits_is_committed_as_one_group(db: Database, workspace: Workspace) -> None:
    release, held = hold_writer(db)
    await asyncio.sleep(0)
    runs = [make_run(workspace.id, f"SELECT {n}") for n in range(100)]
    futures = [db.append(upsert_runs, run) for run in runs]
    others = [
        asyncio.ensure_future(db.write(insert_upload, make_upload(workspace.id))) for _ in range(20)
    ]
    await asyncio.sleep(0)
    commits = count_commits(db)
    release.set()
    await asyncio.gather(held, *futures, *others)
    assert len(commits) <= 3
    assert len(await db.read(list_runs, workspace.id, limit=1000)) == 100
    assert len(await db.read(list_uploads, workspace.id)) == 20


async def test_an_operation_that_fails_in_a_group_fails_alone(
    db: Database, workspace: Workspace
) -> None:
    twin = make_upload(workspace.id)
    await db.write(insert_upload, twin)

    def write_then_fail(conn: Connection) -> None:
        insert_upload(conn, make_upload(workspace.id))
        raise LookupError("mine")

    release, held = hold_writer(db)
    await asyncio.sleep(0)
    good = [make_upload(workspace.id) for _ in range(3)]
    run = make_run(workspace.id)
    outcomes = asyncio.gather(
        db.write(insert_upload, good[0]),
        db.write(insert_upload, twin),
        db.write(insert_upload, good[1]),
        db.write(write_then_fail),
        db.write(insert_upload, good[2]),
        db.append(upsert_runs, run),
        return_exceptions=True,
    )
    await asyncio.sleep(0)
    release.set()
    await held
    results = await outcomes
    assert [type(result) for result in results] == [
        type(None), Conflict, type(None), LookupError, type(None), type(None),
    ]  # fmt: skip
    stored = {upload.id for upload in await db.read(list_uploads, workspace.id)}
    assert stored == {twin.id, *(upload.id for upload in good)}
    assert await db.read(get_run, workspace.id, run.id) == run


async def test_a_row_that_cannot_be_written_fails_alone(db: Database, workspace: Workspace) -> None:
    def refuse_odd(conn: Connection, rows: Sequence[QueryRun]) -> None:
        upsert_runs(conn, rows)
        if any(run.door == "bad" for run in rows):
            raise ValueError("bad row")

    release, held = hold_writer(db)
    await asyncio.sleep(0)
    good, bad = make_run(workspace.id), make_run(workspace.id, door="bad")
    outcomes = asyncio.gather(
        db.append(refuse_odd, good), db.append(refuse_odd, bad), return_exceptions=True
    )
    await asyncio.sleep(0)
    release.set()
    await held
    first, second = await outcomes
    assert first is None
    assert isinstance(second, ValueError)
    assert await db.read(list_runs, workspace.id, limit=5) == [good]


async def test_a_cancelled_caller_does_not_disturb_the_others(
    db: Database, workspace: Workspace
) -> None:
    release, held = hold_writer(db)
    await asyncio.sleep(0)
    cancelled = asyncio.ensure_future(db.write(insert_upload, make_upload(workspace.id)))
    kept = asyncio.ensure_future(db.write(insert_upload, make_upload(workspace.id)))
    await asyncio.sleep(0)
    cancelled.cancel()
    release.set()
    await asyncio.gather(held, kept)
    assert cancelled.cancelled()


async def test_a_reader_cannot_write(db: Database, workspace: Workspace) -> None:
    with pytest.raises(Unavailable):
        await db.read(insert_upload, make_upload(workspace.id))


async def test_a_read_sees_one_snapshot(db: Database, workspace: Workspace) -> None:
    loop = asyncio.get_running_loop()

    def count_twice(conn: Connection) -> tuple[int | None, int | None]:
        query = select(func.count()).select_from(uploads)
        before = conn.scalar(query)
        write = db.write(insert_upload, make_upload(workspace.id))
        asyncio.run_coroutine_threadsafe(write, loop).result(PATIENCE_S)
        return before, conn.scalar(query)

    assert await db.read(count_twice) == (0, 0)


async def test_closing_commits_what_was_accepted(catalog_url: str) -> None:
    db = await Database.open(catalog_url)
    workspace = await db.write(ensure_default)
    runs = [make_run(workspace.id, f"SELECT {n}") for n in range(50)]
    for run in runs:
        db.append(upsert_runs, run, deferred=True)
    await db.close()
    await db.close()
    with pytest.raises(Unavailable):
        await db.write(ensure_default)
    with pytest.raises(Unavailable):
        await db.read(list_workspaces, workspace.organization_id)
    reopened = await Database.open(catalog_url)
    assert len(await reopened.read(list_runs, workspace.id, limit=100)) == 50
    await reopened.close()


async def test_a_catalog_that_answers_is_pinged(db: Database) -> None:
    await db.ping()


async def test_a_lost_postgres_connection_is_replaced(postgres_database: str) -> None:
    db = await Database.open(postgres_database)
    workspace = await db.write(ensure_default)
    await db.ping()
    kill = text(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    plain = postgres_database.replace("+psycopg", "")
    for _ in range(3):
        with psycopg.connect(plain, autocommit=True) as connection:
            connection.execute(str(kill))
        run, upload = make_run(workspace.id), make_upload(workspace.id)
        await asyncio.gather(
            db.append(upsert_runs, run), db.write(insert_upload, upload), db.ping()
        )
        assert await db.read(get_run, workspace.id, run.id) == run
    assert len(await db.read(list_uploads, workspace.id)) == 3
    await db.close()


async def test_a_connection_lost_inside_an_operation_runs_it_again(
    postgres_database: str,
) -> None:
    db = await Database.open(postgres_database)
    await db.write(ensure_default)
    calls: list[None] = []

    def die_once(conn: Connection) -> int | None:
        calls.append(None)
        if len(calls) == 1:
            pid = conn.scalar(text("SELECT pg_backend_pid()"))
            with psycopg.connect(postgres_database.replace("+psycopg", "")) as other:
                other.execute("SELECT pg_terminate_backend(%s)", [pid])
        return conn.scalar(select(func.count()).select_from(organizations))

    assert await db.write(die_once) == 1
    assert len(calls) == 2
    await db.close()


async def test_an_unreachable_postgres_is_unavailable_and_tells_no_password() -> None:
    with pytest.raises(Unavailable) as caught:
        await Database.open("postgresql+psycopg://me:canary-4711@127.0.0.1:1/none")
    assert "canary-4711" not in str(caught.value) + repr(caught.value)


@pytest.mark.parametrize(
    "url", ["mysql://me:canary-4711@host/db", "canary-4711", "sqlite://", "sqlite:///:memory:"]
)
async def test_a_url_that_cannot_be_a_catalog_is_refused(url: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        await Database.open(url)
    assert "canary-4711" not in str(caught.value)


async def test_a_file_that_is_not_a_database_is_unavailable(tmp_path: Path) -> None:
    path = tmp_path / "catalog.db"
    path.write_bytes(b"not a database, certainly not" * 100)
    with pytest.raises(Unavailable):
        await Database.open(f"sqlite:///{path}")


async def test_the_files_of_sqlite_are_private(tmp_path: Path) -> None:
    db = await Database.open(f"sqlite:///{tmp_path}/catalog.db")
    await db.write(ensure_default)
    modes = read_modes(tmp_path)
    assert modes.keys() >= {"catalog.db", "catalog.db-wal"}
    assert set(modes.values()) == {0o600}
    await db.close()


async def test_sqlite_syncs_every_commit(tmp_path: Path) -> None:
    db = await Database.open(f"sqlite:///{tmp_path}/catalog.db")

    def pragmas(conn: Connection) -> list[object]:
        names = ("journal_mode", "synchronous", "foreign_keys")
        return [conn.exec_driver_sql(f"PRAGMA {name}").scalar() for name in names]

    full = 2
    assert await db.write(pragmas) == ["wal", full, 1]
    await db.close()


async def test_a_writer_whose_disk_failed_stays_stopped(tmp_path: Path) -> None:
    import sqlite3

    from sqlalchemy.exc import OperationalError

    db = await Database.open(f"sqlite:///{tmp_path}/catalog.db")
    workspace = await db.write(ensure_default)

    def fail_to_sync(engine: Engine) -> None:
        original = sqlite3.OperationalError("disk I/O error")
        original.sqlite_errorcode = sqlite3.SQLITE_IOERR_FSYNC

        def fail(_connection: Connection) -> None:
            raise OperationalError("COMMIT", {}, original)

        event.listen(engine, "commit", fail)

    fail_to_sync(db._engines.writer)
    with pytest.raises(Unavailable):
        await db.write(insert_upload, make_upload(workspace.id))
    with pytest.raises(Unavailable):
        await db.ping()
    with pytest.raises(Unavailable):
        await db.append(upsert_runs, make_run(workspace.id))
    assert await db.read(list_uploads, workspace.id) == ()
    await db.close()


async def test_two_servers_may_start_at_once(catalog_url: str) -> None:
    databases = await asyncio.gather(*(Database.open(catalog_url) for _ in range(4)))
    workspaces = await asyncio.gather(*(db.write(ensure_default) for db in databases))
    assert len(set(workspaces)) == 1
    await asyncio.gather(*(db.close() for db in databases))


async def test_text_a_database_cannot_keep_fails_alone(db: Database, workspace: Workspace) -> None:
    good, odd = make_run(workspace.id), make_run(workspace.id, "SELECT '\0'")
    outcome, first = await asyncio.gather(
        db.append(upsert_runs, odd), db.append(upsert_runs, good), return_exceptions=True
    )
    assert first is None
    # SQLite keeps NUL characters, Postgres has no way to.
    assert outcome is None or isinstance(outcome, CatalogError)
    assert await db.read(get_run, workspace.id, good.id) == good
