"""/v1/files: raw bytes on their way to becoming a dataset.

The body is never held: it flows in chunks from the socket to the blob store.
"""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.requests import Request

from catalog.model import Upload
from engine.service import uploads
from server.auth import Authorized
from server.limits import declared_size_bytes
from server.wire.fields import Closed, Timestamp
from server.wire.openapi import documented_errors

router = APIRouter(prefix="/v1/files", tags=["Uploads"])


class UploadBody(Closed):
    """An uploaded file; it feeds exactly one dataset."""

    id: str
    status: str
    size_bytes: int = Field(ge=0)
    content_type: str | None
    created_at: Timestamp

    @classmethod
    def of(cls, upload: Upload) -> "UploadBody":
        """Show an upload as clients see it."""
        return cls(
            id=upload.id,
            status=upload.status,
            size_bytes=upload.size_bytes,
            content_type=upload.content_type,
            created_at=upload.created_at,
        )


class UploadListing(Closed):
    """Every upload, newest first."""

    uploads: list[UploadBody]


@router.get("", operation_id="list_uploads", summary="List uploads", responses=documented_errors())
async def list_uploads(
    access: Authorized,
    status: Annotated[
        str | None, Query(description="pending, processing or consumed; others match nothing.")
    ] = None,
) -> UploadListing:
    """List the files of this workspace, newest first."""
    found = await uploads.list_uploads(access.engine, access.caller, status=status)
    return UploadListing(uploads=[UploadBody.of(upload) for upload in found])


@router.post(
    "",
    operation_id="upload_file",
    summary="Upload a file",
    status_code=201,
    responses=documented_errors(413),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/octet-stream": {
                    "schema": {"type": "string", "format": "binary"},
                    "example": "symbol,number\nH,1\nHe,2\n",
                }
            },
        }
    },
)
async def upload_file(
    request: Request,
    access: Authorized,
    streaming: Annotated[bool, Query(description="Allow up to 20 GB instead of 2 GB.")] = False,
) -> UploadBody:
    """Store the raw request body; its `Content-Type` is recorded and helps to guess the format."""
    upload = await uploads.create_upload(
        access.engine,
        access.caller,
        request.stream(),
        content_type=request.headers.get("content-type"),
        streaming=streaming,
        declared_size_bytes=declared_size_bytes(request),
    )
    return UploadBody.of(upload)
