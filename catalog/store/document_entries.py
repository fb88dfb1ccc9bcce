"""Entries of document datasets, and their files.

The invariant: a status changes in :func:`change_entry` alone, which records the notification of it in the
same transaction. What belongs to an earlier run of the pipeline changes nothing any more.
"""

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, delete, func, or_, select, tuple_, update
from sqlalchemy.exc import IntegrityError

from catalog.document_model import Entry, EntryFile, EntryStatus, FileKind
from catalog.document_tables import document_entries, document_files
from catalog.errors import Conflict, NotFound, Superseded
from catalog.store.document_datasets import NUMBER_MAX
from catalog.store.document_deliveries import record_change
from catalog.store.dropped import drop_blobs
from catalog.store.rows import columns_of, utc_now

_COLUMNS = columns_of(document_entries, Entry)
_FILE = columns_of(document_files, EntryFile)
# Of one statement; SQLite binds at most some thousands of values.
_IDS_MAX = 500


def insert_entry(conn: Connection, workspace_id: str, values: Mapping[str, Any]) -> Entry:
    """Make an entry of the fields a client chooses; the caller has seen that its dataset is there.

    Raises:
        Conflict: the dataset has one of this slug.
        NotFound: the dataset was removed meanwhile.
    """
    dataset_id, slug = values["dataset_id"], values["slug"]
    check_slug(conn, dataset_id, slug)
    now = utc_now()
    made = {
        **values,
        "workspace_id": workspace_id,
        "status": EntryStatus.PENDING,
        "run": 0,
        "steps": (),
        "facts": {},
        "created_at": now,
        "updated_at": now,
    }
    try:
        row = conn.execute(document_entries.insert().values(made).returning(*_COLUMNS))
    except IntegrityError as error:
        # The transaction may not be asked any more; both databases say which rule was broken.
        if "foreign key" in str(error.orig).lower():
            raise NotFound(f"Dataset with id {dataset_id} not found") from error
        raise _slug_taken(slug) from error
    return Entry(**row.mappings().one())


def check_slug(conn: Connection, dataset_id: int, slug: str) -> None:
    """See that a dataset has no entry of a slug yet; raise ``Conflict``."""
    if conn.scalar(_is_taken(dataset_id, slug)):
        raise _slug_taken(slug)


def get_entry(conn: Connection, workspace_id: str, entry_id: int) -> Entry:
    """Return an entry.

    Raises:
        NotFound: the workspace has no such entry.
    """
    found = list_entries(conn, workspace_id, ids=[entry_id])
    if not found:
        raise NotFound(f"Entry with id {entry_id} not found")
    return found[0]


def list_entries(conn: Connection, workspace_id: str, *, ids: Collection[int]) -> tuple[Entry, ...]:
    """Return those of some entries that the workspace has, newest first."""
    wanted = sorted(each for each in set(ids) if 0 < each <= NUMBER_MAX)
    found: list[Entry] = []
    for start in range(0, len(wanted), _IDS_MAX):
        part = wanted[start : start + _IDS_MAX]
        query = _all(workspace_id).where(document_entries.c.id.in_(part))
        found.extend(Entry(**row) for row in conn.execute(query).mappings())
    return tuple(sorted(found, key=lambda entry: (entry.created_at, entry.id), reverse=True))


def page_entries(  # noqa: PLR0913 - the filters of one listing, all keyword
    conn: Connection,
    workspace_id: str,
    *,
    dataset_id: int | None = None,
    ids: Sequence[int] | None = None,
    status: EntryStatus | None = None,
    slugs: Sequence[str] | None = None,
    limit: int,
    offset: int,
) -> tuple[int, tuple[Entry, ...]]:
    """Return how many entries pass the filters, and one page of them, newest first."""
    conditions: list[ColumnElement[bool]] = [document_entries.c.workspace_id == workspace_id]
    if dataset_id is not None:
        conditions.append(document_entries.c.dataset_id == min(max(dataset_id, 0), NUMBER_MAX))
    if ids is not None:
        wanted = [each for each in ids if 0 < each <= NUMBER_MAX]
        conditions.append(document_entries.c.id.in_(wanted))
    if status is not None:
        conditions.append(document_entries.c.status == status)
    if slugs is not None:
        conditions.append(document_entries.c.slug.in_(slugs))
    total = conn.scalar(select(func.count()).select_from(document_entries).where(*conditions)) or 0
    order = (document_entries.c.created_at.desc(), document_entries.c.id.desc())
    query = select(*_COLUMNS).where(*conditions).order_by(*order).limit(limit).offset(offset)
    return total, tuple(Entry(**row) for row in conn.execute(query).mappings())


def change_entry(
    conn: Connection,
    workspace_id: str,
    entry_id: int,
    changes: Mapping[str, Any],
    *,
    statuses: Collection[EntryStatus] | None = None,
    run: int | None = None,
) -> Entry:
    """Change some of an entry; a new status is told to the webhook of its dataset.

    Args:
        conn: where.
        workspace_id: whose.
        entry_id: which.
        changes: columns with their values.
        statuses: those it may have now; None = any.
        run: the run of the pipeline that it must be in; None = any.

    Raises:
        NotFound: the workspace has no such entry.
        Conflict: it has another status.
        Superseded: it is in another run.
    """
    before = lock_entry(conn, workspace_id, entry_id)
    if run is not None and before.run != run:
        raise Superseded(f"Entry {entry_id} is being processed anew")
    if statuses is not None and before.status not in statuses:
        raise Conflict(f"Entry {entry_id} has status '{before.status}'")
    values = {**changes, "updated_at": utc_now()}
    mine = document_entries.c.id == entry_id
    try:
        row = conn.execute(update(document_entries).where(mine).values(values).returning(*_COLUMNS))
    except IntegrityError as error:
        raise _slug_taken(str(changes.get("slug"))) from error
    after = Entry(**row.mappings().one())
    if after.status is not before.status:
        record_change(conn, before, after)
    return after


