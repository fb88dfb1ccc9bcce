"""Has a vector for every text of a column that is indexed, and makes none twice.

Texts are embedded in a source process, in chunks, each kept as soon as it is made: what was paid for is not
lost by a crash, and not paid again by a refresh. What is kept is found by the hash of the text, among the vectors
of the same table and of the same kind: see :func:`engine.service.embedding.fingerprint`.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pyarrow as pa

from catalog.index_model import EmbeddingFile, EmbeddingProvider, Index
from catalog.model import StoredFile
from catalog.store import embedding_files as vector_store
from engine import errors
from engine.service.context import Engine
from engine.service.embedding import embed_file, find_provider, fingerprint
from engine.service.scratch import scratch_folder
from engine.workers.execution import Limits
from engine.workers.tasks import GeneratedColumn, TextsTask
from engine.workers.texts import HASH, VECTOR

# Each is opened for every build.
_FILES_MAX = 64
_WIDTHS_MAX = 3

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


@dataclass(frozen=True, slots=True)
class EmbeddedColumn:
    """A column whose texts all have vectors, and of which kind they are."""

    column: GeneratedColumn
    fingerprint: str


async def embed_column(
    engine: Engine, version: VersionFiles, paths: list[str], index: Index, report: Report
) -> EmbeddedColumn:
    """Embed the texts of an index's column that have no vector yet.

    Args:
        engine: open for serving.
        version: whose texts.
        paths: of its files, in order.
        index: made with an embedding provider.
        report: told ``texts`` and ``texts_total``.

    Raises:
        InvalidRequest: the column is gone or holds no text, or the provider is gone.
        SourceFailed: the service failed; what it made before is kept.
    """
    assert index.source_column is not None
    provider = await find_provider(engine, version.workspace_id, index.embedding_provider_id)
    width, files = await _have_vectors(engine, version, paths, index, provider, report)
    column = GeneratedColumn(index.columns[0], index.source_column, width, tuple(map(str, files)))
    return EmbeddedColumn(column, fingerprint(provider, index.dimensions))


async def _have_vectors(
    engine: Engine,
    version: VersionFiles,
    paths: list[str],
    index: Index,
    provider: EmbeddingProvider,
    report: Report,
) -> tuple[int, list[Path]]:
    """Embed what has no vector yet; return the width of all vectors, and their files.

    A service that gives its vectors another width than before has another model under the same name: then
    what was remembered is worth nothing, and every text is embedded anew.
    """
    kind = fingerprint(provider, index.dimensions)
    owner = version.workspace_id, version.owner_id
    for _ in range(_WIDTHS_MAX):
        known = list(await engine.db.read(vector_store.list_files, *owner, kind))
        made = await _embed_missing(engine, version, paths, index, provider, known, report)
        files = await engine.blobs.local_paths([file.key for file in known])
        widths = await asyncio.to_thread(_widths_of, files) or [made or 0]
        if len({*widths}) == 1:
            return widths[0], files
        # What was made last comes last.
        old = [file for file, width in zip(known, widths, strict=True) if width != widths[-1]]
        await engine.db.write(vector_store.forget_files, old)
    raise errors.SourceFailed(
        f"The embedding provider '{provider.name}' gives its vectors one width after the other"
    )


async def _embed_missing(  # noqa: PLR0913, PLR0917 - as above
    engine: Engine,
    version: VersionFiles,
    paths: list[str],
    index: Index,
    provider: EmbeddingProvider,
    known: list[EmbeddingFile],
    report: Report,
) -> int | None:
    """Embed the texts that are not known; the files of their vectors are added to ``known``.

    Returns:
        The width of what was made; None when nothing had to be.
    """
    assert index.source_column is not None
    kind = fingerprint(provider, index.dimensions)
    async with scratch_folder(engine.blobs.stage()) as folder:
        texts = folder / "texts.arrow"
        local = await engine.blobs.local_paths([file.key for file in known])
        settings = engine.settings
        found = await engine.pool.run_task(
            version.workspace_id,
            TextsTask(tuple(paths), index.source_column, tuple(map(str, local)), str(texts)),
            limits=Limits(settings.index_timeout_s, settings.index_memory_bytes, gives_way=True),
        )

        async def keep(path: Path, first_row: int, row_count: int) -> None:
            hashed = folder / f"hashed-{first_row}.arrow"
            await asyncio.to_thread(_add_hashes, path, texts, first_row, hashed)
            known.append(await _publish_chunk(engine, version, hashed, kind, row_count))

        def tell(progress: Mapping[str, int]) -> None:
            report({"texts": progress["rows"], "texts_total": progress["rows_total"]})

        width = None
        if found["text_count"] or not known:  # without any text the model is asked for its width
            width = await embed_file(
                engine,
                version.workspace_id,
                provider,
                index.dimensions,
                texts,
                folder,
                on_chunk=keep,
                report=tell,
            )
        if len(known) > _FILES_MAX and await _have_one_width(engine, known):
            known[:] = [await _merge(engine, version, known, folder / "merged.arrow")]
        return width


async def _have_one_width(engine: Engine, files: Sequence[EmbeddingFile]) -> bool:
    local = await engine.blobs.local_paths([file.key for file in files])
    return len({*await asyncio.to_thread(_widths_of, local)}) == 1


async def _publish_chunk(
    engine: Engine, version: VersionFiles, path: Path, kind: str, row_count: int
) -> EmbeddingFile:
    file = await _publish(engine, version, path, kind, row_count)
    await engine.db.write(vector_store.keep_file, file)
    return file


async def _merge(
    engine: Engine, version: VersionFiles, files: Sequence[EmbeddingFile], path: Path
) -> EmbeddingFile:
    """Make one file of those that many refreshes left."""
    local = await engine.blobs.local_paths([file.key for file in files])
    row_count = await asyncio.to_thread(_write_merged, local, path)
    merged = await _publish(engine, version, path, files[0].fingerprint, row_count)
    await engine.db.write(vector_store.replace_files, files, merged)
    return merged


async def _publish(
    engine: Engine, version: VersionFiles, path: Path, kind: str, row_count: int
) -> EmbeddingFile:
    key = f"embeddings/{version.owner_id}/{uuid4().hex}.arrow"
    return EmbeddingFile(
        key=key,
        workspace_id=version.workspace_id,
        owner_id=version.owner_id,
        fingerprint=kind,
        row_count=row_count,
        size_bytes=await engine.blobs.publish(path, key),
        created_at=datetime.now(UTC),
    )


def _write_merged(files: Sequence[Path], output: Path) -> int:
    """Write the vectors of some files, one after the other; return how many they are."""
    rows = 0
    with ExitStack() as stack:
        writer: pa.RecordBatchFileWriter | None = None
        for path in files:
            reader = pa.ipc.open_file(stack.enter_context(pa.memory_map(str(path))))
            if writer is None:
                writer = stack.enter_context(pa.ipc.new_file(str(output), reader.schema))
            for number in range(reader.num_record_batches):
                batch = reader.get_batch(number)
                writer.write_batch(batch)
                rows += batch.num_rows
    return rows


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


def _widths_of(chunks: Sequence[Path]) -> list[int]:
    widths = []
    for chunk in chunks:
        with pa.memory_map(str(chunk)) as source:
            widths.append(int(pa.ipc.open_file(source).schema.field(VECTOR).type.list_size))
    return widths
