"""Results: what a query answered, in the catalog when tiny, else as one Parquet file.

Written by ``Database.append``; the last state of an id wins and a final state is never turned back
into an unfinished one. A ready result whose bytes are missing is failed, never a server error.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, delete, null, select, text, update

from catalog.errors import NotFound
from catalog.model import Page, Result, ResultStatus
from catalog.store.dropped import drop_blobs
from catalog.store.rows import Upsert, columns_of, read_page, upsert_rows
from catalog.tables import UNFINISHED_RESULT, results

ORPHAN_MESSAGE = "Server restarted while the result was being stored"
STUCK_MESSAGE = "Cleanup: result timed out"

_RESULTS = Upsert(
    results,
    replace_when="results.status IN ('pending', 'processing')"
    " OR excluded.status IN ('ready', 'failed')",
    keep=frozenset({"id", "workspace_id", "created_at", "owner"}),
)
_COLUMNS = columns_of(results, Result)
_FINAL = [ResultStatus.READY, ResultStatus.FAILED]
_COLUMNS_WITHOUT_BYTES = [
    null().label(column.name) if column is results.c.inline_ipc else column for column in _COLUMNS
]


def upsert_results(conn: Connection, new: Sequence[Result]) -> None:
    """Write the present state of results, of any workspaces; the last one of an id wins."""
    upsert_rows(conn, _RESULTS, list({result.id: result for result in new}.values()))


def get_result(conn: Connection, workspace_id: str, result_id: str) -> Result:
    """Return a result, its inline bytes included.

    Raises:
        NotFound: the workspace has no such result, or it expired.
    """
    query = select(*_COLUMNS).where(
        results.c.workspace_id == workspace_id, results.c.id == result_id
    )
    row = conn.execute(query).mappings().first()
    if row is None:
        raise NotFound.of("Result", result_id)
    return Result(**row)


def list_results(
    conn: Connection,
    workspace_id: str,
    *,
    limit: int,
    offset: int,
    database_id: str | None = None,
) -> Page[Result]:
    """Return a page of results, newest first, without their inline bytes; limit 0 to 1000."""
    query = _listing(workspace_id)
    if database_id is not None:
        query = query.where(results.c.database_id == database_id)
    return read_page(conn, query, lambda row: Result(**row), limit=limit, offset=offset)


def list_ready(conn: Connection, workspace_id: str) -> tuple[Result, ...]:
    """Return the results that SQL can read, newest first, without their inline bytes."""
    query = _listing(workspace_id).where(results.c.status == ResultStatus.READY)
    return tuple(Result(**row) for row in conn.execute(query).mappings())


def fail_result(conn: Connection, workspace_id: str, result_id: str, message: str) -> Result:
    """Mark a result as failed whatever its state; return it.

    Raises:
        NotFound: the workspace has no such result.
    """
    mine = (results.c.workspace_id == workspace_id, results.c.id == result_id)
    conn.execute(
        update(results).where(*mine).values(status=ResultStatus.FAILED, error_message=message)
    )
    return get_result(conn, workspace_id, result_id)


def fail_orphans(conn: Connection, owner: str) -> int:
    """Fail the results a server of this name left unfinished when it died; return how many."""
    return _fail_unfinished(conn, results.c.owner == owner, message=ORPHAN_MESSAGE)


def fail_stuck(conn: Connection, older_than: datetime) -> int:
    """Fail the unfinished results created before a moment; return how many."""
    return _fail_unfinished(conn, results.c.created_at < older_than, message=STUCK_MESSAGE)


def expire_results(conn: Connection, now: datetime) -> tuple[str, ...]:
    """Delete the finished results whose time has passed.

    Returns:
        The keys of their blobs, which garbage collection deletes after its grace.
    """
    deleted = conn.scalars(
        delete(results)
        .where(results.c.expires_at <= now, results.c.status.in_(_FINAL))
        .returning(results.c.blob_key)
    ).all()
    keys = [key for key in deleted if key is not None]
    drop_blobs(conn, keys, now)
    return tuple(keys)


def _fail_unfinished(conn: Connection, condition: ColumnElement[bool], *, message: str) -> int:
    failed = conn.execute(
        update(results)
        .where(text(UNFINISHED_RESULT), condition)
        .values(status=ResultStatus.FAILED, error_message=message)
    )
    return failed.rowcount


def _listing(workspace_id: str) -> Select[Any]:
    return (
        select(*_COLUMNS_WITHOUT_BYTES)
        .where(results.c.workspace_id == workspace_id)
        .order_by(results.c.created_at.desc(), results.c.id.desc())
    )