def delete_entry(conn: Connection, workspace_id: str, entry_id: int) -> Entry:
    """Remove an entry with its files; what is registered of it is dead from now on.

    Raises:
        NotFound: the workspace has no such entry.
    """
    entry = lock_entry(conn, workspace_id, entry_id)
    keys = conn.scalars(
        select(document_files.c.blob_key).where(document_files.c.entry_id == entry_id)
    )
    drop_blobs(conn, keys.all(), utc_now())
    conn.execute(delete(document_entries).where(document_entries.c.id == entry_id))
    return entry


def put_files(conn: Connection, files: Sequence[EntryFile]) -> None:
    """Record files whose bytes are stored; each replaces the one of its entry and key, or of its blob."""
    for start in range(0, len(files), _IDS_MAX):
        part = files[start : start + _IDS_MAX]
        _drop_files(
            conn,
            or_(
                tuple_(document_files.c.entry_id, document_files.c.key).in_(
                    [(file.entry_id, file.key) for file in part]
                ),
                document_files.c.blob_key.in_([file.blob_key for file in part]),
            ),
        )
        rows = [{column.name: getattr(file, column.name) for column in _FILE} for file in part]
        conn.execute(document_files.insert(), rows)


def list_files(
    conn: Connection, workspace_id: str, entry_ids: Collection[int]
) -> dict[int, tuple[EntryFile, ...]]:
    """Return the files of entries, by entry, each in the order they came."""
    found: dict[int, list[EntryFile]] = {}
    wanted = sorted(entry_ids)
    for start in range(0, len(wanted), _IDS_MAX):
        query = (
            select(*_FILE)
            .where(
                document_files.c.workspace_id == workspace_id,
                document_files.c.entry_id.in_(wanted[start : start + _IDS_MAX]),
            )
            .order_by(document_files.c.created_at, document_files.c.key)
        )
        for row in conn.execute(query).mappings():
            found.setdefault(row["entry_id"], []).append(EntryFile(**row))
    return {entry_id: tuple(files) for entry_id, files in found.items()}


def drop_files(
    conn: Connection, entry_id: int, kinds: Collection[FileKind], *, keep: Collection[str] = ()
) -> None:
    """Forget the files of an entry of some kinds, but for those of some keys."""
    _drop_files(
        conn,
        document_files.c.entry_id == entry_id,
        document_files.c.kind.in_(kinds),
        document_files.c.key.not_in(keep),
    )


def expire_files(conn: Connection, now: datetime) -> int:
    """Forget the files whose time has passed, but for what a pipeline still needs; return how many."""
    processing = select(document_entries.c.id).where(
        document_entries.c.status == EntryStatus.PROCESSING
    )
    return _drop_files(
        conn,
        document_files.c.expires_at <= now,
        document_files.c.entry_id.not_in(processing),
    )


def forget_uploading(conn: Connection, before: datetime) -> int:
    """Let entries wait for a file again whose upload began before a moment; return how many.

    A crash has cut them off: an upload that goes on makes its entry ``uploaded`` all the same.
    """
    cut = select(document_entries.c.workspace_id, document_entries.c.id).where(
        document_entries.c.status == EntryStatus.UPLOADING,
        document_entries.c.updated_at < before,
    )
    rows = conn.execute(cut).all()
    for workspace_id, entry_id in rows:
        with suppress(Conflict, NotFound):  # it has come after all, or is gone
            change_entry(
                conn,
                workspace_id,
                entry_id,
                {"status": EntryStatus.PENDING},
                statuses=[EntryStatus.UPLOADING],
            )
    return len(rows)


def _drop_files(conn: Connection, *conditions: ColumnElement[bool]) -> int:
    dropped = delete(document_files).where(*conditions).returning(document_files.c.blob_key)
    keys = conn.scalars(dropped).all()
    drop_blobs(conn, keys, utc_now())
    return len(keys)


def lock_entry(conn: Connection, workspace_id: str, entry_id: int) -> Entry:
    """Return an entry that nobody else changes until the transaction ends.

    Raises:
        NotFound: the workspace has no such entry.
    """
    if not 0 < entry_id <= NUMBER_MAX:
        raise NotFound(f"Entry with id {entry_id} not found")
    query = _all(workspace_id).where(document_entries.c.id == entry_id).with_for_update()
    row = conn.execute(query).mappings().first()
    if row is None:
        raise NotFound(f"Entry with id {entry_id} not found")
    return Entry(**row)


def _is_taken(dataset_id: int, slug: str) -> Select[tuple[int]]:
    return select(document_entries.c.id).where(
        document_entries.c.dataset_id == dataset_id, document_entries.c.slug == slug
    )


def _all(workspace_id: str) -> Select[Any]:
    return select(*_COLUMNS).where(document_entries.c.workspace_id == workspace_id)


def _slug_taken(slug: str) -> Conflict:
    return Conflict(f"An entry with slug '{slug}' already exists in this dataset")
