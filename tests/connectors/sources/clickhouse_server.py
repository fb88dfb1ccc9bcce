"""A ClickHouse server for tests: the real engine (chdb) behind the part of HTTP that clients use.

chdb has neither users nor a network, so logging in, status codes and broken answers are made here,
after the manual (https://clickhouse.com/docs/interfaces/http). Types, SQL, settings, ``readonly``
and error texts are the engine's own. It runs in a process of its own, because the engine does not
survive a fork and holds one database per process.

An answer of a table called ``breaks_<how>`` that fails in the middle does so as
    plain   an old server: the text of the error ends the body, which looks complete
    tagged  a server since 25.11: the text stands in tags, and the connection breaks
    mute    a proxy: the body is cut between two batches and looks complete
"""

import base64
import re
import shutil
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from typing_extensions import override

from tests.patience import PATIENCE_S

PASSWORDS = {"default": "", "analyst": "pa:ss 'wörd'"}
TOKEN = "eyJ0b2tlbiI.of-a-test"
TAG = "abcdefghijklmnop"
END_OF_STREAM_BYTES = 8
NO_SETTINGS = re.compile(
    r"database|query|query_id|wait_end_of_query|client_protocol_version|default_format"
    r"|send_progress_in_http_headers|http_headers_progress_interval_ms|enable_http_compression"
    r"|cancel_http_readonly_queries_on_client_close"
)
ERROR = re.compile(r"Code: (\d+)\. DB::Exception: .*", re.DOTALL)
STATUS = {60: 404, 81: 404, 497: 403, 516: 403}


class Refused(Exception):
    """The engine said no."""

    def __init__(self, text: str) -> None:
        found = ERROR.search(text)
        assert found, text
        self.code = int(found[1])
        self.text = found[0].strip() + " (version 26.9.2.1)\n"
        super().__init__(text)


class Engine:
    """One chdb session, used by one request at a time."""

    def __init__(self, folder: str) -> None:
        from chdb import session

        make: Any = session.Session  # untyped
        self._session = make(folder)
        self.lock = threading.Lock()

    def close(self) -> None:
        with self.lock:
            self._session.close()

    def run(self, sql: str, form: str = "TabSeparated") -> bytes:
        try:
            result = self._session.query(sql, form)
        except Exception as error:
            raise Refused(str(error)) from error
        return bytes(result.bytes() or b"")

    def stream(self, sql: str) -> Iterator[bytes]:
        """Yield one Arrow stream in pieces: chdb makes a whole one of every block."""
        head, end = b"", b""
        try:
            for chunk in self._session.send_query(sql, "ArrowStream"):
                block = bytes(chunk.bytes())
                schema_bytes = 8 + int.from_bytes(block[4:8], "little")
                end = block[-END_OF_STREAM_BYTES:]
                yield block[len(head) and schema_bytes : -END_OF_STREAM_BYTES]
                head = block[:schema_bytes]
        except Exception as error:
            raise Refused(str(error)) from error
        yield end if head else self.run(sql, "ArrowStream")


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    engine: Engine

    def do_POST(self) -> None:
        parameters = dict(parse_qsl(urlsplit(self.path).query, keep_blank_values=True))
        sql = self.rfile.read(int(self.headers["Content-Length"])).decode()
        try:
            self._log_in()
            with self.engine.lock:
                self._answer(sql, parameters)
        except Refused as refused:
            self._refuse(refused)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def _log_in(self) -> None:
        scheme, _, given = self.headers.get("Authorization", "Basic ZGVmYXVsdDo=").partition(" ")
        if scheme == "Bearer":
            known = given == TOKEN
        else:
            user, _, password = base64.b64decode(given).decode().partition(":")
            known = PASSWORDS.get(user) == password
        if not known:
            raise Refused(
                "Code: 516. DB::Exception: Authentication failed: password is incorrect, or there"
                " is no user with such name. (AUTHENTICATION_FAILED)"
            )

    def _answer(self, sql: str, parameters: dict[str, str]) -> None:
        settings = {k: v for k, v in parameters.items() if not NO_SETTINGS.fullmatch(k)}
        self.engine.run(f"USE `{parameters.get('database', 'default')}`")
        if settings:
            sql += "\nSETTINGS " + ", ".join(f"{k} = '{v}'" for k, v in settings.items())
        # chdb streams only SELECT.
        if not (sql.startswith("SELECT") and "FORMAT ArrowStream" in sql):
            body = self.engine.run(sql)
            self._start({"Content-Length": str(len(body))})
            self.wfile.write(body)
            return
        pieces = self.engine.stream(sql)
        first = next(pieces)
        self._start({"Transfer-Encoding": "chunked", "X-ClickHouse-Exception-Tag": TAG})
        try:
            self._write_chunk(first)
            for piece in pieces:
                self._write_chunk(piece)
        except Refused as refused:
            self._break(refused.text, how=sql.partition("breaks_")[2][:6])
        self._write_chunk(b"")

    def _break(self, text: str, *, how: str) -> None:
        if how == "tagged":
            framed = f"__exception__\r\n{TAG}\r\n{text}\r\n{len(text)} {TAG}\r\n__exception__\r\n"
            self._write_chunk(framed.encode())
            raise BrokenPipeError
        if how.startswith("plain"):
            self._write_chunk(text.encode())

    def _refuse(self, refused: Refused) -> None:
        self.send_response(STATUS.get(refused.code, 500))
        self.send_header("X-ClickHouse-Exception-Code", str(refused.code))
        self.send_header("Content-Length", str(len(refused.text.encode())))
        self.end_headers()
        self.wfile.write(refused.text.encode())

    def _start(self, headers: dict[str, str]) -> None:
        self.send_response(200)
        self.send_header("X-ClickHouse-Timezone", "Etc/UTC")
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _write_chunk(self, data: bytes) -> None:
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")

    @override
    def log_message(self, *arguments: Any) -> None:
        """Keep quiet."""


