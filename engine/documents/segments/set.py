"""Open segments, searched as one dataset or as several.

Rows are numbered through all segments, in their order: entries and chunks each for themselves. What
is dead keeps its number and is found by no search.

The invariant: a segment never changes, so what is open stays right; another list of segments or of dead
registrations is another set. The trap: files are opened when they are needed, so a set does not
outlive the files of its segments for sure.
"""

from collections.abc import Callable, Sequence
from functools import cached_property, partial
from pathlib import Path

import numpy as np

from engine.documents.search.entry_words import entry_spec
from engine.documents.segments.build import chunk_spec, vector_spec
from engine.documents.segments.columns import ENTRY_SCHEMA, chunk_schema
from engine.documents.segments.files import (
    CHUNK_WORDS,
    ENTRY_WORDS,
    VECTORS,
    Ints,
    Mask,
    SegmentFacts,
    read_facts,
    rows_path,
)
from engine.indexes.bm25 import Bm25Index, Bm25Spec
from engine.indexes.bm25_union import Bm25Part, open_union
from engine.indexes.row_store import RowStore
from engine.indexes.row_union import RowUnion
from engine.indexes.vector import VectorIndex
from engine.indexes.vector_union import VectorPart, VectorUnion
from engine.workers.document_tasks import DocumentPart, SegmentBinding


class Segment:
    """One segment: its facts, and what is open of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.facts: SegmentFacts = read_facts(folder)

    @cached_property
    def vectors(self) -> VectorIndex | None:
        """The vector index of its chunks."""
        facts = self.facts
        if facts.dimensions is None:
            return None
        spec = vector_spec(facts.dimensions, facts.metric.value, facts.storage.value)
        return VectorIndex.open(self.folder / VECTORS, spec)

    @cached_property
    def entry_rows(self) -> RowStore:
        """Its entries by number."""
        return RowStore(rows_path(self.folder, DocumentPart.ENTRIES))

    @cached_property
    def chunk_rows(self) -> RowStore:
        """Its chunks by number."""
        return RowStore(rows_path(self.folder, DocumentPart.CHUNKS))


class SegmentSet:
    """Some segments, each without its dead registrations."""

    def __init__(
        self,
        bindings: Sequence[SegmentBinding],
        open_segment: Callable[[str], Segment],
        scratch: Path,
    ) -> None:
        """Begin; nothing is opened but the facts."""
        self.segments = [open_segment(binding.folder) for binding in bindings]
        facts = [segment.facts for segment in self.segments]
        dead = [each.dead_entries(b.dead) for each, b in zip(facts, bindings, strict=True)]
        self._dead_entries = dead
        self._dead_chunks = [
            None if mask is None else each.of_chunks(mask)
            for each, mask in zip(facts, dead, strict=True)
        ]
        self._scratch = scratch
        self._vectors: dict[int, VectorUnion] = {}
        self._chunk_rows: dict[int | None, RowUnion] = {}
        self.entry_bases: Ints = np.cumsum([0, *(each.entry_count for each in facts)])
        self.chunk_bases: Ints = np.cumsum([0, *(each.chunk_count for each in facts)])

    @cached_property
    def chunk_words(self) -> Bm25Index | None:
        """The full-text index of the chunks; None without segments."""
        parts = [
            Bm25Part(segment.folder / CHUNK_WORDS, segment.facts.chunk_count, dead)
            for segment, dead in zip(self.segments, self._dead_chunks, strict=True)
        ]
        return self._open_words(parts, chunk_spec)

    @cached_property
    def entry_words(self) -> Bm25Index | None:
        """The full-text index of the entries; None without segments."""
        parts = [
            Bm25Part(segment.folder / ENTRY_WORDS, segment.facts.entry_count, dead)
            for segment, dead in zip(self.segments, self._dead_entries, strict=True)
        ]
        return self._open_words(parts, entry_spec)

    def vectors(self, dimensions: int) -> VectorUnion:
        """Open the vectors of a width; segments with another have none."""
        if dimensions not in self._vectors:
            self._vectors[dimensions] = self._open_vectors(dimensions)
        return self._vectors[dimensions]

    def _open_vectors(self, dimensions: int) -> VectorUnion:
        return VectorUnion(
            [
                VectorPart(
                    segment.vectors if segment.facts.dimensions == dimensions else None,
                    segment.facts.chunk_count,
                    None if dead is None else ~dead,
                )
                for segment, dead in zip(self.segments, self._dead_chunks, strict=True)
            ],
            dimensions=dimensions,
        )

    @cached_property
    def entry_rows(self) -> RowUnion:
        """The entries by number."""
        counts = [segment.facts.entry_count for segment in self.segments]
        opens = [partial(getattr, segment, "entry_rows") for segment in self.segments]
        return RowUnion(ENTRY_SCHEMA, opens, counts)

    def chunk_rows(self, dimensions: int | None) -> RowUnion:
        """Open the chunks by number, with vectors of a width."""
        if dimensions not in self._chunk_rows:
            counts = [segment.facts.chunk_count for segment in self.segments]
            opens = [partial(getattr, segment, "chunk_rows") for segment in self.segments]
            self._chunk_rows[dimensions] = RowUnion(chunk_schema(dimensions), opens, counts)
        return self._chunk_rows[dimensions]

    @cached_property
    def chunk_starts(self) -> Ints:
        """For each entry the number of its first chunk; at last how many chunks there are."""
        starts = [
            segment.facts.chunk_starts[:-1] + base
            for segment, base in zip(self.segments, self.chunk_bases, strict=False)
        ]
        return np.concatenate([*starts, self.chunk_bases[-1:]])

    @cached_property
    def entry_ids(self) -> Ints:
        """The id of each entry, dead ones too."""
        ids = [segment.facts.entry_ids for segment in self.segments]
        return np.concatenate([np.zeros(0, np.int64), *ids])

    @cached_property
    def registrations(self) -> Ints:
        """The registration of each entry, dead ones too."""
        found = [segment.facts.registrations for segment in self.segments]
        return np.concatenate([np.zeros(0, np.int64), *found])

    def entries_of(self, chunks: Ints) -> Ints:
        """Return the entries that chunks belong to, by number."""
        return np.searchsorted(self.chunk_starts, chunks, side="right") - 1

    def chunks_of(self, entries: Mask) -> Mask:
        """Say of each chunk what is said of its entry."""
        return np.repeat(entries, np.diff(self.chunk_starts))

    def _open_words(
        self, parts: Sequence[Bm25Part], spec_of: Callable[[str], Bm25Spec]
    ) -> Bm25Index | None:
        if not parts:
            return None
        languages = {segment.facts.language for segment in self.segments}
        assert len(languages) == 1, "segments that are searched together are of one language"
        self._scratch.mkdir(parents=True, exist_ok=True)
        return open_union(parts, spec_of(languages.pop()), self._scratch)
