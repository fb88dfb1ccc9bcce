"""Makers of catalog values with sensible fields."""

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from catalog.ids import IdKind, new_id, snapshot_id
from catalog.model import (
    DatasetVersion,
    QueryRun,
    Result,
    ResultStatus,
    RunStatus,
    StoredFile,
    Upload,
    UploadStatus,
)

NOON = datetime(2026, 1, 2, 12, 0, 0, 123_456, tzinfo=UTC)


def make_upload(workspace_id: str, **changes: Any) -> Upload:
    upload_id = new_id(IdKind.UPLOAD)
    values: dict[str, Any] = {
        "id": upload_id,
        "workspace_id": workspace_id,
        "status": UploadStatus.PENDING,
        "size_bytes": 12,
        "content_type": "text/csv",
        "blob_key": f"uploads/{upload_id}",
        "created_at": NOON,
        "expires_at": NOON + timedelta(days=7),
    }
    return Upload(**(values | changes))


def make_version(
    workspace_id: str, dataset_id: str | None = None, **changes: Any
) -> DatasetVersion:
    dataset_id = dataset_id or new_id(IdKind.DATASET)
    version_id = new_id(IdKind.DATASET_VERSION)
    values: dict[str, Any] = {
        "id": version_id,
        "dataset_id": dataset_id,
        "workspace_id": workspace_id,
        "version": 1,
        "source_type": "upload",
        "files": (
            StoredFile(f"datasets/{dataset_id}/{version_id}/part-1.parquet", 100, 7),
            StoredFile(f"datasets/{dataset_id}/{version_id}/part-0.parquet", 90, 5),
        ),
        "schema_ipc": b"\x00\xff schema",
        "sort_columns": ("a", "b"),
        "row_count": 12,
        "created_at": NOON,
    }
    return DatasetVersion(**(values | changes))


def make_run(workspace_id: str, sql: str = "SELECT 1", **changes: Any) -> QueryRun:
    sql_hash = hashlib.sha256(sql.encode()).hexdigest()
    values: dict[str, Any] = {
        "id": new_id(IdKind.QUERY_RUN),
        "workspace_id": workspace_id,
        "status": RunStatus.RUNNING,
        "snapshot_id": snapshot_id(workspace_id, sql_hash),
        "sql_text": sql,
        "sql_hash": sql_hash,
        "door": "http",
        "owner": "server-1",
        "created_at": NOON,
    }
    return QueryRun(**(values | changes))


def make_result(workspace_id: str, **changes: Any) -> Result:
    values: dict[str, Any] = {
        "id": new_id(IdKind.RESULT),
        "workspace_id": workspace_id,
        "status": ResultStatus.PROCESSING,
        "created_at": NOON,
        "owner": "server-1",
    }
    return Result(**(values | changes))


def read_folder(folder: Path) -> bytes:
    """All bytes of all files below a folder."""
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
