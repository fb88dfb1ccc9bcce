"""A client that sends what it is told to, byte by byte, and reads what comes."""

import base64
import hashlib
import hmac
import socket
import struct
from dataclasses import dataclass
from types import TracebackType

from tests.patience import PATIENCE_S
from tests.pgwire import messages
from tests.pgwire.running import DATABASE, HOST, USER, PgServer
from tests.server.running import TOKEN

_RECEIVE_BYTES = 1024 * 1024
READY_IDLE, READY_IN_TRANSACTION, READY_FAILED = (("Z", status) for status in (b"I", b"T", b"E"))


@dataclass(frozen=True)
class ScramClient:
    """The client's side of SCRAM-SHA-256, without channel binding unless told so."""

    password: str
    nonce: str = "an own nonce"
    gs2: str = "n,,"
    binding: bytes = b""
    name: str = ""

    @property
    def bare(self) -> str:
        return f"n={self.name},r={self.nonce}"

    @property
    def first(self) -> bytes:
        return (self.gs2 + self.bare).encode()

    def final(self, server_first: bytes) -> bytes:
        """The last message of the client."""
        without_proof, _, proof = self._proof(server_first)
        return f"{without_proof},p={base64.b64encode(proof).decode()}".encode()

    def server_final(self, server_first: bytes) -> bytes:
        """What the server must answer, if it knows the password."""
        _, signed, _ = self._proof(server_first)
        key = hmac.digest(self._salted(server_first), b"Server Key", "sha256")
        return b"v=" + base64.b64encode(hmac.digest(key, signed, "sha256"))

    def _salted(self, server_first: bytes) -> bytes:
        fields = _fields(server_first)
        salt, count = base64.b64decode(fields["s"]), int(fields["i"])
        return hashlib.pbkdf2_hmac("sha256", self.password.encode(), salt, count)

    def _proof(self, server_first: bytes) -> tuple[str, bytes, bytes]:
        bound = base64.b64encode(self.gs2.encode() + self.binding).decode()
        without_proof = f"c={bound},r={_fields(server_first)['r']}"
        signed = f"{self.bare},{server_first.decode()},{without_proof}".encode()
        client_key = hmac.digest(self._salted(server_first), b"Client Key", "sha256")
        signature = hmac.digest(hashlib.sha256(client_key).digest(), signed, "sha256")
        proof = bytes(one ^ other for one, other in zip(client_key, signature, strict=True))
        return without_proof, signed, proof


class RawClient:
    """A socket to the door. Messages that come are pairs: a letter and a body."""

    def __init__(self, server: PgServer) -> None:
        self.socket = socket.create_connection((HOST, server.port), PATIENCE_S)
        self.process_id = 0
        self.secret = b""
        self._buffer = b""

    def __enter__(self) -> "RawClient":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.socket.close()

    def log_in(self, *, password: str = TOKEN, **options: str) -> list[tuple[str, bytes]]:
        """Begin a session; returns what the server says of it, up to the first ready."""
        self.send(messages.startup({"user": USER, "database": DATABASE, **options}))
        kind, _ = self.receive()
        assert kind == "R"
        scram = ScramClient(password)
        self.send(messages.sasl_initial("SCRAM-SHA-256", scram.first))
        kind, body = self.receive()
        assert (kind, body[:4]) == ("R", b"\x00\x00\x00\x0b")
        self.send(messages.sasl_response(scram.final(body[4:])))
        answers = self.until_ready()
        (key,) = [body for kind, body in answers if kind == "K"]
        self.process_id, self.secret = int.from_bytes(key[:4], "big"), key[4:]
        return answers

    def send(self, *parts: bytes) -> None:
        self.socket.sendall(b"".join(parts))

    def receive(self) -> tuple[str, bytes]:
        """The next message; empty when the server hung up."""
        head = self._take(5)
        if not head:
            return "", b""
        kind, length = struct.unpack("!cI", head)
        return kind.decode(), self._take(length - 4)

    def until_ready(self) -> list[tuple[str, bytes]]:
        """All messages up to the one that says that the server is ready, or to the end."""
        found = [self.receive()]
        while found[-1][0] not in {"Z", ""}:
            found.append(self.receive())
        return found

    def asked(self, *parts: bytes) -> list[tuple[str, bytes]]:
        """Send, and read up to ready."""
        self.send(*parts)
        return self.until_ready()

    def kinds(self, *parts: bytes) -> str:
        """Send, and say the letters of what comes up to ready."""
        return "".join(kind for kind, _ in self.asked(*parts))

    def count_rows(self) -> int:
        """Read up to ready and keep nothing; says how many rows came."""
        pending, count = bytearray(self._buffer), 0
        kind: bytes
        length: int
        self._buffer = b""
        while True:
            at = 0
            while at + 5 <= len(pending):
                kind, length = struct.unpack_from("!cI", pending, at)
                if at + 1 + length > len(pending):
                    break
                at += 1 + length
                count += kind == b"D"
                if kind == b"Z":
                    return count
            del pending[:at]
            pending += self.socket.recv(_RECEIVE_BYTES)

    def is_over(self) -> bool:
        """Whether the server hung up, and said nothing more."""
        return self.receive() == ("", b"")

    def _take(self, count: int) -> bytes:
        while len(self._buffer) < count:
            try:
                data = self.socket.recv(65536)
            except ConnectionResetError:
                data = b""
            if not data:
                return b""
            self._buffer += data
        taken, self._buffer = self._buffer[:count], self._buffer[count:]
        return taken


def sqlstate(body: bytes) -> str:
    """The code of an error or a notice."""
    fields = {part[:1]: part[1:] for part in body.split(b"\x00") if part}
    return fields[b"C"].decode()


def cells(body: bytes) -> list[bytes | None]:
    """The values of a row."""
    (count,) = struct.unpack_from("!H", body)
    at, found = 2, list[bytes | None]()
    for _ in range(count):
        (length,) = struct.unpack_from("!i", body, at)
        at += 4
        found.append(None if length < 0 else body[at : at + length])
        at += max(0, length)
    return found


def rows(answers: list[tuple[str, bytes]]) -> list[list[bytes | None]]:
    """The rows among messages."""
    return [cells(body) for kind, body in answers if kind == "D"]


def tags(answers: list[tuple[str, bytes]]) -> list[str]:
    """The tags among messages."""
    return [body.rstrip(b"\x00").decode() for kind, body in answers if kind == "C"]


def errors(answers: list[tuple[str, bytes]]) -> list[str]:
    """The codes of the errors among messages."""
    return [sqlstate(body) for kind, body in answers if kind == "E"]


def _fields(message: bytes) -> dict[str, str]:
    return {part[0]: part[2:] for part in message.decode().split(",")}
