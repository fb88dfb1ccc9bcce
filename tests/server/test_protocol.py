"""What comes over a raw socket: bytes that are no request get an answer of the usual shape."""

import json
import socket
from http.client import HTTPResponse
from urllib.parse import urlsplit

import pytest

from server.protocol import HEAD_BYTES_MAX
from tests.server.running import TOKEN, RunningServer

pytestmark = pytest.mark.system

_TIMEOUT_S = 30
_QUERY = (
    "POST /v1/query HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "
    f"{TOKEN}\r\nContent-Type: application/json\r\n"
).encode()


def send(server: RunningServer, *parts: bytes) -> HTTPResponse:
    """Send bytes as they are and read one response."""
    address = urlsplit(server.url)
    with socket.create_connection((address.hostname, address.port), _TIMEOUT_S) as connection:
        for part in parts:
            try:
                connection.sendall(part)
            except OSError:  # refused in the middle
                break
        response = HTTPResponse(connection)
        response.begin()
        response.body = response.read()  # type: ignore[attr-defined]  # for the assertions
        return response


def assert_refused(response: HTTPResponse, status: int, code: str) -> None:
    body = json.loads(response.body)  # type: ignore[attr-defined]  # see `send`
    assert (response.status, body["status"], body["error"]["code"]) == (status, status, code)
    assert response.headers["content-type"] == "application/json"
    assert response.headers["connection"] == "close"
    assert response.headers["x-request-id"]


@pytest.mark.parametrize(
    "parts",
    [
        (b"\x16\x03\x01 a TLS client\r\n\r\n",),
        (b"GET /health SMTP/1.1\r\n\r\n",),
        (b"GET /health HTTP/1.1\r\nno colon here\r\n\r\n",),
        (_QUERY + b"Content-Length: many\r\n\r\n",),
        (_QUERY + b"Transfer-Encoding: chunked\r\n\r\n", b"not a length\r\n"),
    ],
    ids=["tls", "protocol", "header", "length", "chunk"],
)
def test_what_is_not_http_is_refused_as_json(
    server: RunningServer, parts: tuple[bytes, ...]
) -> None:
    assert_refused(send(server, *parts), 400, "BAD_REQUEST")


@pytest.mark.parametrize("piece", [b"x" * 1000, b"X-Pad: y\r\n"], ids=["one field", "many"])
def test_a_head_that_does_not_end_is_refused(server: RunningServer, piece: bytes) -> None:
    count = HEAD_BYTES_MAX // len(piece) + 1  # the last one is too much
    start = b"GET /health HTTP/1.1\r\nX-Long: y" + (b"\r\n" if b":" in piece else b"")
    response = send(server, start, *[piece] * count)
    assert_refused(response, 431, "REQUEST_HEADER_FIELDS_TOO_LARGE")


def test_fields_after_a_chunked_body_are_dropped(server: RunningServer) -> None:
    body = b'{"sql": "SELECT 1"}'
    chunk = b"%x\r\n%s\r\n0\r\nAuthorization: Bearer other\r\n\r\n" % (len(body), body)
    response = send(server, _QUERY + b"Transfer-Encoding: chunked\r\n\r\n" + chunk)
    assert response.status == 200
    assert json.loads(response.body)["rows"] == [[1]]  # type: ignore[attr-defined]  # see `send`
