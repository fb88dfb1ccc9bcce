"""Every type of MariaDB with extreme values: how a column is declared, written, and arrives."""

import random
import re
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from ipaddress import IPv4Address, IPv6Address
from typing import Any
from uuid import UUID

import numpy as np
import pyarrow as pa

from connectors.sources.mysql.statements import quoted
from tests.connectors.contract import Sample
from tests.connectors.sources.mariadb_server import MariaDB

LOST = "of zero or impossible dates became NULL"
TEXT_POOL = "abcXYZ äß\u0130漢\U0001f600\U00010348\\'\"`%\n\t\0"


def same(value: Any) -> Any:
    return value


@dataclass(frozen=True)
class Kind:
    """One column type.

    Attributes:
        name: of the column.
        ddl: its type, as in CREATE TABLE.
        native: its ``COLUMN_TYPE``.
        type: what it becomes.
        values: extremes, as given to the driver.
        draw: makes a random value.
        arrives: what comes of a value.
        placeholder: how a value is written.
        lost: how many of ``values`` cannot be kept.
    """

    name: str
    ddl: str
    native: str
    type: pa.DataType
    values: Sequence[Any]
    draw: Callable[[random.Random], Any]
    arrives: Callable[[Any], Any] = same
    placeholder: str = "%s"
    lost: int = 0


def _integers(name: str, bits: int, small: pa.DataType, large: pa.DataType) -> list[Kind]:
    low, high, top = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1, 2**bits - 1
    widths = {"tinyint": 4, "smallint": 6, "mediumint": 9, "int": 11, "bigint": 20}
    width = widths[name]
    unsigned = width if name == "bigint" else width - 1
    return [
        Kind(name, name, f"{name}({width})", small, (low, high, 0), lambda r: r.randint(low, high)),
        Kind(
            f"{name} unsigned",
            f"{name} unsigned",
            f"{name}({unsigned}) unsigned",
            large,
            (0, top, high + 1),
            lambda r: r.randint(0, top),
        ),
    ]


def _decimal(precision: int, scale: int, more: str = "") -> Kind:
    top = 10**precision - 1
    low = 0 if more else -top
    dtype: pa.DataType = (
        pa.decimal128(precision, scale) if precision <= 38 else pa.decimal256(precision, scale)
    )
    native = f"decimal({precision},{scale})" + (" unsigned zerofill" if more else "")
    return Kind(
        f"decimal {precision} {scale}{more}",
        f"decimal({precision},{scale}){more}",
        native,
        dtype,
        [f"{number}e-{scale}" for number in (top, low, 1)],
        lambda r: f"{r.randint(low, top) // 10 ** r.randrange(precision)}e-{scale}",
        Decimal,
    )


def _bits_of(code: str) -> Callable[[random.Random], float]:
    def draw(rng: random.Random) -> float:
        while True:
            (value,) = struct.unpack(code, rng.randbytes(struct.calcsize(code)))
            # The server has no infinity, no NaN and no negative zero.
            if np.isfinite(value) and value != 0:
                return float(value)

    return draw


def _one_zero_group(address: str) -> str:
    """As the server writes an address: a zero group that stands alone is ``::`` too."""
    return address if "::" in address else re.sub("(^|:)0(:|$)", "::", address, count=1)


def _text(name: str, ddl: str, native: str, values: Sequence[str], pool: str = TEXT_POOL) -> Kind:
    def draw(rng: random.Random) -> str:
        # The server cuts blanks at the end of a CHAR.
        return "".join(rng.choices(pool, k=rng.randint(0, 8))).rstrip(" ")

    return Kind(name, ddl, native, pa.string(), values, draw)


def _bytes(name: str, ddl: str, native: str, values: Sequence[bytes]) -> Kind:
    return Kind(name, ddl, native, pa.binary(), values, lambda r: r.randbytes(r.randint(0, 8)))


def _day(rng: random.Random) -> date:
    return date(1, 1, 1) + timedelta(days=rng.randrange(3_652_059))


def _moment(rng: random.Random, *, digits: int = 6) -> str:
    fraction = f".{rng.randrange(10**digits):0{digits}}" if digits else ""
    hour, minute, second = rng.randrange(24), rng.randrange(60), rng.randrange(60)
    return f"{_day(rng)} {hour:02}:{minute:02}:{second:02}{fraction}"


def _instant(rng: random.Random) -> str:
    moment = datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC) + timedelta(
        seconds=rng.randrange(2**31 - 1), microseconds=rng.randrange(10**6)
    )
    return moment.strftime("%Y-%m-%d %H:%M:%S.%f")


def _date_or_none(text: str | date) -> date | None:
    try:
        return date.fromisoformat(str(text))
    except ValueError:
        return None


