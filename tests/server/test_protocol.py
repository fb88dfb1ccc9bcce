"""What comes over a raw socket: bytes that are no request get an answer of the usual shape."""

import contextlib
import json
import socket
import time
from dataclasses import dataclass
from email.message import Message
from http.client import HTTPResponse
from urllib.parse import urlsplit

import pytest

from server.protocol import HEAD_BYTES_MAX
from tests.patience import PATIENCE_S
from tests.server.running import TOKEN, RunningServer

pytestmark = pytest.mark.system

_PACKET_S = 0.0002  # so that parts are packets of their own
_QUERY = (
    "POST /v1/query HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "
    f"{TOKEN}\r\nContent-Type: application/json\r\n"
).encode()


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Message
    body: bytes


def send(server: RunningServer, *parts: bytes) -> Answer:
    """Send bytes as they are and read one response."""
    address = urlsplit(server.url)
    with socket.create_connection((address.hostname, address.port), PATIENCE_S) as connection:
        for part in parts:
            try:
                connection.sendall(part)
            except OSError:  # refused in the middle
                break
            time.sleep(_PACKET_S)
        response = HTTPResponse(connection)
        response.begin()
        return Answer(response.status, response.headers, response.read())


def assert_refused(response: Answer, status: int, code: str) -> None:
    body = json.loads(response.body)
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
    start = b"GET /health HTTP/1.1\r\nX-Long: y" + (b"\r\n" if b":" in piece else b"")
    response = send(server, start, *pieces_of_too_much(piece))
    assert_refused(response, 431, "REQUEST_HEADER_FIELDS_TOO_LARGE")


@pytest.mark.parametrize(
    "head",
    [
        b"GET /health HTTP/1.1\r\nX-Long: " + b"y" * HEAD_BYTES_MAX + b"\r\n\r\n",
        b"GET /" + b"y" * HEAD_BYTES_MAX + b" HTTP/1.1\r\n\r\n",
    ],
    ids=["field", "url"],
)
def test_a_large_head_in_one_packet_is_refused(server: RunningServer, head: bytes) -> None:
    assert_refused(send(server, head), 431, "REQUEST_HEADER_FIELDS_TOO_LARGE")


@pytest.mark.parametrize("piece", [b"x" * 1000, b"X-Pad: y\r\n"], ids=["one field", "many"])
def test_fields_after_a_body_that_do_not_end_are_refused(
    server: RunningServer, piece: bytes
) -> None:
    start = _QUERY + b"Transfer-Encoding: chunked\r\n\r\n5\r\n{    \r\n0\r\nX-Long: y"
    start += b"\r\n" if b":" in piece else b""
    response = send(server, start, *pieces_of_too_much(piece))
    assert_refused(response, 431, "REQUEST_HEADER_FIELDS_TOO_LARGE")


def pieces_of_too_much(piece: bytes) -> list[bytes]:
    """Many more than it takes: the refusal must not be lost when more is on its way."""
    return [piece] * (4 * HEAD_BYTES_MAX // len(piece))


def test_the_head_of_the_next_request_is_not_charged_for_a_body(server: RunningServer) -> None:
    body = b'{"sql": "SELECT 1", "pad": "%s"}' % (b"x" * 2 * HEAD_BYTES_MAX)
    first = _QUERY + b"Content-Length: %d\r\n\r\n" % len(body) + body
    response = send(server, first + b"GET /health HTT")
    assert response.status == 200
    assert json.loads(response.body)["rows"] == [[1]]


def test_a_refusal_is_never_part_of_another_answer(server: RunningServer) -> None:
    body = b'{"sql": "SELECT value, repeat(\'x\', 100) FROM generate_series(1, 10000000)"}'
    first = _QUERY + b"Content-Length: %d\r\n\r\n" % len(body) + body
    address = urlsplit(server.url)
    with socket.create_connection((address.hostname, address.port), PATIENCE_S) as connection:
        connection.sendall(first)
        assert connection.recv(12) == b"HTTP/1.1 200"
        connection.sendall(b"GET /health HTTP/1.1\r\n\r\nnonsense\r\n\r\n")
        rest = b""
        with contextlib.suppress(ConnectionError):
            while len(rest) < 2**26 and (more := connection.recv(2**20)):
                rest = rest[-(2**20) :] + more
    assert b"BAD_REQUEST" not in rest


def test_a_wish_for_another_protocol_is_ignored(server: RunningServer) -> None:
    body = b'{"sql": "SELECT 1"}'
    wish = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"
    head = _QUERY + wish + b"Content-Length: %d\r\n\r\n" % len(body)
    late = (_QUERY, wish + b"Content-Length: %d\r\n\r\n" % len(body), body)
    answer = send(server, *late)
    if answer.status != 200:  # it came in time, in one piece with the request line
        assert_refused(answer, 400, "BAD_REQUEST")  # better than a body that is lost
    for parts in ((head, body), (head + body,)):
        response = send(server, *parts)
        assert response.status == 200
        assert json.loads(response.body)["rows"] == [[1]]


def test_fields_after_a_chunked_body_are_dropped(server: RunningServer) -> None:
    body = b'{"sql": "SELECT 1"}'
    chunk = b"%x\r\n%s\r\n0\r\nAuthorization: Bearer other\r\n\r\n" % (len(body), body)
    response = send(server, _QUERY + b"Transfer-Encoding: chunked\r\n\r\n" + chunk)
    assert response.status == 200
    assert json.loads(response.body)["rows"] == [[1]]
