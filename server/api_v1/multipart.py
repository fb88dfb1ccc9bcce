"""multipart/form-data as it arrives: short fields are kept, the bytes of the file flow through.

Nothing of the file is held here. The fields may stand before or after it, so they are whole only once the file
is read to its end.
"""

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from python_multipart import MultipartParser
from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import parse_options_header
from starlette.requests import Request

from server.api_v1.errors import BadRequest, Incomplete

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

FILE_FIELD = "file"
_FIELD_BYTES_MAX = 1 << 20
_FIELDS_MAX = 32
_HEADER_BYTES_MAX = 16 * 1024


class MultipartForm:
    """One form. Open it, read :meth:`file_chunks` to the end, then look at ``fields``.

    ``file_name`` is None when the form has no file.
    """

    def __init__(self, request: Request, boundary: bytes) -> None:
        self.fields: dict[str, str] = {}
        self.file_name: str | None = None
        self._stream = request.stream()
        self._parts = _Parts(self)
        self._parser = MultipartParser(boundary, self._parts.callbacks())

    @classmethod
    async def open(cls, request: Request) -> "MultipartForm":
        """Read a form up to the first bytes of its file, or to its end.

        Raises:
            BadRequest: the body is no form.
        """
        kind, options = parse_options_header(request.headers.get("content-type", ""))
        boundary = options.get(b"boundary")
        if kind != b"multipart/form-data" or not boundary or len(boundary) > 200:  # noqa: PLR2004 - RFC 2046 has 70
            raise BadRequest("The body must be multipart/form-data with a boundary")
        form = cls(request, boundary)
        while form.file_name is None and await form._read():
            pass
        return form

    async def file_chunks(self) -> AsyncIterator[bytes]:
        """Yield the bytes of the file; then all fields are there.

        Raises:
            BadRequest: the body is no form, or ends in the middle.
        """
        while True:
            for chunk in self._parts.take():
                yield chunk
            if not await self._read():
                break
        for chunk in self._parts.take():
            yield chunk
        if not self._parts.is_over:
            raise BadRequest("The form ends before its closing boundary")

    def missing(self, field: str) -> Incomplete:
        """Return the error for a field that is not there."""
        return Incomplete([{"loc": ("body", field), "msg": "Field required", "type": "missing"}])

    async def _read(self) -> bool:
        """Read some more; False at the end."""
        async for chunk in self._stream:
            if chunk:
                try:
                    self._parser.write(chunk)
                except MultipartParseError as error:
                    raise BadRequest("The body is no valid multipart/form-data") from error
                return True
        return False


class _Parts:
    """What the parser says of the parts."""

    def __init__(self, form: MultipartForm) -> None:
        self._form = form
        self._chunks: list[bytes] = []
        self._header = [bytearray(), bytearray()]
        self._disposition = b""
        self._name = ""
        self._value = bytearray()
        self._is_file = False
        self._header_bytes = 0
        self.is_over = False

    def callbacks(self) -> "MultipartCallbacks":
        return {
            "on_part_begin": self._begin,
            "on_header_field": lambda data, start, end: self._add(0, data[start:end]),
            "on_header_value": lambda data, start, end: self._add(1, data[start:end]),
            "on_header_end": self._end_header,
            "on_headers_finished": self._end_headers,
            "on_part_data": lambda data, start, end: self._take_data(data[start:end]),
            "on_part_end": self._end,
            "on_end": self._finish,
        }

    def take(self) -> list[bytes]:
        chunks, self._chunks = self._chunks, []
        return chunks

    def _begin(self) -> None:
        self._disposition, self._name, self._is_file = b"", "", False
        self._value = bytearray()
        self._header_bytes = 0

    def _add(self, place: int, data: bytes) -> None:
        self._header_bytes += len(data)
        if self._header_bytes > _HEADER_BYTES_MAX:
            raise BadRequest("The headers of a part are too large")
        self._header[place] += data

    def _end_header(self) -> None:
        name, value = self._header
        if bytes(name).lower() == b"content-disposition":
            self._disposition = bytes(value)
        self._header = [bytearray(), bytearray()]

    def _end_headers(self) -> None:
        _, options = parse_options_header(self._disposition)
        self._name = options.get(b"name", b"").decode("utf-8", "replace")
        file_name = options.get(b"filename")
        if self._name == FILE_FIELD:
            if self._form.file_name is not None:
                raise BadRequest("The form has more than one file")
            self._is_file = True
            self._form.file_name = (file_name or b"").decode("utf-8", "replace")
        elif file_name is not None:
            raise BadRequest(f"The file must be in the field '{FILE_FIELD}'")

    def _take_data(self, data: bytes) -> None:
        if self._is_file:
            self._chunks.append(bytes(data))
            return
        if len(self._value) + len(data) > _FIELD_BYTES_MAX:
            raise BadRequest(f"The field '{self._name[:100]}' is too large")
        self._value += data

    def _end(self) -> None:
        if self._is_file:
            return
        if len(self._form.fields) >= _FIELDS_MAX:
            raise BadRequest("The form has too many fields")
        try:
            self._form.fields[self._name] = self._value.decode()
        except UnicodeDecodeError:
            raise BadRequest(f"The field '{self._name[:100]}' is not UTF-8") from None

    def _finish(self) -> None:
        self.is_over = True
