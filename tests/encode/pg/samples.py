"""Random columns of every type, the same in every run."""

import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa

from tests.encode.reference import build

ROWS = 10_000
_WORDS = [
    "",
    "NULL",
    "null",
    "a",
    'q"q',
    "b\\s",
    "{x}",
    "a,b",
    "tab\t",
    "\n",
    "\r",
    " ",
    "é😀",
    "\\.",
]

# The stubs want the element type of every array, which no sample knows.
arrow: Any = pa
Make = Callable[[np.random.Generator, int], Any]


def _ints(low: int, high: int) -> Make:
    """Spread over magnitudes, so that short ones are as frequent as long ones."""

    def make(rng: np.random.Generator, rows: int) -> list[int]:
        bits = rng.integers(0, 65, rows)
        raw = [int(value) for value in rng.integers(0, 2**63, rows)]
        signs = rng.integers(0, 2, rows)
        found = []
        for value, bit, sign in zip(raw, bits.tolist(), signs.tolist(), strict=True):
            one = (value << 1 | sign) >> (64 - bit)
            found.append(max(low, min(high, -one if sign and low < 0 else one)))
        return found

    return make


def _plain(kind: pa.DataType, make: Make) -> Make:
    return lambda rng, rows: _nulled(rng, build(kind, list(make(rng, rows))))


def _between(low: int, high: int, step: int = 1) -> Make:
    """Uniform; half of them multiples of `step`."""

    def make(rng: np.random.Generator, rows: int) -> list[int]:
        values = rng.integers(low, high, rows)
        return [int(v) - (int(v) % step if i % 2 else 0) for i, v in enumerate(values)]

    return make


def _nulled(rng: np.random.Generator, array: Any) -> Any:
    """Take every value by its number, and none where there is no number."""
    return array.take(arrow.array(np.arange(len(array)), mask=rng.integers(0, 17, len(array)) == 0))


def _floats(dtype: str) -> Make:
    def make(rng: np.random.Generator, rows: int) -> Any:
        width = np.dtype(dtype).itemsize
        bits = rng.integers(0, 256, rows * width, dtype=np.uint8).view(dtype)
        powers = 10.0 ** rng.integers(-8, 3 if width == 2 else 18, rows)
        with np.errstate(over="ignore"):
            near = (rng.normal(size=rows) * powers).astype(dtype)
            round_ones = near.round(2)
        pick = rng.integers(0, 3, rows)
        values = np.where(pick == 0, bits, np.where(pick == 1, near, round_ones))
        values[np.isnan(values)] = np.nan  # one NaN: its other bits are nobody's
        values[:4] = [np.nan, np.inf, -np.inf, -0.0]
        return _nulled(rng, pa.array(values))

    return make