def _moment_or_none(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _instant_or_none(text: str) -> datetime | None:
    moment = _moment_or_none(text)
    return moment and moment.replace(tzinfo=UTC)


def _hours(rng: random.Random) -> str:
    hours, minutes, seconds = rng.randint(0, 838), rng.randrange(60), rng.randrange(60)
    micros = rng.randint(1, 999_999)
    return f"{rng.choice(('', '-'))}{hours:02}:{minutes:02}:{seconds:02}.{micros:06}"


def point(x: float, y: float) -> bytes:
    return struct.pack("<BIdd", 1, 1, x, y)


def _wkb_line(*points: tuple[float, float]) -> bytes:
    return struct.pack("<BII", 1, 2, len(points)) + b"".join(struct.pack("<dd", *p) for p in points)


def _geometry(name: str, draw: Callable[[random.Random], bytes], *values: bytes) -> Kind:
    return Kind(name, name, name, pa.binary(), values, draw, placeholder="ST_GeomFromWKB(%s, 4326)")


def _a_point(rng: random.Random) -> bytes:
    return point(rng.uniform(-180, 180), rng.uniform(-90, 90))


def _a_line(rng: random.Random) -> bytes:
    corners = [(rng.uniform(-9, 9), rng.uniform(-9, 9)) for _ in range(rng.randint(2, 5))]
    return _wkb_line(*corners)


LINE = _wkb_line((0, 0), (1, 2))
RING = struct.pack("<BIII", 1, 3, 1, 4) + struct.pack("<8d", 0, 0, 1, 0, 1, 1, 0, 0)
MULTI = struct.pack("<BII", 1, 4, 1) + point(1, 2)
MULTI_LINE = struct.pack("<BII", 1, 5, 1) + LINE
MULTI_RING = struct.pack("<BII", 1, 6, 1) + RING
COLLECTION = struct.pack("<BII", 1, 7, 2) + point(1, 2) + LINE

KINDS: tuple[Kind, ...] = (
    *_integers("tinyint", 8, pa.int8(), pa.uint8()),
    *_integers("smallint", 16, pa.int16(), pa.uint16()),
    *_integers("mediumint", 24, pa.int32(), pa.uint32()),
    *_integers("int", 32, pa.int32(), pa.uint32()),
    *_integers("bigint", 64, pa.int64(), pa.uint64()),
    Kind("bool", "bool", "tinyint(1)", pa.int8(), (1, 2, -128), lambda r: r.randint(-128, 127)),
    Kind(
        "zerofill",
        "int(9) zerofill",
        "int(9) unsigned zerofill",
        pa.uint32(),
        (42, 0, 2**32 - 1),
        lambda r: r.randint(0, 2**32 - 1),
    ),
    Kind("bit 1", "bit(1)", "bit(1)", pa.bool_(), (1, 0, 1), lambda r: r.randint(0, 1), bool),
    Kind("bit 10", "bit(10)", "bit(10)", pa.uint64(), (1023, 0, 256), lambda r: r.randrange(1024)),
    Kind(
        "bit 64",
        "bit(64)",
        "bit(64)",
        pa.uint64(),
        (2**64 - 1, 0, 2**63),
        lambda r: r.randrange(2**64),
    ),
    Kind("year", "year", "year(4)", pa.int16(), (0, 1901, 2155), lambda r: r.randint(1901, 2155)),
    Kind(
        "float",
        "float",
        "float",
        pa.float32(),
        (3.4028234663852886e38, 1.401298464324817e-45, 1.1),
        _bits_of("<f"),
        lambda v: float(np.float32(v)),
    ),
    Kind(
        "float 7 2",
        "float(7,2)",
        "float(7,2)",
        pa.float32(),
        (1.1, -99999.99, 0.01),
        lambda r: r.randint(-(10**6), 10**6) / 100,
        lambda v: float(np.float32(v)),
    ),
    Kind(
        "double",
        "double",
        "double",
        pa.float64(),
        (1.7976931348623157e308, 5e-324, 0.1),
        _bits_of("<d"),
    ),
    Kind(
        "double 20 4",
        "double(20,4)",
        "double(20,4)",
        pa.float64(),
        (1.1, -999999999999.9999, 0.0001),
        lambda r: r.randint(-(10**14), 10**14) / 10**4,
    ),
    _decimal(12, 2),
    _decimal(18, 0),
    _decimal(38, 10),
    _decimal(30, 30),
    _decimal(39, 2),
    _decimal(65, 30),
    _decimal(10, 2, " zerofill"),
    Kind(
        "date",
        "date",
        "date",
        pa.date32(),
        ("0001-01-01", "9999-12-31", "0000-00-00"),
        _day,
        _date_or_none,
        lost=1,
    ),
    Kind(
        "datetime",
        "datetime",
        "datetime",
        pa.timestamp("us"),
        ("1000-01-01 00:00:00", "9999-12-31 23:59:59", "2023-02-31 10:00:00"),
        lambda r: _moment(r, digits=0),
        _moment_or_none,
        lost=1,
    ),
    Kind(
        "datetime 3",
        "datetime(3)",
        "datetime(3)",
        pa.timestamp("us"),
        ("1969-12-31 23:59:59.999", "2262-04-12 00:00:00.001", "1600-01-01 00:00:00.100"),
        lambda r: _moment(r, digits=3),
        _moment_or_none,
    ),
    Kind(
        "datetime 6",
        "datetime(6)",
        "datetime(6)",
        pa.timestamp("us"),
        ("0001-04-17 21:12:06.000001", "9999-12-31 23:59:59.999999", "2020-00-00 00:00:00"),
        _moment,
        _moment_or_none,
        lost=1,
    ),
    Kind(
        "timestamp 6",
        "timestamp(6) NULL",
        "timestamp(6)",
        pa.timestamp("us", "UTC"),
        ("1970-01-01 00:00:01.000000", "2038-01-19 03:14:07.999999", "0000-00-00 00:00:00"),
        _instant,
        _instant_or_none,
        lost=1,
    ),
    Kind(
        "time 6",
        "time(6)",
        "time(6)",
        pa.string(),
        ("-838:59:59.999999", "838:59:59.999999", "00:00:00.000001"),
        _hours,
    ),
    Kind(
        "time",
        "time",
        "time",
        pa.string(),
        ("-01:02:03", "838:59:59", "00:00:00"),
        lambda r: "01:02:03",
    ),
    _text("char", "char(9)", "char(9)", ("ä漢\U0001f600", "", 'a\'s \\ "q"')),
    _text("varchar", "varchar(40)", "varchar(40)", ("trailing  ", "NULL", "\0\t\n\\N")),
    _text("latin1", "varchar(9) CHARACTER SET latin1", "varchar(9)", ("äöüß", "€", ""), "aä€ß'\\"),
    _text("utf16", "varchar(9) CHARACTER SET utf16", "varchar(9)", ("漢\U0001f600", "", "a")),
    _text("sjis", "varchar(9) CHARACTER SET sjis", "varchar(9)", ("表", "ｱ", "a"), "表ソｱa"),
    _text("tinytext", "tinytext", "tinytext", ("x" * 255, "", "y" * 251)),
    _text("text", "text", "text", ("x" * 65535, "y" * 252, "z" * 250)),
    _text("mediumtext", "mediumtext", "mediumtext", ("\U0001f600" * 20000, "", "x" * 65536)),
    _text("longtext", "longtext", "longtext", ("a", "", "ü")),
    Kind(
        "json", "json", "longtext", pa.string(), ('{"a": 1.0}', "null", "[ ]"), lambda r: "[1e400]"
    ),
    Kind(
        "enum",
        "enum('a','unsigned','ü')",
        "enum('a','unsigned','ü')",
        pa.string(),
        ("a", "unsigned", "ü"),
        lambda r: r.choice(("a", "ü")),
    ),
    Kind("set", "set('a','b')", "set('a','b')", pa.string(), ("a,b", "", "b"), lambda r: "a"),
    Kind(
        "binary",
        "binary(3)",
        "binary(3)",
        pa.binary(),
        (b"\0\xff\0", b"", b"abc"),
        lambda r: r.randbytes(3),
        lambda v: v.ljust(3, b"\0"),
    ),
    _bytes("varbinary", "varbinary(9)", "varbinary(9)", (b"\0\xff\xfe", b"", b"a ")),
    _bytes("tinyblob", "tinyblob", "tinyblob", (bytes(range(255)), b"", b"\xfb")),
    _bytes("blob", "blob", "blob", (b"\xfe" * 65535, b"", b"\0")),
    _bytes("mediumblob", "mediumblob", "mediumblob", (b"\xff" * 65536, b"", b"\0")),
    _bytes("longblob", "longblob", "longblob", (b"\xff", b"", b"\0")),
    _geometry("geometry", _a_point, point(1, 2), LINE, RING),
    _geometry("point", _a_point, point(-180, 90), point(0, 0), point(1e-300, 1e300)),
    _geometry("linestring", _a_line, LINE, LINE, LINE),
    _geometry("polygon", lambda r: RING, RING, RING, RING),
    _geometry("multipoint", lambda r: MULTI, MULTI, MULTI, MULTI),
    _geometry("multilinestring", lambda r: MULTI_LINE, MULTI_LINE, MULTI_LINE, MULTI_LINE),
    _geometry("multipolygon", lambda r: MULTI_RING, MULTI_RING, MULTI_RING, MULTI_RING),
    _geometry("geometrycollection", lambda r: COLLECTION, COLLECTION, COLLECTION, COLLECTION),
    Kind(
        "inet4",
        "inet4",
        "inet4",
        pa.string(),
        ("1.0.0.0", "255.255.255.255", "10.0.0.1"),
        lambda r: str(IPv4Address(r.randbytes(4))),
    ),
    Kind(
        "inet6",
        "inet6",
        "inet6",
        pa.string(),
        ("::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "2001:0:1:0:2:3:4:5"),
        lambda r: str(IPv6Address(b"\x20\x01" + r.randbytes(14))),
        _one_zero_group,
    ),
    Kind(
        "uuid",
        "uuid",
        "uuid",
        pa.string(),
        (str(UUID(int=0)), str(UUID(int=2**128 - 1)), str(UUID(int=2**64))),
        lambda r: str(UUID(bytes=r.randbytes(16), version=4)),
    ),
    _text("odd `name` \"ä\" 'x' %s \\ ;--", "varchar(9)", "varchar(9)", ("a", "b", "c")),
)

EXTREMES = 3
DOUBLED = "generated"
HIDDEN = "invisible"
"""Two more columns that a SELECT of everything would get wrong, or leave out."""


def make_table(server: MariaDB, name: str, rows: Sequence[Sequence[Any]]) -> Sample:
    """Create a table with a column of every type.

    Args:
        server: where.
        name: of the table, in the database of the server.
        rows: values for the driver, one for each kind; the first column counts them.

    Returns:
        The table and what must come of it.
    """
    columns = ", ".join(f"{quoted(kind.name)} {kind.ddl}" for kind in KINDS)
    connection = server.connect(sql_mode="STRICT_ALL_TABLES,ALLOW_INVALID_DATES")
    with connection.cursor() as cursor:
        cursor.execute("SET SESSION time_zone = '+00:00'")
        cursor.execute(
            f"CREATE TABLE {quoted(name)} (id int PRIMARY KEY, {columns}, "
            f"{DOUBLED} int AS (id * 2) STORED, {HIDDEN} int INVISIBLE)"
        )
        names = ", ".join(quoted(kind.name).replace("%", "%%") for kind in KINDS)
        places = ", ".join(kind.placeholder for kind in KINDS)
        for number, row in enumerate(rows, 1):
            cursor.execute(
                f"INSERT INTO {quoted(name)} (id, {HIDDEN}, {names}) VALUES (%s, %s, {places})",
                (number, -number, *row),
            )
    connection.close()
    return Sample(name, expected_rows(rows))


def expected_rows(rows: Sequence[Sequence[Any]]) -> pa.Table:
    """Return what must arrive of such rows."""
    numbers = range(1, len(rows) + 1)
    arrays: list[pa.Array[Any]] = [pa.array(numbers, pa.int32())]
    fields: list[pa.Field[Any]] = [pa.field("id", pa.int32(), nullable=False)]
    for place, kind in enumerate(KINDS):
        given = [row[place] for row in rows]
        values = [None if value is None else kind.arrives(value) for value in given]
        arrays.append(pa.array(values, kind.type))
        fields.append(pa.field(kind.name, kind.type))
    arrays += [
        pa.array([n * 2 for n in numbers], pa.int32()),
        pa.array([-n for n in numbers], pa.int32()),
    ]
    fields += [pa.field(DOUBLED, pa.int32()), pa.field(HIDDEN, pa.int32())]
    return pa.Table.from_arrays(arrays, schema=pa.schema(fields))


def extreme_rows() -> list[list[Any]]:
    """Return a row for each extreme, and one of NULLs."""
    rows = [[kind.values[place] for kind in KINDS] for place in range(EXTREMES)]
    return [*rows, [None] * len(KINDS)]


def random_rows(rng: random.Random, count: int) -> list[list[Any]]:
    """Return rows of random values, extremes and NULLs among them."""

    def draw(kind: Kind) -> Any:
        chance = rng.random()
        if chance < 0.1:
            return None
        keepable = kind.values[: EXTREMES - kind.lost]
        return rng.choice(keepable) if chance < 0.2 else kind.draw(rng)

    return [[draw(kind) for kind in KINDS] for _ in range(count)]


def lost_warnings() -> list[str]:
    """Return what reading :func:`extreme_rows` warns of."""
    names = sorted(kind.name for kind in KINDS if kind.lost)
    return [f"Column '{name}': 1 value {LOST}." for name in names]
