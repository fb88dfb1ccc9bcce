"""The door out for native clients, which resolve names and follow redirects by themselves: a proxy.

The invariant: each of their connections is made here, to an address that was judged, also the one
a redirect leads to. TLS goes through untouched, so that the client still verifies the name. One
connection carries one request or one tunnel: what is meant for one server never reaches another.

The trap: everybody on this machine can connect to its port. A password keeps the others out; it is
taken off before a request goes on.
"""

import asyncio
import re
import secrets
import socket
import struct
from asyncio import StreamReader, StreamWriter
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from threading import Thread
from typing import Final, TypeAlias

from connectors.errors import EgressRefused, SourceUnreachable
from connectors.hosts import resolve_host

HEAD_BYTES_MAX: Final = 65_536
CONNECTIONS_MAX: Final = 256
CHUNK_BYTES: Final = 1 << 18
HEAD_S: Final = 10.0
"""For a client to say what it wants."""
IDLE_S: Final = 900.0
"""For a server to send something; a client gives up earlier, by its own timeout."""
LINGER_S: Final = 2.0
"""For a client to leave after the end of an answer."""

_METHODS: Final = frozenset({b"CONNECT", b"DELETE", b"GET", b"HEAD", b"POST", b"PUT"})
_HOP_BY_HOP: Final = frozenset(
    {b"connection", b"keep-alive", b"proxy-authorization", b"proxy-connection", b"te", b"upgrade"}
)
_HOST: Final = rb"(?P<host>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])"
_PORT: Final = rb":(?P<port>[0-9]{1,5})"
_TUNNEL_TARGET: Final = re.compile(_HOST + _PORT)
_HTTP_TARGET: Final = re.compile(rb"(?i:http)://%b(?:%b)?(?P<path>[/?][!-~]*)?" % (_HOST, _PORT))
_REQUEST: Final = re.compile(rb"(?P<method>[A-Z]+) (?P<target>[!-~]+) HTTP/1\.[01]")
_ANSWER: Final = re.compile(rb"HTTP/1\.[01] (?P<status>[1-5][0-9]{2})( .*)?")
_HEADER: Final = re.compile(
    rb"(?P<name>[!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(?P<value>[^\r\n\0]*?)[ \t]*"
)
_HTTP_PORT: Final = 80
_PORT_MAX: Final = 65_535

_Connection: TypeAlias = tuple[StreamReader, StreamWriter]


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
        options = b",".join(value for name, value, _ in self.headers if name == b"connection")
        named = {option.strip().lower() for option in options.split(b",")}
        kept = [line for name, _, line in self.headers if name not in _HOP_BY_HOP | named]
        return b"\r\n".join([first, *kept, b"Connection: close", b"", b""])


class JudgingProxy:
    """Listens on the loopback address until the process ends.

    Two threads serve all connections: where memory is bounded, each stack counts.

    Attributes:
        url: where, with the credentials.
    """

    def __init__(self, *, allow_private: bool, connect_timeout_s: float) -> None:
        credentials = f"tidemill:{secrets.token_hex(16)}"
        self._credentials = b64encode(credentials.encode())
        self._allow_private = allow_private
        self._connect_timeout_s = connect_timeout_s
        self._slots = asyncio.Semaphore(CONNECTIONS_MAX)
        self._resolver = ThreadPoolExecutor(1, "judging-proxy-resolver")
        listener = socket.create_server(("127.0.0.1", 0), backlog=CONNECTIONS_MAX)
        self.url = f"http://{credentials}@127.0.0.1:{listener.getsockname()[1]}"
        run = partial(asyncio.run, self._listen(listener))
        Thread(target=run, name="judging-proxy", daemon=True).start()

    async def _listen(self, listener: socket.socket) -> None:
        server = await asyncio.start_server(
            self._serve, sock=listener, limit=HEAD_BYTES_MAX, backlog=CONNECTIONS_MAX
        )
        await server.serve_forever()

    async def _serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        client = (reader, writer)
        async with self._slots:
            try:
                await self._carry(client)
                writer.close()
            except _Refused as refused:
                await _refuse(client, refused)
            except OSError:
                _reset(writer)

    async def _carry(self, client: _Connection) -> None:
        async with asyncio.timeout(HEAD_S):
            head = await _read_request(client[0])
        if not secrets.compare_digest(_credentials(head), self._credentials):
            raise _forbidden()
        method, target = _method_and_target(head)
        is_tunnel = method == b"CONNECT"
        found = (_TUNNEL_TARGET if is_tunnel else _HTTP_TARGET).fullmatch(target)
        if found is None:
            raise _bad_request()
        host = found["host"].strip(b"[]").decode()
        upstream = await self._connect(host, int(found["port"] or _HTTP_PORT))
        try:
            if is_tunnel:
                client[1].write(b"HTTP/1.1 200 OK\r\n\r\n")
            else:
                path = found["path"] or b"/"
                path = path if path.startswith(b"/") else b"/" + path
                version = head.first.rpartition(b" ")[2]
                upstream[1].write(head.forwarded(b" ".join([method, path, version])))
            await _relay(client, upstream, is_tunnel=is_tunnel)
        finally:
            upstream[1].transport.abort()

    async def _connect(self, host: str, port: int) -> _Connection:
        if not 0 < port <= _PORT_MAX:
            raise _bad_request()
        resolve = partial(resolve_host, host, port, allow_private=self._allow_private)
        try:
            addresses = await asyncio.get_running_loop().run_in_executor(self._resolver, resolve)
        except EgressRefused:
            raise _forbidden() from None
        except SourceUnreachable as error:
            raise ConnectionError from error
        for address in addresses:
            with suppress(OSError):
                async with asyncio.timeout(self._connect_timeout_s):
                    return await asyncio.open_connection(address, port, limit=HEAD_BYTES_MAX)
        raise ConnectionError


