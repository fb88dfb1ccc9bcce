"""Builds the indexes of one version of a table, up to the point where a commit makes them count.

Texts are embedded first: in a source process, in chunks, each kept as soon as it is made, so that what was
paid for is not lost by a crash and not paid again by a refresh. Then a worker builds everything over the
version's files in one task, and the files are published. Nothing here writes an index to the catalog: what is
published counts only once somebody commits the returned builds, and is garbage if nobody does.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pyarrow as pa

from catalog.ids import IdKind, new_id
from catalog.index_model import BuiltIndex, EmbeddingFile, Index, IndexBuild, IndexFile, IndexType
from catalog.model import StoredFile
from catalog.store import indexes as index_store
from catalog.store.indexes import ROWS_FILE
from engine import errors
from engine.indexes.columns import check_columns
from engine.service.context import Engine
from engine.service.embedding import embed_file, find_provider, fingerprint
from engine.service.scratch import scratch_folder
from engine.workers.execution import Limits
from engine.workers.tasks import GeneratedColumn, IndexOrder, IndexTask, TextsTask
from engine.workers.texts import HASH, VECTOR

Report = Callable[[Mapping[str, int]], None]


@dataclass(frozen=True, slots=True)
class VersionFiles:
    """One version of a remote table or dataset, with its files."""

    workspace_id: str
    owner_id: str
    version_id: str
    files: tuple[StoredFile, ...]
    schema_ipc: bytes

    @property
    def row_count(self) -> int:
        """Rows of all files."""
        return sum(file.row_count for file in self.files)


@dataclass(slots=True)
class Built:
    """What came of building: builds to commit, and why some could not be made.

    ``rows_key`` is the key of the rows file that the version had when the work began.
    """

    builds: list[IndexBuild] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)
    rows_key: str | None = None


async def build_all(engine: Engine, version: VersionFiles, report: Report) -> Built:
    """Build every index of a table over a version that nobody reads yet.

    An index that cannot be built over it any more, because its column is gone say, is left out, and
    the reason told.

    Raises:
        EngineError: anything that may be better next time; then the version should not be read yet.
    """
    present = await engine.db.read(index_store.list_built, version.owner_id, None)
    built = Built()
    schema = pa.ipc.read_schema(pa.py_buffer(version.schema_ipc))
    wanted = [each.index for each in present if _fits(each.index, schema, built.failures)]
    if not wanted:
        return built
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
    return built


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
    paths = [str(await engine.blobs.local_path(file.key)) for file in version.files]
    made = [each for each in present if each.build is not None]
    rows = _rows_of(made)
    if any(index.embedding_provider_id is not None for index in wanted):
        rows = None  # written anew, with one column more
    generated: dict[str, GeneratedColumn] = {}
    for index in [*(each.index for each in made), *wanted] if rows is None else ():
        if index.embedding_provider_id is not None:
            generated[index.columns[0]] = await _embedded(engine, version, paths, index, report)
    async with scratch_folder(engine.blobs.stage()) as folder:
        orders = tuple(
            IndexOrder(
                str(folder / str(number)),
                index.index_type,
                index.columns,
                index.metric,
                index.storage,
                index.language,
            )
            for number, index in enumerate(wanted)
        )
        task = IndexTask(
            files=tuple(paths),
            rows=None if rows is None else str(await engine.blobs.local_path(rows.key)),
            rows_output=str(folder / ROWS_FILE),
            generated=tuple(generated.values()),
            orders=orders,
            memory_bytes=engine.settings.index_memory_bytes,
        )
        done = await _run(engine, version, task, report)
        if done["has_rows"]:
            rows = await _publish(engine, folder / ROWS_FILE, _folder_of(version))
        return [
            await _publish_build(engine, version, index, Path(order.folder), rows, facts)
            for index, order, facts in zip(wanted, orders, done["built"], strict=True)
        ]


def rows_key_of(present: Sequence[BuiltIndex]) -> str | None:
    """Return the key of the rows file that the builds of a version share."""
    rows = _rows_of([each for each in present if each.build is not None])
    return None if rows is None else rows.key


async def _run(
    engine: Engine, version: VersionFiles, task: IndexTask, report: Report
) -> dict[str, Any]:
    settings = engine.settings
    searched = any(order.index_type is not IndexType.SORTED for order in task.orders)
    steps = len(task.orders) + (searched and task.rows is None)
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


async def _publish_build(
    engine: Engine,
    version: VersionFiles,
    index: Index,
    folder: Path,
    rows: IndexFile | None,
    facts: Mapping[str, Any],
) -> IndexBuild:
    build_id = new_id(IdKind.INDEX_BUILD)
    prefix = f"indexes/{version.owner_id}/{build_id}"
    files = [await _publish(engine, folder / name, prefix) for name in facts["files"]]
    if rows is not None and index.index_type is not IndexType.SORTED:
        files.append(rows)
    details = {"dimensions": facts["dimensions"]}
    if index.embedding_provider_id is not None:
        provider = await find_provider(engine, version.workspace_id, index.embedding_provider_id)
        details["fingerprint"] = fingerprint(provider, index.dimensions)
    return IndexBuild(
        id=build_id,
        index_id=index.id,
        workspace_id=version.workspace_id,
        version_id=version.version_id,
        row_count=version.row_count,
        details=details,
        files=tuple(files),
        created_at=datetime.now(UTC),
    )


async def _publish(engine: Engine, path: Path, prefix: str) -> IndexFile:
    key = f"{prefix}/{path.name}"
    return IndexFile(path.name, key, await engine.blobs.publish(path, key))


async def _embedded(
    engine: Engine, version: VersionFiles, paths: list[str], index: Index, report: Report
) -> GeneratedColumn:
    """Have a vector for every text of a column; those that were made before are not made again."""
    assert index.source_column is not None
    provider = await find_provider(engine, version.workspace_id, index.embedding_provider_id)
    kind = fingerprint(provider, index.dimensions)
    known = list(
        await engine.db.read(
            index_store.list_embeddings, version.workspace_id, version.owner_id, kind
        )
    )
    async with scratch_folder(engine.blobs.stage()) as folder:
        texts = folder / "texts.arrow"
        local = [str(await engine.blobs.local_path(file.key)) for file in known]
        found = await engine.pool.run_task(
            version.workspace_id,
            TextsTask(tuple(paths), index.source_column, tuple(local), str(texts)),
            limits=Limits(
                engine.settings.index_timeout_s, engine.settings.index_memory_bytes, gives_way=True
            ),
        )

        async def keep(path: Path, first_row: int, row_count: int) -> None:
            hashed = folder / f"hashed-{first_row}.arrow"
            await asyncio.to_thread(_add_hashes, path, texts, first_row, hashed)
            file = await _publish_chunk(engine, version, hashed, kind, row_count)
            known.append(file)

        def tell(progress: Mapping[str, int]) -> None:
            report({"texts": progress["rows"], "texts_total": progress["rows_total"]})

        if found["text_count"]:
            await embed_file(
                engine,
                version.workspace_id,
                provider,
                index.dimensions,
                texts,
                folder,
                on_chunk=keep,
                report=tell,
            )
    files = [str(await engine.blobs.local_path(file.key)) for file in known]
    return GeneratedColumn(index.columns[0], index.source_column, tuple(files))


async def _publish_chunk(
    engine: Engine, version: VersionFiles, path: Path, kind: str, row_count: int
) -> EmbeddingFile:
    key = f"embeddings/{version.owner_id}/{uuid4().hex}.arrow"
    file = EmbeddingFile(
        key=key,
        workspace_id=version.workspace_id,
        owner_id=version.owner_id,
        fingerprint=kind,
        row_count=row_count,
        size_bytes=await engine.blobs.publish(path, key),
        created_at=datetime.now(UTC),
    )
    await engine.db.write(index_store.keep_embeddings, file)
    return file


def _add_hashes(chunk: Path, texts: Path, first_row: int, output: Path) -> None:
    """Name the vectors of a chunk by the hashes of their texts."""
    with pa.memory_map(str(texts)) as source:
        options = pa.ipc.IpcReadOptions(included_fields=[1])
        hashes = pa.ipc.open_file(source, options=options).read_all().column(HASH)
    with pa.memory_map(str(chunk)) as source:
        vectors = pa.ipc.open_file(source).read_all().column(VECTOR)
        table = pa.table({HASH: hashes.slice(first_row, len(vectors)), VECTOR: vectors})
        with pa.ipc.new_file(str(output), table.schema) as writer:
            writer.write_table(table)


def _fits(index: Index, schema: pa.Schema, failures: dict[str, str]) -> bool:
    """Tell whether an index can be built over a table of this schema; say why not."""
    try:
        if index.source_column is None:
            check_columns(index.index_type, index.columns, schema)
        else:
            check_columns(IndexType.BM25, [index.source_column], schema)
    except errors.InvalidRequest as error:
        failures[index.id] = error.message
        return False
    return True


def _rows_of(made: Sequence[BuiltIndex]) -> IndexFile | None:
    files = [file for each in made if each.build is not None for file in each.build.files]
    return next((file for file in files if file.name == ROWS_FILE), None)


def _folder_of(version: VersionFiles) -> str:
    """A new folder: of two builders at once each has its own, until one of them commits."""
    return f"indexes/{version.owner_id}/{version.version_id}-{uuid4().hex}"
