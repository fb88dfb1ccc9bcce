"""What one search looks at: datasets, each with its segments, numbered through as one.

The entries and chunks of a dataset follow those of the dataset before. The vectors of datasets may be of
different models, so each dataset is searched with its own vector; distances are cosine, and compared.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from engine.documents.segments.files import Mask
from engine.documents.segments.set import SegmentSet
from engine.indexes.hits import Hits
from engine.workers.document_tasks import DocumentSearchTask, SegmentBinding

OpenSegments = Callable[[tuple[SegmentBinding, ...]], SegmentSet]


@dataclass(frozen=True, slots=True)
class _Part:
    """The segments of a dataset, its vector, and the number of its first chunk."""

    opened: SegmentSet
    vector: np.ndarray
    first_chunk: int


class SearchScope:
    """Open segments of all datasets.

    Attributes:
        whole: all segments.
        parts: the datasets that are searched by meaning.
    """

    def __init__(self, task: DocumentSearchTask, open_segments: OpenSegments) -> None:
        self.whole = open_segments(
            tuple(binding for dataset in task.datasets for binding in dataset.segments)
        )
        self.parts: list[_Part] = []
        done = first = 0
        for dataset in task.datasets:
            if dataset.vector is not None and dataset.segments:
                vector = np.array(dataset.vector, np.float32)
                self.parts.append(_Part(open_segments(dataset.segments), vector, first))
            done += len(dataset.segments)
            first = int(self.whole.chunk_bases[done])

    def nearest_chunks(self, limit: int, allowed: Mask | None) -> Hits:
        """Find the nearest chunks of all datasets.

        Args:
            limit: chunks at most.
            allowed: for each entry whether its chunks count.

        Returns:
            Chunks by number, and distances: by distance, then number.

        Raises:
            InvalidRequest: a vector has a number that is not finite.
        """
        within = None if allowed is None else self.whole.chunks_of(allowed)
        found = []
        for part in self.parts:
            count = int(part.opened.chunk_bases[-1])
            here = None if within is None else within[part.first_chunk :][:count]
            hits = part.opened.vectors(len(part.vector)).search(part.vector, limit, within=here)
            found.append(Hits(hits.rows + part.first_chunk, hits.values))
        rows = np.concatenate([np.empty(0, np.int64), *(hits.rows for hits in found)])
        values = np.concatenate([np.empty(0, np.float32), *(hits.values for hits in found)])
        best = np.lexsort((rows, values))[:limit]
        return Hits(rows[best], values[best])
