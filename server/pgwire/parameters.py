"""Values of parameters: bytes in a type's text or binary format in, a literal of SQL out.

A value becomes one literal, so it can never become SQL. A type that is not known here is taken as text.
"""

import math
import re
import struct
import uuid
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation, localcontext

from engine.query.parameters import SqlLiteral
from server.pgwire.errors import PgError

_NUMBER = re.compile(r"\s*[+-]?\d+\s*")
_DIGITS_MAX = 76
_CONTEXT_DIGITS = 1_000
_CLOCK = re.compile(r"([+-]?)(\d+):(\d{2})(?::(\d{2}(?:\.\d+)?))?")
# What JDBC writes behind a value of java.sql, whose type it leaves to the server.
_ZONE = re.compile(r"(:\d{2}(?:\.\d+)?|\s)\s*(?:Z|[+-]\d{2}(?::?\d{2}){0,2})\s*$")
_SECOND_US = 1_000_000
_DAY_US = 86_400 * _SECOND_US
_EPOCH = date(2000, 1, 1)
_ARRAY_HEAD = struct.Struct("!iiI")
_ARRAY_DEPTH_MAX = 6

BOOL, BYTEA, INT8, INT2, INT4, TEXT, OID = 16, 17, 20, 21, 23, 25, 26
JSON, FLOAT4, FLOAT8, UNKNOWN, VARCHAR, DATE = 114, 700, 701, 705, 1043, 1082
TIME, TIMESTAMP, TIMESTAMPTZ, INTERVAL, NUMERIC, UUID, JSONB = (
    1083,
    1114,
    1184,
    1186,
    1700,
    2950,
    3802,
)

ITEM_TYPES = {
    1000: BOOL, 1001: BYTEA, 1016: INT8, 1005: INT2, 1007: INT4, 1009: TEXT, 1028: OID, 199: JSON,
    1021: FLOAT4, 1022: FLOAT8, 1015: VARCHAR, 1182: DATE, 1183: TIME, 1115: TIMESTAMP,
    1185: TIMESTAMPTZ, 1187: INTERVAL, 1231: NUMERIC, 2951: UUID, 3807: JSONB,
}  # fmt: skip
"""The type of the items of each array type."""


def literal_of(oid: int, format_code: int, data: bytes | None) -> SqlLiteral:
    """Write a value as a literal.

    Args:
        oid: of its type; 0 = not known, then it is text.
        format_code: 0 text, 1 binary.
        data: the value; None = NULL.

    Raises:
        PgError: the bytes are no value of the type.
    """
    if data is None:
        return SqlLiteral("NULL")
    try:
        if format_code == 0:
            return SqlLiteral(_of_text(oid, data.decode()))
        return SqlLiteral(_of_binary(oid, data))
    except UnicodeDecodeError:
        raise PgError('invalid byte sequence for encoding "UTF8"', "22021") from None
    except (struct.error, ValueError, OverflowError, InvalidOperation):
        state = "22P03" if format_code else "22P02"
        raise PgError(f"invalid value of a parameter of the type with OID {oid}", state) from None


def _of_text(oid: int, text: str) -> str:
    if "\x00" in text:
        raise PgError("a text must not contain the NUL character", "22021")
    if oid in ITEM_TYPES:
        return _array(_items_of_text(text), ITEM_TYPES[oid])
    write = _TEXT_WRITERS.get(oid)
    return _text(text) if write is None else write(text)


def _of_binary(oid: int, data: bytes) -> str:
    if oid in ITEM_TYPES:
        return _array_of_binary(data)
    write = _BINARY_WRITERS.get(oid)
    return _of_text(TEXT, data.decode()) if write is None else write(data)


def _text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _bool(text: str) -> str:
    folded = text.strip().lower()
    if (folded and any(word.startswith(folded) for word in ("true", "yes", "on"))) or folded == "1":
        return "TRUE"
    if (
        folded and any(word.startswith(folded) for word in ("false", "no", "off"))
    ) or folded == "0":
        return "FALSE"
    raise ValueError(text)


def _whole(text: str) -> str:
    if not _NUMBER.fullmatch(text):
        raise ValueError(text)
    return _signed(str(int(text)))


def _float(text: str) -> str:
    value = float(text)
    if math.isfinite(value):
        return _signed(f"{value!r}" if "e" in repr(value) else f"{value!r}e0")
    return f"CAST('{value}' AS DOUBLE)"


