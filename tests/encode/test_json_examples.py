"""Single facts about our JSON that random values would not show by themselves."""

import datetime as dt
import math
import struct
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from engine.encode import open_encoder
from tests.encode.reference import Members, rows_json


def test_a_dictionary_may_hold_a_null_among_its_values() -> None:
    coded = pa.DictionaryArray.from_arrays(pa.array([0, 1, None], pa.int8()), pa.array(["a", None]))
    assert rows_json(coded) == [["a"], [None], [None]]


def test_unions_are_cast_to_text_and_extensions_to_their_storage() -> None:
    codes, ints, words = (
        pa.array([0, 1, 1], pa.int8()),
        pa.array([1, None, 3]),
        pa.array(["a", 'b"', None]),
    )
    sparse: Any = pa.UnionArray.from_sparse(codes, [ints, words])
    dense: Any = pa.UnionArray.from_dense(codes, pa.array([2, 0, 1], pa.int32()), [ints, words])
    uuid: Any = pa.array([b"\x01" * 16] * 3, pa.uuid())
    assert rows_json(sparse, dense, uuid, slices=(1,)) == [
        ["1", "3", "01" * 16],
        ['b"', "a", "01" * 16],
        [None, 'b"', "01" * 16],
    ]


@pytest.mark.parametrize(
    ("key_kind", "key", "name"),
    [
        (pa.int32(), 7, "7"),
        (pa.date32(), dt.date(2024, 1, 2), "2024-01-02"),
        (pa.list_(pa.string()), ["a"], '["a"]'),
    ],
)
def test_a_map_key_that_is_no_string_becomes_its_json_text(
    key_kind: Any, key: Any, name: str
) -> None:
    rows = rows_json(pa.array([[(key, 1.5)], None], pa.map_(key_kind, pa.float64())))
    assert rows == [[Members([(name, Decimal("1.5"))])], [None]]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ((1, 2, 3 * 3600 * 10**9), "1 mons 2 days 3 hours"),
        ((12, 0, 0), "12 mons"),
        ((0, 0, 0), "0 secs"),
        ((-14, 3, 1_500_000_000), "-14 mons 3 days 1.500000000 secs"),
        ((0, -1, -3_661_005_000_000), "-1 days -1 hours -1 mins -1.005000000 secs"),
    ],
)
def test_intervals_read_as_the_query_engine_prints_them(
    value: tuple[int, int, int], text: str
) -> None:
    array = pa.array([(9, 9, 9), None, value], pa.month_day_nano_interval())[1:]
    assert rows_json(array) == [[None], [text]]


def test_numbers_keep_all_their_digits() -> None:
    values = ["0.00", "-0.10", "1234567890123456789012345678901234.50"]
    array = pa.array([Decimal(value) for value in values], pa.decimal128(38, 2))
    assert [str(row[0]) for row in rows_json(array)] == values
    wide = pa.array([Decimal("1e38"), Decimal("-1e-30")], pa.decimal256(76, 30))
    assert [row[0] for row in rows_json(wide)] == [Decimal("1e38"), Decimal("-1e-30")]
    small: list[Any] = [
        pa.array([Decimal("-1.5")], kind) for kind in (pa.decimal32(9, 8), pa.decimal64(18, 9))
    ]
    assert rows_json(*small) == [[Decimal("-1.5"), Decimal("-1.5")]]


def test_the_zones_rule_holds_after_the_last_listed_change() -> None:
    noon = dt.datetime(2050, 7, 1, 12, tzinfo=dt.UTC)
    summer = pa.array([noon], pa.timestamp("us", "America/New_York"))
    assert rows_json(summer) == [["2050-07-01T08:00:00-04:00"]]


def test_a_zone_nobody_knows_is_written_as_the_same_instant_in_utc() -> None:
    lost: Any = pa.array([0], pa.int64()).view(pa.timestamp("s", "Atlantis/Poseidonis"))
    assert rows_json(lost) == [["1970-01-01T00:00:00Z"]]


def test_times_outside_the_day_are_not_made_into_other_times() -> None:
    odd: Any = pa.array([-1, 90_000], pa.int32()).view(pa.time32("s"))
    assert rows_json(odd) == [["-00:00:01"], ["25:00:00"]]


def test_only_columns_that_lost_a_number_are_reported_as_nan_columns() -> None:
    columns: list[Any] = [
        pa.array([1.0, None]),
        pa.array([math.inf, None]),
        pa.array([1.0, math.nan]).dictionary_encode(),
        pa.array(["nan", "inf"]),
    ]
    batch = pa.RecordBatch.from_arrays(columns, names=list("abcd"))
    encoder: Any = open_encoder("json", batch.schema)
    assert encoder.nan_columns == [False] * 4
    assert b"".join(encoder.encode(batch)) == b'[1.0,null,1.0,"nan"],[null,null,null,"inf"]'
    assert encoder.nan_columns == [False, True, True, False]


def test_float_bits_survive_the_round_trip() -> None:
    bits = np.random.default_rng(5).integers(0, 2**64, 20_000, np.uint64)
    numbers = bits.view(np.float64)
    numbers = numbers[np.isfinite(numbers)]
    got = [float(row[0]) for row in rows_json(pa.array(numbers))]
    assert struct.pack(f"{len(got)}d", *got) == numbers.tobytes()


def test_values_hidden_under_a_null_parent_stay_hidden() -> None:
    words, off = pa.array(["a", "b", "c"]), pa.array([False, True, False])
    lists: Any = pa.ListArray.from_arrays(pa.array([0, 1, 2, 3], pa.int32()), words, mask=off)
    structs: Any = pa.StructArray.from_arrays([words], names=["k"], mask=off)
    k = [Members([("k", word)]) for word in "abc"]
    assert rows_json(lists, structs) == [[["a"], k[0]], [None, None], [["c"], k[2]]]
    assert rows_json(lists[1:], structs[1:]) == [[None, None], [["c"], k[2]]]
    assert rows_json(lists[2:], structs[:1]) == [[["c"], k[0]]]


def test_a_decimal_never_has_an_exponent() -> None:
    values = [Decimal("1e-12"), Decimal("-2e-38"), Decimal(0)]
    batch = pa.RecordBatch.from_arrays([pa.array(values, pa.decimal128(38, 38))], names=["x"])
    text = b"".join(open_encoder("json", batch.schema).encode(batch))
    assert text == b"[0.%s1%s],[-0.%s2],[0.%s]" % (b"0" * 11, b"0" * 26, b"0" * 37, b"0" * 38)
