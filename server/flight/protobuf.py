"""The wire format of Protocol Buffers, as far as the messages of Flight SQL need it.

A message is a frozen dataclass whose fields say their number and kind; reading and writing follow from
that. Unknown fields are skipped, as the format demands. Nothing is allocated that the message does not
hold, messages do not nest without a dataclass for it, and their fields are counted, so a hostile one can
neither grow nor recurse nor keep the loop busy.

Source: https://protobuf.dev/programming-guides/encoding/
"""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from typing import Any, TypeVar, cast

from engine.errors import InvalidRequest

M = TypeVar("M")
T = TypeVar("T")

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5
_VARINT_BYTES_MAX = 10
_FIELDS_MAX = 10_000
_WORD = 2**64
_FIXED_BYTES = {FIXED64: 8, FIXED32: 4}
_KINDS = "message_kind"


class MalformedMessage(InvalidRequest):
    """The message is not valid Protocol Buffers, or has more than 10,000 fields."""


@dataclass(frozen=True, slots=True)
class _Kind:
    number: int
    wire_type: int
    read: Callable[[Any], Any]
    write: Callable[[Any], bytes]
    is_repeated: bool = False


def text(number: int) -> Any:  # noqa: ANN401 - the field specifier of a dataclass
    """Declare a string that is empty when absent."""
    return _field(_Kind(number, LENGTH, _as_text, _length_of_text), "")


def optional_text(number: int) -> Any:  # noqa: ANN401 - as above
    """Declare a string that is None when absent."""
    return _field(_Kind(number, LENGTH, _as_text, _length_of_text), None)


def texts(number: int) -> Any:  # noqa: ANN401 - as above
    """Declare a tuple of strings."""
    return _field(_Kind(number, LENGTH, _as_text, _length_of_text, is_repeated=True), ())


def data(number: int) -> Any:  # noqa: ANN401 - as above
    """Declare bytes, or an embedded message in its bytes; empty when absent."""
    return _field(_Kind(number, LENGTH, bytes, _length_of), b"")


def many_data(number: int) -> Any:  # noqa: ANN401 - as above
    """Declare a tuple of bytes, or of embedded messages in their bytes."""
    return _field(_Kind(number, LENGTH, bytes, _length_of, is_repeated=True), ())


def flag(number: int) -> Any:  # noqa: ANN401 - as above
    """Declare a boolean."""
    return _field(_Kind(number, VARINT, bool, _varint), False)


def integer(number: int) -> Any:  # noqa: ANN401 - as above
    """Declare a signed integer or an enum that is 0 when absent."""
    return _field(_Kind(number, VARINT, _signed, _varint), 0)


def optional_integer(number: int) -> Any:  # noqa: ANN401 - as above
    """Declare a signed integer that is None when absent."""
    return _field(_Kind(number, VARINT, _signed, _varint), None)


def integers(number: int) -> Any:  # noqa: ANN401 - as above
    """Declare a tuple of integers, packed or not."""
    return _field(_Kind(number, VARINT, _signed, _varint, is_repeated=True), ())


def read_message(message: type[M], encoded: bytes) -> M:
    """Read a message.

    Raises:
        MalformedMessage: the bytes end early, a known field has another wire type, or there are too many.

    >>> @dataclass(frozen=True)
    ... class Point:
    ...     x: int = integer(1)
    ...     names: tuple[str, ...] = texts(2)
    >>> read_message(Point, write_message(Point(-3, ("a", "b"))))
    Point(x=-3, names=('a', 'b'))
    """
    kinds = _kinds_of(cast("Hashable", message))
    names = {kind.number: name for name, kind in kinds.items()}
    single: dict[str, Any] = {}
    repeated: dict[str, list[Any]] = {}
    for number, wire_type, value in read_fields(encoded):
        name = names.get(number)
        if name is None:
            continue
        kind = kinds[name]
        is_packed = kind.is_repeated and kind.wire_type == VARINT and wire_type == LENGTH
        if wire_type != kind.wire_type and not is_packed:
            raise MalformedMessage
        if kind.is_repeated:
            values = _packed(value) if is_packed else (value,)
            repeated.setdefault(name, []).extend(map(kind.read, values))
        else:
            single[name] = kind.read(value)
    return message(**single, **{name: tuple(values) for name, values in repeated.items()})


