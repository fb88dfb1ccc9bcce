"""The work of components inside a document process: files in, files out.

What a stage returns is a JSON object about its outcome. Its files are complete when it returns; the parent
keeps them, or nothing.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from engine.arrow_files import write_table
from engine.documents.chunks.chunking import chunk_text
from engine.documents.component_table import EMBEDDING, FETCH, Artifact
from engine.documents.content import Content, Source, read_content, write_content
from engine.documents.figures.linking import link_figures
from engine.documents.media_types import sniff
from engine.documents.readers import read_document
from engine.documents.stage_files import CHUNKS_FILE, VECTORS_FILE, read_embedded
from engine.documents.tasks import Document, StageTask
from engine.embeddings.wordllama_local import WordEmbedder
from engine.errors import DocumentInvalid

_READ_BYTES = 1 << 20

Report = Callable[[int, int], None]


def run_stage(task: StageTask, report: Report) -> dict[str, Any]:
    """Do a task.

    Args:
        task: what to do.
        report: told of the pieces done, and how many there are.

    Raises:
        DocumentInvalid: the document cannot be read.
        InvalidRequest: a parameter cannot be had with it.
    """
    return _STAGES[task.component](task, report)


def _fetch(task: StageTask, _report: Report) -> dict[str, Any]:
    document = _document_of(task)
    path = Path(document.path)
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_READ_BYTES):
            digest.update(block)
    if digest.hexdigest() != document.sha256:
        raise DocumentInvalid("The stored file is damaged: its SHA-256 differs. Upload it again")
    return {"media_type": sniff(path, document.file_name)}


def _read(task: StageTask, report: Report) -> dict[str, Any]:
    document = _document_of(task)
    source = Source(Path(document.path), document.file_name, document.media_type)
    output = Path(task.output_folder)
    content = read_document(source, output, task.parameters, report)
    write_content(content, output)
    return _facts_of(content)


def _link(task: StageTask, _report: Report) -> dict[str, Any]:
    source, output = Path(task.inputs[Artifact.CONTENT]), Path(task.output_folder)
    content = link_figures(read_content(source), source, output)
    write_content(content, output)
    return _facts_of(content)


def _chunk(task: StageTask, _report: Report) -> dict[str, Any]:
    content = read_content(Path(task.inputs[Artifact.CONTENT]))
    chunks = chunk_text(content, task.parameters)
    write_table(Path(task.output_folder) / CHUNKS_FILE, chunks)
    return {"chunk_count": chunks.num_rows}


def _embed(task: StageTask, report: Report) -> dict[str, Any]:
    """Embed by the model that is always there; other models are the service's to ask."""
    texts = read_embedded(Path(task.inputs[Artifact.CHUNKS]) / CHUNKS_FILE)
    embedder = WordEmbedder(task.parameters["dimensions"])
    vectors = np.zeros((len(texts), embedder.dimensions), np.float32)
    for start in range(0, len(texts), embedder.texts_at_once):
        part = texts[start : start + embedder.texts_at_once]
        vectors[start : start + len(part)] = embedder.embed(part)
        report(start + len(part), len(texts))
    flat = pa.array(vectors.reshape(-1))
    column = pa.FixedSizeListArray.from_arrays(flat, embedder.dimensions)
    write_table(Path(task.output_folder) / VECTORS_FILE, pa.table({"vector": column}))
    return {"dimensions": embedder.dimensions}


def _document_of(task: StageTask) -> Document:
    assert task.document is not None, "its component takes the document"
    return task.document


def _facts_of(content: Content) -> dict[str, Any]:
    return {
        "title": content.title,
        "page_count": content.page_count,
        "text_length": len(content.text),
        "figure_count": len(content.figures),
        "document_metadata": content.metadata,
        "warnings": list(content.warnings),
    }


_STAGES: dict[str, Callable[[StageTask, Report], dict[str, Any]]] = {
    FETCH: _fetch,
    "ocr-processor-1.0.0": _read,
    "mistral-ocr-processor-1.0.0": _read,
    "jats-processor-1.0.0": _read,
    "figure-linking-processor-1.0.0": _link,
    "chunking-processor-1.0.0": _chunk,
    EMBEDDING: _embed,
}