@dataclass(frozen=True)
class Server:
    """A running server: ports of its two doors, and a way to prepare tables."""

    port: int
    tls_port: int
    certificate: str

    def run(self, sql: str) -> str:
        """Run a statement past the connector, as the default user."""
        import httpx

        answer = httpx.post(
            f"http://127.0.0.1:{self.port}/",
            content=sql.encode(),
            trust_env=False,
            timeout=PATIENCE_S,
        )
        assert answer.status_code == 200, answer.text
        return answer.text


def write_certificate(path: Path, name: str) -> str:
    """Write a self-signed certificate behind its key, and return the certificate."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    plain, pem = serialization.NoEncryption(), serialization.Encoding.PEM
    certificate = made.public_bytes(pem)
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain)
    path.write_bytes(secret + certificate)
    return certificate.decode()


@contextmanager
def running(folder: Path) -> Iterator[Server]:
    """Run a server with its data below a folder; its certificate is for ``localhost``."""
    certificate = write_certificate(folder / "tls.pem", "localhost")
    command = [sys.executable, __file__, str(folder / "clickhouse"), str(folder / "tls.pem")]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        port, tls_port = process.stdout.readline().split()
        yield Server(int(port), int(tls_port), certificate)
    finally:
        process.stdin.close()
        process.wait(timeout=PATIENCE_S)
        process.stdout.close()
        shutil.rmtree(folder / "clickhouse", ignore_errors=True)


def main() -> None:
    """Serve until standard input ends: with the parent, however that ends."""
    folder, certificate = sys.argv[1:]
    Handler.engine = Engine(folder)
    plain = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    secure = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    secure.socket = tls.wrap_socket(secure.socket, server_side=True, do_handshake_on_connect=False)
    for server in (plain, secure):
        server.daemon_threads = True
        # A client that distrusts the certificate is no error of the server.
        server.handle_error = lambda *_: None  # type: ignore[method-assign]  # one server each
        threading.Thread(target=server.serve_forever, daemon=True).start()
    print(plain.server_port, secure.server_port, flush=True)
    with suppress(KeyboardInterrupt):
        sys.stdin.read()
    Handler.engine.close()


if __name__ == "__main__":
    main()
