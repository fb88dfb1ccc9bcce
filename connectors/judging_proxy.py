"""The door out for native clients, which resolve names and follow redirects by themselves: a proxy.

The invariant: each of their connections is made here, to an address that was judged, also the one
a redirect leads to. TLS goes through untouched, so that the client still verifies the name. One
connection carries one request or one tunnel: what is meant for one server never reaches another.

The trap: everybody on this machine can connect to its port. A password keeps the others out; it is
taken off before a request goes on.
"""

import re
import secrets
import socket
import struct
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from threading import BoundedSemaphore, Thread
from typing import Final

from connectors.errors import EgressRefused, SourceUnreachable
from connectors.hosts import resolve_host

HEAD_BYTES_MAX: Final = 65_536
CONNECTIONS_MAX: Final = 256
REQUEST_CHUNK_BYTES: Final = 1 << 16
ANSWER_CHUNK_BYTES: Final = 1 << 18
HEAD_S: Final = 10.0
"""For a client to say what it wants."""
IDLE_S: Final = 900.0
"""For a server to send something; a client gives up earlier, by its own timeout."""
LINGER_S: Final = 2.0
"""For a client to leave after the end of an answer."""
PAUSE_S: Final = 0.1

_USERNAME: Final = "tidemill"
_METHODS: Final = frozenset({b"CONNECT", b"DELETE", b"GET", b"HEAD", b"POST", b"PUT"})
_HOP_BY_HOP: Final = frozenset(
    {b"connection", b"keep-alive", b"proxy-authorization", b"proxy-connection", b"te", b"upgrade"}
)
_AUTHORITY: Final = rb"(?P<host>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::(?P<port>[0-9]{1,5}))?"
_TUNNEL_TARGET: Final = re.compile(_AUTHORITY)
_HTTP_TARGET: Final = re.compile(rb"(?i:http)://" + _AUTHORITY + rb"(?P<path>[/?][!-~]*)?")
_REQUEST: Final = re.compile(rb"(?P<method>[A-Z]+) (?P<target>[!-~]+) HTTP/1\.[01]")
_ANSWER: Final = re.compile(rb"HTTP/1\.[01] (?P<status>[1-5][0-9]{2})( .*)?")
_HEADER: Final = re.compile(rb"(?P<name>[!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(?P<value>.*?)[ \t]*")
_HTTP_PORT: Final = 80
_PORT_MAX: Final = 65_535


class _Refused(Exception):
    """A request that is answered here, in the words of S3: so clients repeat the message."""

    def __init__(self, status: HTTPStatus, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.body = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()


@dataclass(frozen=True, slots=True)
class _Head:
    """The first line of a message and its headers: the name in lower case, the value, the line."""

    first: bytes
    headers: tuple[tuple[bytes, bytes, bytes], ...]

    def value(self, name: bytes) -> bytes:
        return next((value for key, value, _ in self.headers if key == name), b"")

    def forwarded(self, first: bytes) -> bytes:
        """Write the head as the next hop gets it, for a connection that ends with the message."""
        named = {word.strip().lower() for word in self.value(b"connection").split(b",")}
        kept = [line for name, _, line in self.headers if name not in _HOP_BY_HOP | named]
        return b"\r\n".join([first, *kept, b"Connection: close", b"", b""])


class JudgingProxy:
    """Listens on the loopback address until the process ends.

    Attributes:
        port: where.
        username: for Basic authorization.
        password: made for this proxy.
    """

    def __init__(self, *, allow_private: bool, connect_timeout_s: float) -> None:
        self.username = _USERNAME
        self.password = secrets.token_hex(16)
        self._allow_private = allow_private
        self._connect_timeout_s = connect_timeout_s
        self._expected = b64encode(f"{self.username}:{self.password}".encode())
        self._slots = BoundedSemaphore(CONNECTIONS_MAX)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=CONNECTIONS_MAX)
        self.port: int = self._listener.getsockname()[1]
        Thread(target=self._accept, name="judging-proxy", daemon=True).start()

    @property
    def url(self) -> str:
        """The address with the credentials."""
        return f"http://{self.username}:{self.password}@127.0.0.1:{self.port}"

    def _accept(self) -> None:
        while True:
            self._slots.acquire()
            try:
                client, _ = self._listener.accept()
                Thread(target=self._serve, args=(client,), daemon=True).start()
            except (OSError, RuntimeError):
                # Descriptors or threads have run out; those that end give theirs back.
                self._slots.release()
                time.sleep(PAUSE_S)

    def _serve(self, client: socket.socket) -> None:
        try:
            with client, suppress(OSError, RuntimeError):
                client.settimeout(HEAD_S)
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                try:
                    self._carry(client)
                except _Refused as refused:
                    _refuse(client, refused)
        finally:
            self._slots.release()

    def _carry(self, client: socket.socket) -> None:
        head, rest = _read_request(client)
        method, target = _method_and_target(head)
        if not secrets.compare_digest(_password(head), self._expected):
            raise _forbidden()
        is_tunnel = method == b"CONNECT"
        found = (_TUNNEL_TARGET if is_tunnel else _HTTP_TARGET).fullmatch(target)
        if found is None:
            raise _bad_request()
        host = found["host"].strip(b"[]").decode()
        port = int(found["port"] or _HTTP_PORT)
        with self._connected(host, port) as upstream:
            client.settimeout(None)
            if is_tunnel:
                client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            else:
                path = found["path"] or b"/"
                path = path if path.startswith(b"/") else b"/" + path
                version = head.first.rpartition(b" ")[2]
                upstream.sendall(head.forwarded(b" ".join([method, path, version])))
            upstream.sendall(rest)
            _relay(client, upstream, is_tunnel=is_tunnel)

    @contextmanager
    def _connected(self, host: str, port: int) -> Iterator[socket.socket]:
        with self._connect(host, port) as upstream:
            upstream.settimeout(IDLE_S)
            upstream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            yield upstream

    def _connect(self, host: str, port: int) -> socket.socket:
        if not 0 < port <= _PORT_MAX:
            raise _bad_request()
        try:
            addresses = resolve_host(host, port, allow_private=self._allow_private)
        except EgressRefused:
            raise _forbidden() from None
        except SourceUnreachable as error:
            raise ConnectionError from error
        for address in addresses:
            with suppress(OSError):
                return socket.create_connection((address, port), self._connect_timeout_s)
        raise ConnectionError


