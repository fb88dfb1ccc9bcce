"""Answers with the bytes of a stored file: whole, one range, or several (RFC 9110, section 14)."""

import re
from collections.abc import Sequence

import orjson
from starlette.datastructures import Headers
from starlette.responses import FileResponse, Response
from starlette.types import Receive, Scope, Send
from typing_extensions import override

from catalog.document_model import EntryFile

_UNIT = re.compile(r"\s*bytes\s*=(.*)", re.IGNORECASE | re.DOTALL)
_RANGE = re.compile(r"[ \t]*([0-9]{0,18})[ \t]*-[ \t]*([0-9]{0,18})[ \t]*")


class StoredFile(FileResponse):
    """The bytes of a file of an entry.

    A Range header that is malformed, or of another unit, is left out of account, as the RFC has it.
    """

    chunk_size = 256 * 1024

    def __init__(self, file: EntryFile, path: str) -> None:
        headers = {"ETag": f'"{file.sha256}"', "Cache-Control": "private, no-cache"}
        super().__init__(path, media_type=file.mime_type, filename=file.file_name, headers=headers)
        self._size_bytes = file.size_bytes

    @override
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the answer."""
        asked = Headers(scope=scope)
        wanted = wanted_ranges(asked.get("range", ""), self._size_bytes)
        if wanted == [] and asked.get("if-range") in (None, self.headers["etag"]):
            await _refusal(self._size_bytes)(scope, receive, send)
            return
        kept = [(name, value) for name, value in scope["headers"] if name != b"range"]
        if wanted:
            kept.append((b"range", f"bytes={','.join(wanted)}".encode()))
        await super().__call__({**scope, "headers": kept}, receive, send)


def wanted_ranges(header: str, size_bytes: int) -> list[str] | None:
    """Return the ranges of a header that a file of this size has; None when the header is none.

    >>> wanted_ranges("bytes=0-1, -3,99-", 10), wanted_ranges("bytes=99-", 10)
    (['0-1', '-3'], [])
    >>> wanted_ranges("bytes=2-1", 10), wanted_ranges("lines=1-2", 10)
    (None, None)
    """
    unit = _UNIT.fullmatch(header)
    if unit is None:
        return None
    found = [_RANGE.fullmatch(part) for part in unit[1].split(",") if part.strip()]
    pairs = [match.groups() for match in found if match is not None]
    if not pairs or len(pairs) < len(found) or not all(map(_is_range, pairs)):
        return None
    return [f"{first}-{last}" for first, last in pairs if _is_there(first, last, size_bytes)]


def _is_range(pair: Sequence[str]) -> bool:
    first, last = pair
    return bool(first or last) and not (first and last and int(first) > int(last))


def _is_there(first: str, last: str, size_bytes: int) -> bool:
    return int(first) < size_bytes if first else int(last) > 0


def _refusal(size_bytes: int) -> Response:
    return Response(
        orjson.dumps({"detail": f"The file has {size_bytes} bytes, and none of this range"}),
        status_code=416,
        media_type="application/json",
        headers={"Content-Range": f"bytes */{size_bytes}"},
    )
