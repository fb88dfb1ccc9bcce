"""HTTP/1.1 as uvicorn reads it, with a bound on the head of a request and our own error bodies.

What is refused here never becomes a request: it is not HTTP, or its head does not end. The trap:
the parser hands over a head only when it is whole, so its bytes are counted as they arrive.
"""

import secrets
from http import HTTPStatus

import structlog
from typing_extensions import override
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from engine.errors import EngineError
from server.errors import HeadTooLarge, NotHttp, render

HEAD_BYTES_MAX = 64 * 1024

_log = structlog.get_logger()


class HttpProtocol(HttpToolsProtocol):
    """One connection."""

    _is_in_head = False
    _head_bytes = 0

    @override
    def data_received(self, data: bytes) -> None:
        """Parse what came; refuse a head that does not end."""
        super().data_received(data)
        if self._is_in_head:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES_MAX and not self.transport.is_closing():
                self._refuse(HeadTooLarge())

    @override
    def on_message_begin(self) -> None:
        """Count the head that begins here."""
        self._is_in_head, self._head_bytes = True, 0
        super().on_message_begin()

    @override
    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a field of the head; those after a chunked body are read and dropped."""
        if self._is_in_head:
            super().on_header(name, value)

    @override
    def on_headers_complete(self) -> None:
        """Start the request."""
        self._is_in_head = False
        super().on_headers_complete()

    @override
    def send_400_response(self, msg: str) -> None:
        """Answer what is not HTTP in the words of the API."""
        self._refuse(NotHttp())

    def _refuse(self, error: EngineError) -> None:
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is not None and cycle.response_started and not cycle.response_complete:
            self.transport.abort()  # half an answer has left: it must not look whole
            return
        request_id = secrets.token_hex(8)
        response = render(error, path="/", request_id=request_id)
        response.headers.update({"x-request-id": request_id, "connection": "close"})
        status = HTTPStatus(response.status_code)
        _log.info("http.refused", status=status.value, request_id=request_id)
        head = f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode()
        lines = b"".join(name + b": " + value + b"\r\n" for name, value in response.raw_headers)
        self.transport.write(head + lines + b"\r\n" + bytes(response.body))
        self.transport.close()
