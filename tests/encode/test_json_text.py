"""Columns of random values become the JSON that the slow reference expects."""

import math
from typing import Any, Literal, TypeAlias

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.encode.reference import PER_SECOND, Raw, build, expected, rows_json, same

Strategy: TypeAlias = st.SearchStrategy[Any]
I64 = st.integers(-(2**63), 2**63 - 1)
ZONES = ["UTC", "+05:30", "-03:00", "America/New_York", "Australia/Lord_Howe", "Europe/London"]
UNITS: tuple[Literal["s", "ms", "us", "ns"], ...] = ("s", "ms", "us", "ns")


def finite(bits: Literal[16, 32, 64]) -> Strategy:
    return st.floats(width=bits) | st.sampled_from([0.0, -0.0, math.nan, math.inf, -math.inf, 1.0])


def decimals(precision: int, scale: int) -> tuple[pa.DataType, Strategy]:
    top = 10**precision - 1
    return pa.decimal128(precision, scale), st.integers(-top, top) | st.integers(-20, 20)


def instants(unit: str) -> Strategy:
    """Whole seconds, round fractions and any tick, in years 1 to 9999 and, often, around now."""
    scale = PER_SECOND[unit]
    low, high = max(-62_135_000_000 * scale, -(2**63)), min(253_402_200_000 * scale, 2**63 - 1)
    near = st.integers(max(low, -(2**32) * scale), min(high, 2**32 * scale))
    steps = st.sampled_from([1, max(1, scale // 1000), scale])
    return st.builds(
        lambda tick, step: max(low, tick - tick % step), near | st.integers(low, high), steps
    )


TEXTS = st.text() | st.sampled_from(
    ["", '"\\/', "\x00\x1f\x7f\u2028\u2029", "😀\n\r\t\b\f", "a,b", "null"]
)
SIMPLE: list[tuple[pa.DataType, Strategy]] = [
    *[
        (kind, st.integers(low, high))
        for kind, low, high in [
            (pa.int8(), -128, 127),
            (pa.int16(), -(2**15), 2**15 - 1),
            (pa.int32(), -(2**31), 2**31 - 1),
            (pa.int64(), -(2**63), 2**63 - 1),
            (pa.uint8(), 0, 255),
            (pa.uint64(), 0, 2**64 - 1),
        ]
    ],
    (pa.null(), st.none()),
    (pa.bool_(), st.booleans()),
    (pa.float16(), finite(16)),
    (pa.float32(), finite(32)),
    (pa.float64(), finite(64)),
    (pa.string(), TEXTS),
    (pa.large_string(), TEXTS),
    (pa.string_view(), TEXTS),
    (pa.binary(), st.binary()),
    (pa.large_binary(), st.binary()),
    (pa.binary_view(), st.binary(max_size=40)),
    (pa.binary(3), st.binary(min_size=3, max_size=3)),
    *[
        decimals(*shape)
        for shape in [(38, 0), (38, 38), (12, 2), (20, 7), (38, 10), (5, 6), (9, -3)]
    ],
    (pa.date32(), st.integers(-(2**31), 2**31 - 1) | st.integers(-800_000, 3_000_000)),
    (pa.date64(), st.integers(-(10**8), 10**8).map(lambda day: day * 86_400_000)),
    *[(pa.timestamp(unit), I64 | instants(unit)) for unit in UNITS],
    *[(pa.timestamp("us", zone), instants("us")) for zone in ZONES],
    *[(pa.timestamp(unit, "Europe/London"), instants(unit)) for unit in ("s", "ms", "ns")],
    (pa.time32("s"), st.integers(0, 86_399)),
    (pa.time32("ms"), st.integers(0, 86_399_999)),
    (
        pa.time64("us"),
        st.integers(0, 86_399).map(lambda s: s * 10**6) | st.integers(0, 86_399_999_999),
    ),
    (pa.time64("ns"), st.integers(0, 86_399_999_999_999)),
    *[(pa.duration(unit), I64 | st.integers(-2000, 2000)) for unit in UNITS],
]


def members(kinds: list[tuple[pa.DataType, Strategy]]) -> Strategy:
    """Pairs of an Arrow type and a strategy for its raw values, nested up to three deep."""

    def deeper(inner: Strategy) -> Strategy:
        lists = inner.map(lambda kv: (pa.list_(kv[0]), st.lists(st.none() | kv[1], max_size=4)))
        large = inner.map(
            lambda kv: (pa.large_list(kv[0]), st.lists(st.none() | kv[1], max_size=4))
        )
        structs = st.lists(inner, max_size=3).map(
            lambda kvs: (
                pa.struct([(f'k"{i}', kind) for i, (kind, _) in enumerate(kvs)]),
                st.tuples(*[st.none() | values for _, values in kvs]),
            )
        )
        return lists | large | structs

    return st.recursive(st.sampled_from(kinds), deeper, max_leaves=4)


@pytest.mark.parametrize(("kind", "values"), SIMPLE, ids=[str(kind) for kind, _ in SIMPLE])
@given(data=st.data())
@settings(max_examples=30)
def test_a_column_of_any_type_matches_the_reference_in_any_slices(
    kind: pa.DataType, values: Strategy, data: st.DataObject
) -> None:
    raws = data.draw(st.lists(st.none() | values, max_size=30))
    cuts = tuple(data.draw(st.lists(st.integers(0, len(raws)), max_size=3)))
    rows = rows_json(build(kind, raws), slices=cuts)
    for (got,), raw in zip(rows, raws, strict=True):
        want = expected(kind, raw)
        assert same(got, want), f"{raw!r} became {got!r} instead of {want!r}"


@given(data=st.data())
@settings(max_examples=80)
def test_nested_types_match_the_reference_in_any_slices(data: st.DataObject) -> None:
    kind, values = data.draw(members(SIMPLE))
    raws = data.draw(st.lists(st.none() | values, max_size=8))
    cuts = tuple(data.draw(st.lists(st.integers(0, len(raws)), max_size=2)))
    array = build(kind, raws)
    rows = rows_json(array, pa.array(range(len(raws)), pa.int64()), array, slices=cuts)
    for number, (row, raw) in enumerate(zip(rows, raws, strict=True)):
        want = expected(kind, raw)
        assert same(row, [want, number, want]), f"{raw!r} of {kind} became {row!r}, not {want!r}"


@given(
    raws=st.lists(
        st.none() | st.lists(st.tuples(TEXTS, st.none() | st.integers(-9, 9)), max_size=4),
        max_size=8,
    ),
    cut=st.integers(0, 8),
)
def test_maps_become_objects_without_their_null_entries(raws: list[Raw], cut: int) -> None:
    kind = pa.map_(pa.string(), pa.int32())
    rows = rows_json(pa.array(raws, kind), slices=(min(cut, len(raws)),))
    assert rows == [[expected(kind, raw)] for raw in raws]


@given(
    raws=st.lists(st.none() | st.lists(st.none() | TEXTS, max_size=3), max_size=9),
    cut=st.integers(0, 9),
)
def test_all_list_layouts_are_the_same_list(raws: list[Raw], cut: int) -> None:
    text = pa.string_view()
    kinds: list[Any] = [pa.list_view(text), pa.large_list_view(text), pa.list_(text)]
    fixed = [None if raw is None else (raw * 3 + ["x", None, ""])[:3] for raw in raws]
    arrays: list[Any] = [pa.array(raws, kind) for kind in kinds]
    rows = rows_json(*arrays, pa.array(fixed, pa.list_(text, 3)), slices=(min(cut, len(raws)),))
    assert rows == [[raw, raw, raw, three] for raw, three in zip(raws, fixed, strict=True)]


@given(raws=st.lists(st.none() | TEXTS, min_size=1, max_size=12), cut=st.integers(0, 12))
def test_dictionaries_and_run_ends_are_their_plain_values(raws: list[Raw], cut: int) -> None:
    plain = pa.array(raws, pa.string())
    ends = pa.array(range(2, 2 * len(raws) + 2, 2), pa.int32())
    runs: Any = pa.RunEndEncodedArray.from_arrays(ends, plain.dictionary_encode())
    twice = [raw for raw in raws for _ in range(2)]
    rows = rows_json(
        pa.array(twice, pa.string()).dictionary_encode(), runs, slices=(min(cut, len(twice)),)
    )
    assert rows == [[raw, raw] for raw in twice]
