"""Indexes of tables: ordered, built over the version that is read, listed and deleted.

An index that a client waits for exists from the moment it is built. One that a job builds is there at
once, pending, and shows why if it cannot be built. The trap: while an index is built its table may get
another version; then it is built again over that.
"""

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import Connection

from catalog.errors import CatalogError, Superseded
from catalog.index_model import BuiltIndex, Index, IndexBuild, IndexType
from catalog.model import Job
from catalog.store import indexes as index_store
from engine import errors
from engine.service.context import Caller, Engine
from engine.service.index_build import build_indexes, rows_key_of
from engine.service.index_jobs import (
    DATASET_JOB,
    TABLE_JOB,
    Place,
    TablePlace,
    place_of,
    queue_build,
)
from engine.service.index_orders import NewIndex, check_order
from engine.service.index_subjects import (
    Subject,
    find_owner,
    insert_index,
    live_refusal,
    lock_version,
    read_subject,
)
from engine.service.jobs import handles
from engine.service.paging import clamp_page, read_cursor, write_cursor
from engine.service.work import DirectWork, Work
from engine.translate import to_engine_error, translated

_MOVED_MAX = 5
_LOOK_AGAIN_S = 1.0


@dataclass(frozen=True, slots=True)
class IndexDetail:
    """An index and what is built of it; None of the last two while nothing is."""

    index: Index
    is_ready: bool
    row_count: int | None
    size_bytes: int | None


@dataclass(frozen=True, slots=True)
class ListedIndex:
    """An index in a listing of all tables; ``connection_id`` is None of a dataset."""

    detail: IndexDetail
    connection_id: str | None
    schema_name: str
    table_name: str


@dataclass(frozen=True, slots=True)
class IndexPage:
    """One page of indexes by name."""

    items: tuple[ListedIndex, ...]
    limit: int
    next_cursor: str | None


@translated
async def create_index(
    engine: Engine, caller: Caller, place: Place, order: NewIndex, *, is_async: bool = False
) -> IndexDetail | Job:
    """Make an index; with ``is_async`` leave building it to a job.

    A remote table without a copy is synced first.

    Raises:
        InvalidRequest: the order breaks a rule, or the rows are not what the index is for.
        NotFound: the workspace has no such table or dataset.
        Conflict: the table has an index of this name.
        EngineError: the table could not be synced, or texts not be embedded.
    """
    owner = await find_owner(engine, caller.workspace_id, place)
    if owner.is_live:
        raise live_refusal()
    present = owner.indexes
    if order.index_name.strip() in {each.index.name for each in present}:
        raise errors.Conflict(f"Index '{order.index_name.strip()}' already exists on this table")
    index = await check_order(
        engine, caller.workspace_id, order, schema=owner.schema, present=present
    )
    index = replace(
        index,
        table_id=owner.id if isinstance(place, TablePlace) else None,
        dataset_id=owner.id if isinstance(place, str) else None,
    )
    if is_async:
        job = await engine.db.write(_insert_with_job, place, index)
        engine.jobs.wake()
        return job
    return await _make(
        engine, caller.workspace_id, place, index, DirectWork(engine.db), is_new=True
    )


@translated
async def list_indexes(engine: Engine, caller: Caller, place: Place) -> tuple[IndexDetail, ...]:
    """List the indexes of a table or dataset by name; raise ``NotFound``."""
    owner = await find_owner(engine, caller.workspace_id, place)
    if owner.is_live:  # there are no rows here that SQL reads
        return tuple(_detail(replace(each, build=None)) for each in owner.indexes)
    return tuple(map(_detail, owner.indexes))


@translated
async def list_all_indexes(  # noqa: PLR0913 - the filters of one listing, all keyword
    engine: Engine,
    caller: Caller,
    *,
    connection_id: str | None,
    schema: str | None,
    table: str | None,
    index_type: str | None,
    limit: int | None,
    cursor: str | None,
) -> IndexPage:
    """List the indexes of all tables by name, 1 to 1000 on a page, 100 unless told.

    Raises:
        InvalidRequest: the cursor is not one of ours, or the type does not exist.
    """
    if index_type is not None and index_type not in set(IndexType):
        raise errors.InvalidRequest(f"index_type must be one of {', '.join(IndexType)}")
    effective, _ = clamp_page(limit, None)
    rows = await engine.db.read(
        index_store.list_page,
        caller.workspace_id,
        connection_id=connection_id,
        schema_name=schema,
        table_name=table,
        index_type=None if index_type is None else IndexType(index_type),
        after=None if cursor is None else _read_cursor(cursor),
        limit=effective + 1,
    )
    items = tuple(map(_listed, rows[:effective]))
    more = len(rows) > effective
    last = items[-1].detail.index if more else None
    return IndexPage(items, effective, None if last is None else write_cursor([last.name, last.id]))


@translated
async def delete_index(engine: Engine, caller: Caller, place: Place, name: str) -> None:
    """Delete an index; raise ``NotFound``. A generated column goes with it."""
    owner = await find_owner(engine, caller.workspace_id, place)
    await engine.db.write(index_store.delete_index, caller.workspace_id, owner.id, name)


@handles(TABLE_JOB)
async def _run_table_job(engine: Engine, job: Job, work: Work) -> None:
    await _run_job(engine, job, work)


