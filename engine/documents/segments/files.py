"""A segment on disk: its files, and what ``facts.json`` tells of it.

=====================================  ==========================================================
``entries.parquet`` ``chunks.parquet``  the rows for SQL; ``files.parquet`` too
``entries.arrow`` ``chunks.arrow``      the same by number, the chunks with their vectors
``entry_words`` ``chunk_words``         full-text indexes, see ``entry_words`` and ``engine.indexes.bm25``
``vectors``                             the vector index of the chunks; absent when they have no width
``facts.json``                          what it is made of
=====================================  ==========================================================

The invariant: entry ``i`` is that of registration ``i`` of the facts, and the chunks of the entries follow
each other in the same order. So which rows are dead is known from the facts alone.
"""

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from catalog.index_model import Metric, VectorStorage
from engine.workers.document_tasks import DocumentPart

CHUNK_WORDS = "chunk_words"
ENTRY_WORDS = "entry_words"
VECTORS = "vectors"
_FACTS_FILE = "facts.json"
_FORMAT = 1

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


def parquet_path(folder: Path, part: DocumentPart) -> Path:
    """Return where the rows of a table are for SQL."""
    return folder / f"{part}.parquet"


def rows_path(folder: Path, part: DocumentPart) -> Path:
    """Return where the rows of a table are by number."""
    return folder / f"{part}.arrow"


@dataclass(frozen=True)
class SegmentFacts:
    """What a segment holds.

    Attributes:
        language: of its full-text indexes.
        dimensions: of its vectors, None when it has none; ``metric`` and ``storage`` are theirs.
        registrations: (n,), in the order of the entries.
        entry_ids: (n,).
        chunk_counts: (n,), how many chunks each entry has.
        field_values: for each field of metadata how many values it has, at most one more than matter.
    """

    language: str
    dimensions: int | None
    metric: Metric
    storage: VectorStorage
    registrations: Ints
    entry_ids: Ints
    chunk_counts: Ints
    field_values: dict[str, int]

    @property
    def entry_count(self) -> int:
        """How many entries it has, dead ones too."""
        return len(self.registrations)

    @cached_property
    def chunk_starts(self) -> Ints:
        """(n + 1,), the row of the first chunk of each entry, and how many chunks there are."""
        return np.concatenate([np.zeros(1, np.int64), np.cumsum(self.chunk_counts)])

    @property
    def chunk_count(self) -> int:
        """How many chunks it has, dead ones too."""
        return int(self.chunk_starts[-1])

    def dead_entries(self, dead: Collection[int]) -> Mask | None:
        """Tell for each entry whether it is dead; None when none is."""
        if not dead:
            return None
        found = np.isin(self.registrations, np.array(list(dead), np.int64))
        return found if found.any() else None

    def of_chunks(self, entries: Mask) -> Mask:
        """Say of each chunk what is said of its entry."""
        return np.repeat(entries, self.chunk_counts)


def write_facts(facts: SegmentFacts, folder: Path) -> None:
    """Write the facts of a segment: its last file."""
    values: dict[str, Any] = {
        "format": _FORMAT,
        "language": facts.language,
        "dimensions": facts.dimensions,
        "metric": facts.metric,
        "storage": facts.storage,
        "registrations": facts.registrations,
        "entry_ids": facts.entry_ids,
        "chunk_counts": facts.chunk_counts,
        "field_values": facts.field_values,
    }
    data = orjson.dumps(values, option=orjson.OPT_SERIALIZE_NUMPY)
    (folder / _FACTS_FILE).write_bytes(data)


def read_facts(folder: Path) -> SegmentFacts:
    """Read what :func:`write_facts` wrote."""
    values = orjson.loads((folder / _FACTS_FILE).read_bytes())
    assert values.pop("format") == _FORMAT, "the segment is of another release"
    for name in ("registrations", "entry_ids", "chunk_counts"):
        values[name] = np.array(values[name], np.int64)
    values["metric"], values["storage"] = Metric(values["metric"]), VectorStorage(values["storage"])
    return SegmentFacts(**values)
