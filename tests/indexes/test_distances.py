from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from engine.errors import InvalidRequest
from engine.indexes.arrow_vectors import read_vectors
from engine.indexes.distances import METRICS, as_matrix, distance_array, distances

Rows = list[list[float | None] | None]


def formula(metric: str, left: NDArray[Any], right: NDArray[Any]) -> float:
    """The definition, term by term in double precision."""
    a, b = left.astype(np.float64), right.astype(np.float64)
    if metric == "l2":
        return float(sum((x - y) ** 2 for x, y in zip(a, b, strict=True)))
    dot = float(sum(x * y for x, y in zip(a, b, strict=True)))
    if metric == "dot":
        return -dot
    lengths = float(np.sqrt(sum(a**2)) * np.sqrt(sum(b**2)))
    return 1 - dot / lengths if lengths else 1.0


def random_matrix(rows: int, width: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal((rows, width), dtype=np.float32)


def bits(values: NDArray[Any]) -> bytes:
    return values.tobytes()


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("width", [1, 2, 3, 8, 33, 384])
def test_distances_agree_with_their_definition(metric: str, width: int) -> None:
    matrix = random_matrix(50, width)
    found = distances(metric, matrix, matrix[7])
    expected = [formula(metric, row, matrix[7]) for row in matrix]
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("width", [1, 2, 3, 7, 15, 33, 127, 384, 385, 1537])
def test_a_distance_does_not_depend_on_the_rows_around_it(metric: str, width: int) -> None:
    matrix, query = random_matrix(301, width), random_matrix(1, width, seed=1)[0]
    together = distances(metric, matrix, query)
    alone = [distances(metric, matrix[row : row + 1], query) for row in range(len(matrix))]
    assert bits(together) == bits(np.concatenate(alone))
    assert bits(together[50:]) == bits(distances(metric, matrix[50:], query))
    backwards = np.arange(len(matrix))[::-1]
    assert bits(together[::-1]) == bits(distances(metric, matrix, query, backwards))
    unaligned = np.frombuffer(b"\0" + matrix.tobytes(), np.uint8)[1:].view(np.float32)
    assert bits(together) == bits(distances(metric, unaligned.reshape(matrix.shape), query))
    by_columns = np.asfortranarray(matrix)
    assert bits(together) == bits(distances(metric, by_columns, query))


@pytest.mark.parametrize("metric", METRICS)
def test_pairs_have_the_distances_of_vectors_to_one(metric: str) -> None:
    matrix, query = random_matrix(200, 77), random_matrix(1, 77, seed=1)[0]
    repeated = np.repeat(query[None], len(matrix), axis=0)
    one = distances(metric, matrix, query)
    assert bits(one) == bits(distances(metric, matrix, repeated))
    assert bits(one) == bits(distances(metric, repeated, matrix))


def test_a_vector_is_at_distance_zero_of_itself() -> None:
    matrix = random_matrix(100, 384)
    for row in matrix:
        assert distances("l2", row[None], row).tolist() == [0]
        assert distances("cosine", row[None], row).tolist() == [0]


def test_a_zero_vector_has_cosine_distance_one() -> None:
    zero, one = np.zeros(3, np.float32), np.ones(3, np.float32)
    assert distances("cosine", np.stack([zero, one]), zero).tolist() == [1, 1]
    assert distances("cosine", zero[None], one).tolist() == [1]


def test_huge_and_tiny_numbers_do_not_overflow_on_the_way() -> None:
    huge = np.full((1, 5), 3e38, np.float32)
    assert distances("cosine", huge, -huge[0]).tolist() == [2]
    assert distances("l2", huge, huge[0]).tolist() == [0]
    assert distances("l2", huge, -huge[0]).tolist() == [np.inf]
    assert distances("dot", huge, huge[0]).tolist() == [-np.inf]
    tiny = np.full((1, 5), 1e-45, np.float32)
    assert distances("cosine", tiny, tiny[0]).tolist() == [0]


def test_not_a_number_stays_so() -> None:
    vectors = np.array([[np.nan, 1], [np.inf, 1]], np.float32)
    for metric in METRICS:
        assert np.isnan(distances(metric, vectors, np.array([0, 1], np.float32))[0])


def test_no_rows_and_no_dimensions() -> None:
    assert len(distances("l2", random_matrix(0, 3), np.zeros(3, np.float32))) == 0
    assert distances("cosine", random_matrix(2, 0), np.zeros(0, np.float32)).tolist() == [1, 1]


LAYOUTS: list[Any] = [
    pa.list_(pa.float32()),
    pa.list_(pa.float64()),
    pa.large_list(pa.float16()),
    pa.list_(pa.int8()),
    pa.large_list(pa.int64()),
    pa.list_(pa.uint16()),
]
VIEWS: list[Any] = [pa.list_view(pa.float32()), pa.large_list_view(pa.int32())]
NUMBERS = st.integers(0, 100) | st.none()


@st.composite
def arrays(draw: st.DrawFn, rows: int, width: int) -> tuple[Any, Rows]:
    """A slice of an array of some layout, and its values."""
    before, after = draw(st.integers(0, 3)), draw(st.integers(0, 3))
    vector = st.lists(NUMBERS, min_size=width, max_size=width)
    total = before + rows + after
    values = draw(st.lists(vector | st.none(), min_size=total, max_size=total))
    kind: Any = draw(st.sampled_from([*LAYOUTS, *VIEWS, pa.list_(pa.float32(), width)]))
    array: Any = pa.array(values, kind).slice(before, rows)
    if kind in VIEWS and draw(st.booleans()):
        array = backwards(array)
    return array, array.to_pylist()


def backwards(array: Any) -> Any:
    """Turn a list view round by its offsets alone, over the same numbers."""
    order = pa.array(range(len(array))[::-1], pa.int64())
    views: Any = pa.ListViewArray if pa.types.is_list_view(array.type) else pa.LargeListViewArray
    return views.from_arrays(
        array.offsets.take(order),
        array.sizes.take(order),
        array.values,
        mask=array.is_null().take(order),
    )


def present(row: list[float | None] | None) -> bool:
    return row is not None and None not in row


@given(data=st.data(), rows=st.integers(0, 6), width=st.integers(1, 4))
def test_any_layout_gives_the_same_vectors(data: st.DataObject, rows: int, width: int) -> None:
    array, values = data.draw(arrays(rows, width))
    matrix, valid = as_matrix(array, dimensions=width)
    assert matrix.dtype == np.float32
    assert valid.tolist() == [present(row) for row in values]
    expected = [row if present(row) else [0] * width for row in values]
    assert matrix.tolist() == expected


@given(data=st.data(), rows=st.integers(0, 6), width=st.integers(1, 4))
def test_any_two_layouts_have_distances(data: st.DataObject, rows: int, width: int) -> None:
    left, lefts = data.draw(arrays(rows, width))
    right, rights = data.draw(arrays(rows, width))
    for metric in METRICS:
        found = distance_array(metric, left, right)
        assert found.type == pa.float64()
        for value, one, other in zip(found.to_pylist(), lefts, rights, strict=True):
            if present(one) and present(other):
                pair = np.array([one, other], np.float32)
                assert value == distances(metric, pair[:1], pair[1])[0]
            else:
                assert value is None


@pytest.mark.parametrize("metric", METRICS)
def test_one_vector_may_stand_for_all_rows(metric: str) -> None:
    matrix, query = random_matrix(20, 5), random_matrix(1, 5, seed=1)[0]
    column = pa.FixedSizeListArray.from_arrays(pa.array(matrix.ravel()), 5)
    expected = distances(metric, matrix, query).tolist()
    vector = pa.array([query.tolist()], pa.list_(pa.float32()))
    for constant in (query, query.astype(np.float64), vector, vector[0]):
        assert distance_array(metric, column, constant).to_pylist() == expected
        assert distance_array(metric, constant, column).to_pylist() == expected
    assert distance_array(metric, vector, query).to_pylist() == [
        distances(metric, query[None], query)[0]
    ]


def test_a_null_vector_for_all_rows_gives_nulls() -> None:
    column = pa.array([[1, 2], [3, 4]])
    for kind in (pa.null(), pa.list_(pa.float32())):
        assert distance_array("l2", column, pa.scalar(None, kind)).to_pylist() == [None, None]
    assert distance_array("l2", pa.nulls(2), column).to_pylist() == [None, None]


def test_vectors_of_one_column_may_differ_in_width() -> None:
    left = pa.array([[1], [1, 2], None, [5], [1, 2, None]])
    right = pa.array([[2.0], [1.0, 4.0], [1.0], [5.0], [1.0]])
    assert distance_array("l2", left, right).to_pylist() == [1, 4, None, 0, None]


def test_vectors_of_different_widths_have_no_distance() -> None:
    with pytest.raises(InvalidRequest, match=r"different dimensions: 2 and 3"):
        distance_array("l2", pa.array([[1, 2], [1, 2]]), pa.array([[1, 2], [1, 2, 3]]))
    with pytest.raises(InvalidRequest, match=r"different dimensions: 3 and 2"):
        distance_array("dot", np.array([1, 2, 3]), pa.array([None, [1, 2]]))


@pytest.mark.parametrize(
    "array", [pa.array([1.0]), pa.array([["a"]]), pa.array([[[1.0]]]), pa.array(["[1]"])]
)
def test_only_lists_of_numbers_are_vectors(array: Any) -> None:
    with pytest.raises(InvalidRequest, match="A vector is a list of numbers, not"):
        read_vectors(array)


def test_a_matrix_names_the_row_of_another_width() -> None:
    with pytest.raises(InvalidRequest, match="row 12 has 1 dimensions, not 2"):
        as_matrix(pa.array([[1, 2], None, [3]]), first_row=10)


def test_floats_are_not_copied() -> None:
    numbers: Any = pa.array(random_matrix(10, 4).ravel())
    whole, _ = as_matrix(pa.FixedSizeListArray.from_arrays(numbers, 4).slice(3))
    address = numbers.buffers()[1].address
    assert whole.ctypes.data == address + 3 * 4 * 4


def test_doubles_too_large_for_float32_become_infinite() -> None:
    array = pa.array([[1e300, 1.0]])
    assert as_matrix(array)[0].tolist() == [[np.inf, 1]]
    assert distance_array("l2", array, np.array([1e300, 1])).to_pylist() != [0]