def _numeric(text: str) -> str:
    value = Decimal(text.strip())
    if not value.is_finite():
        raise PgError("a numeric parameter must be finite", "22003")
    sign, digits, exponent = value.as_tuple()
    assert isinstance(exponent, int)
    scale = max(0, -exponent)
    precision = max(len(digits) + max(0, exponent), scale, 1)
    if precision > _DIGITS_MAX:
        raise PgError(f"a numeric parameter may have {_DIGITS_MAX} digits", "22003")
    # Not abs(): it would round to the digits of the context.
    return f"CAST('{'-' if sign else ''}{value.copy_abs():f}' AS DECIMAL({precision}, {scale}))"


def _signed(text: str) -> str:
    """The brackets keep ``-$1`` from becoming a comment when the value is negative."""
    return f"({text})" if text[0] == "-" else text


def _cast(name: str) -> Callable[[str], str]:
    return lambda text: f"CAST({_text(text.strip())} AS {name})"


def _cast_local(name: str) -> Callable[[str], str]:
    """As in Postgres a type without a zone ignores the zone of a text."""
    cast = _cast(name)
    return lambda text: cast(_ZONE.sub(r"\1", text))


def _in_words(clock: re.Match[str]) -> str:
    """Write ``-1:02:03`` in words: DataFusion reads two digits of hours only."""
    sign, hours, minutes, seconds = clock.groups()
    return f"{sign}{hours} hours {sign}{minutes} minutes {sign}{seconds or 0} seconds"


def _bytea(text: str) -> str:
    if text.startswith("\\x"):
        return _bytes(bytes.fromhex(text[2:]))
    pieces = re.sub(r"\\([0-3][0-7]{2}|\\)", _unescaped, text)
    return _bytes(pieces.encode("latin-1"))


def _unescaped(found: re.Match[str]) -> str:
    return "\\" if found[1] == "\\" else chr(int(found[1], 8))


def _bytes(data: bytes) -> str:
    return f"X'{data.hex()}'"


_TEXT_WRITERS: dict[int, Callable[[str], str]] = {
    BOOL: _bool,
    BYTEA: _bytea,
    INT2: _whole,
    INT4: _whole,
    INT8: _whole,
    OID: _whole,
    FLOAT4: _float,
    FLOAT8: _float,
    NUMERIC: _numeric,
    DATE: _cast_local("DATE"),
    TIME: _cast_local("TIME"),
    TIMESTAMP: _cast_local("TIMESTAMP"),
    TIMESTAMPTZ: _cast("TIMESTAMP WITH TIME ZONE"),
    INTERVAL: lambda text: f"INTERVAL {_text(_CLOCK.sub(_in_words, text.strip()))}",
    UUID: lambda text: _text(str(uuid.UUID(text.strip()))),
}


def _unpacked(layout: str) -> Callable[[bytes], str]:
    shape = struct.Struct(layout)
    return lambda data: _signed(str(shape.unpack(data)[0]))


def _float_of_binary(layout: str) -> Callable[[bytes], str]:
    shape = struct.Struct(layout)
    return lambda data: _float(repr(shape.unpack(data)[0]))


def _day(days: int) -> str:
    return (_EPOCH + timedelta(days=days)).isoformat()


def _clock(microseconds: int) -> str:
    seconds, rest = divmod(microseconds, _SECOND_US)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{rest:06d}"


def _moment(data: bytes) -> str:
    days, rest = divmod(struct.unpack("!q", data)[0], _DAY_US)
    return f"{_day(days)} {_clock(rest)}"


def _interval(data: bytes) -> str:
    microseconds, days, months = struct.unpack("!qii", data)
    sign, size = ("-", -microseconds) if microseconds < 0 else ("", microseconds)
    seconds, rest = divmod(size, _SECOND_US)
    return f"INTERVAL '{months} months {days} days {sign}{seconds}.{rest:06d} seconds'"


def _numeric_of_binary(data: bytes) -> str:
    count, weight, sign, scale = struct.unpack_from("!HhHH", data)
    groups = struct.unpack_from(f"!{count}H", data, 8)
    if sign not in (0, 0x4000):
        raise PgError("a numeric parameter must be finite", "22003")
    if max(groups, default=0) > 9999 or not -20 <= weight <= 20:  # noqa: PLR2004 - base 10,000
        raise ValueError(data)
    with localcontext(prec=_CONTEXT_DIGITS):
        number = Decimal(0)
        for place, group in enumerate(groups):
            number += Decimal(group).scaleb(4 * (weight - place))
        text = f"{number:.{scale}f}"
    return _numeric("-" + text if sign else text)


