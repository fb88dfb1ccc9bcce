"""Uploads: files a client sent, each of which feeds exactly one dataset.

pending -> processing (claimed by a dataset under construction) -> consumed, or back to pending.
The invariant is kept by ``consume_upload``: only a claimed upload is consumed, and only once, in
the transaction that creates the dataset.
"""

from datetime import datetime

from sqlalchemy import Connection, RowMapping, delete, select, text, update

from catalog.errors import Conflict, InvalidValue, NotFound
from catalog.model import Upload, UploadStatus
from catalog.store.dropped import drop_blobs
from catalog.store.rows import columns_of
from catalog.tables import PENDING_UPLOAD, uploads

_COLUMNS = columns_of(uploads, Upload)


def insert_upload(conn: Connection, upload: Upload) -> None:
    """Record a file whose bytes are already in the blob store."""
    conn.execute(uploads.insert().values({c: getattr(upload, c.name) for c in _COLUMNS}))


def get_upload(conn: Connection, workspace_id: str, upload_id: str) -> Upload:
    """Return an upload.

    Raises:
        NotFound: the workspace has no such upload.
    """
    upload = _find(conn, workspace_id, upload_id)
    if upload is None:
        raise NotFound.of("Upload", upload_id)
    return upload


def list_uploads(
    conn: Connection, workspace_id: str, *, status: str | None = None
) -> tuple[Upload, ...]:
    """Return the uploads of a workspace, newest first; an unknown status matches none."""
    query = (
        select(*_COLUMNS)
        .where(uploads.c.workspace_id == workspace_id)
        .order_by(uploads.c.created_at.desc(), uploads.c.id.desc())
    )
    if status is not None:
        if status not in set(UploadStatus):
            return ()
        query = query.where(uploads.c.status == UploadStatus(status))
    return tuple(_upload(row) for row in conn.execute(query).mappings())


def claim_upload(conn: Connection, workspace_id: str, upload_id: str) -> Upload:
    """Take a pending upload for one dataset; of many callers exactly one succeeds.

    Raises:
        Conflict: another dataset is being made of it.
        InvalidValue: it is unknown, or was consumed.
    """
    if _move(conn, workspace_id, upload_id, UploadStatus.PENDING, UploadStatus.PROCESSING):
        return get_upload(conn, workspace_id, upload_id)
    raise _not_claimable(conn, workspace_id, upload_id)


def consume_upload(conn: Connection, workspace_id: str, upload_id: str) -> None:
    """Mark a claimed upload as used up.

    Raises:
        Conflict: the claim was lost and another dataset holds or waits for the upload.
        InvalidValue: it is unknown, or was consumed.
    """
    if not _move(conn, workspace_id, upload_id, UploadStatus.PROCESSING, UploadStatus.CONSUMED):
        raise _not_claimable(conn, workspace_id, upload_id)


def release_upload(conn: Connection, workspace_id: str, upload_id: str) -> None:
    """Give a claimed upload back; nothing happens when it is not claimed."""
    _move(conn, workspace_id, upload_id, UploadStatus.PROCESSING, UploadStatus.PENDING)


def release_all_claims(conn: Connection) -> int:
    """Give back every claimed upload, at start-up; return how many.

    A second server that still converts one of them is safe: the first to consume wins.
    """
    released = conn.execute(
        update(uploads)
        .where(uploads.c.status == UploadStatus.PROCESSING)
        .values(status=UploadStatus.PENDING)
    )
    return released.rowcount


def expire_uploads(conn: Connection, now: datetime) -> tuple[str, ...]:
    """Delete the pending uploads whose time has passed.

    Returns:
        The keys of their blobs, which garbage collection deletes after its grace.
    """
    keys = conn.scalars(
        delete(uploads)
        .where(text(PENDING_UPLOAD), uploads.c.expires_at <= now)
        .returning(uploads.c.blob_key)
    ).all()
    drop_blobs(conn, keys, now)
    return tuple(keys)


def _move(
    conn: Connection, workspace_id: str, upload_id: str, before: UploadStatus, after: UploadStatus
) -> bool:
    moved = conn.execute(
        update(uploads)
        .where(
            uploads.c.workspace_id == workspace_id,
            uploads.c.id == upload_id,
            uploads.c.status == before,
        )
        .values(status=after)
    )
    return moved.rowcount == 1


def _not_claimable(conn: Connection, workspace_id: str, upload_id: str) -> InvalidValue | Conflict:
    upload = _find(conn, workspace_id, upload_id)
    if upload is None:
        return InvalidValue(f"Upload '{upload_id}' not found")
    if upload.status is UploadStatus.CONSUMED:
        return InvalidValue(f"Upload '{upload_id}' has already been consumed")
    return Conflict(f"Upload '{upload_id}' is being processed")


def _find(conn: Connection, workspace_id: str, upload_id: str) -> Upload | None:
    query = select(*_COLUMNS).where(
        uploads.c.workspace_id == workspace_id, uploads.c.id == upload_id
    )
    row = conn.execute(query).mappings().first()
    return None if row is None else _upload(row)


def _upload(row: RowMapping) -> Upload:
    return Upload(**row)
