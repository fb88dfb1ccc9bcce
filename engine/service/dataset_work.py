"""The work behind a dataset: check, claim, build, commit, for a waiting client or for a job alike.

The commit is one catalog transaction, so a dataset exists with all its rows or not at all. The trap: a
claimed upload goes back on every failure, also on a disconnect.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from catalog import errors as catalog_errors
from catalog.ids import IdKind, new_id
from catalog.model import Dataset, DatasetVersion, Job, Upload
from catalog.store import datasets as dataset_store
from catalog.store import saved_queries as saved_query_store
from catalog.store import uploads as upload_store
from engine import errors
from engine.datasets.sources import (
    DatasetSource,
    SavedQuerySource,
    SqlSource,
    UploadSource,
    UrlSource,
    parse_source,
    source_type,
    stored_source,
)
from engine.service.context import Caller, Engine
from engine.service.dataset_build import BuildInput, QueryInput, UploadInput, build_version
from engine.service.index_build import Built, build_all
from engine.service.index_jobs import settle_builds
from engine.service.index_texts import VersionFiles
from engine.service.jobs import handles
from engine.service.saved_queries import (
    NAME_CHARS_MAX,
    NewSavedQuery,
    SavedQueryFields,
    check_saved_query,
    classify,
    insert_saved_query,
)
from engine.service.work import Work

JOB_TYPE = "dataset_refresh"


@dataclass(frozen=True, slots=True)
class DatasetOrder:
    """A dataset to make, checked as far as it can be without its rows."""

    label: str
    table_name: str
    source: DatasetSource


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
        order = DatasetOrder(
            payload["label"], payload["table_name"], parse_source(payload["source"])
        )
        await make_dataset(engine, caller, order, work)
    else:
        dataset = await engine.db.read(
            dataset_store.get_dataset, caller.workspace_id, payload["dataset_id"]
        )
        await add_version(engine, caller, dataset, work)


async def make_dataset(engine: Engine, caller: Caller, order: DatasetOrder, work: Work) -> Dataset:
    """Make a dataset with version 1.

    Raises:
        Conflict: the table name is in use, or the upload is being processed.
        InvalidRequest: the data is no table, or the source cannot be read.
    """
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
    order: DatasetOrder,
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


async def add_version(
    engine: Engine, caller: Caller, dataset: Dataset, work: Work
) -> DatasetVersion:
    """Build the source of a dataset again and add the version.

    Raises:
        InvalidRequest: the dataset cannot be refreshed, or its source cannot be read.
    """
    async with _claimed_input(engine, caller, refreshable_source(dataset), work) as given:
        version = await build_version(
            engine,
            caller,
            given,
            dataset_id=dataset.id,
            source_type=dataset.source["type"],
            report=work.report,
        )

    files = VersionFiles(
        caller.workspace_id, dataset.id, version.id, version.files, version.schema_ipc
    )
    is_read = dataset.pinned_version is None
    built = await build_all(engine, files, work.report) if is_read else Built()

    def effect(conn: Connection) -> DatasetVersion:
        added = dataset_store.add_version(
            conn, caller.workspace_id, dataset.id, version, built.builds
        )
        # Another version may have been pinned, or none any more, while this one was made.
        settle_builds(conn, dataset.id, built.failures)
        return added

    added = await work.commit(effect, to_result=_job_result)
    engine.jobs.wake()
    return added


def refreshable_source(dataset: Dataset) -> UrlSource | SavedQuerySource:
    """Say what a refresh reads.

    Raises:
        InvalidRequest: the dataset was made from a file or text.
    """
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
        yield QueryInput(await saved_sql(engine, caller, source))
    elif isinstance(source, UploadSource):
        is_ours = work.may_hold_claims
        try:
            upload = await _claim(engine, caller, source.upload_id, work)
            is_ours = True
            yield UploadInput(upload, source)
        except BaseException as error:
            if is_ours and not work.keeps_claims(error):
                await engine.db.write(
                    upload_store.release_upload, caller.workspace_id, source.upload_id
                )
            raise
    else:
        yield source


async def _claim(engine: Engine, caller: Caller, upload_id: str, work: Work) -> Upload:
    claim = asyncio.ensure_future(
        engine.db.write(upload_store.claim_upload, caller.workspace_id, upload_id)
    )
    try:
        return await asyncio.shield(claim)
    except asyncio.CancelledError as error:
        # The write goes on although its client left: what it claims must go back.
        (outcome,) = await asyncio.gather(claim, return_exceptions=True)
        if isinstance(outcome, Upload) and not work.keeps_claims(error):
            await engine.db.write(upload_store.release_upload, caller.workspace_id, upload_id)
        raise
    except catalog_errors.Conflict:
        if not work.may_hold_claims:
            raise
        return await engine.db.read(upload_store.get_upload, caller.workspace_id, upload_id)


async def saved_sql(engine: Engine, caller: Caller, source: SavedQuerySource) -> str:
    """Read the text of a saved query; an unknown one is an ``InvalidRequest``."""
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


async def _query_to_save(
    engine: Engine, caller: Caller, order: DatasetOrder
) -> NewSavedQuery | None:
    source = order.source
    if not isinstance(source, SqlSource):
        return None
    fields = check_query_to_save(order.label, source)
    return NewSavedQuery(fields, await classify(engine, caller, fields.sql))


def check_query_to_save(label: str, source: SqlSource) -> SavedQueryFields:
    """Hold the query of a SQL source to the limits of saved queries."""
    return check_saved_query(
        name=source.name or label[:NAME_CHARS_MAX],
        sql=source.sql,
        description=source.description,
        tags=None,
    )


def _job_result(version: DatasetVersion) -> dict[str, Any]:
    return {
        "id": version.dataset_id,
        "version": version.version,
        "status": "ready",
        "created_at": version.created_at.isoformat().replace("+00:00", "Z"),
    }


def caller_fields(caller: Caller) -> dict[str, str]:
    """Keep who asked, for a job that works on their behalf."""
    return {
        "organization_id": caller.organization_id,
        "token_id": caller.token_id,
        "user_public_id": caller.user_public_id,
    }
