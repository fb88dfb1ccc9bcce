"""Datasets: tables made from a file, a URL or a query, versioned, pinned and refreshed.

What can be refused without the rows is refused here, before any work and before a job is queued. The
work itself is :mod:`engine.service.dataset_work`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from catalog.model import Dataset, DatasetVersion, Job, Page
from catalog.store import datasets as dataset_store
from catalog.store import indexes as index_store
from catalog.store import uploads as upload_store
from engine import errors
from engine.datasets.columns import parse_columns
from engine.datasets.sources import (
    InlineSource,
    SavedQuerySource,
    SqlSource,
    UploadSource,
    UrlSource,
    parse_source,
)
from engine.datasets.table_names import check_table_name, derive_table_name
from engine.query.type_text import Column, read_columns
from engine.service.context import Caller, Engine
from engine.service.dataset_work import (
    JOB_TYPE,
    DatasetOrder,
    add_version,
    caller_fields,
    check_query_to_save,
    make_dataset,
    refreshable_source,
    saved_sql,
)
from engine.service.index_jobs import settle_builds
from engine.service.jobs import enqueue
from engine.service.paging import clamp_page
from engine.service.plain_text import check_text
from engine.service.work import DirectWork
from engine.translate import translated

LABEL_CHARS_MAX = 1_000
FORMATS = frozenset({"csv", "json", "parquet"})


@dataclass(frozen=True, slots=True)
class DatasetDetail:
    """A dataset with the version SQL reads and its columns."""

    dataset: Dataset
    version: DatasetVersion
    columns: tuple[Column, ...]


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
            **caller_fields(caller),
        }
        return await enqueue(
            engine, caller, job_type=JOB_TYPE, payload=payload, before=_claim_before(caller, order)
        )
    return await make_dataset(engine, caller, order, DirectWork(engine.db))


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
    return await engine.db.read(_read_detail, caller.workspace_id, dataset_id)


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

    def change(conn: Connection) -> Dataset:
        dataset = dataset_store.update_dataset(conn, caller.workspace_id, dataset_id, checked)
        if "pinned_version" in checked:
            settle_builds(conn, dataset_id)
        return dataset

    dataset = await engine.db.write(change)
    engine.jobs.wake()
    return dataset


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
    refreshable_source(dataset)
    if is_async:
        payload = {"operation": "refresh", "dataset_id": dataset_id, **caller_fields(caller)}
        return await enqueue(
            engine,
            caller,
            job_type=JOB_TYPE,
            payload=payload,
            dedupe_key=f"refresh:{dataset_id}",
        )
    return await add_version(engine, caller, dataset, DirectWork(engine.db))


def _claim_before(caller: Caller, order: DatasetOrder) -> Callable[[Connection], object] | None:
    """Claim an upload in the transaction that queues its job: a second dataset is refused at once."""
    source = order.source
    if not isinstance(source, UploadSource):
        return None
    return lambda conn: upload_store.claim_upload(conn, caller.workspace_id, source.upload_id)


def _check_order(
    engine: Engine, label: str, source: Mapping[str, Any], table_name: str | None
) -> DatasetOrder:
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
        check_query_to_save(trimmed, parsed)
    return DatasetOrder(trimmed, name, parsed)


async def _check_against_catalog(engine: Engine, caller: Caller, order: DatasetOrder) -> None:
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
        await saved_sql(engine, caller, order.source)


def _check_label(label: str) -> str:
    return check_text("Dataset label", label, chars_max=LABEL_CHARS_MAX)


def _table_name(rule: Callable[[str], str], text: str) -> str:
    try:
        return rule(text)
    except ValueError as error:
        raise errors.InvalidRequest(str(error)) from error


def _read_detail(conn: Connection, workspace_id: str, dataset_id: str) -> DatasetDetail:
    dataset = dataset_store.get_dataset(conn, workspace_id, dataset_id)
    version = dataset_store.get_version(conn, workspace_id, dataset_id, dataset.effective_version)
    generated = index_store.list_generated(conn, workspace_id).get(dataset_id, ())
    columns = read_columns(version.schema_ipc, generated)
    return DatasetDetail(dataset, version, columns)
