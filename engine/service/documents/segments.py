"""Which segments readers of a dataset have now, and where their files are."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from catalog.document_model import DocumentDataset, LiveSegment
from catalog.store import document_datasets as dataset_store
from catalog.store import document_segments as segment_store
from engine.workers.document_tasks import SegmentBinding

if TYPE_CHECKING:
    from engine.service.context import Engine

LANGUAGE = "english"
"""By which the words of all segments are split and stemmed."""


@dataclass(frozen=True, slots=True)
class Searchable:
    """A dataset, and the segments that hold what is registered of it; none while nothing is."""

    dataset: DocumentDataset
    segments: tuple[SegmentBinding, ...]


async def searchable_datasets(
    engine: "Engine",
    workspace_id: str,
    *,
    ids: Sequence[int] | None = None,
    slug: str | None = None,
) -> tuple[Searchable, ...]:
    """Return datasets with their segments, oldest first; remembered while nothing in the catalog changes.

    Args:
        engine: open for serving.
        workspace_id: whose.
        ids: which datasets; None = all. Unknown ones are left out.
        slug: the only one of this slug.
    """
    key = (workspace_id, slug if ids is None else tuple(ids))
    read = partial(_find, engine, workspace_id, ids, slug)
    return await engine.remembered(engine.searchable, key, read)


async def _find(
    engine: "Engine", workspace_id: str, ids: Sequence[int] | None, slug: str | None
) -> tuple[Searchable, ...]:
    datasets, live = await engine.db.read(_read, workspace_id, ids, slug)
    found = []
    for each in datasets:
        segments = [await bind_segment(engine, one) for one in live.get(each.id, ())]
        found.append(Searchable(each, tuple(segments)))
    return tuple(found)


def _read(
    conn: Connection, workspace_id: str, ids: Sequence[int] | None, slug: str | None
) -> tuple[tuple[DocumentDataset, ...], dict[int, tuple[LiveSegment, ...]]]:
    if slug is None:
        datasets = dataset_store.list_datasets(conn, workspace_id, ids=ids)
    else:
        named = dataset_store.find_dataset(conn, workspace_id, slug)
        datasets = () if named is None else (named,)
    live = segment_store.list_live(conn, workspace_id, [each.id for each in datasets])
    return datasets, live


async def bind_segment(engine: "Engine", live: LiveSegment) -> SegmentBinding:
    """Have the files of a segment here, and say in which folder they are."""
    files = live.segment.files
    paths = await engine.blobs.local_paths([file.key for file in files])
    folder = _folder_of(paths[0], files[0].name)
    return SegmentBinding(str(folder), live.dead)


def dead_share(live: LiveSegment) -> float:
    """Return how much of a segment is dead, by its entries."""
    return len(live.dead) / max(1, live.segment.entry_count)


def segment_ids(segments: Iterable[LiveSegment]) -> list[str]:
    """Name segments."""
    return [each.segment.id for each in segments]


def _folder_of(path: Path, name: str) -> Path:
    """Return the folder below which a file has a name that may have folders of its own."""
    return path.parents[name.count("/")]
