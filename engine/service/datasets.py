"""Datasets: tables made from a file, a URL or a query, versioned, pinned and refreshed.

One path makes a version whether a client waits or a job works: check, claim, build, commit. The
commit is one catalog transaction, so a dataset exists with all its rows or not at all. The trap: a
claimed upload goes back on every failure, also on a disconnect.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from catalog import errors as catalog_errors
from catalog.ids import IdKind, new_id
from catalog.model import Dataset, DatasetVersion, Job, Page, Upload
from catalog.store import datasets as dataset_store
from catalog.store import saved_queries as saved_query_store
from catalog.store import uploads as upload_store
from engine import errors
from engine.datasets.columns import parse_columns
from engine.datasets.sources import (
    DatasetSource,
    InlineSource,
    SavedQuerySource,
    SqlSource,
    UploadSource,
    UrlSource,
    parse_source,
    source_type,
    stored_source,
)
from engine.datasets.table_names import check_table_name, derive_table_name
from engine.query.type_text import Column, read_columns
from engine.service.context import Caller, Engine
from engine.service.dataset_build import BuildInput, QueryInput, UploadInput, build_version
from engine.service.jobs import enqueue, handles
from engine.service.paging import clamp_page
from engine.service.plain_text import check_text
from engine.service.saved_queries import (
    NAME_CHARS_MAX as QUERY_NAME_CHARS_MAX,
)
from engine.service.saved_queries import (
    NewSavedQuery,
    SavedQueryFields,
    check_saved_query,
    classify,
    insert_saved_query,
)
from engine.service.translate import translated
from engine.service.work import DirectWork, Work

JOB_TYPE = "dataset_refresh"
LABEL_CHARS_MAX = 1_000
FORMATS = frozenset({"csv", "json", "parquet"})


@dataclass(frozen=True, slots=True)
class DatasetDetail:
    """A dataset with the version SQL reads and its columns."""

    dataset: Dataset
    version: DatasetVersion
    columns: tuple[Column, ...]


@dataclass(frozen=True, slots=True)
class _Order:
    """A dataset to make, checked as far as it can be without its rows."""

    label: str
    table_name: str
    source: DatasetSource


@translated
async def create_dataset(
    engine: Engine,
    caller: Caller,
    *,
    label: str,
    source: Mapping[str, Any],
    table_name: str | None,
    is_async: bool = False,
) -> Dataset | Job:
    """Make a dataset with version 1; with ``is_async`` leave the work to a job.

    Args:
        engine: open for serving.
        caller: whose dataset.
        label: 1 to 1000 characters after trimming; need not be unique.
        source: see :mod:`engine.datasets.sources`.
        table_name: what SQL calls it; derived from the label when None.
        is_async: answer with a job as soon as everything but the rows is checked.

    Raises:
        InvalidRequest: label, name, source or data break a rule.
        Conflict: the table name is in use, or the upload is being processed.
    """
    order = _check_order(engine, label, source, table_name)
    await _check_against_catalog(engine, caller, order)
    if is_async:
        payload = {
            "operation": "create",
            "label": order.label,
            "table_name": order.table_name,
            "source": dict(source),
            **_caller_fields(caller),
        }
        return await enqueue(
            engine, caller, job_type=JOB_TYPE, payload=payload, before=_claim_before(caller, order)
        )
    return await _create(engine, caller, order, DirectWork(engine.db))


@translated
async def list_datasets(
    engine: Engine, caller: Caller, *, limit: int | None, offset: int | None
) -> Page[Dataset]:
    """List datasets by label; a limit of 0 gives no rows."""
    limit_rows, offset_rows = clamp_page(limit, offset, lowest=0)
    return await engine.db.read(
        dataset_store.list_datasets, caller.workspace_id, limit=limit_rows, offset=offset_rows
    )


@translated
async def get_dataset(engine: Engine, caller: Caller, dataset_id: str) -> DatasetDetail:
    """Return one dataset as SQL sees it now."""
    dataset, version = await engine.db.read(_read_effective, caller.workspace_id, dataset_id)
    return DatasetDetail(dataset, version, read_columns(version.schema_ipc))


@translated
async def update_dataset(
    engine: Engine, caller: Caller, dataset_id: str, changes: Mapping[str, Any]
) -> Dataset:
    """Change label, table name or pinned version; a key that is absent changes nothing.

    ``pinned_version`` None unpins; None for the other two changes nothing.

    Raises:
        InvalidRequest: a value breaks a rule, or there is no such version.
        NotFound: unknown dataset.
        Conflict: the table name is in use.
    """
    checked: dict[str, Any] = {}
    if changes.get("label") is not None:
        checked["label"] = _check_label(changes["label"])
    if changes.get("table_name") is not None:
        checked["table_name"] = _table_name(check_table_name, changes["table_name"])
    if "pinned_version" in changes:
        checked["pinned_version"] = changes["pinned_version"]
    return await engine.db.write(
        dataset_store.update_dataset, caller.workspace_id, dataset_id, checked
    )


@translated
async def delete_dataset(engine: Engine, caller: Caller, dataset_id: str) -> None:
    """Delete a dataset with all its versions."""
    await engine.db.write(dataset_store.delete_dataset, caller.workspace_id, dataset_id)


@translated
async def list_dataset_versions(
    engine: Engine, caller: Caller, dataset_id: str, *, limit: int | None, offset: int | None
) -> Page[DatasetVersion]:
    """List the versions of a dataset, newest first."""
    limit_rows, offset_rows = clamp_page(limit, offset, lowest=0)
    return await engine.db.read(
        dataset_store.list_versions,
        caller.workspace_id,
        dataset_id,
        limit=limit_rows,
        offset=offset_rows,
    )


@translated
async def refresh_dataset(
    engine: Engine, caller: Caller, dataset_id: str, *, is_async: bool
) -> DatasetVersion | Job:
    """Fetch the URL or run the query again and add a version.

    Two asynchronous refreshes of one dataset that have not finished are the same job.

    Raises:
        InvalidRequest: the dataset was made from a file or text, or its query is gone.
        NotFound: unknown dataset.
    """
    dataset = await engine.db.read(dataset_store.get_dataset, caller.workspace_id, dataset_id)
    _refreshable(dataset)
    if is_async:
        payload = {"operation": "refresh", "dataset_id": dataset_id, **_caller_fields(caller)}
        return await enqueue(
            engine,
            caller,
            job_type=JOB_TYPE,
            payload=payload,
            dedupe_key=f"refresh:{dataset_id}",
        )
    return await _refresh(engine, caller, dataset, DirectWork(engine.db))


@handles(JOB_TYPE)
async def _run_job(engine: Engine, job: Job, work: Work) -> None:
    payload = job.payload
    caller = Caller(
        organization_id=payload["organization_id"],
        workspace_id=job.workspace_id,
        token_id=payload["token_id"],
        user_public_id=payload["user_public_id"],
        door="job",
    )
    if payload["operation"] == "create":
        order = _Order(payload["label"], payload["table_name"], parse_source(payload["source"]))
        await _create(engine, caller, order, work)
    else:
        dataset = await engine.db.read(
            dataset_store.get_dataset, caller.workspace_id, payload["dataset_id"]
        )
        await _refresh(engine, caller, dataset, work)


def _claim_before(caller: Caller, order: _Order) -> Callable[[Connection], object] | None:
    """Claim an upload in the transaction that queues its job: a second dataset is refused at once."""
    source = order.source
    if not isinstance(source, UploadSource):
        return None
    return lambda conn: upload_store.claim_upload(conn, caller.workspace_id, source.upload_id)


async def _create(engine: Engine, caller: Caller, order: _Order, work: Work) -> Dataset:
    query = await _query_to_save(engine, caller, order)
    async with _claimed_input(engine, caller, order.source, work) as given:
        version = await build_version(
            engine,
            caller,
            given,
            dataset_id=new_id(IdKind.DATASET),
            source_type=source_type(order.source),
            report=work.report,
        )

        def effect(conn: Connection) -> Dataset:
            return _insert(conn, caller.workspace_id, order, version, query)

        return await work.commit(effect, to_result=lambda _made: _job_result(version))


def _insert(
    conn: Connection,
    workspace_id: str,
    order: _Order,
    version: DatasetVersion,
    query: NewSavedQuery | None,
) -> Dataset:
    """Write the dataset, its version 1, and the saved query of a SQL source, all or nothing."""
    source = stored_source(order.source)
    if query is not None:
        saved = insert_saved_query(conn, workspace_id, query)
        source = {"type": source["type"], "saved_query_id": saved.id, "version": None}
    return dataset_store.create_dataset(
        conn,
        workspace_id,
        label=order.label,
        table_name=order.table_name,
        source=source,
        version=version,
        upload_id=order.source.upload_id if isinstance(order.source, UploadSource) else None,
    )


async def _refresh(engine: Engine, caller: Caller, dataset: Dataset, work: Work) -> DatasetVersion:
    async with _claimed_input(engine, caller, _refreshable(dataset), work) as given:
        version = await build_version(
            engine,
            caller,
            given,
            dataset_id=dataset.id,
            source_type=dataset.source["type"],
            report=work.report,
        )

    def effect(conn: Connection) -> DatasetVersion:
        return dataset_store.add_version(conn, caller.workspace_id, dataset.id, version)

    return await work.commit(effect, to_result=_job_result)


def _refreshable(dataset: Dataset) -> UrlSource | SavedQuerySource:
    stored = dataset.source
    match stored["type"]:
        case "url":
            return UrlSource(stored["url"], stored["format"], stored["columns"])
        case "sql_query" | "saved_query":
            return SavedQuerySource(stored["saved_query_id"], stored["version"])
        case kind:
            raise errors.InvalidRequest(
                f"A dataset made from source type '{kind}' cannot be refreshed"
            )


@asynccontextmanager
async def _claimed_input(
    engine: Engine, caller: Caller, source: DatasetSource, work: Work
) -> AsyncIterator[BuildInput]:
    """Say what to build from; an upload is held until it is consumed or given back."""
    if isinstance(source, SqlSource):
        yield QueryInput(source.sql)
    elif isinstance(source, SavedQuerySource):
        yield QueryInput(await _saved_sql(engine, caller, source))
    elif isinstance(source, UploadSource):
        upload = await _claim(engine, caller, source.upload_id, work)
        try:
            yield UploadInput(upload, source)
        except BaseException:
            await engine.db.write(upload_store.release_upload, caller.workspace_id, upload.id)
            raise
    else:
        yield source


async def _claim(engine: Engine, caller: Caller, upload_id: str, work: Work) -> Upload:
    try:
        return await engine.db.write(upload_store.claim_upload, caller.workspace_id, upload_id)
    except catalog_errors.Conflict:
        if not work.may_hold_claims:
            raise
        return await engine.db.read(upload_store.get_upload, caller.workspace_id, upload_id)


async def _saved_sql(engine: Engine, caller: Caller, source: SavedQuerySource) -> str:
    try:
        version = await engine.db.read(
            saved_query_store.get_version,
            caller.workspace_id,
            source.saved_query_id,
            source.version,
        )
    except catalog_errors.NotFound as error:
        # The body or the dataset names it; it is not what the address asked for.
        raise errors.InvalidRequest(error.message) from error
    return version.sql


async def _query_to_save(engine: Engine, caller: Caller, order: _Order) -> NewSavedQuery | None:
    source = order.source
    if not isinstance(source, SqlSource):
        return None
    fields = _check_query(order.label, source)
    return NewSavedQuery(fields, await classify(engine, caller, fields.sql))


def _check_query(label: str, source: SqlSource) -> SavedQueryFields:
    return check_saved_query(
        name=source.name or label[:QUERY_NAME_CHARS_MAX],
        sql=source.sql,
        description=source.description,
        tags=None,
    )


def _check_order(
    engine: Engine, label: str, source: Mapping[str, Any], table_name: str | None
) -> _Order:
    trimmed = _check_label(label)
    if table_name is None:
        name = _table_name(derive_table_name, trimmed)
    else:
        name = _table_name(check_table_name, table_name)
    parsed = parse_source(source)
    if isinstance(parsed, UploadSource | InlineSource | UrlSource):
        if parsed.format is not None and parsed.format.lower() not in FORMATS:
            raise errors.InvalidRequest(f"Unsupported format: {parsed.format}")
        parse_columns(parsed.columns or {})
    if isinstance(parsed, InlineSource):
        size_max_bytes = engine.settings.inline_data_max_bytes
        if len(parsed.content.encode("utf-8", "surrogatepass")) > size_max_bytes:
            raise errors.InvalidRequest(f"Inline content is larger than {size_max_bytes} bytes")
    if isinstance(parsed, SqlSource):
        _check_query(trimmed, parsed)
    return _Order(trimmed, name, parsed)


async def _check_against_catalog(engine: Engine, caller: Caller, order: _Order) -> None:
    """Refuse early what the commit would refuse after all the work."""
    taken = await engine.db.read(
        dataset_store.find_table,
        caller.workspace_id,
        dataset_store.DEFAULT_SCHEMA,
        order.table_name,
    )
    if taken is not None:
        raise errors.Conflict(f"Table name '{order.table_name}' is already in use")
    if isinstance(order.source, SavedQuerySource):
        await _saved_sql(engine, caller, order.source)


def _check_label(label: str) -> str:
    return check_text("Dataset label", label, chars_max=LABEL_CHARS_MAX)


def _table_name(rule: Callable[[str], str], text: str) -> str:
    try:
        return rule(text)
    except ValueError as error:
        raise errors.InvalidRequest(str(error)) from error


def _read_effective(
    conn: Connection, workspace_id: str, dataset_id: str
) -> tuple[Dataset, DatasetVersion]:
    dataset = dataset_store.get_dataset(conn, workspace_id, dataset_id)
    return dataset, dataset_store.get_version(
        conn, workspace_id, dataset_id, dataset.effective_version
    )


def _job_result(version: DatasetVersion) -> dict[str, Any]:
    return {
        "id": version.dataset_id,
        "version": version.version,
        "status": "ready",
        "created_at": version.created_at.isoformat().replace("+00:00", "Z"),
    }


def _caller_fields(caller: Caller) -> dict[str, str]:
    return {
        "organization_id": caller.organization_id,
        "token_id": caller.token_id,
        "user_public_id": caller.user_public_id,
    }
