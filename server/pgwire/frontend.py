"""What a client sends: bytes in, messages out. No socket, no clock.

A message is a type byte, a length that counts itself, and a body; those before the start-up have no type.
The trap: every length is the client's word, so it is checked before anything of that size is kept, and a
body must end where its length says.
"""

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from server.pgwire.errors import ProtocolViolation

STARTUP_BYTES_MAX = 10_000
MESSAGE_BYTES_MAX = 64 * 1024 * 1024
"""Longer messages end the connection: a statement is far shorter, and so are its parameters together."""
_SMALL_BYTES_MAX = 10_000
"""Of messages that never are longer."""

_LENGTH_BYTES = 4
_SSL_CODE = 80877103
_GSS_CODE = 80877104
_CANCEL_CODE = 80877102
_INT16 = struct.Struct("!h")
_UINT16 = struct.Struct("!H")
_INT32 = struct.Struct("!i")
_UINT32 = struct.Struct("!I")


@dataclass(frozen=True, slots=True)
class EncryptionRequest:
    """Asks whether the connection may be encrypted: by TLS, or by GSSAPI."""

    is_tls: bool


@dataclass(frozen=True, slots=True)
class CancelRequest:
    """Asks, on a connection of its own, to stop what another one runs."""

    process_id: int
    secret: bytes


@dataclass(frozen=True, slots=True)
class Startup:
    """Begins a session. ``options`` are names and values in the order of arrival."""

    major: int
    minor: int
    options: dict[str, str]


@dataclass(frozen=True, slots=True)
class Authentication:
    """A password, or a step of SASL: which of them, the server knows."""

    body: bytes


@dataclass(frozen=True, slots=True)
class Query:
    """One text of any number of statements: the simple protocol."""

    sql: str


@dataclass(frozen=True, slots=True)
class Parse:
    """Names a statement; ``types`` are OIDs of its first parameters, 0 where it does not say."""

    name: str
    sql: str
    types: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Bind:
    """Makes a portal of a statement and values. Formats: 0 text, 1 binary; none = all text, one = for all."""

    portal: str
    statement: str
    formats: tuple[int, ...]
    values: tuple[bytes | None, ...]
    result_formats: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Describe:
    """Asks what a statement or portal takes and gives."""

    is_portal: bool
    name: str


@dataclass(frozen=True, slots=True)
class Execute:
    """Asks for rows of a portal; 0 = all that are left."""

    portal: str
    rows_max: int


@dataclass(frozen=True, slots=True)
class Close:
    """Forgets a statement or portal."""

    is_portal: bool
    name: str


@dataclass(frozen=True, slots=True)
class Sync:
    """Ends a run of extended messages: errors are over, the next may begin."""


@dataclass(frozen=True, slots=True)
class Flush:
    """Asks for what is ready to be sent."""


@dataclass(frozen=True, slots=True)
class Terminate:
    """Says goodbye."""


@dataclass(frozen=True, slots=True)
class CopyInput:
    """Part of a COPY into the server, which nobody asked for."""


@dataclass(frozen=True, slots=True)
class FunctionCall:
    """The old way to call a function."""


First: TypeAlias = EncryptionRequest | CancelRequest | Startup
Message: TypeAlias = (
    Authentication
    | Query
    | Parse
    | Bind
    | Describe
    | Execute
    | Close
    | Sync
    | Flush
    | Terminate
    | CopyInput
    | FunctionCall
)


