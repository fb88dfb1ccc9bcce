"""Entries of documents as the service stages them, and segments that are really built of them."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from engine.documents.segments.build import build_segment
from engine.workers.document_tasks import SegmentBinding, SegmentSource, SegmentTask

TIME = "2026-03-01T12:00:00.500000+00:00"
WIDTH = 8


@dataclass(frozen=True)
class Document:
    """An entry with its chunks; its first vector is missing when ``has_gap``."""

    id: int
    chunks: tuple[str, ...]
    name: str = "a.txt"
    title: str | None = None
    description: str | None = None
    text: str | None = None
    mime_type: str | None = "text/plain"
    tags: tuple[str, ...] = ()
    metadata: dict[str, Any] = field(default_factory=dict)
    dataset_id: int = 1
    has_gap: bool = False

    @property
    def whole_text(self) -> str:
        return "\n".join(self.chunks) if self.text is None else self.text


def vectors_of(document: Document, width: int = WIDTH) -> list[list[float] | None]:
    """Vectors that are the same whenever the texts are."""
    found: list[list[float] | None] = []
    for text in document.chunks:
        rng = np.random.default_rng([*text.encode(), 7])
        found.append(rng.standard_normal(width).astype(np.float32).tolist())
    if document.has_gap:
        found[0] = None
    return found


def stage(
    folder: Path, registration: int, document: Document, width: int | None = WIDTH
) -> SegmentSource:
    """Write what is known of an entry, its vectors in two files when there are enough."""
    place = folder / f"staged-{registration}"
    place.mkdir(parents=True)
    entry = {
        "id": document.id,
        "dataset_id": document.dataset_id,
        "name": document.name,
        "slug": f"slug-{document.id}",
        "title": document.title,
        "description": document.description,
        "mime_type": document.mime_type,
        "file_name": document.name,
        "size_bytes": len(document.whole_text),
        "sha256": "00ff",
        "page_count": 2,
        "tags": list(document.tags),
        "metadata": document.metadata,
        "text": document.whole_text,
        "created_at": TIME,
        "processed_at": TIME,
    }
    (place / "entry.json").write_text(json.dumps(entry))
    kept = {"key": f"keys/{document.id}", "kind": "original", "file_name": document.name,
            "size_bytes": 5, "mime_type": "text/plain", "sha256": "aa", "created_at": TIME}  # fmt: skip
    (place / "files.json").write_text(json.dumps([kept]))
    write_file(place / "chunks.arrow", chunk_rows(document))
    paths: list[str] = []
    if width is not None:
        vectors = pa.array(vectors_of(document, width), pa.list_(pa.float32(), width))
        for number, part in enumerate((vectors[:1], vectors[1:])):
            path = place / f"vectors-{number}.arrow"
            write_file(path, pa.table({"vector": part}))
            paths.append(str(path))
    return SegmentSource(
        registration,
        str(place / "entry.json"),
        str(place / "files.json"),
        str(place / "chunks.arrow"),
        tuple(paths),
    )


def chunk_rows(document: Document) -> pa.Table:
    count = len(document.chunks)
    return pa.table(
        {
            "chunk_index": pa.array(range(count), pa.int32()),
            "chunk_text": pa.array(document.chunks, pa.large_string()),
            "heading_path": pa.array(
                [["Part", f"Section {n}"] if n else [] for n in range(count)],
                pa.list_(pa.string()),
            ),
            "page_start": pa.array(range(1, count + 1), pa.int64()),
            "page_end": pa.array(range(1, count + 1), pa.int64()),
            "char_start": pa.array(range(count), pa.int64()),
            "char_end": pa.array([n + len(t) for n, t in enumerate(document.chunks)], pa.int64()),
            "token_count": pa.array([len(text.split()) for text in document.chunks], pa.int64()),
        }
    )


def write_file(path: Path, table: pa.Table) -> None:
    with pa.ipc.new_file(str(path), table.schema) as writer:
        writer.write_table(table, max_chunksize=3)


def build(
    folder: Path,
    new: Iterable[tuple[int, Document]] = (),
    merged: Sequence[SegmentBinding] = (),
    *,
    width: int | None = WIDTH,
) -> dict[str, Any]:
    """Build a segment into a new folder; return what the worker reports."""
    sources = [stage(folder.parent / "staged" / folder.name, n, each, width) for n, each in new]
    folder.mkdir(parents=True)
    return build_segment(segment_task(folder, sources, merged, width=width), lambda _: None)


def segment_task(
    folder: Path,
    sources: Sequence[SegmentSource],
    merged: Sequence[SegmentBinding] = (),
    *,
    width: int | None = WIDTH,
) -> SegmentTask:
    return SegmentTask(
        sources=tuple(sources),
        merged=tuple(merged),
        output_folder=str(folder),
        memory_bytes=64 << 20,
        language="english",
        dimensions=width,
    )