_BINARY_WRITERS: dict[int, Callable[[bytes], str]] = {
    BOOL: lambda data: "TRUE" if struct.unpack("!?", data)[0] else "FALSE",
    BYTEA: _bytes,
    INT2: _unpacked("!h"),
    INT4: _unpacked("!i"),
    INT8: _unpacked("!q"),
    OID: _unpacked("!I"),
    FLOAT4: _float_of_binary("!f"),
    FLOAT8: _float_of_binary("!d"),
    NUMERIC: _numeric_of_binary,
    DATE: lambda data: f"CAST('{_day(struct.unpack('!i', data)[0])}' AS DATE)",
    TIME: lambda data: f"CAST('{_clock(struct.unpack('!q', data)[0])}' AS TIME)",
    TIMESTAMP: lambda data: f"CAST('{_moment(data)}' AS TIMESTAMP)",
    TIMESTAMPTZ: lambda data: f"CAST('{_moment(data)}+00' AS TIMESTAMP WITH TIME ZONE)",
    INTERVAL: _interval,
    UUID: lambda data: _text(str(uuid.UUID(bytes=data))),
    JSONB: lambda data: _text(data[1:].decode()),
}

_Nested = list["_Nested | str | None"]


def _array(items: "_Nested", oid: int) -> str:
    written = (
        "NULL"
        if item is None
        else _array(item, oid)
        if isinstance(item, list)
        else _of_text(oid, item)
        for item in items
    )
    return f"ARRAY[{', '.join(written)}]"


def _items_of_text(text: str) -> "_Nested":
    """Read ``{1,"a b",NULL,{…}}``."""
    tokens = _tokens(text.strip().partition("=")[2] if text.lstrip()[:1] == "[" else text.strip())
    if next(tokens, None) != "{":
        raise ValueError(text)
    items = _nested(tokens, 1)
    if next(tokens, None) is not None:
        raise ValueError(text)
    return items


def _nested(tokens: Iterator[str], depth: int) -> "_Nested":
    if depth > _ARRAY_DEPTH_MAX:
        raise ValueError(depth)
    items: _Nested = []
    for mark in tokens:
        if mark == "}":
            return items
        if mark == "{":
            items.append(_nested(tokens, depth + 1))
        elif mark[0] == '"':
            items.append(re.sub(r"\\(.)", r"\1", mark[1:-1], flags=re.DOTALL))
        elif mark != ",":
            items.append(None if mark.upper() == "NULL" else mark)
    raise ValueError(depth)


_ARRAY_TOKEN = re.compile(
    r'\s*([{},]|"(?:[^"\\]|\\.)*"|[^{},"\s\\]+(?:\s+[^{},"\s\\]+)*)\s*', re.DOTALL
)


def _tokens(text: str) -> Iterator[str]:
    at = 0
    while at < len(text):
        found = _ARRAY_TOKEN.match(text, at)
        if found is None:
            raise ValueError(text)
        yield found[1]
        at = found.end()


def _array_of_binary(data: bytes) -> str:
    dimensions, _, oid = _ARRAY_HEAD.unpack_from(data)
    if not 0 <= dimensions <= _ARRAY_DEPTH_MAX:
        raise ValueError(dimensions)
    sizes = [struct.unpack_from("!i", data, 12 + 8 * each)[0] for each in range(dimensions)]
    at = 12 + 8 * dimensions
    total = math.prod(sizes) if sizes else 0
    if not 0 <= total <= len(data) // 4:
        raise ValueError(total)
    items: list[str] = []
    for _ in range(total):
        (length,) = struct.unpack_from("!i", data, at)
        at += 4
        if length < -1 or at + length > len(data):
            raise ValueError(length)
        items.append("NULL" if length < 0 else _of_binary(oid, data[at : at + length]))
        at += max(0, length)
    for size in reversed(sizes[1:]):
        items = [f"ARRAY[{', '.join(items[n : n + size])}]" for n in range(0, len(items), size)]
    return f"ARRAY[{', '.join(items)}]"