def _bad_request() -> _Refused:
    return _Refused(HTTPStatus.BAD_REQUEST, "InvalidRequest", "The request is not valid")


def _forbidden() -> _Refused:
    return _Refused(HTTPStatus.FORBIDDEN, "AccessDenied", "The host may not be reached from here")


def _refuse(client: socket.socket, refused: _Refused) -> None:
    status = refused.status
    lines = [
        f"HTTP/1.1 {status.value} {status.phrase}",
        "Content-Type: application/xml",
        f"Content-Length: {len(refused.body)}",
        "Connection: close",
    ]
    client.sendall("\r\n".join([*lines, "", ""]).encode() + refused.body)
    client.shutdown(socket.SHUT_WR)
    # What is left unread would make the system throw the answer away.
    client.settimeout(LINGER_S)
    client.recv(2 * HEAD_BYTES_MAX)


def _read_head(source: socket.socket, rest: bytes = b"") -> tuple[_Head, bytes]:
    """Read the head of a message, and whatever came with it of what follows.

    Args:
        source: where it comes from.
        rest: what was already read of it.

    Raises:
        ValueError: it is no head.
        OverflowError: it is larger than ``HEAD_BYTES_MAX``.
        ConnectionError: the other side left before its end.
    """
    read = bytearray(rest)
    while (end := read.find(b"\r\n\r\n")) < 0:
        if len(read) >= HEAD_BYTES_MAX:
            raise OverflowError
        chunk = source.recv(HEAD_BYTES_MAX)
        if not chunk:
            raise ConnectionError
        read += chunk
    first, *lines = bytes(read[:end]).split(b"\r\n")
    found = [(_HEADER.fullmatch(line), line) for line in lines]
    headers = [(one["name"].lower(), one["value"], line) for one, line in found if one is not None]
    if len(headers) < len(lines):
        raise ValueError
    return _Head(first, tuple(headers)), bytes(read[end + 4 :])


def _read_request(client: socket.socket) -> tuple[_Head, bytes]:
    try:
        return _read_head(client)
    except OverflowError:
        raise _Refused(
            HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "InvalidRequest", "The head is too large"
        ) from None
    except ValueError:
        raise _bad_request() from None


def _method_and_target(head: _Head) -> tuple[bytes, bytes]:
    request = _REQUEST.fullmatch(head.first)
    if request is None:
        raise _bad_request()
    if request["method"] not in _METHODS:
        raise _Refused(
            HTTPStatus.NOT_IMPLEMENTED, "NotImplemented", "The method is not implemented"
        )
    return request["method"], request["target"]


def _password(head: _Head) -> bytes:
    scheme, _, credentials = head.value(b"proxy-authorization").partition(b" ")
    return credentials.strip() if scheme.lower() == b"basic" else b""


def _relay(client: socket.socket, upstream: socket.socket, *, is_tunnel: bool) -> None:
    """Carry both directions until the server has ended, or one side is lost."""
    asking = Thread(target=_pump_request, args=(client, upstream), daemon=True)
    asking.start()
    try:
        if not is_tunnel:
            _forward_answer_head(upstream, client)
        _pump(upstream, client, ANSWER_CHUNK_BYTES)
        client.shutdown(socket.SHUT_WR)
        asking.join(LINGER_S)
    except OSError:
        # Without a reset, a body that has no length would end here as if it was whole.
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    finally:
        with suppress(OSError):
            upstream.shutdown(socket.SHUT_RDWR)
        with suppress(OSError):
            client.shutdown(socket.SHUT_RD)
        asking.join()


def _pump_request(client: socket.socket, upstream: socket.socket) -> None:
    end = socket.SHUT_RDWR
    with suppress(OSError):
        _pump(client, upstream, REQUEST_CHUNK_BYTES)
        end = socket.SHUT_WR
    with suppress(OSError):
        upstream.shutdown(end)


def _forward_answer_head(upstream: socket.socket, client: socket.socket) -> None:
    """Carry the heads of an answer: ``100 Continue`` and the like, then the last one."""
    rest = b""
    try:
        while True:
            head, rest = _read_head(upstream, rest)
            answer = _ANSWER.fullmatch(head.first)
            if answer is None:
                raise ValueError
            if not answer["status"].startswith(b"1"):
                client.sendall(head.forwarded(head.first) + rest)
                return
            client.sendall(head.first + b"\r\n\r\n")
    except (ValueError, OverflowError):
        raise ConnectionError from None


def _pump(source: socket.socket, sink: socket.socket, chunk_bytes: int) -> None:
    """Carry bytes until the source ends."""
    buffer = memoryview(bytearray(chunk_bytes))
    while count := source.recv_into(buffer):
        sink.sendall(buffer[:count])
