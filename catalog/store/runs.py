"""Query runs and the SQL texts they share.

A run is written twice, when it starts and when it ends, by ``Database.append``; the last state of
an id wins, and a final state is never turned back into ``running``. A SQL text is kept once per
workspace, as a snapshot whose id follows from the text, so that no write needs a read first.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from operator import attrgetter
from typing import Any

from sqlalchemy import Connection, Select, select, text, tuple_, update

from catalog.columns import ORDERED_TEXT, Instant
from catalog.errors import NotFound
from catalog.model import QueryRun, RunStatus, Snapshot
from catalog.store.rows import PAGE_ROWS_MAX, Upsert, columns_of, upsert_rows, utc_now
from catalog.tables import RUNNING_RUN, query_runs, snapshots

ORPHAN_MESSAGE = "Server restarted while the query was running"

_RUNS = Upsert(
    query_runs,
    replace_when="query_runs.status = 'running' OR excluded.status <> 'running'",
    keep=frozenset({"id", "workspace_id", "snapshot_id", "created_at", "owner", "door"}),
)
_SNAPSHOTS = Upsert(snapshots, replace_when=None)


def upsert_runs(conn: Connection, runs: Sequence[QueryRun]) -> None:
    """Write the present state of runs, of any workspaces; the last one of an id wins."""
    texts = {run.snapshot_id: run for run in runs}
    keep_snapshots(
        conn,
        [Snapshot(key, run.workspace_id, run.sql_hash, run.sql_text) for key, run in texts.items()],
    )
    upsert_rows(conn, _RUNS, list({run.id: run for run in runs}.values()))


def keep_snapshots(conn: Connection, new: Iterable[Snapshot]) -> None:
    """Make sure that these SQL texts, each named once, are stored."""
    # In the order of ids: two servers that insert the same texts must not wait for each other.
    upsert_rows(conn, _SNAPSHOTS, sorted(new, key=attrgetter("id")))


def get_run(conn: Connection, workspace_id: str, run_id: str) -> QueryRun:
    """Return a run.

    Raises:
        NotFound: the workspace has no such run.
    """
    query = _select(workspace_id).where(query_runs.c.id == run_id)
    row = conn.execute(query).mappings().first()
    if row is None:
        raise NotFound.of("Query run", run_id)
    return QueryRun(**row)


def list_runs(  # noqa: PLR0913 - the filters of one listing, all keyword
    conn: Connection,
    workspace_id: str,
    *,
    limit: int,
    before: tuple[datetime, str] | None = None,
    statuses: Collection[str] | None = None,
    saved_query_id: str | None = None,
    database_id: str | None = None,
) -> list[QueryRun]:
    """List runs, newest first.

    Args:
        conn: where.
        workspace_id: whose.
        limit: rows of a page, clamped to 1 to 1000; one more is returned when there are more.
        before: ``(created_at, id)`` of the last row of the page before.
        statuses: any of these; unknown ones match nothing.
        saved_query_id: executions of this saved query only.
        database_id: runs in the scope of this database only.
    """
    query = _select(workspace_id)
    if before is not None:
        key = tuple_(query_runs.c.created_at, query_runs.c.id, types=[Instant(), ORDERED_TEXT])
        query = query.where(key < before)
    if statuses is not None:
        known = [RunStatus(status) for status in statuses if status in set(RunStatus)]
        query = query.where(query_runs.c.status.in_(known))
    if saved_query_id is not None:
        query = query.where(query_runs.c.saved_query_id == saved_query_id)
    if database_id is not None:
        query = query.where(query_runs.c.database_id == database_id)
    query = query.order_by(query_runs.c.created_at.desc(), query_runs.c.id.desc())
    page_rows = max(1, min(limit, PAGE_ROWS_MAX))
    return [QueryRun(**row) for row in conn.execute(query.limit(page_rows + 1)).mappings()]


def fail_orphans(conn: Connection, owner: str) -> int:
    """Fail the runs a server of this name left running when it died; return how many."""
    failed = conn.execute(
        update(query_runs)
        .where(text(RUNNING_RUN), query_runs.c.owner == owner)
        .values(status=RunStatus.FAILED, error_message=ORPHAN_MESSAGE, completed_at=utc_now())
    )
    return failed.rowcount


def _select(workspace_id: str) -> Select[Any]:
    return (
        select(*columns_of(query_runs, QueryRun), snapshots.c.sql_text, snapshots.c.sql_hash)
        .join(snapshots, snapshots.c.id == query_runs.c.snapshot_id)
        .where(query_runs.c.workspace_id == workspace_id)
    )
