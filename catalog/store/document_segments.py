"""Segments: what is registered of the entries of a dataset, in immutable files.

The invariant: a registration is live while its entry names it. So an entry counts, is replaced and is gone by
one change of its row, and a segment may be written down before any of its entries names it.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection, delete, func, select, update

from catalog.document_model import LiveSegment, Segment, SegmentFile
from catalog.document_tables import document_entries, document_segment_files, document_segments
from catalog.errors import Superseded
from catalog.store.dropped import drop_blobs
from catalog.store.rows import columns_of, utc_now

_COLUMNS = columns_of(document_segments, Segment)
# Of one statement; SQLite binds at most some thousands of values.
_IDS_MAX = 500


def insert_segment(conn: Connection, segment: Segment, *, replaced: Collection[str] = ()) -> None:
    """Write a segment down whose files are stored, in the place of others.

    Raises:
        Superseded: one of those it replaces is gone, or the dataset is.
    """
    locked = select(document_segments.c.id).where(document_segments.c.id.in_(replaced))
    if set(conn.scalars(locked.with_for_update())) != set(replaced):
        raise Superseded("The segments were merged by somebody else meanwhile")
    moved = document_entries.c.segment_id.in_(replaced)
    conn.execute(update(document_entries).where(moved).values(segment_id=segment.id))
    drop_segments(conn, replaced)
    values = {column.name: getattr(segment, column.name) for column in _COLUMNS}
    conn.execute(document_segments.insert().values(values))
    rows = [
        {
            "segment_id": segment.id,
            "name": file.name,
            "key": file.key,
            "size_bytes": file.size_bytes,
        }
        for file in segment.files
    ]
    if rows:
        conn.execute(document_segment_files.insert(), rows)


def list_live(
    conn: Connection, workspace_id: str, dataset_ids: Iterable[int]
) -> dict[int, tuple[LiveSegment, ...]]:
    """Return the segments of datasets, oldest first, each with its dead registrations.

    A segment without a live one is left out, and so is a dataset without segments.
    """
    ids = sorted(set(dataset_ids))
    mine = (
        document_segments.c.workspace_id == workspace_id,
        document_segments.c.dataset_id.in_(ids),
    )
    query = (
        select(*[column for column in _COLUMNS if column.name != "registrations"])
        .where(*mine)
        .order_by(document_segments.c.created_at, document_segments.c.id)
    )
    rows = conn.execute(query).mappings().all()
    counts = _count_live(conn, [row["id"] for row in rows])
    files = _files_of(conn, [*counts])
    found: dict[int, list[LiveSegment]] = defaultdict(list)
    for row in rows:
        live = counts.get(row["id"], 0)
        if live:
            known = None if live == row["entry_count"] else _registrations_of(conn, row["id"])
            dead = () if known is None else _dead_of(conn, row["id"], known)
            segment = Segment(**row, registrations=known, files=files.get(row["id"], ()))
            found[row["dataset_id"]].append(LiveSegment(segment, dead))
    return {dataset_id: tuple(segments) for dataset_id, segments in found.items()}


def _count_live(conn: Connection, segment_ids: Sequence[str]) -> dict[str, int]:
    """Count the entries that name each of some segments; those without any are left out."""
    named = document_entries.c.segment_id
    found: dict[str, int] = {}
    for start in range(0, len(segment_ids), _IDS_MAX):
        part = named.in_(segment_ids[start : start + _IDS_MAX])
        query = select(named, func.count()).where(part).group_by(named)
        found.update((row[0], row[1]) for row in conn.execute(query))
    return found


def _registrations_of(conn: Connection, segment_id: str) -> tuple[int, ...]:
    mine = document_segments.c.id == segment_id
    known: tuple[int, ...] = conn.scalars(
        select(document_segments.c.registrations).where(mine)
    ).one()
    return known


def _dead_of(conn: Connection, segment_id: str, known: Sequence[int]) -> tuple[int, ...]:
    mine = document_entries.c.segment_id == segment_id
    alive = set(conn.scalars(select(document_entries.c.registration).where(mine)))
    return tuple(each for each in known if each not in alive)


def has_segment(conn: Connection, segment_id: str) -> bool:
    """Tell whether a segment is still there."""
    mine = document_segments.c.id == segment_id
    return conn.scalar(select(document_segments.c.id).where(mine)) is not None


def width_of(conn: Connection, segment_id: str) -> int | None:
    """Return how many numbers the vectors of a segment have; None when it has none, or is gone."""
    mine = document_segments.c.id == segment_id
    return conn.scalar(select(document_segments.c.width).where(mine))


def drop_abandoned(conn: Connection, before: datetime) -> int:
    """Forget segments made before a moment of which nothing is live; return how many."""
    unnamed = (
        ~select(document_entries.c.id)
        .where(document_entries.c.segment_id == document_segments.c.id)
        .exists()
    )
    old = select(document_segments.c.id).where(document_segments.c.created_at < before, unnamed)
    locked = conn.scalars(old.limit(_IDS_MAX).with_for_update()).all()
    # Looked at again under the locks: who was about to name one has done so by now.
    mine = document_segments.c.id.in_(locked)
    dead = conn.scalars(select(document_segments.c.id).where(mine, unnamed)).all()
    drop_segments(conn, dead)
    return len(dead)


def some_live(conn: Connection, registrations: Sequence[int]) -> bool:
    """Tell whether any of some registrations is live."""
    for start in range(0, len(registrations), _IDS_MAX):
        part = document_entries.c.registration.in_(registrations[start : start + _IDS_MAX])
        if conn.scalar(select(document_entries.c.id).where(part).limit(1)) is not None:
            return True
    return False


def hold_segment(conn: Connection, segment_id: str) -> None:
    """See that a segment is still there, and keep it until the transaction ends.

    Raises:
        Superseded: it was merged, without what this transaction is about to make live.
    """
    mine = document_segments.c.id == segment_id
    if conn.scalar(select(document_segments.c.id).where(mine).with_for_update()) is None:
        raise Superseded("The segment was merged meanwhile")


def drop_segments(conn: Connection, segment_ids: Collection[str]) -> None:
    """Forget segments; who reads their files may finish."""
    named = document_segment_files.c.segment_id.in_(segment_ids)
    drop_blobs(
        conn, conn.scalars(select(document_segment_files.c.key).where(named)).all(), utc_now()
    )
    conn.execute(delete(document_segments).where(document_segments.c.id.in_(segment_ids)))


def _files_of(
    conn: Connection, segment_ids: Sequence[str]
) -> Mapping[str, tuple[SegmentFile, ...]]:
    found: dict[str, list[SegmentFile]] = defaultdict(list)
    for start in range(0, len(segment_ids), _IDS_MAX):
        part = document_segment_files.c.segment_id.in_(segment_ids[start : start + _IDS_MAX])
        query = select(document_segment_files).where(part).order_by(document_segment_files.c.name)
        for row in conn.execute(query).mappings():
            file = SegmentFile(row["name"], row["key"], row["size_bytes"])
            found[row["segment_id"]].append(file)
    return {segment_id: tuple(files) for segment_id, files in found.items()}
