"""Reads the VARIANT type of Parquet, shredded or not, and writes each value as JSON.

The encoding is https://github.com/apache/parquet-format/blob/master/VariantEncoding.md, shredding is
VariantShredding.md beside it. JSON has no dates, bytes and the like: they are texts in it, as DuckDB
writes them.
"""

import json
import math
import struct
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from itertools import pairwise
from types import MappingProxyType
from typing import Any
from uuid import UUID

from connectors.errors import SourceFailed

_MISSING = object()
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SHORT_STRING, _OBJECT, _ARRAY = 1, 2, 3
_PRINTABLE = range(0x20, 0x7F)


def variant_texts(array: Any, column: str) -> list[str | None]:  # noqa: ANN401 - a struct array
    """Return one JSON text for each value.

    Args:
        array: structs of ``metadata``, ``value`` and perhaps ``typed_value``.
        column: its name, for errors.

    Raises:
        SourceFailed: a value is damaged, or of a type that is not known.
    """
    try:
        return [_text_of_row(row) for row in array.to_pylist()]
    except (LookupError, ValueError, OverflowError, RecursionError, struct.error) as error:
        raise SourceFailed(f"Column '{column}' holds a variant that cannot be read") from error


def _text_of_row(row: Mapping[str, Any] | None) -> str | None:
    if row is None:
        return None
    value = _joined(_Names(row["metadata"]), row)
    # DuckDB knows no difference between NULL and a variant of null.
    return None if value is None or value is _MISSING else _json(value)


class _Names:
    """The dictionary of field names that a value's metadata is."""

    def __init__(self, raw: bytes) -> None:
        width = (raw[0] >> 6) + 1
        count = _number(raw, 1, width)
        starts = [_number(raw, 1 + width * (1 + i), width) for i in range(count + 1)]
        texts = 1 + width * (count + 2)
        self._names = [raw[texts + start : texts + end].decode() for start, end in pairwise(starts)]

    def __getitem__(self, position: int) -> str:
        return self._names[position]


def _joined(names: _Names, part: Mapping[str, Any]) -> Any:  # noqa: ANN401 - a value of any type
    """Join what is shredded with what is not."""
    typed, rest = part.get("typed_value"), part.get("value")
    if isinstance(typed, dict):
        fields = {} if rest is None else dict(_decode(names, rest, 0))
        for name, inner in typed.items():
            value = _MISSING if inner is None else _joined(names, inner)
            if value is not _MISSING:
                fields[name] = value
        return dict(sorted(fields.items()))
    if isinstance(typed, list):
        return [None if inner is None else _joined(names, inner) for inner in typed]
    if typed is not None:
        return typed
    return _MISSING if rest is None else _decode(names, rest, 0)


def _decode(names: _Names, raw: bytes, at: int) -> Any:  # noqa: ANN401 - a value of any type
    header = raw[at]
    kind, details = header & 3, header >> 2
    if kind == _SHORT_STRING:
        return raw[at + 1 : at + 1 + details].decode()
    if kind == _OBJECT:
        return _decode_object(names, raw, at, details)
    if kind == _ARRAY:
        return _decode_array(names, raw, at, details)
    return _PRIMITIVES[details](raw, at + 1)


def _decode_object(names: _Names, raw: bytes, at: int, details: int) -> dict[str, Any]:
    width, id_width, is_large = (details & 3) + 1, (details >> 2 & 3) + 1, details >> 4 & 1
    count, ids = _count(raw, at, is_large)
    offsets = ids + count * id_width
    values = offsets + (count + 1) * width
    return {
        names[_number(raw, ids + i * id_width, id_width)]: _decode(
            names, raw, values + _number(raw, offsets + i * width, width)
        )
        for i in range(count)
    }


def _decode_array(names: _Names, raw: bytes, at: int, details: int) -> list[Any]:
    width, is_large = (details & 3) + 1, details >> 2 & 1
    count, offsets = _count(raw, at, is_large)
    values = offsets + (count + 1) * width
    return [
        _decode(names, raw, values + _number(raw, offsets + i * width, width)) for i in range(count)
    ]


