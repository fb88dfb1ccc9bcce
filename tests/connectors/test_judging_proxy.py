"""The proxy of native clients: what it carries, what it refuses, and that nothing goes around it."""

import hashlib
import re
import socket
import ssl
import struct
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingTCPServer
from typing import Any
from urllib.parse import urlsplit

import deltalake
import pytest
from pyarrow.fs import FileSelector
from pyiceberg.io.pyarrow import PyArrowFileIO
from typing_extensions import override

from connectors.base import SourceContext
from connectors.judging_proxy import CONNECTIONS_MAX, HEAD_BYTES_MAX, JudgingProxy
from connectors.object_storage import (
    S3Options,
    arrow_filesystem,
    object_store_options,
    pyiceberg_properties,
)
from tests.connectors.contract import context_for
from tests.connectors.http_site import Site, serving
from tests.connectors.test_egress import HOSTS, certificate
from tests.patience import PATIENCE_S

BIG_BYTES = 16 << 20
REFUSAL = b"The host may not be reached from here"

Script = Callable[[socket.socket], None]


class Peer(ThreadingTCPServer):
    """A server that does what a script says with each connection, and counts them."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, script: Script) -> None:
        super().__init__(("127.0.0.1", 0), BaseRequestHandler)
        self.script = script
        self.connections = 0

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    @override
    def get_request(self) -> tuple[socket.socket, Any]:
        self.connections += 1
        return super().get_request()

    @override
    def finish_request(self, request: Any, client_address: Any) -> None:
        with suppress(OSError):
            self.script(request)


class Redirecting(ThreadingHTTPServer):
    """A storage that sends everybody elsewhere."""

    daemon_threads = True

    def __init__(self, location: str) -> None:
        super().__init__(("127.0.0.1", 0), _Redirect)
        self.location = location
        self.requests = 0


class _Redirect(BaseHTTPRequestHandler):
    server: Redirecting

    def do_GET(self) -> None:
        self.server.requests += 1
        self.send_response(307)
        self.send_header("Location", self.server.location + self.path)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_HEAD(self) -> None:
        self.do_GET()

    @override
    def log_message(self, *args: object) -> None:
        """Keep the output of the tests clean."""


@pytest.fixture
def start() -> Iterator[Callable[[Any], Any]]:
    """Runs a server until the end of the test."""
    with ExitStack() as stack:
        yield lambda server: stack.enter_context(serving(server))


@pytest.fixture(scope="module")
def proxy() -> JudgingProxy:
    return JudgingProxy(allow_private=True, connect_timeout_s=5)


@pytest.fixture(scope="module")
def strict_proxy() -> JudgingProxy:
    return JudgingProxy(allow_private=False, connect_timeout_s=5)


def connected(proxy: JudgingProxy) -> socket.socket:
    return socket.create_connection(("127.0.0.1", urlsplit(proxy.url).port or 0), 20)


def authorization(proxy: JudgingProxy) -> bytes:
    url = urlsplit(proxy.url)
    return b"Basic " + b64encode(f"{url.username}:{url.password}".encode())


def head(proxy: JudgingProxy, first: str, *headers: str) -> bytes:
    lines = [line.encode() for line in (first, *headers)]
    return b"\r\n".join([*lines, b"Proxy-Authorization: " + authorization(proxy), b"", b""])


def read_all(client: socket.socket) -> bytes:
    return b"".join(iter(lambda: client.recv(1 << 16), b""))


def read_head(client: socket.socket) -> bytes:
    """Read a head byte by byte, so that what follows stays where it is."""
    read = b""
    while not read.endswith(b"\r\n\r\n"):
        byte = client.recv(1)
        assert byte, read
        read += byte
    return read


def ask(proxy: JudgingProxy, first: str, *headers: str) -> tuple[int, bytes]:
    """Send one request; return the status and everything after the head."""
    with connected(proxy) as client:
        client.sendall(head(proxy, first, *headers))
        answer, _, body = read_all(client).partition(b"\r\n\r\n")
        return int(answer.split()[1]), body


def test_a_request_goes_on_without_the_password_and_otherwise_as_it_was(
    proxy: JudgingProxy, start: Callable[[Any], Any]
) -> None:
    heads = []

    def answer(connection: socket.socket) -> None:
        heads.append(read_head(connection))
        connection.sendall(
            b'HTTP/1.1 206 Partial\r\nETag: "x"\r\nKeep-Alive: timeout=5\r\n'
            b"Connection: keep-alive, x-mine\r\nX-Mine: 1\r\nContent-Length: 3\r\n\r\nabc"
        )

    peer = start(Peer(answer))
    with connected(proxy) as client:
        client.sendall(
            head(
                proxy,
                f"GET http://127.0.0.1:{peer.port}/b/k%20%2F?list-type=2&x=%2f HTTP/1.1",
                "Host: signed.example",
                "Range: bytes=0-2",
                "Proxy-Connection: Keep-Alive",
                "Connection: x-hop",
                "X-Hop: 1",
            )
        )
        answered = read_all(client)
    assert heads == [
        b"GET /b/k%20%2F?list-type=2&x=%2f HTTP/1.1\r\nHost: signed.example\r\n"
        b"Range: bytes=0-2\r\nConnection: close\r\n\r\n"
    ]
    assert answered == (
        b'HTTP/1.1 206 Partial\r\nETag: "x"\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc'
    )


@pytest.mark.parametrize(("tail", "path"), [("", "/"), ("/", "/"), ("?x=1", "/?x=1")])
def test_an_empty_path_is_the_root(proxy: JudgingProxy, site: Site, tail: str, path: str) -> None:
    site.pages[path] = (200, {}, b"root")
    assert ask(proxy, f"GET {site.url}{tail} HTTP/1.1") == (200, b"root")


def test_bodies_of_any_size_go_both_ways_at_once(
    proxy: JudgingProxy, start: Callable[[Any], Any]
) -> None:
    def echo(connection: socket.socket) -> None:
        read_head(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        left = BIG_BYTES
        while left:
            chunk = connection.recv(1 << 16)
            connection.sendall(chunk)
            left -= len(chunk)

    peer = start(Peer(echo))
    body = bytes(range(256)) * (BIG_BYTES // 256)
    with connected(proxy) as client:
        first = f"POST http://127.0.0.1:{peer.port}/ HTTP/1.1"
        client.sendall(head(proxy, first, f"Content-Length: {BIG_BYTES}"))
        sending = threading.Thread(target=client.sendall, args=(body,))
        sending.start()
        read_head(client)
        answered = read_all(client)
        sending.join()
    assert hashlib.sha256(answered).digest() == hashlib.sha256(body).digest()


def test_a_client_may_wait_for_the_server_to_want_the_body(
    proxy: JudgingProxy, start: Callable[[Any], Any]
) -> None:
    def answer(connection: socket.socket) -> None:
        assert b"Expect: 100-continue" in read_head(connection)
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = connection.recv(4, socket.MSG_WAITALL)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n" + body[::-1])

    peer = start(Peer(answer))
    with connected(proxy) as client:
        first = f"PUT http://127.0.0.1:{peer.port}/ HTTP/1.1"
        client.sendall(head(proxy, first, "Expect: 100-continue", "Content-Length: 4"))
        assert read_head(client) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b"body")
        assert read_head(client).startswith(b"HTTP/1.1 200 OK")
        assert read_all(client) == b"ydob"


def test_a_client_that_has_said_everything_still_gets_its_answer(
    proxy: JudgingProxy, start: Callable[[Any], Any]
) -> None:
    def answer(connection: socket.socket) -> None:
        asked = read_all(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n" + asked[-4:])

    peer = start(Peer(answer))
    with connected(proxy) as client:
        first = f"POST http://127.0.0.1:{peer.port}/ HTTP/1.1"
        client.sendall(head(proxy, first, "Content-Length: 4") + b"body")
        client.shutdown(socket.SHUT_WR)
        assert read_all(client).endswith(b"\r\n\r\nbody")


def test_a_server_that_keeps_its_connection_open_does_not_keep_the_client(
    proxy: JudgingProxy, start: Callable[[Any], Any]
) -> None:
    ended = threading.Event()

    def answer(connection: socket.socket) -> None:
        read_head(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        assert connection.recv(1) == b""
        ended.set()

    peer = start(Peer(answer))
    with connected(proxy) as client:
        client.sendall(head(proxy, f"GET http://127.0.0.1:{peer.port}/ HTTP/1.1"))
        assert b"Connection: close" in read_head(client)
        assert client.recv(2, socket.MSG_WAITALL) == b"ok"
    assert ended.wait(PATIENCE_S)


def test_a_server_notices_a_client_that_leaves(
    proxy: JudgingProxy, start: Callable[[Any], Any]
) -> None:
    ended = threading.Event()

    def endless(connection: socket.socket) -> None:
        try:
            connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            while True:
                connection.sendall(bytes(1 << 16))
        except OSError:
            ended.set()

    peer = start(Peer(endless))
    with connected(proxy) as client:
        client.sendall(head(proxy, f"GET http://127.0.0.1:{peer.port}/ HTTP/1.1"))
        read_head(client)
    assert ended.wait(PATIENCE_S)


def test_a_body_that_breaks_off_does_not_look_whole(
    proxy: JudgingProxy, start: Callable[[Any], Any]
) -> None:
    def broken(connection: socket.socket) -> None:
        read_head(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\nhalf of it")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()

    peer = start(Peer(broken))
    with connected(proxy) as client:
        client.sendall(head(proxy, f"GET http://127.0.0.1:{peer.port}/ HTTP/1.1"))
        with pytest.raises(ConnectionResetError):
            read_all(client)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nFolded: a\r\n b\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * HEAD_BYTES_MAX + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n",
    ],
)
def test_a_server_that_does_not_answer_in_http_is_one_that_is_not_there(
    proxy: JudgingProxy, start: Callable[[Any], Any], answer: bytes
) -> None:
    def talk(connection: socket.socket) -> None:
        read_head(connection)
        connection.sendall(answer)
        connection.shutdown(socket.SHUT_WR)
        connection.recv(1)

    peer = start(Peer(talk))
    with connected(proxy) as client:
        client.sendall(head(proxy, f"GET http://127.0.0.1:{peer.port}/ HTTP/1.1"))
        with pytest.raises(ConnectionResetError):
            read_all(client)


@pytest.mark.parametrize("place", ["127.0.0.1:{port}", "nowhere.invalid:80"])
def test_a_server_that_cannot_be_reached_ends_the_connection(
    proxy: JudgingProxy, place: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    place = place.format(port=port)
    for first in (f"GET http://{place}/ HTTP/1.1", f"CONNECT {place} HTTP/1.1"):
        with connected(proxy) as client:
            client.sendall(head(proxy, first))
            with pytest.raises(ConnectionResetError):
                read_all(client)


def test_a_tunnel_carries_everything_untouched(
    proxy: JudgingProxy, start: Callable[[Any], Any]
) -> None:
    def echo(connection: socket.socket) -> None:
        while chunk := connection.recv(1 << 16):
            connection.sendall(chunk)

    peer = start(Peer(echo))
    body = bytes(range(256)) * (BIG_BYTES // 256)
    with connected(proxy) as client:
        # What the client says at once, before the answer, is part of the tunnel.
        client.sendall(head(proxy, f"CONNECT 127.0.0.1:{peer.port} HTTP/1.1") + b"early")
        assert read_head(client).startswith(b"HTTP/1.1 200 ")

        def send() -> None:
            client.sendall(body)
            client.shutdown(socket.SHUT_WR)

        sending = threading.Thread(target=send)
        sending.start()
        answered = read_all(client)
        sending.join()
    assert hashlib.sha256(answered).digest() == hashlib.sha256(b"early" + body).digest()


@pytest.mark.parametrize("name", ["secure.example", "other.example"])
def test_the_client_verifies_the_name_through_a_tunnel(
    proxy: JudgingProxy, site: Site, tmp_path: Path, name: str
) -> None:
    file = certificate(tmp_path, "secure.example")
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_side.load_cert_chain(file)
    site.socket = server_side.wrap_socket(site.socket, server_side=True)
    site.pages["/"] = (200, {}, b"private")
    trusted = ssl.create_default_context(cafile=str(file))
    with connected(proxy) as client:
        client.sendall(head(proxy, f"CONNECT 127.0.0.1:{site.server_port} HTTP/1.1"))
        read_head(client)
        if name == "other.example":
            with pytest.raises(ssl.SSLCertVerificationError):
                trusted.wrap_socket(client, server_hostname=name)
            return
        with trusted.wrap_socket(client, server_hostname=name) as secured:
            secured.sendall(b"GET / HTTP/1.0\r\n\r\n")
            assert read_all(secured).endswith(b"\r\n\r\nprivate")


@pytest.mark.parametrize("host", [host for host in HOSTS if host.isascii()])
def test_no_spelling_of_an_inside_address_gets_a_packet_out(
    strict_proxy: JudgingProxy, site: Site, host: str
) -> None:
    for first in (
        f"GET http://{host}:{site.server_port}/ HTTP/1.1",
        f"CONNECT {host}:{site.server_port} HTTP/1.1",
    ):
        status, body = ask(strict_proxy, first)
        assert status == 403
        assert REFUSAL in body
    assert site.connections == 0


@pytest.mark.parametrize(
    "credentials",
    [None, "Basic dGlkZW1pbGw6", "Basic", "Bearer {right}", "Basic {right}=", "Basic \xff"],
)
def test_only_who_has_the_password_is_served(
    proxy: JudgingProxy, site: Site, credentials: str | None
) -> None:
    right = authorization(proxy).decode().partition(" ")[2]
    lines = [f"GET {site.url}/ HTTP/1.1", f"Host: 127.0.0.1:{site.server_port}"]
    if credentials is not None:
        lines.append(f"Proxy-Authorization: {credentials.format(right=right)}")
    with connected(proxy) as client:
        client.sendall("\r\n".join([*lines, "", ""]).encode("latin-1"))
        assert b" 403 " in read_all(client)
    assert site.connections == 0


def test_two_proxies_have_two_passwords(proxy: JudgingProxy, strict_proxy: JudgingProxy) -> None:
    assert authorization(proxy) != authorization(strict_proxy)


@pytest.mark.parametrize(
    ("first", "status"),
    [
        ("GET / HTTP/1.1", 400),
        ("GET ftp://{host}/ HTTP/1.1", 400),
        ("GET https://{host}/ HTTP/1.1", 400),
        ("GET http:///x HTTP/1.1", 400),
        ("GET http://user:word@{host}/ HTTP/1.1", 400),
        ("GET http://example.com:80@{host}/ HTTP/1.1", 400),
        ("GET http://{host}\\@example.com/ HTTP/1.1", 400),
        ("GET http://{host}%2f@example.com/ HTTP/1.1", 400),
        ("GET http://127.0.0.1:99999/ HTTP/1.1", 400),
        ("GET http://127.0.0.1:0/ HTTP/1.1", 400),
        ("GET http://[127.0.0.1]]/ HTTP/1.1", 400),
        ("GET http://{host}/ HTTP/2.0", 400),
        ("GET http://{host}/ x HTTP/1.1", 400),
        ("GET http://{host}/", 400),
        ("get http://{host}/ HTTP/1.1", 400),
        ("CONNECT 127.0.0.1 HTTP/1.1", 400),
        ("CONNECT http://{host} HTTP/1.1", 400),
        ("CONNECT {host}/ HTTP/1.1", 400),
        ("TRACE http://{host}/ HTTP/1.1", 501),
        ("PROPFIND http://{host}/ HTTP/1.1", 501),
    ],
)
def test_what_is_no_request_of_a_client_is_answered_here(
    proxy: JudgingProxy, site: Site, first: str, status: int
) -> None:
    assert ask(proxy, first.format(host=f"127.0.0.1:{site.server_port}"))[0] == status
    assert site.connections == 0


@pytest.mark.parametrize(
    "line", ["no colon", " folded: x", "Bad name: x", "X: a\rHost: b", "X: a\nHost: b", ": x"]
)
def test_a_head_that_two_readers_could_read_differently_is_refused(
    proxy: JudgingProxy, site: Site, line: str
) -> None:
    assert ask(proxy, f"GET {site.url}/ HTTP/1.1", line)[0] == 400
    assert site.connections == 0


def test_a_head_is_bounded(proxy: JudgingProxy, site: Site) -> None:
    site.pages["/"] = (200, {}, b"fine")
    first = f"GET {site.url}/ HTTP/1.1"
    assert ask(proxy, first, "X: " + "x" * (HEAD_BYTES_MAX // 2)) == (200, b"fine")
    assert ask(proxy, first, "X: " + "x" * HEAD_BYTES_MAX)[0] == 431
    assert site.connections == 1


def test_every_connection_gives_its_slot_back(proxy: JudgingProxy, site: Site) -> None:
    for _ in range(CONNECTIONS_MAX + 1):
        with connected(proxy):
            pass
    site.pages["/"] = (200, {}, b"fine")
    assert ask(proxy, f"GET {site.url}/ HTTP/1.1") == (200, b"fine")


def read_with_arrow(options: S3Options, context: SourceContext) -> None:
    arrow_filesystem(options, context).open_input_stream("bucket/key").close()


def read_with_object_store(options: S3Options, context: SourceContext) -> None:
    settings = object_store_options(options, context) | {"max_retries": "1"}
    deltalake.DeltaTable("s3://bucket/key", storage_options=settings)


def read_with_pyiceberg(options: S3Options, context: SourceContext) -> None:
    properties = pyiceberg_properties(options, context) | {"s3.region": "us-east-1"}
    PyArrowFileIO(properties).new_input("s3://bucket/key").open().close()


Read = Callable[[S3Options, SourceContext], None]
CLIENTS: list[Read] = [read_with_arrow, read_with_object_store, read_with_pyiceberg]


def storage(endpoint: str) -> S3Options:
    return S3Options(s3_endpoint=endpoint, s3_access_key_id="key", s3_secret_access_key="secret")


def silent(connection: socket.socket) -> None:
    """Say nothing: whoever comes this far is counted."""


@pytest.mark.parametrize("read", CLIENTS)
@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("environment", [{}, {"NO_PROXY": "*", "no_proxy": "*"}])
def test_no_client_follows_a_redirect_to_a_forbidden_address(
    read: Read,
    scheme: str,
    environment: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    start: Callable[[Any], Any],
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    forbidden = start(Peer(silent))
    # This address reaches the loopback one, and is never allowed.
    server = start(Redirecting(f"{scheme}://0.0.0.0:{forbidden.port}"))
    with pytest.raises((OSError, deltalake.exceptions.DeltaError)):
        read(storage(f"http://127.0.0.1:{server.server_port}"), context_for(tmp_path))
    assert server.requests
    assert forbidden.connections == 0


@pytest.mark.parametrize("read", CLIENTS)
def test_a_redirect_to_an_allowed_address_is_followed(
    read: Read, tmp_path: Path, start: Callable[[Any], Any]
) -> None:
    elsewhere = start(Peer(silent))
    server = start(Redirecting(f"https://127.0.0.1:{elsewhere.port}"))
    with pytest.raises(OSError, match=r"."):
        read(storage(f"http://127.0.0.1:{server.server_port}"), context_for(tmp_path))
    assert elsewhere.connections


@pytest.mark.parametrize("read", CLIENTS)
def test_a_name_is_judged_by_the_answer_that_is_connected_to(
    read: Read,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    start: Callable[[Any], Any],
) -> None:
    """DNS rebinding: the endpoint is allowed when it is judged, and inside when it is read."""
    forbidden = start(Peer(silent))
    asked = []

    def rebinding(host: str, port: int, *_: Any, **__: Any) -> list[Any]:
        asked.append(host)
        address = "127.0.0.1" if len(asked) == 1 else "0.0.0.0"  # noqa: S104 - to be refused
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    with pytest.raises((OSError, deltalake.exceptions.DeltaError)):
        read(storage(f"http://rebind.example:{forbidden.port}"), context_for(tmp_path))
    assert len(asked) > 1
    assert set(asked) == {"rebind.example"}
    assert forbidden.connections == 0


def test_a_refusal_comes_back_in_the_words_of_the_client(
    tmp_path: Path, start: Callable[[Any], Any]
) -> None:
    server = start(Redirecting("http://169.254.169.254"))
    files = arrow_filesystem(
        storage(f"http://127.0.0.1:{server.server_port}"), context_for(tmp_path)
    )
    with pytest.raises(OSError, match=f"ACCESS_DENIED.*{REFUSAL.decode()}"):
        files.get_file_info(FileSelector("bucket"))
    assert server.requests == 1


def test_clients_of_one_policy_share_a_proxy_also_for_amazon(tmp_path: Path) -> None:
    context = context_for(tmp_path)
    url = object_store_options(S3Options(), context)["proxy_url"]
    assert re.fullmatch(r"http://tidemill:[0-9a-f]{32}@127\.0\.0\.1:\d+", url)
    assert pyiceberg_properties(S3Options(), context)["s3.proxy-uri"] == url
    strict = context_for(tmp_path, allow_private=False)
    assert object_store_options(S3Options(), strict)["proxy_url"] != url