def _bad_request() -> _Refused:
    return _Refused(HTTPStatus.BAD_REQUEST, "InvalidRequest", "The request is not valid")


def _forbidden() -> _Refused:
    return _Refused(HTTPStatus.FORBIDDEN, "AccessDenied", "The host may not be reached from here")


async def _refuse(client: _Connection, refused: _Refused) -> None:
    reader, writer = client
    status = refused.status
    lines = [
        f"HTTP/1.1 {status.value} {status.phrase}",
        "Content-Type: application/xml",
        f"Content-Length: {len(refused.body)}",
        "Connection: close",
    ]
    with suppress(OSError):
        writer.write("\r\n".join([*lines, "", ""]).encode() + refused.body)
        writer.write_eof()
        # What is left unread would make the system throw the answer away.
        async with asyncio.timeout(LINGER_S):
            while await reader.read(CHUNK_BYTES):
                pass
    writer.close()


def _reset(writer: StreamWriter) -> None:
    """End a connection so that the other side takes nothing for whole."""
    sock = writer.get_extra_info("socket")
    with suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def _read_head(source: StreamReader) -> _Head:
    """Read the head of a message.

    Raises:
        ValueError: it is no head.
        LimitOverrunError: it is larger than ``HEAD_BYTES_MAX``.
        ConnectionError: the other side left before its end.
    """
    try:
        read = await source.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        raise ConnectionError from None
    first, *lines = read[:-4].split(b"\r\n")
    found = [(_HEADER.fullmatch(line), line) for line in lines]
    headers = [(one["name"].lower(), one["value"], line) for one, line in found if one is not None]
    if len(headers) < len(lines):
        raise ValueError
    return _Head(first, tuple(headers))


async def _read_request(client: StreamReader) -> _Head:
    try:
        return await _read_head(client)
    except asyncio.LimitOverrunError:
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


def _credentials(head: _Head) -> bytes:
    scheme, _, credentials = head.value(b"proxy-authorization").partition(b" ")
    return credentials.strip() if scheme.lower() == b"basic" else b""


async def _relay(client: _Connection, upstream: _Connection, *, is_tunnel: bool) -> None:
    """Carry both directions until the server has ended, or one side is lost."""
    asking = asyncio.create_task(_pump_request(client[0], upstream[1]))
    try:
        if not is_tunnel:
            await _forward_answer_head(upstream[0], client[1])
        await _pump(upstream[0], client[1], IDLE_S)
        client[1].write_eof()
        await asyncio.wait({asking}, timeout=LINGER_S)
    finally:
        asking.cancel()


async def _pump_request(client: StreamReader, upstream: StreamWriter) -> None:
    try:
        await _pump(client, upstream, None)
        upstream.write_eof()
    except OSError:
        upstream.transport.abort()


async def _forward_answer_head(upstream: StreamReader, client: StreamWriter) -> None:
    """Carry the heads of an answer: ``100 Continue`` and the like, then the last one."""
    is_interim = True
    while is_interim:
        try:
            async with asyncio.timeout(IDLE_S):
                head = await _read_head(upstream)
        except (ValueError, asyncio.LimitOverrunError):
            raise ConnectionError from None
        answer = _ANSWER.fullmatch(head.first)
        if answer is None:
            raise ConnectionError
        is_interim = answer["status"].startswith(b"1")
        client.write(head.first + b"\r\n\r\n" if is_interim else head.forwarded(head.first))


async def _pump(source: StreamReader, sink: StreamWriter, idle_s: float | None) -> None:
    """Carry bytes until the source ends.

    Raises:
        OSError: one of them is lost, or the source sends nothing for so long.
    """
    while True:
        async with asyncio.timeout(idle_s):
            chunk = await source.read(CHUNK_BYTES)
        if not chunk:
            return
        sink.write(chunk)
        await sink.drain()