def write_message(message: Any) -> bytes:  # noqa: ANN401 - any dataclass of messages
    """Write a message; a field with its default value is left out, as proto3 does."""
    parts: list[bytes] = []
    for each in fields(message):
        kind: _Kind = each.metadata[_KINDS]
        value = getattr(message, each.name)
        if value == each.default:
            continue
        for item in value if kind.is_repeated else (value,):
            parts += (_varint(kind.number << 3 | kind.wire_type), kind.write(item))
    return b"".join(parts)


def read_fields(encoded: bytes) -> list[tuple[int, int, Any]]:
    """Split a message into field number, wire type, and number or bytes.

    Raises:
        MalformedMessage: it ends early, has a wire type that is not in use, or too many fields.
    """
    found: list[tuple[int, int, Any]] = []
    at = 0
    while at < len(encoded):
        key, at = _read_varint(encoded, at)
        number, wire_type = key >> 3, key & 7
        value: Any
        if wire_type == VARINT:
            value, at = _read_varint(encoded, at)
        elif wire_type == LENGTH:
            size, at = _read_varint(encoded, at)
            value, at = _take(encoded, at, size)
        elif wire_type in _FIXED_BYTES:
            value, at = _take(encoded, at, _FIXED_BYTES[wire_type])
        else:
            raise MalformedMessage
        _add(found, (number, wire_type, value))
    return found


def read_map(entries: tuple[bytes, ...]) -> Mapping[str, bytes]:
    """Read the entries of a map from strings to messages, which are left in their bytes."""
    found: dict[str, bytes] = {}
    for entry in entries:
        pair = read_message(MapEntry, entry)
        found[pair.key] = pair.value
    return found


def write_map(values: Mapping[str, bytes]) -> tuple[bytes, ...]:
    """Write a map from strings to messages."""
    return tuple(write_message(MapEntry(key, value)) for key, value in values.items())


def _field(kind: _Kind, default: object) -> Any:  # noqa: ANN401 - as above
    return field(default=default, metadata={_KINDS: kind})


@cache
def _kinds_of(message: Hashable) -> dict[str, _Kind]:
    return {each.name: each.metadata[_KINDS] for each in fields(cast("Any", message))}


def _read_varint(encoded: bytes, at: int) -> tuple[int, int]:
    value = 0
    for index in range(_VARINT_BYTES_MAX):
        if at >= len(encoded):
            break
        byte = encoded[at]
        at += 1
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:  # noqa: PLR2004 - the bit that says that more follows
            return value % _WORD, at
    raise MalformedMessage


def _packed(encoded: bytes) -> list[int]:
    found: list[int] = []
    at = 0
    while at < len(encoded):
        value, at = _read_varint(encoded, at)
        _add(found, value)
    return found


def _add(found: list[T], one: T) -> None:
    if len(found) == _FIELDS_MAX:
        raise MalformedMessage
    found.append(one)


def _take(encoded: bytes, at: int, size: int) -> tuple[bytes, int]:
    if size > len(encoded) - at:
        raise MalformedMessage
    return encoded[at : at + size], at + size


def _varint(value: int) -> bytes:
    rest = int(value) % _WORD
    out = bytearray()
    while rest > 0x7F:  # noqa: PLR2004 - seven bits to a byte
        out.append(rest & 0x7F | 0x80)
        rest >>= 7
    out.append(rest)
    return bytes(out)


def _length_of(value: bytes) -> bytes:
    return _varint(len(value)) + value


def _length_of_text(value: str) -> bytes:
    return _length_of(value.encode("utf-8", "replace"))


def _as_text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise MalformedMessage from None


def _signed(value: int) -> int:
    return value - _WORD if value >= _WORD // 2 else value


@dataclass(frozen=True, slots=True)
class MapEntry:
    """An entry of a map, which is a message of its own."""

    key: str = text(1)
    value: bytes = data(2)


@dataclass(frozen=True, slots=True)
class Packed:
    """``google.protobuf.Any``."""

    type_url: str = text(1)
    value: bytes = data(2)