@handles(DATASET_JOB)
async def _run_dataset_job(engine: Engine, job: Job, work: Work) -> None:
    await _run_job(engine, job, work)


async def _run_job(engine: Engine, job: Job, work: Work) -> None:
    index = await engine.db.read(index_store.find_index, job.payload["index_id"])
    if index is None:
        raise errors.NotFound("The index was deleted before it was built")
    place = place_of(job)
    making = asyncio.ensure_future(
        _make(engine, job.workspace_id, place, index, work, is_new=False)
    )
    try:
        await _while_wanted(engine, index, making)
    except (errors.EngineError, CatalogError) as error:
        known = error if isinstance(error, errors.EngineError) else to_engine_error(error)
        with contextlib.suppress(CatalogError):
            message = known.message if known is not None else "Internal error"
            await engine.db.write(index_store.record_failure, [index.id], message)
        raise


async def _while_wanted(engine: Engine, index: Index, making: "asyncio.Future[Any]") -> None:
    """Wait for an index that is made, and stop making it when it is deleted: texts may be paid for."""
    try:
        while not making.done():
            await asyncio.wait([making], timeout=_LOOK_AGAIN_S)
            if not making.done() and await engine.db.read(index_store.find_index, index.id) is None:
                raise errors.NotFound("The index was deleted before it was built")
        making.result()
    finally:
        making.cancel()
        await asyncio.wait([making])


async def _make(
    engine: Engine, workspace_id: str, place: Place, index: Index, work: Work, *, is_new: bool
) -> IndexDetail:
    """Build an index over the version that is read, and commit it while it is that."""
    for _ in range(_MOVED_MAX):
        async with engine.builds.of(index.owner_id):
            subject = await read_subject(engine, workspace_id, place, work.report)
            _check_still(index, subject, is_new=is_new)
            # A first sync, or a refresh meanwhile, has built it along with its rows.
            is_built = any(
                each.index.id == index.id and each.build is not None for each in subject.indexes
            )
            builds = (
                []
                if is_built
                else await build_indexes(
                    engine, subject.version, [index], subject.indexes, work.report
                )
            )
            effect = partial(_commit, place, subject, index, builds, is_new=is_new)
            with contextlib.suppress(Superseded):
                return _detail(await work.commit(effect, to_result=_result_of))
    raise errors.Unavailable(
        f"Table '{subject.name}' was refreshed again and again while it was indexed"
    )


def _check_still(index: Index, subject: Subject, *, is_new: bool) -> None:
    """See that an index can still be made: others are made and deleted meanwhile."""
    others = [each.index for each in subject.indexes if each.index.id != index.id]
    if not is_new and len(others) == len(subject.indexes):
        raise errors.NotFound("The index was deleted before it was built")
    made = [other.columns for other in others if other.source_column is not None]
    if index.source_column is not None and index.columns in made:
        raise errors.Conflict(f"Another index makes the column '{index.columns[0]}' already")


def _commit(
    place: Place,
    subject: Subject,
    index: Index,
    builds: Sequence[IndexBuild],
    conn: Connection,
    *,
    is_new: bool,
) -> BuiltIndex:
    version = subject.version
    lock_version(conn, place, version)
    if is_new:
        insert_index(conn, place, index)
    index_store.add_builds(conn, builds, rows_key=rows_key_of(subject.indexes))
    for each in index_store.list_built(conn, version.owner_id, version.version_id):
        if each.index.id == index.id:
            return each
    raise errors.NotFound("The index was deleted while it was built")


def _insert_with_job(conn: Connection, place: Place, index: Index) -> Job:
    insert_index(conn, place, index)
    return queue_build(conn, index, place)


def _result_of(built: BuiltIndex) -> dict[str, Any]:
    return index_fields(_detail(built))


def index_fields(detail: IndexDetail) -> dict[str, Any]:
    """Show an index as clients see it, also as the result of a job."""
    index = detail.index
    return {
        "index_name": index.name,
        "index_type": index.index_type.value,
        "columns": list(index.columns),
        "source_column": index.source_column,
        "metric": None if index.metric is None else index.metric.value,
        "storage": None if index.storage is None else index.storage.value,
        "status": "ready" if detail.is_ready else "pending",
        "error_message": index.error_message,
        "language": index.language,
        "embedding_provider_id": index.embedding_provider_id,
        "description": index.description,
        "row_count": detail.row_count,
        "size_bytes": detail.size_bytes,
        "created_at": _format_time(index.created_at),
        "updated_at": _format_time(index.updated_at),
    }


def _format_time(moment: datetime) -> str:
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def _detail(built: BuiltIndex) -> IndexDetail:
    build = built.build
    if build is None:
        return IndexDetail(built.index, is_ready=False, row_count=None, size_bytes=None)
    return IndexDetail(
        built.index, is_ready=True, row_count=build.row_count, size_bytes=build.size_bytes
    )


def _listed(row: Mapping[str, Any]) -> ListedIndex:
    index = index_store.index_of(row)
    detail = IndexDetail(index, row["build_id"] is not None, row["row_count"], row["size_bytes"])
    return ListedIndex(detail, row["connection_id"], row["schema_name"], row["table_name"])


def _read_cursor(cursor: str) -> tuple[str, str]:
    match read_cursor(cursor):
        case [str(name), str(index_id)]:
            return name, index_id
    raise errors.InvalidRequest("Invalid pagination cursor format")
