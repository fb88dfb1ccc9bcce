"""The vectors of the chunks of an entry, by the embedding provider of its dataset.

The built-in model is at work in the document's process; others are asked as for an index.
"""

import asyncio
from pathlib import Path
from typing import Any

import pyarrow as pa

from catalog.document_model import DocumentDataset
from catalog.index_model import EmbeddingProvider
from catalog.store import document_datasets as dataset_store
from engine import errors
from engine.arrow_files import read_table, write_table
from engine.documents.component_table import EMBEDDING, Artifact
from engine.documents.stage_files import CHUNKS_FILE, VECTORS_STEM, read_embedded
from engine.documents.tasks import StageTask
from engine.service.context import Engine
from engine.service.documents.artifacts import Artifacts, lay_out
from engine.service.documents.processes import DocumentProcess
from engine.service.embedding import dimensions_of, embed_file, find_provider, is_built_in
from engine.service.work import Work


async def embed_chunks(
    engine: Engine,
    dataset: DocumentDataset,
    chunks: Artifacts,
    folder: Path,
    work: Work,
    process: DocumentProcess,
) -> dict[str, Any]:
    """Write the vectors of chunks, in order, into files ``vectors-000000.arrow`` and so on of ``out``.

    Returns:
        ``embedding``: the provider's name, and ``dimensions``; of no chunk there is neither.

    Raises:
        InvalidRequest, SourceFailed: the provider fails, and why; or its vectors have another width than
            those that the dataset has already.
    """
    output, place = folder / "out", folder / str(Artifact.CHUNKS)
    await asyncio.to_thread(output.mkdir)
    await lay_out(engine, chunks, place)
    if not (await asyncio.to_thread(read_table, place / CHUNKS_FILE)).num_rows:
        return {}
    provider = await find_provider(engine, dataset.workspace_id, dataset.embedding_provider_id)
    if is_built_in(provider):
        width = await _embed_here(engine, provider, folder, work, process)
    else:
        await process.let_go()
        width = await _embed_elsewhere(engine, provider, dataset, folder, work)
    settled = await engine.db.write(dataset_store.know_width, dataset.id, width)
    if settled != width:
        raise errors.InvalidRequest(
            f"The embedding provider '{provider.name}' makes vectors of {width} numbers, and those of the "
            f"dataset have {settled}"
        )
    return {"embedding": provider.name, "dimensions": width}


async def _embed_here(
    engine: Engine, provider: EmbeddingProvider, folder: Path, work: Work, process: DocumentProcess
) -> int:
    task = StageTask(
        component=EMBEDDING,
        parameters={"dimensions": dimensions_of(provider, None)},
        output_folder=str(folder / "out"),
        inputs={str(Artifact.CHUNKS): str(folder / str(Artifact.CHUNKS))},
    )
    timeout_s = engine.settings.document_timeout_s
    done = await process.run(task, timeout_s=timeout_s, report=work.report)
    return int(done["dimensions"])


async def _embed_elsewhere(
    engine: Engine, provider: EmbeddingProvider, dataset: DocumentDataset, folder: Path, work: Work
) -> int:
    texts, made = folder / "texts.arrow", folder / "made"
    await asyncio.to_thread(made.mkdir)
    chunks = folder / str(Artifact.CHUNKS) / CHUNKS_FILE
    await asyncio.to_thread(_write_texts, chunks, texts)

    async def keep(chunk: Path, _first_row: int, _row_count: int) -> None:
        target = folder / "out" / chunk.name.replace("chunk-", VECTORS_STEM)
        await asyncio.to_thread(chunk.rename, target)

    return await embed_file(
        engine,
        dataset.workspace_id,
        provider,
        None,
        texts,
        made,
        on_chunk=keep,
        report=work.report,
    )


def _write_texts(chunks: Path, texts: Path) -> None:
    column = pa.array(read_embedded(chunks), pa.large_string())
    write_table(texts, pa.table({"text": column}))