def _decimals(kind: Any) -> Make:
    def make(rng: np.random.Generator, rows: int) -> Any:
        digits = rng.integers(0, kind.precision + 1, rows)
        raw = ["".join(map(str, rng.integers(0, 10, int(count)))) for count in digits]
        signs = rng.choice([-1, 1], rows)
        cuts = 10 ** rng.integers(0, kind.precision, rows).astype(object)
        # Zeros inside and at the end are what base 10,000 drops.
        sizes = [int(text or 0) // cut * cut for text, cut in zip(raw, cuts, strict=True)]
        values = [size * int(sign) for size, sign in zip(sizes, signs, strict=True)]
        bits = kind.bit_width
        data = b"".join((value % 2**bits).to_bytes(bits // 8, "little") for value in values)
        return _nulled(rng, arrow.Array.from_buffers(kind, rows, [None, pa.py_buffer(data)]))

    return make


def _texts(rng: np.random.Generator, rows: int) -> list[str]:
    picks = rng.integers(0, len(_WORDS), (rows, 2))
    return [_WORDS[a] + (_WORDS[b] if b % 2 else "") for a, b in picks.tolist()]


def _blobs(rng: np.random.Generator, rows: int) -> list[bytes]:
    return [rng.bytes(int(length)) for length in rng.integers(0, 9, rows)]


def _intervals(rng: np.random.Generator, rows: int) -> Any:
    months = rng.integers(-30, 30, rows) * rng.integers(0, 2, rows)
    days = rng.integers(-40, 40, rows) * rng.integers(0, 2, rows)
    nanos = rng.integers(-(10**15), 10**15, rows) * rng.integers(0, 2, rows)
    nanos[::3] -= nanos[::3] % 10**9
    triples = [(int(m), int(d), int(n)) for m, d, n in zip(months, days, nanos, strict=True)]
    return _nulled(rng, pa.array(triples, pa.month_day_nano_interval()))


def _lists(make: Make, lengths: tuple[int, int] = (0, 5)) -> Make:
    def made(rng: np.random.Generator, rows: int) -> Any:
        sizes = rng.integers(*lengths, rows)
        offsets = np.concatenate(([0], np.cumsum(sizes))).astype(np.int32)
        return _nulled(rng, arrow.ListArray.from_arrays(pa.array(offsets), make(rng, offsets[-1])))

    return made


def _list_views(rng: np.random.Generator, rows: int) -> Any:
    """Lists that share items, in no order."""
    starts = pa.array(rng.integers(0, rows - 5, rows), pa.int32())
    sizes = pa.array(rng.integers(0, 5, rows), pa.int32())
    mask = pa.array(rng.integers(0, 17, rows) == 0)
    return arrow.ListViewArray.from_arrays(starts, sizes, TEXT(rng, rows), mask=mask)


def _matrices(make: Make) -> Make:
    """Lists of lists, all of one length within a row."""

    def made(rng: np.random.Generator, rows: int) -> Any:
        outer, inner = rng.integers(0, 4, rows), rng.integers(0, 4, rows)
        sizes = np.repeat(inner, outer)
        ends = np.concatenate(([0], np.cumsum(sizes))).astype(np.int32)
        starts = np.concatenate(([0], np.cumsum(outer))).astype(np.int32)
        inside = arrow.ListArray.from_arrays(pa.array(ends), make(rng, int(ends[-1])))
        return _nulled(rng, arrow.ListArray.from_arrays(pa.array(starts), inside))

    return made


def _structs(rng: np.random.Generator, rows: int) -> Any:
    names = pa.array(_texts(rng, rows))
    return _nulled(rng, arrow.StructArray.from_arrays([names, pa.array(range(rows))], ["n", "i"]))


def _unions(rng: np.random.Generator, rows: int) -> Any:
    codes = pa.array(rng.integers(0, 2, rows), pa.int8())
    return arrow.UnionArray.from_sparse(codes, [pa.array(_texts(rng, rows)), pa.array(range(rows))])


def _runs(rng: np.random.Generator, rows: int) -> Any:
    ends = np.arange(1, rows + 1, 2, dtype=np.int32)
    ends[-1] = rows
    values = _nulled(rng, pa.array(_texts(rng, len(ends))))
    return arrow.RunEndEncodedArray.from_arrays(pa.array(ends), values)


def _uuids(rng: np.random.Generator, rows: int) -> Any:
    values = _plain(pa.binary(16), lambda rng, rows: [rng.bytes(16) for _ in range(rows)])
    return arrow.ExtensionArray.from_storage(pa.uuid(), values(rng, rows))


DAY = 86_400
_YEARS = (-62_135_596_800, 253_402_300_800)  # 0001 to 9999
_NS = (-(2**63) + 1, 2**63 - 1)


def _moments(unit: str, zone: str | None, low: int, high: int) -> Make:
    per_second = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
    return _plain(arrow.timestamp(unit, zone), _between(low, high, per_second))


INT64 = _plain(pa.int64(), _ints(-(2**63), 2**63 - 1))
TEXT = _plain(pa.string(), _texts)
MICROS = tuple(second * 10**6 for second in _YEARS)
KINDS: dict[str, Make] = {
    "bool": _plain(pa.bool_(), lambda rng, rows: rng.integers(0, 2, rows).astype(bool)),
    "int8": _plain(pa.int8(), _ints(-(2**7), 2**7 - 1)),
    "int16": _plain(pa.int16(), _ints(-(2**15), 2**15 - 1)),
    "int32": _plain(pa.int32(), _ints(-(2**31), 2**31 - 1)),
    "int64": INT64,
    "uint8": _plain(pa.uint8(), _ints(0, 2**8 - 1)),
    "uint16": _plain(pa.uint16(), _ints(0, 2**16 - 1)),
    "uint32": _plain(pa.uint32(), _ints(0, 2**32 - 1)),
    "uint64": _plain(pa.uint64(), _ints(0, 2**64 - 1)),
    "float16": _floats("f2"),
    "float32": _floats("f4"),
    "float64": _floats("f8"),
    "decimal32": _decimals(pa.decimal32(9, 3)),
    "decimal64": _decimals(pa.decimal64(18, 17)),
    "decimal128": _decimals(pa.decimal128(12, 2)),
    "decimal128 wide": _decimals(pa.decimal128(38, 13)),
    "decimal128 fraction": _decimals(pa.decimal128(38, 38)),
    "decimal128 whole": _decimals(pa.decimal128(38, 0)),
    "decimal128 negative scale": _decimals(pa.decimal128(10, -5)),
    "decimal256": _decimals(pa.decimal256(76, 30)),
    "utf8": TEXT,
    "large_utf8": _plain(pa.large_string(), _texts),
    "utf8_view": lambda rng, rows: TEXT(rng, rows).cast(pa.string_view()),
    "binary": _plain(pa.binary(), _blobs),
    "large_binary": _plain(pa.large_binary(), _blobs),
    "binary_view": lambda rng, rows: _plain(pa.binary(), _blobs)(rng, rows).cast(pa.binary_view()),
    "fixed_size_binary": _plain(
        pa.binary(3), lambda rng, rows: [rng.bytes(3) for _ in range(rows)]
    ),
    "date32": _plain(pa.date32(), _between(-719_162, 2_932_897)),
    "date32 far": _plain(pa.date32(), _between(-2_440_588, 2_145_042_905)),
    "date32 bc": _plain(pa.date32(), _between(-2_440_588, 0)),
    "date64": _plain(
        pa.date64(),
        lambda rng, rows: [d * 86_400_000 for d in _between(-719_162, 2_932_897)(rng, rows)],
    ),
    "time32[s]": _plain(pa.time32("s"), _between(0, DAY)),
    "time32[ms]": _plain(pa.time32("ms"), _between(0, DAY * 10**3, 10**3)),
    "time64[us]": _plain(pa.time64("us"), _between(0, DAY * 10**6, 10**3)),
    "time64[ns]": _plain(pa.time64("ns"), _between(0, DAY * 10**9, 10**9)),
    "timestamp[s]": _moments("s", None, *_YEARS),
    "timestamp[ms]": _moments("ms", None, *(second * 10**3 for second in _YEARS)),
    "timestamp[us]": _moments("us", None, *MICROS),
    "timestamp[us] far": _moments("us", None, -2_440_588 * DAY * 10**6, 2**63 - 1),
    "timestamp[us] bc": _moments("us", None, -2_440_588 * DAY * 10**6, 0),
    "timestamp[ns]": _moments("ns", None, *_NS),
    "timestamptz[s]": _moments("s", "UTC", *_YEARS),
    "timestamptz[us]": _moments("us", "Europe/Berlin", *MICROS),
    "timestamptz[us] far": _moments("us", "UTC", -2_440_000 * DAY * 10**6, 2**63 - 1),
    "timestamptz[ns]": _moments("ns", "+05:30", *_NS),
    "duration[s]": _plain(pa.duration("s"), _between(-(10**12), 10**12)),
    "duration[ms]": _plain(pa.duration("ms"), _between(-(10**12), 10**12, 1000)),
    "duration[us]": _plain(pa.duration("us"), _between(-(10**12), 10**12, 10**6)),
    "duration[ns]": _plain(pa.duration("ns"), _between(*_NS, 10**9)),
    "interval": _intervals,
    "list<int64>": _lists(INT64),
    "list<utf8>": _lists(TEXT),
    "list<binary>": _lists(_plain(pa.binary(), _blobs)),
    "list<decimal>": _lists(_decimals(pa.decimal128(12, 2))),
    "list<timestamp>": _lists(_moments("us", None, *MICROS)),
    "list<interval>": _lists(_intervals),
    "list<bool>": _lists(_plain(pa.bool_(), lambda rng, n: rng.integers(0, 2, n).astype(bool))),
    "list<struct>": _lists(_structs),
    "list<null>": _lists(lambda rng, rows: pa.nulls(rows)),
    "list<float64>": _lists(_floats("f8")),
    "list<timestamptz>": _lists(_moments("ms", "UTC", *(second * 10**3 for second in _YEARS))),
    "list<dictionary>": _lists(lambda rng, rows: TEXT(rng, rows).dictionary_encode()),
    "list<utf8_view>": lambda rng, rows: _lists(TEXT)(rng, rows).cast(pa.list_(pa.string_view())),
    "list<uuid>": _lists(_uuids),
    "large_list": lambda rng, rows: _lists(INT64)(rng, rows).cast(pa.large_list(pa.int64())),
    "fixed_size_list": lambda rng, rows: _lists(INT64, (3, 4))(rng, rows).cast(
        pa.list_(pa.int64(), 3)
    ),
    "list_view": _list_views,
    "list<list<int64>>": _matrices(INT64),
    "list<list<utf8>>": _matrices(TEXT),
    "struct": _structs,
    "map": lambda rng, rows: pa.array(
        [[(word, i)] if i % 3 else None for i, word in enumerate(_texts(rng, rows))],
        pa.map_(pa.string(), pa.int64()),
    ),
    "union": _unions,
    "dictionary": lambda rng, rows: TEXT(rng, rows).dictionary_encode(),
    "run_end_encoded": _runs,
    "null": lambda rng, rows: pa.nulls(rows),
    "uuid": _uuids,
    "json": lambda rng, rows: arrow.ExtensionArray.from_storage(
        pa.json_(),
        _plain(pa.string(), lambda rng, rows: [f'{{"a": {i}}}' for i in range(rows)])(rng, rows),
    ),
}


def column(name: str, rows: int = ROWS) -> Any:
    """A column of the kind called `name`, with a null now and then."""
    return KINDS[name](np.random.default_rng(zlib.crc32(name.encode())), rows)