class FrontendReader:
    """Gathers bytes until there is a message.

    Read with :meth:`first` until a session has begun, with :meth:`message` then.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> None:
        """Take bytes from the client."""
        self._buffer += data

    @property
    def waiting_bytes(self) -> int:
        """How many bytes are not read yet."""
        return len(self._buffer)

    def first(self) -> First | None:
        """Return the next message before the session, or None while it is not complete.

        Raises:
            ProtocolViolation: it is none; the connection is of no use.
        """
        body = self._take(0, STARTUP_BYTES_MAX)
        if body is None:
            return None
        part = _Body(body)
        code = part.uint32()
        if code in (_SSL_CODE, _GSS_CODE):
            part.end()
            return EncryptionRequest(is_tls=code == _SSL_CODE)
        if code == _CANCEL_CODE:
            return CancelRequest(part.uint32(), part.rest())
        options: dict[str, str] = {}
        while name := part.text():
            options[name] = part.text()
        part.end()
        return Startup(code >> 16, code & 0xFFFF, options)

    def message(self) -> Message | None:
        """Return the next message of a session, or None while it is not complete.

        Raises:
            ProtocolViolation: it is none; the connection is of no use.
        """
        if not self._buffer:
            return None
        kind = self._buffer[0]
        read = _READERS.get(kind)
        if read is None:
            raise ProtocolViolation(f"invalid frontend message type {kind}")
        most = _SMALL_BYTES_MAX if kind in _SMALL else MESSAGE_BYTES_MAX
        body = self._take(1, most)
        if body is None:
            return None
        part = _Body(body)
        message = read(part)
        part.end()
        return message

    def _take(self, start: int, most: int) -> bytes | None:
        if len(self._buffer) < start + _LENGTH_BYTES:
            return None
        length = _UINT32.unpack_from(self._buffer, start)[0]
        if not _LENGTH_BYTES <= length <= most:
            raise ProtocolViolation("invalid message length")
        end = start + length
        if len(self._buffer) < end:
            return None
        body = bytes(self._buffer[start + _LENGTH_BYTES : end])
        del self._buffer[:end]
        return body


class _Body:
    """Reads the parts of one message."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def text(self) -> str:
        end = self._data.find(b"\x00", self._at)
        if end < 0:
            raise ProtocolViolation("invalid string in message")
        data = self._data[self._at : end]
        self._at = end + 1
        try:
            return data.decode()
        except UnicodeDecodeError:
            raise ProtocolViolation("invalid byte sequence for encoding UTF8", "22021") from None

    def byte(self) -> int:
        return self.take(1)[0]

    def int16(self) -> int:
        return int(_INT16.unpack(self.take(2))[0])

    def uint16(self) -> int:
        return int(_UINT16.unpack(self.take(2))[0])

    def int32(self) -> int:
        return int(_INT32.unpack(self.take(4))[0])

    def uint32(self) -> int:
        return int(_UINT32.unpack(self.take(4))[0])

    def take(self, count: int) -> bytes:
        data = self._data[self._at : self._at + count]
        if len(data) < count:
            raise ProtocolViolation("insufficient data left in message")
        self._at += count
        return data

    def rest(self) -> bytes:
        data = self._data[self._at :]
        self._at = len(self._data)
        return data

    def end(self) -> None:
        if self._at != len(self._data):
            raise ProtocolViolation("invalid message format")


def _read_bind(part: _Body) -> Bind:
    portal, statement = part.text(), part.text()
    formats = tuple(_formats(part))
    values: list[bytes | None] = []
    for _ in range(part.uint16()):
        length = part.int32()
        if length < -1:
            raise ProtocolViolation("invalid length of a parameter")
        values.append(None if length < 0 else part.take(length))
    return Bind(portal, statement, formats, tuple(values), tuple(_formats(part)))


def _formats(part: _Body) -> Iterator[int]:
    for _ in range(part.uint16()):
        code = part.int16()
        if code not in (0, 1):
            raise ProtocolViolation(f"unsupported format code: {code}", "22023")
        yield code


def _read_parse(part: _Body) -> Parse:
    name, sql = part.text(), part.text()
    return Parse(name, sql, tuple(part.uint32() for _ in range(part.uint16())))


def _read_target(part: _Body) -> tuple[bool, str]:
    kind = part.byte()
    if kind not in b"SP":
        raise ProtocolViolation(f"invalid DESCRIBE or CLOSE message subtype {kind}")
    return kind == ord("P"), part.text()


def _ignored(part: _Body, message: Message) -> Message:
    part.rest()
    return message


_READERS: dict[int, Callable[[_Body], Message]] = {
    ord("p"): lambda part: Authentication(part.rest()),
    ord("Q"): lambda part: Query(part.text()),
    ord("P"): _read_parse,
    ord("B"): _read_bind,
    ord("D"): lambda part: Describe(*_read_target(part)),
    ord("E"): lambda part: Execute(part.text(), max(0, part.int32())),
    ord("C"): lambda part: Close(*_read_target(part)),
    ord("S"): lambda _part: Sync(),
    ord("H"): lambda _part: Flush(),
    ord("X"): lambda _part: Terminate(),
    ord("d"): lambda part: _ignored(part, CopyInput()),
    ord("c"): lambda part: _ignored(part, CopyInput()),
    ord("f"): lambda part: _ignored(part, CopyInput()),
    ord("F"): lambda part: _ignored(part, FunctionCall()),
}
_SMALL = frozenset(b"pDECSHXcf")
