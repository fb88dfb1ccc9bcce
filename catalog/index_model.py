"""Indexes, what is built of them, and what makes vectors of texts, as frozen values.

The rules of :mod:`catalog.model` hold here.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any


class IndexType(StrEnum):
    """What an index is for: order, words or vectors."""

    SORTED = "sorted"
    BM25 = "bm25"
    VECTOR = "vector"


class VectorStorage(StrEnum):
    """How the graph of a vector index keeps numbers; distances are computed from 32-bit floats."""

    F32 = "f32"
    F16 = "f16"
    I8 = "i8"


class Metric(StrEnum):
    """How far two vectors are apart; less is nearer."""

    L2 = "l2"
    COSINE = "cosine"
    DOT = "dot"


@dataclass(frozen=True, slots=True)
class Index:
    """An index of a remote table or of a dataset: what it is over, not what was built.

    Of ``table_id`` and ``dataset_id`` one is set. ``columns`` of an index over embeddings is the
    generated column, ``source_column`` the text it is made of; ``dimensions`` is what was asked of the
    provider. ``error_message`` is why the last build failed.
    """

    id: str
    workspace_id: str
    table_id: str | None
    dataset_id: str | None
    name: str
    index_type: IndexType
    columns: tuple[str, ...]
    source_column: str | None
    metric: Metric | None
    storage: VectorStorage | None
    language: str | None
    embedding_provider_id: str | None
    dimensions: int | None
    description: str | None
    error_message: str | None
    created_at: datetime
    updated_at: datetime

    @property
    def owner_id(self) -> str:
        """The id of the table or dataset."""
        owner_id = self.table_id or self.dataset_id
        assert owner_id is not None
        return owner_id


@dataclass(frozen=True, slots=True)
class IndexFile:
    """One immutable file of a build; builds of one version may name the same file."""

    name: str
    key: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class IndexBuild:
    """An index as it was built over one version of a table.

    ``details`` is a JSON object of what the search needs to know: see ``engine.service.index_build``.
    """

    id: str
    index_id: str
    workspace_id: str
    version_id: str
    row_count: int
    details: dict[str, Any]
    files: tuple[IndexFile, ...]
    created_at: datetime

    @property
    def size_bytes(self) -> int:
        """Bytes of all its files."""
        return sum(file.size_bytes for file in self.files)


@dataclass(frozen=True, slots=True)
class BuiltIndex:
    """An index, and its build over the version that SQL reads; None while there is none."""

    index: Index
    build: IndexBuild | None


@dataclass(frozen=True, slots=True)
class EmbeddingFile:
    """Vectors that were made once, by the hash of their text, for one owner and one kind of vector."""

    key: str
    workspace_id: str
    owner_id: str
    fingerprint: str
    row_count: int
    size_bytes: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class EmbeddingProvider:
    """What turns texts into vectors: a model of this machine, or a service.

    ``config`` holds no credential; that is the secret. ``owns_secret`` means the secret was made for
    this provider and goes with it.
    """

    id: str
    workspace_id: str
    name: str
    provider_type: str
    config: dict[str, Any]
    secret_id: str | None
    owns_secret: bool
    created_at: datetime
    updated_at: datetime