def _count(raw: bytes, at: int, is_large: int) -> tuple[int, int]:
    width = 4 if is_large else 1
    count = _number(raw, at + 1, width)
    if count > len(raw):
        raise ValueError
    return count, at + 1 + width


def _number(raw: bytes, at: int, width: int) -> int:
    if at + width > len(raw):
        raise IndexError
    return int.from_bytes(raw[at : at + width], "little")


def _unpacked(form: str) -> Callable[[bytes, int], Any]:
    return lambda raw, at: struct.unpack_from(form, raw, at)[0]


def _decimal(width: int) -> Callable[[bytes, int], Decimal]:
    def decode(raw: bytes, at: int) -> Decimal:
        digits = int.from_bytes(raw[at + 1 : at + 1 + width], "little", signed=True)
        return Decimal(f"{digits}E-{raw[at]}")

    return decode


def _long_bytes(raw: bytes, at: int) -> bytes:
    return raw[at + 4 : at + 4 + _number(raw, at, 4)]


def _micros(raw: bytes, at: int) -> timedelta:
    (micros,) = struct.unpack_from("<q", raw, at)
    return timedelta(microseconds=micros)


def _nanos(raw: bytes, at: int) -> tuple[datetime, int]:
    (nanos,) = struct.unpack_from("<q", raw, at)
    seconds, fraction = divmod(nanos, 10**9)
    return _EPOCH + timedelta(seconds=seconds), fraction


def _nanos_text(raw: bytes, at: int) -> str:
    moment, fraction = _nanos(raw, at)
    text = moment.replace(tzinfo=None).isoformat(" ")
    return f"{text}.{fraction:09}".rstrip("0") if fraction else text


_PRIMITIVES: Mapping[int, Callable[[bytes, int], Any]] = MappingProxyType(
    {
        0: lambda raw, at: None,
        1: lambda raw, at: True,
        2: lambda raw, at: False,
        3: _unpacked("<b"),
        4: _unpacked("<h"),
        5: _unpacked("<i"),
        6: _unpacked("<q"),
        7: _unpacked("<d"),
        8: _decimal(4),
        9: _decimal(8),
        10: _decimal(16),
        11: lambda raw, at: date(1970, 1, 1) + timedelta(days=_unpacked("<i")(raw, at)),
        12: lambda raw, at: _EPOCH + _micros(raw, at),
        13: lambda raw, at: (_EPOCH + _micros(raw, at)).replace(tzinfo=None),
        14: _unpacked("<f"),
        15: _long_bytes,
        16: lambda raw, at: _long_bytes(raw, at).decode(),
        17: lambda raw, at: (_EPOCH + _micros(raw, at)).time(),
        18: lambda raw, at: f"{_nanos_text(raw, at)}+00",
        19: _nanos_text,
        20: lambda raw, at: UUID(bytes=raw[at : at + 16]),
    }
)


def _json(value: Any) -> str:  # noqa: ANN401 - a value of any type
    if isinstance(value, dict):
        return "{" + ",".join(f"{_json(k)}:{_json(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_json, value)) + "]"
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    if isinstance(value, bool | int | float | None):
        return json.dumps(value)
    return json.dumps(_plain_text(value), ensure_ascii=False)


def _plain_text(value: Any) -> str:  # noqa: ANN401 - a value of any type
    if isinstance(value, bytes):
        return "".join(chr(b) if _is_plain(b) else f"\\x{b:02X}" for b in value)
    if isinstance(value, datetime):
        text = value.replace(tzinfo=None).isoformat(" ")
        text = text.rstrip("0") if value.microsecond else text
        return f"{text}+00" if value.tzinfo else text
    if isinstance(value, time):
        text = value.isoformat()
        return text.rstrip("0") if value.microsecond else text
    return str(value)


def _is_plain(byte: int) -> bool:
    return byte in _PRINTABLE and byte not in b"\\'\""
