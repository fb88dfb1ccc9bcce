"""HTTP/1.1 as uvicorn reads it, with bounds on what is not body and our own error bodies.

Bytes that are no HTTP, a head or trailer over its bound, and a field that does not end are answered
here in the words of the API. The trap: the parser hands over a field only when it is whole, so
bytes that lead to nothing are counted as they arrive. Another: a socket that is closed with unread
bytes loses the answer, so what still comes after a refusal is read for a moment and dropped.
"""

import re
import secrets
from http import HTTPStatus

import structlog
from typing_extensions import override
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from engine.errors import EngineError
from server.errors import HeadTooLarge, NotHttp, render

HEAD_BYTES_MAX = 64 * 1024
"""Of the URL and the fields before a body, and of the fields after it; so much again may wait for
the rest of an unfinished field."""
_FIELD_SYNTAX_BYTES = 4
_LINGER_S = 2.0
_LINGER_BYTES = 1 << 20
_UPGRADE = re.compile(rb"\r\nupgrade:", re.IGNORECASE)

_log = structlog.get_logger()


class HttpProtocol(HttpToolsProtocol):
    """One connection."""

    _is_in_message = False
    _is_in_head = False
    _head_bytes = 0
    _waiting_bytes = 0
    _has_progress = False
    _is_refused = False
    _dropped_bytes = 0

    @override
    def data_received(self, data: bytes) -> None:
        """Parse what came; refuse a field that does not end."""
        if self._is_refused:
            self._drop(data)
            return
        if self.transport.is_closing():
            return
        if not self._is_in_message:
            data = _without_upgrade(data)
        self._has_progress = False
        super().data_received(data)
        self._waiting_bytes = 0 if self._has_progress else self._waiting_bytes + len(data)
        if self._waiting_bytes > HEAD_BYTES_MAX:
            self._refuse(HeadTooLarge())

    @override
    def on_message_begin(self) -> None:
        """Count the head that begins here."""
        self._is_in_message = self._is_in_head = self._has_progress = True
        self._head_bytes = 0
        super().on_message_begin()

    @override
    def on_url(self, url: bytes) -> None:
        """Take a part of the URL."""
        self._count(len(url))
        super().on_url(url)

    @override
    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a field of the head; those after a chunked body are read and dropped."""
        self._count(len(name) + len(value) + _FIELD_SYNTAX_BYTES)
        if self._is_in_head:
            super().on_header(name, value)

    @override
    def on_headers_complete(self) -> None:
        """Start the request."""
        # Hidden where it can be: see `_without_upgrade`. Here the parser would drop the body.
        if self.parser.should_upgrade() and any(map(_announces_body, self.headers)):
            raise NotHttp
        self._is_in_head, self._head_bytes = False, 0
        super().on_headers_complete()

    @override
    def on_body(self, body: bytes) -> None:
        """Take a part of the body; its size is the route's concern."""
        self._has_progress = True
        super().on_body(body)

    @override
    def on_message_complete(self) -> None:
        """End the request."""
        self._is_in_message, self._has_progress = False, True
        super().on_message_complete()

    @override
    def send_400_response(self, msg: str) -> None:
        """Answer what the parser or a bound refused, in the words of the API."""
        self._refuse(HeadTooLarge() if self._head_bytes > HEAD_BYTES_MAX else NotHttp())

    def _count(self, size_bytes: int) -> None:
        self._has_progress = True
        self._head_bytes += size_bytes
        if self._head_bytes > HEAD_BYTES_MAX:
            raise HeadTooLarge  # the parser stops, and asks for the answer

    def _refuse(self, error: EngineError) -> None:
        if self._is_refused or self.transport.is_closing():
            return
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is not None and not cycle.response_complete:
            # An answer inside another one, or to the wrong request, would be read as that.
            is_other = cycle.response_started or not cycle.more_body
            if self.pipeline or is_other:
                self.transport.abort()
                return
        request_id = secrets.token_hex(8)
        response = render(error, path="/", request_id=request_id)
        response.headers.update({"x-request-id": request_id, "connection": "close"})
        status = HTTPStatus(response.status_code)
        _log.info("http.refused", status=status.value, request_id=request_id)
        head = f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode()
        lines = b"".join(name + b": " + value + b"\r\n" for name, value in response.raw_headers)
        self.transport.write(head + lines + b"\r\n" + bytes(response.body))
        self._linger()

    def _linger(self) -> None:
        """Close once the other side has read the answer, or soon anyway."""
        self._is_refused = True
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is not None and not cycle.response_complete:
            cycle.disconnected = True
            cycle.message_event.set()
        self._unset_keepalive_if_required()
        self.transport.resume_reading()
        if self.transport.can_write_eof():
            self.transport.write_eof()
            self.loop.call_later(_LINGER_S, self.transport.close)
        else:
            self.transport.close()

    def _drop(self, data: bytes) -> None:
        self._dropped_bytes += len(data)
        if self._dropped_bytes > _LINGER_BYTES:
            self.transport.abort()


def _announces_body(field: tuple[bytes, bytes]) -> bool:
    name, value = field
    return name == b"transfer-encoding" or (name == b"content-length" and value.strip() != b"0")


def _without_upgrade(data: bytes) -> bytes:
    r"""Hide a wish for another protocol, which a server may ignore: the parser would drop the body.

    >>> _without_upgrade(b"POST / HTTP/1.1\r\nUpgrade: h2c\r\n\r\nUpgrade: 1")
    b'POST / HTTP/1.1\r\nx-upgrade: h2c\r\n\r\nUpgrade: 1'
    """
    head, end, rest = data.partition(b"\r\n\r\n")
    return _UPGRADE.sub(b"\r\nx-upgrade:", head) + end + rest if _UPGRADE.search(head) else data
