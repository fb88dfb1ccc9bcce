"""Builds the indexes of one version of a table, up to the point where a commit makes them count.

Texts are embedded first (:mod:`engine.service.index_texts`). Then a worker builds everything over the
version's files in one task, and the files are published. Nothing here writes an index to the catalog: what is
published counts only once somebody commits the returned builds, and is garbage if nobody does.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pyarrow as pa

from catalog.ids import IdKind, new_id
from catalog.index_model import BuiltIndex, Index, IndexBuild, IndexFile, IndexType
from catalog.store import indexes as index_store
from catalog.store.indexes import ROWS_FILE
from engine import errors
from engine.arrow_types import read_schema
from engine.indexes.columns import check_columns, check_free
from engine.service.context import Engine
from engine.service.index_texts import Report, VersionFiles, embed_column
from engine.service.scratch import scratch_folder
from engine.service.unnamed import kept_from_collection
from engine.workers.execution import Limits
from engine.workers.tasks import IndexOrder, IndexTask


@dataclass(slots=True)
class Built:
    """What came of building: builds to commit, and why some could not be made, by their ids."""

    builds: list[IndexBuild] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)


async def build_all(engine: Engine, version: VersionFiles, report: Report) -> Built:
    """Build every index of a table over a version that nobody reads yet.

    An index that cannot be built over it any more, because its column is gone say, is left out, and
    the reason told.

    Raises:
        EngineError: anything that may be better next time; then the version should not be read yet.
    """
    present = await engine.db.read(index_store.list_built, version.owner_id, None)
    built = Built()
    schema = read_schema(version.schema_ipc)
    wanted = [each.index for each in present if _fits(each.index, schema, built.failures)]
    if wanted:
        async with kept_from_collection(engine, [file.key for file in version.files]):
            await _build_wanted(engine, version, wanted, built, report)
    return built


async def _build_wanted(
    engine: Engine, version: VersionFiles, wanted: Sequence[Index], built: Built, report: Report
) -> None:
    try:
        built.builds = await build_indexes(engine, version, wanted, (), report)
    except errors.InvalidRequest:
        # One of them meets data it is not for: each for itself then.
        done: list[BuiltIndex] = []
        for index in wanted:
            try:
                (build,) = await build_indexes(engine, version, [index], done, report)
            except errors.InvalidRequest as error:
                built.failures[index.id] = error.message
            else:
                done.append(BuiltIndex(index, build))
        built.builds = [each.build for each in done if each.build is not None]


async def build_indexes(
    engine: Engine,
    version: VersionFiles,
    wanted: Sequence[Index],
    present: Sequence[BuiltIndex],
    report: Report,
) -> list[IndexBuild]:
    """Build indexes over a version.

    Args:
        engine: open for serving.
        version: with its files published.
        wanted: what to build.
        present: what is built over this version already.
        report: told ``texts`` and ``texts_total`` while texts are embedded, then ``rows`` and
            ``rows_total`` over all indexes.

    Raises:
        InvalidRequest: an index cannot be built over these rows.
        SourceFailed: an embedding service failed.
        ResourceExhausted, QueryTimeout: a limit was passed.
    """
    rows = _rows_of(present)
    keys = [file.key for file in version.files] + ([] if rows is None else [rows.key])
    paths = [str(path) for path in await engine.blobs.local_paths(keys)]
    rows_path = None if rows is None else paths.pop()
    embedded = {
        index.id: await embed_column(engine, version, paths, index, report)
        for index in wanted
        if index.embedding_provider_id is not None
    }
    async with scratch_folder(engine.blobs.stage()) as folder:
        task = IndexTask(
            files=tuple(paths),
            rows=rows_path,
            kept=tuple(_generated_of(present)),
            rows_output=str(folder / ROWS_FILE),
            generated=tuple(each.column for each in embedded.values()),
            orders=tuple(_order(folder / str(n), index) for n, index in enumerate(wanted)),
            memory_bytes=engine.settings.index_memory_bytes,
        )
        done = await _run(engine, version, task, report)
        if task.writes_rows:
            rows = await _publish(engine, folder / ROWS_FILE, _folder_of(version))
        builds = []
        for index, order, facts in zip(wanted, task.orders, done["built"], strict=True):
            details = {"dimensions": facts["dimensions"]}
            if index.id in embedded:
                details["fingerprint"] = embedded[index.id].fingerprint
            build = _new_build(version, index, details)
            prefix = f"indexes/{version.owner_id}/{build.id}"
            own = [await _publish(engine, Path(order.folder, n), prefix) for n in facts["files"]]
            shared = [rows] if rows and index.index_type is not IndexType.SORTED else []
            builds.append(replace(build, files=(*own, *shared)))
        return builds


def rows_key_of(present: Sequence[BuiltIndex]) -> str | None:
    """Return the key of the rows file that the builds of a version share."""
    rows = _rows_of(present)
    return None if rows is None else rows.key


async def _run(
    engine: Engine, version: VersionFiles, task: IndexTask, report: Report
) -> dict[str, Any]:
    settings = engine.settings
    steps = len(task.orders) + task.writes_rows
    total = {"rows_total": version.row_count * steps}
    report({"rows": 0, **total})
    limits = Limits(
        settings.index_timeout_s,
        settings.index_memory_bytes,
        gives_way=True,
        subject="Building the index",
    )
    done = await engine.pool.run_task(
        version.workspace_id,
        task,
        limits=limits,
        on_progress=lambda progress: report({**progress, **total}),
    )
    report({"rows": total["rows_total"], **total})
    return done


def _new_build(version: VersionFiles, index: Index, details: dict[str, Any]) -> IndexBuild:
    return IndexBuild(
        id=new_id(IdKind.INDEX_BUILD),
        index_id=index.id,
        workspace_id=version.workspace_id,
        version_id=version.version_id,
        row_count=version.row_count,
        details=details,
        files=(),
        created_at=datetime.now(UTC),
    )


def _order(folder: Path, index: Index) -> IndexOrder:
    return IndexOrder(
        str(folder),
        index.index_type,
        index.columns,
        index.metric,
        index.storage,
        index.language,
    )


async def _publish(engine: Engine, path: Path, prefix: str) -> IndexFile:
    key = f"{prefix}/{path.name}"
    return IndexFile(path.name, key, await engine.blobs.publish(path, key))


def _fits(index: Index, schema: pa.Schema, failures: dict[str, str]) -> bool:
    """Tell whether an index can be built over a table of this schema; say why not."""
    try:
        if index.source_column is None:
            check_columns(index.index_type, index.columns, schema)
        else:
            check_columns(IndexType.BM25, [index.source_column], schema)
            check_free(index.columns[0], schema)
    except errors.InvalidRequest as error:
        failures[index.id] = error.message
        return False
    return True


def _rows_of(present: Sequence[BuiltIndex]) -> IndexFile | None:
    files = [file for each in present if each.build is not None for file in each.build.files]
    return next((file for file in files if file.name == ROWS_FILE), None)


def _generated_of(present: Sequence[BuiltIndex]) -> Iterator[str]:
    for each in present:
        if each.build is not None and each.index.source_column is not None:
            yield from each.index.columns


def _folder_of(version: VersionFiles) -> str:
    """A new folder: of two builders at once each has its own, until one of them commits."""
    return f"indexes/{version.owner_id}/{version.version_id}-{uuid4().hex}"
