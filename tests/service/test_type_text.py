"""``arrow_type_text`` against the engine's own ``arrow_typeof``."""

from typing import Any

import datafusion
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.query.type_text import arrow_type_text

# The stubs call this argument by another name than pyarrow does.
ordered_map: Any = pa.map_

FLAT: list[Any] = [
    pa.null(), pa.bool_(), pa.int8(), pa.int16(), pa.int32(), pa.int64(),
    pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64(),
    pa.float16(), pa.float32(), pa.float64(),
    pa.string(), pa.large_string(), pa.string_view(),
    pa.binary(), pa.large_binary(), pa.binary_view(), pa.binary(4),
    pa.date32(), pa.date64(), pa.time32("s"), pa.time32("ms"), pa.time64("us"), pa.time64("ns"),
    *(pa.timestamp(unit) for unit in ("s", "ms", "us", "ns")),
    pa.timestamp("us", "UTC"), pa.timestamp("ns", "Europe/Paris"),
    *(pa.duration(unit) for unit in ("s", "ms", "us", "ns")),
    pa.decimal32(5, 2), pa.decimal64(10, 3), pa.decimal128(10, 2), pa.decimal256(50, -2),
    pa.month_day_nano_interval(),
    pa.dictionary(pa.int32(), pa.string()),
    pa.run_end_encoded(pa.int32(), pa.string()),
]  # fmt: skip
NESTED: list[Any] = [
    pa.list_(pa.float32()),
    pa.list_(pa.field("item", pa.float32(), nullable=False)),
    pa.list_(pa.field('elem"x', pa.int8(), nullable=False)),
    pa.list_(pa.field("item", pa.int8(), metadata={"k": "v"})),
    pa.large_list(pa.int8()),
    pa.list_view(pa.int8()),
    pa.large_list_view(pa.int8()),
    pa.list_(pa.float32(), 3),
    pa.list_(pa.field("x", pa.float32(), nullable=False), 3),
    pa.struct([]),
    pa.struct([("a", pa.int32()), ('b "q\n', pa.string())]),
    pa.struct([pa.field("a", pa.int32(), nullable=False, metadata={"b": "2", "a": "1"})]),
    pa.map_(pa.string(), pa.int32()),
    ordered_map(pa.string(), pa.list_(pa.int32()), keys_sorted=True),
]


def engine_text(data_type: Any) -> str:
    batch = pa.record_batch([pa.nulls(1, data_type)], schema=pa.schema([("c", data_type)]))
    frame = datafusion.SessionContext().from_arrow(batch)
    typed = frame.select(datafusion.functions.arrow_typeof(datafusion.col("c")))
    return str(typed.collect()[0].column(0)[0].as_py())


@pytest.mark.parametrize("data_type", FLAT + NESTED, ids=str)
def test_every_type_is_printed_as_the_engine_prints_it(data_type: Any) -> None:
    assert arrow_type_text(data_type) == engine_text(data_type)


FIELD_NAMES = st.text("ab_\"' \\\té", min_size=1, max_size=4)
TYPES: st.SearchStrategy[Any] = st.recursive(
    st.sampled_from([kind for kind in FLAT if not pa.types.is_run_end_encoded(kind)]),
    lambda inner: st.one_of(
        inner.map(pa.list_),
        inner.map(pa.large_list),
        st.dictionaries(FIELD_NAMES, inner, min_size=1, max_size=3).map(
            lambda fields: pa.struct(list(fields.items()))
        ),
    ),
    max_leaves=5,
)


@given(TYPES)
def test_any_nesting_is_printed_as_the_engine_prints_it(data_type: Any) -> None:
    assert arrow_type_text(data_type) == engine_text(data_type)
