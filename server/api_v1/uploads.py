"""Files in and out: entries with a file at once, uploads to entries, downloads with ranges."""

from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import FileResponse

from catalog.document_model import FileKind
from engine.service.documents import entries, files
from engine.service.documents.entries import NewEntry
from engine.service.documents.files import Staged
from server.api_v1.access import Authorized
from server.api_v1.bodies import JsonBody, check_storable, check_value
from server.api_v1.documented import EntryId, documented
from server.api_v1.entry_bodies import (
    EntryBody,
    EntryCreated,
    EntryCreateRequest,
    FileBody,
    UploadBody,
    failed_word,
)
from server.api_v1.errors import Incomplete
from server.api_v1.multipart import MultipartForm
from server.api_v1.ranges import StoredFile
from server.auth import Access
from server.door import door_of

router = APIRouter(prefix="/entries", tags=["Files"])

_EXAMPLE = {
    "dataset_id": 1,
    "name": "My Research Paper",
    "slug": "my-research-paper",
    "description": "Uploaded via SDK",
    "metadata": {"source": "sdk-upload"},
}
_created = JsonBody(EntryCreateRequest, example=_EXAMPLE)
_FORM_FIELDS: dict[str, Any] = {
    "file": {"type": "string", "format": "binary"},
    "file_type": {
        "type": "string",
        "enum": [str(kind) for kind in FileKind],
        "default": "original",
    },
}
_ENTRY_FORM: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            **_created.content,
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {
                        **{name: {"type": "string"} for name in _EXAMPLE},
                        "file": _FORM_FIELDS["file"],
                    },
                    "required": ["dataset_id", "name", "slug", "file"],
                },
                "example": {**_EXAMPLE, "metadata": "{}", "file": "bytes"},
            },
        },
    }
}
_UPLOAD_FORM: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": _FORM_FIELDS,
                    "required": ["file"],
                },
                "example": {"file": "bytes", "file_type": "original"},
            }
        },
    }
}


@router.post(
    "",
    summary="Create an entry",
    status_code=201,
    responses=documented(404, 409, 413, 422),
    openapi_extra=_ENTRY_FORM,
)
async def create_entry(request: Request, access: Authorized) -> EntryCreated:
    """Make an entry: as JSON, and its file is uploaded afterwards; or as a form with its file."""
    content_type = request.headers.get("content-type", "")
    if content_type.lower().startswith("multipart/"):
        return await _create_with_file(request, access)
    asked = _asked(await _created(request))
    detail = await entries.create_entry(access.engine, access.caller, asked)
    return EntryCreated(entry=EntryBody.of(detail, failed_word(request)))


@router.post(
    "/{entry_id:entry}/upload",
    summary="Upload a file to an entry",
    responses=documented(404, 413, 422),
    openapi_extra=_UPLOAD_FORM,
)
async def upload_file_to_entry(
    request: Request, access: Authorized, entry_id: EntryId
) -> UploadBody:
    """Store a file of at most 100 MB. An original starts the pipeline, unless that is manual."""
    await files.begin_upload(access.engine, access.caller, entry_id)
    try:
        form, staged = await _receive(request, access)
        try:
            kind = _kind_of(form.fields.get("file_type"))
            uploaded = await files.keep_upload(access.engine, access.caller, entry_id, staged, kind)
        finally:
            staged.path.unlink(missing_ok=True)
    except BaseException:
        await files.abandon_upload(access.engine, access.caller, entry_id)
        raise
    found = await entries.get_entry(access.engine, access.caller, entry_id)
    body = EntryBody.of(found, failed_word(request))
    return UploadBody(
        entry_id=entry_id,
        status=body.status,
        file=FileBody.of(uploaded.file),
        entry=body,
        workflow_name=uploaded.entry.workflow_name,
    )


@router.get(
    "/{entry_id:entry}/download",
    summary="Download a file of an entry",
    response_class=FileResponse,
    responses={
        200: {
            "description": "The bytes.",
            "content": {"*/*": {"schema": {"type": "string", "format": "binary"}}},
        },
        206: {
            "description": "A range of the bytes.",
            "content": {"*/*": {"schema": {"type": "string", "format": "binary"}}},
        },
        **documented(404, 416, 422),
    },
)
async def download_entry_file(
    access: Authorized,
    entry_id: EntryId,
    file_type: Annotated[
        str | None,
        Query(max_length=50, description="original (unless told), processing or processed."),
    ] = None,
    key: Annotated[
        str | None, Query(max_length=2000, description="Of the file in the manifest.")
    ] = None,
    file_name: Annotated[
        str | None, Query(max_length=500, description="Such as figure-1.png.")
    ] = None,
) -> StoredFile:
    """Return the bytes of a file: the newest original, unless told otherwise. Ranges are served."""
    kind = None if file_type is None else _kind_of(file_type)
    file, path = await files.find_file(
        access.engine, access.caller, entry_id, kind=kind, key=key, file_name=file_name
    )
    return StoredFile(file, str(path))


async def _create_with_file(request: Request, access: Access) -> EntryCreated:
    form, staged = await _receive(request, access)
    try:
        asked = _asked(check_value(EntryCreateRequest, _fields_of(form)))
        made = await files.create_with_file(access.engine, access.caller, asked, staged)
    finally:
        staged.path.unlink(missing_ok=True)
    found = await entries.get_entry(access.engine, access.caller, made.entry.id)
    return EntryCreated(entry=EntryBody.of(found, failed_word(request)))


async def _receive(request: Request, access: Access) -> tuple[MultipartForm, Staged]:
    form = await MultipartForm.open(request)
    if form.file_name is None:
        raise form.missing("file")
    limit = door_of(request).settings.document_size_max_bytes
    staged = await files.receive(
        access.engine, form.file_chunks(), file_name=form.file_name, size_max_bytes=limit
    )
    return form, staged


def _fields_of(form: MultipartForm) -> dict[str, Any]:
    fields: dict[str, Any] = dict(form.fields)
    if "metadata" in fields:
        try:
            fields["metadata"] = orjson.loads(fields["metadata"])
        except orjson.JSONDecodeError:
            problem = {"loc": ("body", "metadata"), "msg": "Must be JSON", "type": "json_invalid"}
            raise Incomplete([problem]) from None
    check_storable(fields)
    return fields


def _kind_of(text: str | None) -> FileKind:
    if text is None:
        return FileKind.ORIGINAL
    if text not in set(FileKind):
        message = f"Must be one of {', '.join(FileKind)}"
        raise Incomplete([{"loc": ("body", "file_type"), "msg": message, "type": "enum"}])
    return FileKind(text)


def _asked(body: EntryCreateRequest) -> NewEntry:
    return NewEntry(
        dataset_id=body.dataset_id,
        name=body.name,
        slug=body.slug,
        description=body.description or "",
        metadata=body.metadata,
    )
