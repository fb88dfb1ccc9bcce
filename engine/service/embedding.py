"""Texts to vectors, by the provider of an index: a few texts of a query, or all texts of a table.

The server itself embeds query texts with the built-in model and asks services; a model in a folder, and
the texts of a whole table, are work for a source process. The key is opened here, for the one use.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import orjson
import pyarrow as pa
from sqlalchemy import Connection

from catalog import secret_store
from catalog.errors import NotFound as CatalogNotFound
from catalog.index_model import EmbeddingProvider
from catalog.store import embedding_providers as provider_store
from engine import errors
from engine.arrow_files import write_table
from engine.embeddings.base import EmbedderSpec, VectorArray, Vectors, check_dimensions
from engine.embeddings.provider_config import (
    BUILT_IN_DIMENSIONS,
    LocalConfig,
    ServiceConfig,
    read_local,
    read_service,
)
from engine.embeddings.service import ServiceEmbedder
from engine.embeddings.wordllama_local import WordEmbedder, is_loaded
from engine.service.context import Engine
from engine.service.embedding_providers import SYSTEM_PROVIDER
from engine.service.scratch import scratch_folder
from engine.sources.tasks import EmbedTask
from engine.translate import translated
from engine.workers.execution import Limits
from engine.workers.frames import Kind

OnChunk = Callable[[Path, int, int], Awaitable[None]]
"""Called with a chunk file, the number of its first row and how many rows it has."""
Report = Callable[[Mapping[str, int]], None]

# Longer texts are embedded in a thread: this many characters take about a millisecond.
_INLINE_CHARS_MAX = 2_000


@translated
async def find_provider(
    engine: Engine, workspace_id: str, provider_id: str | None
) -> EmbeddingProvider:
    """Return the provider that a request or an index names; None means the system's.

    Raises:
        InvalidRequest: the workspace has no such provider, or no more.
    """
    if provider_id is None or provider_id == SYSTEM_PROVIDER.id:
        return SYSTEM_PROVIDER
    try:
        return await engine.db.read(provider_store.get_provider, workspace_id, provider_id)
    except CatalogNotFound as error:
        raise errors.InvalidRequest(error.message) from error


def hold_provider(conn: Connection, workspace_id: str, provider_id: str | None) -> None:
    """Keep a provider that something is made with until the transaction ends.

    Raises:
        InvalidRequest: the workspace has no such provider, or no more.
    """
    if provider_id is None or provider_id == SYSTEM_PROVIDER.id:
        return
    try:
        provider_store.lock_provider(conn, workspace_id, provider_id)
    except CatalogNotFound as error:
        raise errors.InvalidRequest(error.message) from error


def metric_of(provider: EmbeddingProvider) -> str:
    """Return what its vectors are best compared by: ``l2``, ``cosine`` or ``dot``."""
    return _config_of(provider).metric


def is_built_in(provider: EmbeddingProvider) -> bool:
    """Tell whether its model is the one that is always there."""
    config = _config_of(provider)
    return isinstance(config, LocalConfig) and config.is_built_in


def dimensions_of(provider: EmbeddingProvider, dimensions: int | None) -> int | None:
    """Return the width that the vectors will have, as far as it is known without asking the model.

    Raises:
        InvalidRequest: the model has no vectors of these dimensions.
    """
    config = _config_of(provider)
    width = dimensions or config.dimensions
    if isinstance(config, LocalConfig) and config.is_built_in:
        return check_dimensions(width, BUILT_IN_DIMENSIONS, config.model)
    return width


def fingerprint(provider: EmbeddingProvider, dimensions: int | None) -> str:
    """Return hexadecimal digits that change when the vectors of a text would change.

    Two providers of one model have the same; a name, a key, a metric or a limit do not count.
    """
    config = _config_of(provider)
    width = dimensions or config.dimensions
    if isinstance(config, ServiceConfig):
        parts: list[Any] = ["service", config.url, config.model, width]
    elif config.is_built_in:
        parts = ["built-in", config.model, width or BUILT_IN_DIMENSIONS[-1]]
    else:
        parts = ["folder", config.model_path, config.model, config.pooling, width]
    return hashlib.sha256(orjson.dumps(parts)).hexdigest()


@translated
async def embed_query(
    engine: Engine,
    workspace_id: str,
    provider: EmbeddingProvider,
    dimensions: int | None,
    texts: Sequence[str],
    *,
    width: int | None = None,
) -> Vectors:
    """Return the vectors of a few short texts, one row each; a blank text has the zero vector.

    The built-in model takes some microseconds for a short text, a service as long as it takes, a model in
    a folder the start of a process. Texts that were asked for lately cost nothing. With ``width``,
    vectors of another width are refused, and not remembered.

    Raises:
        InvalidRequest: the model has no vectors of these dimensions, or may not be reached.
        WidthMismatch: vectors of ``width`` are none of the built-in model.
        SourceFailed: the service cannot be reached, or its answer cannot be used.
    """
    assert texts
    memory = engine.recent_vectors
    model = fingerprint(provider, dimensions)
    vectors: dict[str, Vectors] = {}
    missing: list[str] = []
    for text in dict.fromkeys(texts):
        vector = memory.get((workspace_id, model, text))
        # A service may have come to have another model under the same name.
        if vector is None or width not in {None, len(vector)}:
            missing.append(text)
        else:
            vectors[text] = vector
    if missing:
        found = await _embed_now(engine, workspace_id, provider, dimensions, missing)
        _check_width(provider, found.shape[1], width)
        for text, vector in zip(missing, found, strict=True):
            memory.put((workspace_id, model, text), vector.copy())
            vectors[text] = vector
    return np.stack([vectors[text] for text in texts])


def _check_width(provider: EmbeddingProvider, found: int, width: int | None) -> None:
    """Refuse vectors that cannot be compared with those of an index, which have ``width`` numbers."""
    if width in {None, found}:
        return
    if is_built_in(provider):
        raise errors.WidthMismatch(
            f"The vectors have {width} numbers, and those of provider '{provider.name}' {found}: they were "
            "made elsewhere, or with other dimensions. Search with a vector in place of the text"
        )
    raise errors.SourceFailed(
        f"The embedding provider '{provider.name}' answers with vectors of {found} numbers, and those of "
        f"the index have {width}. If its model has changed, say so in the provider (another model name, "
        "or dimensions) and refresh the table. Vectors that were made elsewhere are searched with a vector"
    )


@translated
async def embed_file(  # noqa: PLR0913 - the last two by keyword
    engine: Engine,
    workspace_id: str,
    provider: EmbeddingProvider,
    dimensions: int | None,
    texts: Path,
    folder: Path,
    *,
    on_chunk: OnChunk,
    report: Report,
) -> int:
    """Embed the texts of a file into chunk files of a folder, in a source process.

    Args:
        engine: open for serving.
        workspace_id: whose texts.
        provider: which model.
        dimensions: the width of the vectors; None = as the provider or the model has it.
        texts: an Arrow IPC file in staging with a ``large_string`` column ``text``.
        folder: an existing folder in staging. Files ``chunk-000000.arrow`` and so on have one column
            ``vector``, a ``fixed_size_list<float>``, null where a text is null, zero where one is blank.
        on_chunk: awaited for each complete chunk, in order, while the next one is made; may move it away.
        report: told ``rows`` so far and ``rows_total``.

    Returns:
        The width of the vectors.

    Raises:
        InvalidRequest, SourceFailed: see :func:`embed_query`.
        ResourceExhausted: the model needs more memory than a source process has.
    """
    rows_total = await asyncio.to_thread(_count_rows, texts)

    async def hear(progress: dict[str, Any]) -> None:
        if chunk := progress.get("chunk"):
            await on_chunk(folder / chunk["name"], chunk["first_row"], chunk["row_count"])
        report({"rows": progress["rows"], "rows_total": rows_total})

    spec = await _spec_of(engine, workspace_id, provider, dimensions)
    limits = _limits(engine, engine.settings.embedding_timeout_s)
    return await _run(engine, workspace_id, _Files(texts, folder), spec, limits, hear)


async def _embed_now(
    engine: Engine,
    workspace_id: str,
    provider: EmbeddingProvider,
    dimensions: int | None,
    texts: list[str],
) -> Vectors:
    config = _config_of(provider)
    if isinstance(config, LocalConfig) and config.is_built_in:
        if is_loaded() and sum(map(len, texts)) <= _INLINE_CHARS_MAX:
            return _embed_built_in(dimensions or config.dimensions, texts)
        return await asyncio.to_thread(_embed_built_in, dimensions or config.dimensions, texts)
    spec = await _spec_of(engine, workspace_id, provider, dimensions)
    if isinstance(config, LocalConfig):
        return await _embed_in_process(engine, workspace_id, spec, texts)
    timeout_s = engine.settings.query_timeout_s
    pacer = engine.recent_vectors.pacer(provider.id, config.requests_per_minute)
    try:
        async with asyncio.timeout(timeout_s), ServiceEmbedder(spec, pacer) as service:
            return await service.embed(texts)
    except TimeoutError:
        raise errors.SourceFailed(
            f"The embedding service took longer than {timeout_s:g} s"
        ) from None


def _embed_built_in(dimensions: int | None, texts: list[str]) -> Vectors:
    return WordEmbedder(dimensions).embed(texts)


async def _embed_in_process(
    engine: Engine, workspace_id: str, spec: EmbedderSpec, texts: list[str]
) -> Vectors:
    chunks: list[Path] = []

    async def hear(progress: dict[str, Any]) -> None:
        if chunk := progress.get("chunk"):
            chunks.append(folder / chunk["name"])

    async with scratch_folder(engine.blobs.stage()) as folder:
        file = folder / "texts.arrow"
        await asyncio.to_thread(_write_texts, file, texts)
        settings = engine.settings
        limits = _limits(engine, settings.query_timeout_s, settings.query_queue_wait_s)
        await _run(engine, workspace_id, _Files(file, folder), spec, limits, hear)
        return await asyncio.to_thread(_read_vectors, chunks)


@dataclass(frozen=True, slots=True)
class _Files:
    """Where texts come from and chunks go to."""

    texts: Path
    folder: Path


def _limits(engine: Engine, timeout_s: float, wait_s: float | None = None) -> Limits:
    # No limit of silence: every wait of the task has a limit of its own.
    return Limits(
        timeout_s=timeout_s,
        memory_bytes=engine.settings.source_memory_bytes,
        wait_s=wait_s,
        subject="Embedding the texts",
    )


async def _run(
    engine: Engine,
    workspace_id: str,
    files: _Files,
    spec: EmbedderSpec,
    limits: Limits,
    hear: Callable[[dict[str, Any]], Awaitable[None]],
) -> int:
    """Embed texts in a source process; return the width of the vectors."""
    settings = engine.settings
    done: dict[str, Any] = {}
    async with scratch_folder(engine.blobs.stage()) as scratch:
        task = EmbedTask(
            embedder=spec,
            scratch=str(scratch),
            texts=str(files.texts),
            output_folder=str(files.folder),
            chunk_rows=settings.embedding_chunk_rows,
            chunk_s=settings.embedding_chunk_s,
        )
        try:
            async with engine.sources.execute(workspace_id, task, limits) as execution:
                async for kind, body in execution.frames():
                    if kind is Kind.DONE:
                        done = orjson.loads(body)
                    elif kind is Kind.PROGRESS:
                        await hear(orjson.loads(body))
        except errors.QueryTimeout:
            raise errors.SourceFailed(
                f"Embedding the texts took longer than {limits.timeout_s:g} s"
            ) from None
        except errors.QueryCrashed:
            raise errors.SourceFailed("The embedding model crashed") from None
    return int(done["dimensions"])


async def _spec_of(
    engine: Engine, workspace_id: str, provider: EmbeddingProvider, dimensions: int | None
) -> EmbedderSpec:
    """Open the key and say what the embedder may use."""
    settings = engine.settings
    return EmbedderSpec(
        provider_type=provider.provider_type,
        config=provider.config,
        credential=await _key_of(engine, workspace_id, provider),
        dimensions=dimensions,
        allow_private=settings.egress_allow_private,
        local_files=tuple(str(folder.absolute()) for folder in settings.local_files),
        requests_max=settings.embedding_requests_max,
        response_bytes_max=settings.embedding_response_bytes_max,
    )


async def _key_of(engine: Engine, workspace_id: str, provider: EmbeddingProvider) -> str | None:
    if provider.secret_id is None:
        return None
    try:
        return await engine.db.read(
            secret_store.read_value, engine.keyring, workspace_id, provider.secret_id
        )
    except CatalogNotFound:
        raise errors.SourceFailed(
            "The secret of this embedding provider does not exist any more"
        ) from None


def _config_of(provider: EmbeddingProvider) -> ServiceConfig | LocalConfig:
    if provider.provider_type == "service":
        return read_service(provider.config)
    return read_local(provider.config)


def _count_rows(texts: Path) -> int:
    with pa.memory_map(str(texts)) as source:
        reader = pa.ipc.open_file(source)
        return sum(reader.get_batch(n).num_rows for n in range(reader.num_record_batches))


def _write_texts(path: Path, texts: list[str]) -> None:
    write_table(path, pa.table({"text": pa.array(texts, pa.large_string())}))


def _read_vectors(chunks: list[Path]) -> Vectors:
    return np.concatenate([_read_chunk(path) for path in chunks])


def _read_chunk(path: Path) -> Vectors:
    with pa.memory_map(str(path)) as source:
        (batch,) = pa.ipc.open_file(source).read_all().to_batches()
        column = cast("VectorArray", batch.column("vector"))
        return np.array(column.values, np.float32).reshape(len(column), -1)
