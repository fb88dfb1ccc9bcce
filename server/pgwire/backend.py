"""What the server sends: one function for each message. Rows come from the worker as they are."""

import struct
from collections.abc import Mapping, Sequence

from engine.encode.pg import PgColumn

_HEAD = struct.Struct("!cI")
_INT16 = struct.Struct("!h")
_INT32 = struct.Struct("!i")
_FIELD = struct.Struct("!IhIhih")


PARSE_COMPLETE = b"1\x00\x00\x00\x04"
BIND_COMPLETE = b"2\x00\x00\x00\x04"
CLOSE_COMPLETE = b"3\x00\x00\x00\x04"
NO_DATA = b"n\x00\x00\x00\x04"
EMPTY_QUERY = b"I\x00\x00\x00\x04"
PORTAL_SUSPENDED = b"s\x00\x00\x00\x04"
COPY_DONE = b"c\x00\x00\x00\x04"
AUTHENTICATION_OK = b"R\x00\x00\x00\x08\x00\x00\x00\x00"
AUTHENTICATION_CLEARTEXT = b"R\x00\x00\x00\x08\x00\x00\x00\x03"
ENCRYPT = b"S"
"""The whole answer to a request for TLS: go on with the handshake."""
NO_ENCRYPTION = b"N"


def sasl_offer(mechanisms: Sequence[str]) -> bytes:
    """Ask for one of these mechanisms, best first."""
    names = b"".join(name.encode() + b"\x00" for name in mechanisms)
    return _message(b"R", _INT32.pack(10) + names + b"\x00")


def sasl_continue(data: bytes) -> bytes:
    """Send a challenge."""
    return _message(b"R", _INT32.pack(11) + data)


def sasl_final(data: bytes) -> bytes:
    """Send the proof that the server knows the password too."""
    return _message(b"R", _INT32.pack(12) + data)


def parameter_status(name: str, value: str) -> bytes:
    """Tell a setting that clients follow."""
    return _message(b"S", _text(name) + _text(value))


def key_data(process_id: int, secret: bytes) -> bytes:
    """Tell what a request to cancel must have."""
    return _message(b"K", struct.pack("!I", process_id) + secret)


def negotiate_version(minor: int, unknown: Sequence[str]) -> bytes:
    """Tell the newest minor version there is, and the protocol options that are not known."""
    names = b"".join(map(_text, unknown))
    return _message(b"v", _INT32.pack(minor) + _INT32.pack(len(unknown)) + names)


def ready(status: bytes) -> bytes:
    """Wait for the next command; ``status`` is ``I`` idle, ``T`` in a transaction, ``E`` in a failed one."""
    return _message(b"Z", status)


def row_description(columns: Sequence[PgColumn], formats: Sequence[int]) -> bytes:
    """Describe the columns of the rows to come; ``formats`` is one for each."""
    parts = [struct.pack("!H", len(columns))]
    for column, code in zip(columns, formats, strict=True):
        facts = _FIELD.pack(0, 0, column.type_oid, column.size, column.modifier, code)
        parts.append(_text(column.name) + facts)
    return _message(b"T", b"".join(parts))


def parameter_description(types: Sequence[int]) -> bytes:
    """Tell the types of the parameters of a statement."""
    return _message(b"t", struct.pack(f"!H{len(types)}I", len(types), *types))


def command_complete(tag: str) -> bytes:
    """End a command well: ``SELECT 5``."""
    return _message(b"C", _text(tag))


def error(fields: Mapping[str, str]) -> bytes:
    """Refuse; ``fields`` by their letters: S severity, C SQLSTATE, M message, H hint, P position."""
    return _message(b"E", _fields(fields))


def notice(fields: Mapping[str, str]) -> bytes:
    """Tell something beside the answer; fields as of :func:`error`."""
    return _message(b"N", _fields(fields))


def copy_out(is_binary: bool, columns: int) -> bytes:
    """Announce rows of COPY TO STDOUT."""
    code = int(is_binary)
    return _message(b"H", struct.pack(f"!bH{columns}h", code, columns, *[code] * columns))


def data_row(values: Sequence[bytes | None]) -> bytes:
    """Write one row by hand, for the few that no worker makes."""
    parts = (_INT32.pack(-1 if value is None else len(value)) + (value or b"") for value in values)
    return _message(b"D", struct.pack("!H", len(values)) + b"".join(parts))


def _fields(fields: Mapping[str, str]) -> bytes:
    return b"".join(code.encode() + _text(value) for code, value in fields.items()) + b"\x00"


def _text(value: str) -> bytes:
    # A NUL would end the text for the client, and what follows would be read as something else.
    return value.replace("\x00", "").encode("utf-8", "replace") + b"\x00"


def _message(kind: bytes, body: bytes) -> bytes:
    return _HEAD.pack(kind, len(body) + 4) + body
