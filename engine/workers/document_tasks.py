"""What the parent may ask a worker to do with document datasets, as pure data.

The rules of :mod:`engine.workers.tasks` hold here. A document dataset is a list of segments, each a folder
of files that are written once; what is live in them is for the catalog to say.
"""

from dataclasses import dataclass
from enum import StrEnum

from catalog.index_model import Metric, VectorStorage


class DocumentPart(StrEnum):
    """Which table of a document dataset."""

    ENTRIES = "entries"
    CHUNKS = "chunks"
    FILES = "files"


@dataclass(frozen=True, slots=True)
class SegmentBinding:
    """A built segment of a document dataset: see ``engine.documents.segments.build``.

    ``folder`` is absolute and has its files as they were built. ``dead`` are the registrations in it that
    are not live any more; of each the segment may have rows, and need not.
    """

    folder: str
    dead: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class DocumentBinding:
    """The rows of a table that is made of segments, one after the other; of none it is empty.

    ``dimensions`` is the width of the dataset's vectors, None when it has none. ``reads_vectors`` is the
    worker's own: whether a statement may read them.
    """

    part: DocumentPart
    segments: tuple[SegmentBinding, ...]
    dimensions: int | None = None
    reads_vectors: bool = False


@dataclass(frozen=True, slots=True)
class SegmentSource:
    """What became of one entry, in files that are read once.

    Attributes:
        registration: unique, from 1 to 2**63 - 1.
        entry: a JSON object, the columns of ``entries`` but ``chunk_count`` and ``registration``:
            ``tags`` as a list, ``metadata`` as an object, times as ISO 8601 with a zone.
        files: a JSON list of the columns of ``files`` but ``entry_id`` and ``registration``; None = none.
        chunks: an Arrow IPC file of its chunks in order, see ``segment_columns.CHUNK_COLUMNS``; None = none.
        vectors: Arrow IPC files with a column ``vector``, one row for each chunk, in order; a NULL has
            none. No file = no chunk has one.
    """

    registration: int
    entry: str
    files: str | None
    chunks: str | None
    vectors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SegmentTask:
    """Build a segment of live rows of others, and of new entries: see ``engine.documents.segments.build``.

    ``output_folder`` exists and is empty. ``dimensions`` is the width of the vectors, None when the
    dataset has none: then nothing has a vector.
    """

    sources: tuple[SegmentSource, ...]
    merged: tuple[SegmentBinding, ...]
    output_folder: str
    memory_bytes: int
    language: str
    dimensions: int | None
    metric: Metric = Metric.COSINE
    storage: VectorStorage = VectorStorage.I8


class SearchMode(StrEnum):
    """What is searched for, and how.

    ``keyword``: entries by words. ``chunks``: chunks by meaning. ``entries``: entries by their nearest
    chunks. ``hybrid``: entries by both.
    """

    KEYWORD = "keyword"
    CHUNKS = "chunks"
    ENTRIES = "entries"
    HYBRID = "hybrid"


@dataclass(frozen=True, slots=True)
class SearchedDataset:
    """A dataset that is searched; ``vector`` is the query as its model makes it, None = not by meaning."""

    dataset_id: int
    segments: tuple[SegmentBinding, ...]
    vector: tuple[float, ...] | None = None


@dataclass(frozen=True, slots=True)
class MetadataFilter:
    """A field of the metadata has one of some values: texts, numbers or booleans."""

    field: str
    values: tuple[str | int | float | bool, ...]


@dataclass(frozen=True, slots=True)
class SearchFilters:
    """Which entries count; what is empty or None lets all.

    ``tags``: the entry has all. ``mime_types``: it has one of them. ``metadata``: every filter passes.
    ``entry_ids``: it is one of them.
    """

    tags: tuple[str, ...] = ()
    mime_types: tuple[str, ...] = ()
    metadata: tuple[MetadataFilter, ...] = ()
    entry_ids: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class DocumentSearchTask:
    """Search document datasets: see ``engine.documents.search.answer``.

    ``query`` is the text; searches by meaning alone need none. ``score_min`` is from 0 to 1. ``language``
    is the one all segments were built with.
    """

    mode: SearchMode
    query: str
    datasets: tuple[SearchedDataset, ...]
    language: str
    limit: int = 10
    offset: int = 0
    filters: SearchFilters = SearchFilters()
    score_min: float | None = None
    with_facets: bool = True
    with_highlights: bool = True
