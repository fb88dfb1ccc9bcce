"""What a client sends, as bytes: written from the protocol's own description."""

import struct
from collections.abc import Sequence

SSL_REQUEST = struct.pack("!II", 8, 80877103)
GSS_REQUEST = struct.pack("!II", 8, 80877104)
SYNC = b"S\x00\x00\x00\x04"
FLUSH = b"H\x00\x00\x00\x04"
TERMINATE = b"X\x00\x00\x00\x04"
COPY_DONE = b"c\x00\x00\x00\x04"


def message(kind: bytes, body: bytes = b"") -> bytes:
    """A message of a session."""
    return kind + struct.pack("!I", len(body) + 4) + body


def startup(options: dict[str, str], *, major: int = 3, minor: int = 0) -> bytes:
    body = b"".join(text(name) + text(value) for name, value in options.items())
    code = struct.pack("!HH", major, minor)
    return struct.pack("!I", len(body) + 9) + code + body + b"\x00"


def cancel_request(process_id: int, secret: bytes) -> bytes:
    return struct.pack("!III", 12 + len(secret), 80877102, process_id) + secret


def query(sql: str) -> bytes:
    return message(b"Q", text(sql))


def parse(sql: str, *, name: str = "", types: Sequence[int] = ()) -> bytes:
    oids = struct.pack(f"!H{len(types)}I", len(types), *types)
    return message(b"P", text(name) + text(sql) + oids)


def bind(
    values: Sequence[bytes | None] = (),
    *,
    portal: str = "",
    statement: str = "",
    formats: Sequence[int] = (),
    result_formats: Sequence[int] = (),
) -> bytes:
    written = b"".join(
        struct.pack("!i", -1) if value is None else struct.pack("!I", len(value)) + value
        for value in values
    )
    return message(
        b"B",
        text(portal)
        + text(statement)
        + _codes(formats)
        + struct.pack("!H", len(values))
        + written
        + _codes(result_formats),
    )


def describe_statement(name: str = "") -> bytes:
    return message(b"D", b"S" + text(name))


def describe_portal(name: str = "") -> bytes:
    return message(b"D", b"P" + text(name))


def execute(portal: str = "", *, rows_max: int = 0) -> bytes:
    return message(b"E", text(portal) + struct.pack("!i", rows_max))


def close_statement(name: str = "") -> bytes:
    return message(b"C", b"S" + text(name))


def close_portal(name: str = "") -> bytes:
    return message(b"C", b"P" + text(name))


def sasl_initial(mechanism: str, data: bytes) -> bytes:
    return message(b"p", text(mechanism) + struct.pack("!I", len(data)) + data)


def sasl_response(data: bytes) -> bytes:
    return message(b"p", data)


def copy_data(data: bytes) -> bytes:
    return message(b"d", data)


def copy_fail(reason: str) -> bytes:
    return message(b"f", text(reason))


def function_call() -> bytes:
    return message(b"F", struct.pack("!IHHH", 1, 0, 0, 0))


def text(value: str) -> bytes:
    return value.encode() + b"\x00"


def _codes(codes: Sequence[int]) -> bytes:
    return struct.pack(f"!H{len(codes)}h", len(codes), *codes)
