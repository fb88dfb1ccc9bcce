"""Segments are merged in the background, so that a search looks at few, and what is dead goes.

A merge takes over the live registrations of some segments under their own numbers, so no entry changes: readers
have the old segments or the new one. What is registered but does not count yet looks dead too, so young segments
that have such are left for later. The trap: it may come to count while it is left out, so the merge looks again in
the transaction in which it replaces them.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial

import structlog
from sqlalchemy import Connection

from catalog import jobs as job_store
from catalog.document_model import DocumentDataset, LiveSegment, Segment
from catalog.errors import NotFound, Superseded
from catalog.model import Job
from catalog.store import document_datasets as dataset_store
from catalog.store import document_segments as segment_store
from engine.service.context import Engine
from engine.service.documents.building import build_segment
from engine.service.documents.segments import bind_segment, dead_share, segment_ids
from engine.service.jobs import handles
from engine.service.scratch import scratch_folder
from engine.service.work import Work

MERGE_JOB = "merge_segments"
_DEAD_SHARE = 0.3
_MERGED_MAX = 64
_UNSETTLED = timedelta(seconds=30)

log = structlog.get_logger(__name__)


def queue_merge(conn: Connection, workspace_id: str, dataset_id: int, tier_max: int) -> None:
    """Have the segments of a dataset merged if some should be, once."""
    live = segment_store.list_live(conn, workspace_id, [dataset_id])
    if choose_merged(live.get(dataset_id, ()), tier_max):
        job_store.enqueue(
            conn,
            workspace_id,
            job_type=MERGE_JOB,
            payload={"dataset_id": dataset_id},
            dedupe_key=f"merge {dataset_id}",
        )


def choose_merged(segments: Sequence[LiveSegment], tier_max: int) -> list[LiveSegment]:
    """Choose segments that should be one: too many of a size, or much of them dead.

    A segment grows by a factor each time it is merged, so a row is written again only so many times as
    the size of the dataset has digits to the base of ``tier_max``.
    """
    tiers: dict[int, list[LiveSegment]] = defaultdict(list)
    for each in segments:
        tiers[_tier_of(each.segment, tier_max)].append(each)
    for tier in sorted(tiers):
        if len(tiers[tier]) >= tier_max:
            return tiers[tier][:_MERGED_MAX]
    dying = [each for each in segments if dead_share(each) > _DEAD_SHARE]
    return dying[:_MERGED_MAX]


def _tier_of(segment: Segment, factor: int) -> int:
    size, tier = segment.chunk_count + segment.entry_count, 0
    while size >= factor:
        size //= factor
        tier += 1
    return tier


@handles(MERGE_JOB)
async def _merge(engine: Engine, job: Job, work: Work) -> None:
    tier_max = engine.settings.document_merge_segments
    while True:
        try:
            dataset = await engine.db.read(
                dataset_store.get_dataset, job.workspace_id, job.payload["dataset_id"]
            )
        except NotFound:
            return  # it was deleted before it was merged
        chosen = await engine.db.read(_settled, dataset, tier_max)
        if not chosen:
            return
        async with scratch_folder(engine.blobs.stage()) as folder:
            merged = tuple([await bind_segment(engine, each) for each in chosen])
            segment = await build_segment(engine, dataset, folder, merged=merged)
        try:
            await work.checkpoint(partial(replace_merged, segment=segment, merged=chosen))
        except Superseded as error:
            log.info("documents.merge_superseded", dataset_id=dataset.id, reason=str(error))
            continue
        log.info("documents.merged", dataset_id=dataset.id, segments=len(chosen))


def replace_merged(conn: Connection, *, segment: Segment, merged: Sequence[LiveSegment]) -> None:
    """Put a segment in the place of those it was made of.

    Raises:
        Superseded: what was dead when they were read counts now, so it would be lost; or one is gone.
    """
    for each in merged:
        segment_store.hold_segment(conn, each.segment.id)
        if segment_store.some_live(conn, each.dead):
            raise Superseded("A registration came to count that the merge has left out")
    segment_store.insert_segment(conn, segment, replaced=segment_ids(merged))


def _settled(conn: Connection, dataset: DocumentDataset, tier_max: int) -> list[LiveSegment]:
    """Choose among the segments whose dead registrations are not about to live."""
    live = segment_store.list_live(conn, dataset.workspace_id, [dataset.id])
    old = datetime.now(UTC) - _UNSETTLED
    settled = [
        each for each in live.get(dataset.id, ()) if not each.dead or each.segment.created_at < old
    ]
    return choose_merged(settled, tier_max)
