"""Joining types: the outcome must not depend on the order in which blocks are read."""

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.datasets.text_values import infer_type
from engine.datasets.widening import BIG_INTEGER, join_schemas, join_types, settled

SCALARS = st.sampled_from(
    [
        pa.null(),
        pa.bool_(),
        pa.int64(),
        BIG_INTEGER,
        pa.float64(),
        pa.string(),
        pa.date32(),
        pa.timestamp("us"),
        pa.timestamp("ns"),
        pa.timestamp("us", "UTC"),
        pa.timestamp("ns", "UTC"),
    ]
)
TYPES = st.recursive(
    SCALARS,
    lambda inner: inner.map(pa.list_) | inner.map(lambda dtype: pa.struct([("a", dtype)])),
    max_leaves=3,
)


@given(TYPES, TYPES, TYPES)
def test_the_order_of_joining_does_not_matter(
    a: pa.DataType, b: pa.DataType, c: pa.DataType
) -> None:
    assert join_types(a, b) == join_types(b, a)
    assert join_types(join_types(a, b), c) == join_types(a, join_types(b, c))
    assert join_types(a, a) == a
    assert join_types(a, pa.null()) == a


NUMBERS = ["1", "-2", "2.5", "1e3", "12345678901234567890", "9" * 39, "007", " 3", "inf"]
TIMES = ["2024-01-01", "2024-01-01 10:00", "2024-01-01T10:00:00.123456789", "2024-01-01T10:00:00Z"]
TEXTS = st.sampled_from([*NUMBERS, *TIMES, "x", "true"])


@given(st.lists(TEXTS | st.none(), min_size=1, max_size=6), st.integers(0, 6))
def test_cutting_a_column_into_blocks_does_not_change_its_type(
    texts: list[str | None], cut: int
) -> None:
    whole = infer_type(pa.array(texts, pa.string()))
    parts = [pa.array(part, pa.string()) for part in (texts[:cut], texts[cut:])]
    assert join_types(infer_type(parts[0]), infer_type(parts[1])) == whole


def test_new_columns_come_last_and_null_columns_become_text() -> None:
    before: dict[str, pa.DataType] = {"a": pa.int64(), "n": pa.null()}
    after: dict[str, pa.DataType] = {"b": pa.list_(pa.null()), "a": pa.float64()}
    joined = join_schemas(pa.schema([*before.items()]), pa.schema([*after.items()]))
    assert joined.names == ["a", "n", "b"]
    assert settled(joined).types == [pa.float64(), pa.string(), pa.list_(pa.string())]


@pytest.mark.parametrize("dtype", [pa.int64(), pa.date32(), pa.bool_(), pa.list_(pa.int64())])
def test_unlike_kinds_become_text(dtype: pa.DataType) -> None:
    assert join_types(dtype, pa.struct([("x", pa.int64())])) == pa.string()
