"""Binds the tables of a document dataset for a query: its segments, and what they can be searched by."""

from collections.abc import Sequence

from catalog.index_model import IndexType, Metric, VectorStorage
from engine.documents.segments.columns import CHUNK_TEXTS, EMBEDDING, ENTRY_TEXTS
from engine.documents.segments.files import CHUNK_WORDS, ENTRY_WORDS, VECTORS
from engine.workers.document_tasks import DocumentBinding, DocumentPart, SegmentBinding
from engine.workers.tasks import EmbeddingBinding, IndexBinding, TableBinding

_TEXT = "text"


def bind_document_table(
    name: tuple[str, str, str],
    segments: Sequence[SegmentBinding],
    *,
    language: str,
    dimensions: int | None = None,
    embedding: EmbeddingBinding | None = None,
    size_bytes: int = 0,
) -> TableBinding:
    """Bind a table.

    Args:
        name: catalog, schema, and one of ``DocumentPart``.
        segments: all of the dataset, in any order; those with a dead registration name it.
        language: the segments were built with.
        dimensions: of the vectors of the dataset; None when it has none.
        embedding: how texts become vectors; None when only vectors can be searched for.
        size_bytes: of the rows.
    """
    part = DocumentPart(name[2])
    has_vectors = part is DocumentPart.CHUNKS and dimensions is not None
    indexes = [_words(part, language)] if part is not DocumentPart.FILES else []
    if has_vectors:
        indexes.append(_vectors(dimensions, embedding))
    return TableBinding(
        *name,
        size_bytes=size_bytes,
        indexes=tuple(indexes),
        generated=(EMBEDDING,) if has_vectors else (),
        documents=DocumentBinding(part, tuple(segments), dimensions),
    )


def _words(part: DocumentPart, language: str) -> IndexBinding:
    is_chunks = part is DocumentPart.CHUNKS
    return IndexBinding(
        name="words",
        index_type=IndexType.BM25,
        columns=CHUNK_TEXTS if is_chunks else ENTRY_TEXTS,
        folder=CHUNK_WORDS if is_chunks else ENTRY_WORDS,
        language=language,
    )


def _vectors(dimensions: int | None, embedding: EmbeddingBinding | None) -> IndexBinding:
    return IndexBinding(
        name="vectors",
        index_type=IndexType.VECTOR,
        columns=(EMBEDDING,),
        folder=VECTORS,
        source_column=None if embedding is None else _TEXT,
        metric=Metric.COSINE,
        storage=VectorStorage.I8,
        dimensions=dimensions,
        embedding=embedding,
    )
