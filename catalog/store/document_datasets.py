"""Document datasets: found by number or slug, changed under a version, removed with all they hold."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Select, and_, delete, func, or_, select, update
from sqlalchemy.exc import IntegrityError

from catalog.document_model import DatasetTotals, DocumentDataset, EntryStatus, FileKind
from catalog.document_tables import (
    document_datasets,
    document_entries,
    document_files,
    document_segment_files,
    document_segments,
)
from catalog.errors import Conflict, NotFound
from catalog.store.dropped import drop_blobs
from catalog.store.own_secrets import drop_own_secret
from catalog.store.rows import columns_of, utc_now

NUMBER_MAX = 2**63 - 1
_VECTOR_FILES = "vectors-%.arrow"
"""Names of the files of an entry with its vectors."""

_COLUMNS = columns_of(document_datasets, DocumentDataset)


def insert_dataset(
    conn: Connection, workspace_id: str, values: Mapping[str, Any]
) -> DocumentDataset:
    """Make a dataset of the fields a client chooses.

    Raises:
        Conflict: the workspace has one of this slug.
    """
    if find_dataset(conn, workspace_id, values["slug"]) is not None:
        raise _slug_taken(values["slug"])
    now = utc_now()
    made = {**values, "workspace_id": workspace_id, "created_at": now, "updated_at": now}
    made["version"] = 1
    try:
        row = conn.execute(document_datasets.insert().values(made).returning(*_COLUMNS))
    except IntegrityError as error:
        raise _slug_taken(values["slug"]) from error
    return DocumentDataset(**row.mappings().one())


def get_dataset(conn: Connection, workspace_id: str, dataset_id: int) -> DocumentDataset:
    """Return a dataset.

    Raises:
        NotFound: the workspace has no such dataset.
    """
    found = list_datasets(conn, workspace_id, ids=[dataset_id]) if _is_id(dataset_id) else ()
    if not found:
        raise NotFound(f"Dataset with id {dataset_id} not found")
    return found[0]


def lock_dataset(conn: Connection, workspace_id: str, dataset_id: int) -> DocumentDataset:
    """Return a dataset as it stays until the transaction ends.

    Raises:
        NotFound: the workspace has no such dataset.
    """
    mine = document_datasets.c.id == min(max(dataset_id, 0), NUMBER_MAX)
    row = conn.execute(_all(workspace_id).where(mine).with_for_update()).mappings().first()
    if row is None:
        raise NotFound(f"Dataset with id {dataset_id} not found")
    return DocumentDataset(**row)


def find_dataset(conn: Connection, workspace_id: str, slug: str) -> DocumentDataset | None:
    """Return the dataset of a slug, or None."""
    query = _all(workspace_id).where(document_datasets.c.slug == slug)
    row = conn.execute(query).mappings().first()
    return None if row is None else DocumentDataset(**row)


def list_datasets(
    conn: Connection, workspace_id: str, *, ids: Collection[int] | None = None
) -> tuple[DocumentDataset, ...]:
    """Return the datasets of a workspace, or those of some ids, oldest first."""
    query = _all(workspace_id)
    if ids is not None:
        query = query.where(document_datasets.c.id.in_([each for each in ids if _is_id(each)]))
    query = query.order_by(document_datasets.c.created_at, document_datasets.c.id)
    return tuple(DocumentDataset(**row) for row in conn.execute(query).mappings())


def page_datasets(
    conn: Connection, workspace_id: str, *, limit: int, offset: int
) -> tuple[int, tuple[DocumentDataset, ...]]:
    """Return how many datasets there are, and one page of them, newest first."""
    mine = document_datasets.c.workspace_id == workspace_id
    total = conn.scalar(select(func.count()).select_from(document_datasets).where(mine)) or 0
    query = (
        _all(workspace_id)
        .order_by(document_datasets.c.created_at.desc(), document_datasets.c.id.desc())
        .limit(limit)
        .offset(offset)
    )
    return total, tuple(DocumentDataset(**row) for row in conn.execute(query).mappings())


def count_entries(conn: Connection, dataset_ids: Sequence[int]) -> dict[int, DatasetTotals]:
    """Return the totals of datasets, without those that have no entry.

    Reads the rows of all their files that stay.
    """
    entries, files = document_entries.c, document_files.c
    mine = entries.dataset_id.in_(dataset_ids)
    counts = select(entries.dataset_id, func.count()).where(mine).group_by(entries.dataset_id)
    # Apart from the counts: joined to their files, entries would have to be told apart again.
    sizes = (
        select(entries.dataset_id, func.sum(files.size_bytes))
        .join(document_files, files.entry_id == entries.id)
        .where(mine, files.expires_at.is_(None))
        .group_by(entries.dataset_id)
    )
    known = {row[0]: int(row[1]) for row in conn.execute(sizes)}
    return {row[0]: DatasetTotals(row[1], known.get(row[0], 0)) for row in conn.execute(counts)}


def update_dataset(
    conn: Connection,
    workspace_id: str,
    dataset_id: int,
    changes: Mapping[str, Any],
    *,
    version: int | None = None,
) -> DocumentDataset:
    """Change some of a dataset; its version is one more afterwards, unless nothing is to change.

    Args:
        conn: where.
        workspace_id: whose.
        dataset_id: which.
        changes: columns with their values.
        version: what it must have now; None = any.

    Raises:
        NotFound: the workspace has no such dataset.
        Conflict: it has another version, or the slug is another's.
    """
    present = lock_dataset(conn, workspace_id, dataset_id)
    if version is not None and version != present.version:
        raise Conflict(
            f"Dataset {dataset_id} was changed meanwhile: its version is {present.version}, not "
            f"{version}. Read it again"
        )
    if not changes:
        return present
    other = find_dataset(conn, workspace_id, changes.get("slug", present.slug))
    if other is not None and other.id != dataset_id:
        raise _slug_taken(other.slug)
    values = {**changes, "version": present.version + 1, "updated_at": utc_now()}
    mine = document_datasets.c.id == dataset_id
    row = conn.execute(update(document_datasets).where(mine).values(values).returning(*_COLUMNS))
    return DocumentDataset(**row.mappings().one())


def know_width(conn: Connection, dataset_id: int, width: int) -> int:
    """Settle how many numbers the vectors of a dataset have; return what is settled.

    The first width stays as long as an entry has vectors, or is about to: what a pipeline has made
    of one that it still processes counts. Then another may come.
    """
    mine = document_datasets.c.id == dataset_id
    locked = select(document_datasets.c.embedding_width).where(mine).with_for_update()
    settled: int | None = conn.scalar(locked)
    if settled is not None and (settled == width or conn.scalar(_with_vectors(dataset_id))):
        return settled
    conn.execute(update(document_datasets).where(mine).values(embedding_width=width))
    return width


def delete_dataset(conn: Connection, workspace_id: str, dataset_id: int) -> None:
    """Remove a dataset with its entries, their files and all that is registered of them.

    Raises:
        NotFound: the workspace has no such dataset.
    """
    dataset = get_dataset(conn, workspace_id, dataset_id)
    keys = [*conn.scalars(_keys_of_files(dataset_id)), *conn.scalars(_keys_of_segments(dataset_id))]
    drop_blobs(conn, keys, utc_now())
    conn.execute(delete(document_datasets).where(document_datasets.c.id == dataset_id))
    drop_own_secret(conn, workspace_id, dataset.webhook_secret_id)


def _with_vectors(dataset_id: int) -> Select[tuple[int]]:
    """Find an entry of a dataset whose vectors are searched, or are made and not yet searched."""
    entries, files = document_entries.c, document_files.c
    return (
        select(entries.id)
        .join(document_files, files.entry_id == entries.id)
        .where(
            entries.dataset_id == dataset_id,
            files.file_name.like(_VECTOR_FILES),
            or_(
                and_(files.kind == FileKind.PROCESSED, entries.registration.is_not(None)),
                and_(files.kind == FileKind.PROCESSING, entries.status == EntryStatus.PROCESSING),
            ),
        )
        .limit(1)
    )


def _keys_of_files(dataset_id: int) -> Select[tuple[str]]:
    return (
        select(document_files.c.blob_key)
        .join(document_entries, document_entries.c.id == document_files.c.entry_id)
        .where(document_entries.c.dataset_id == dataset_id)
    )


def _keys_of_segments(dataset_id: int) -> Select[tuple[str]]:
    return (
        select(document_segment_files.c.key)
        .join(document_segments, document_segments.c.id == document_segment_files.c.segment_id)
        .where(document_segments.c.dataset_id == dataset_id)
    )


def _all(workspace_id: str) -> Select[Any]:
    return select(*_COLUMNS).where(document_datasets.c.workspace_id == workspace_id)


def _is_id(number: int) -> bool:
    return 0 < number <= NUMBER_MAX


def _slug_taken(slug: str) -> Conflict:
    return Conflict(f"A dataset with slug '{slug}' already exists")
