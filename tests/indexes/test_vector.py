import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray

from engine.errors import InvalidRequest
from engine.indexes import graph_search, vector
from engine.indexes.codes import STORAGES
from engine.indexes.distances import METRICS, distances
from engine.indexes.graph_search import exact_ms
from engine.indexes.hits import Hits
from engine.indexes.vector import VectorBuilder, VectorIndex, VectorSpec

Matrix = NDArray[np.float32]

ROWS = 8_000
WIDTH = 40


def hard_vectors(rows: int, width: int, seed: int = 0) -> Matrix:
    """Vectors near a subspace that is not small, in all directions: hard for any graph."""
    random = np.random.default_rng(seed)
    mixing = np.random.default_rng(99).standard_normal((width // 2, width))
    vectors = random.standard_normal((rows, width // 2)) @ mixing
    vectors += 0.1 * random.standard_normal((rows, width)) + np.linspace(-5, 5, width)
    return (vectors / 10).astype(np.float32)


def column(matrix: Matrix) -> Any:
    return pa.FixedSizeListArray.from_arrays(pa.array(matrix.ravel()), matrix.shape[1])


def build(folder: Path, vectors: Any, metric: str, storage: str = "i8", width: int = 0) -> Path:
    if isinstance(vectors, np.ndarray):
        width, vectors = vectors.shape[1], column(vectors)
    folder.mkdir(parents=True)
    builder = VectorBuilder(VectorSpec("v", metric, width, storage), folder, threads=2)
    builder.add(vectors, 0)
    builder.finish()
    return folder


def opened(folder: Path, metric: str, width: int, storage: str = "i8") -> VectorIndex:
    return VectorIndex.open(folder, VectorSpec("v", metric, width, storage))


def brute_force(
    matrix: Matrix, metric: str, query: Matrix, limit: int, within: NDArray[np.bool_] | None = None
) -> Hits:
    values = distances(metric, matrix, query)
    rows = np.arange(len(matrix)) if within is None else np.flatnonzero(within)
    best = rows[np.lexsort((rows, values[rows]))[:limit]]
    return Hits(best, values[best])


def assert_same(found: Hits, expected: Hits) -> None:
    assert found.rows.dtype == np.int64
    assert found.values.dtype == np.float32
    assert found.rows.tolist() == expected.rows.tolist()
    assert found.values.tobytes() == expected.values.tobytes()


def assert_ordered(found: Hits, matrix: Matrix, metric: str, query: Matrix) -> None:
    assert found.values.tobytes() == distances(metric, matrix, query, found.rows).tobytes()
    order = np.lexsort((found.rows, found.values))
    assert order.tolist() == list(range(len(order)))
    assert len(set(found.rows.tolist())) == len(found.rows)


@pytest.fixture
def _always_a_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if looking at all rows took very long."""

    def very_long(count: int, total: int, dimensions: int) -> float:
        return 1e4 * exact_ms(count, total, dimensions)

    monkeypatch.setattr(vector, "exact_ms", very_long)
    monkeypatch.setattr(graph_search, "exact_ms", very_long)


@pytest.fixture(scope="module")
def hard() -> Matrix:
    return hard_vectors(ROWS, WIDTH)


@pytest.fixture(scope="module")
def queries() -> Matrix:
    return hard_vectors(40, WIDTH, seed=1)


@pytest.fixture(scope="module")
def indexes(
    hard: Matrix, tmp_path_factory: pytest.TempPathFactory
) -> dict[tuple[str, str], VectorIndex]:
    """Indexes of the hard vectors, each with a graph."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vector, "GRAPH_FROM_EXACT_MS", 0.0)
        patch.setattr(graph_search, "exact_ms", lambda *facts: 100 * exact_ms(*facts))
        root = tmp_path_factory.mktemp("indexes")
        for metric in METRICS:
            for storage in STORAGES:
                build(root / metric / storage, hard, metric, storage)
    return {
        (metric, storage): opened(root / metric / storage, metric, WIDTH, storage)
        for metric in METRICS
        for storage in STORAGES
    }


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("limit", [1, 10, 500, 20_000])
def test_an_exact_search_is_the_sorted_table(
    indexes: dict[tuple[str, str], VectorIndex],
    hard: Matrix,
    queries: Matrix,
    metric: str,
    limit: int,
) -> None:
    mask = np.random.default_rng(0).random(ROWS) < 0.2
    for query in queries[:5]:
        index = indexes[metric, "i8"]
        assert_same(index.search(query, limit, exact=True), brute_force(hard, metric, query, limit))
        for within in (mask, ~mask):
            assert_same(
                index.search(query, limit, within=within, exact=True),
                brute_force(hard, metric, query, limit, within),
            )


@pytest.mark.parametrize("metric", METRICS)
def test_exact_distances_are_those_of_the_formula(
    indexes: dict[tuple[str, str], VectorIndex], hard: Matrix, queries: Matrix, metric: str
) -> None:
    query = queries[0].astype(np.float64)
    found = indexes[metric, "i8"].search(query, 100, exact=True)
    rows = hard[found.rows].astype(np.float64)
    lengths = np.sqrt((rows**2).sum(axis=1) * (query**2).sum())
    expected = {
        "l2": ((rows - query) ** 2).sum(axis=1),
        "cosine": 1 - rows @ query / lengths,
        "dot": -rows @ query,
    }
    np.testing.assert_allclose(found.values, expected[metric], rtol=1e-6)


@pytest.mark.usefixtures("_always_a_graph")
@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("limit", [10, 200])
def test_a_graph_finds_nearly_all_that_is_near(
    indexes: dict[tuple[str, str], VectorIndex],
    hard: Matrix,
    queries: Matrix,
    metric: str,
    storage: str,
    limit: int,
) -> None:
    index = indexes[metric, storage]
    assert index.has_graph
    shares = []
    for query in queries:
        found = index.search(query, limit)
        assert len(found.rows) == limit
        assert_ordered(found, hard, metric, query)
        bound = index.search(query, limit, exact=True).values[-1]
        shares.append((found.values <= bound).mean())
    assert np.mean(shares) >= 0.95


@pytest.mark.usefixtures("_always_a_graph")
@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("share", [0.01, 0.1, 0.5])
def test_a_filter_is_kept_and_filled(
    indexes: dict[tuple[str, str], VectorIndex],
    hard: Matrix,
    queries: Matrix,
    metric: str,
    share: float,
) -> None:
    index = indexes[metric, "i8"]
    within = np.random.default_rng(3).random(ROWS) < share
    shares = []
    for query in queries[:25]:
        found = index.search(query, 10, within=within)
        assert len(found.rows) == 10
        assert within[found.rows].all()
        assert_ordered(found, hard, metric, query)
        bound = index.search(query, 10, within=within, exact=True).values[-1]
        shares.append((found.values <= bound).mean())
    assert np.mean(shares) >= 0.95


@pytest.mark.usefixtures("_always_a_graph")
@pytest.mark.parametrize("metric", METRICS)
def test_a_filter_that_leaves_only_far_rows_is_filled(
    indexes: dict[tuple[str, str], VectorIndex], hard: Matrix, queries: Matrix, metric: str
) -> None:
    index = indexes[metric, "i8"]
    values = distances(metric, hard, queries[0])
    within = values > np.quantile(values, 0.8)
    found = index.search(queries[0], 10, within=within)
    assert_ordered(found, hard, metric, queries[0])
    best = brute_force(hard, metric, queries[0], 10, within)
    assert within[found.rows].all()
    assert len(set(found.rows) & set(best.rows)) >= 8


def test_a_search_finds_no_more_rows_than_there_are(
    indexes: dict[tuple[str, str], VectorIndex], hard: Matrix, queries: Matrix
) -> None:
    index = indexes["l2", "i8"]
    within = np.zeros(ROWS, np.bool_)
    within[[5, 7, ROWS - 1]] = True
    assert sorted(index.search(queries[0], 10, within=within).rows) == [5, 7, ROWS - 1]
    assert len(index.search(queries[0], 10, within=np.zeros(ROWS, np.bool_)).rows) == 0
    assert len(index.search(queries[0], 0).rows) == 0
    assert len(index.search(queries[0], 10 * ROWS).rows) == ROWS


def test_the_graph_is_small_and_says_so(indexes: dict[tuple[str, str], VectorIndex]) -> None:
    sizes = [indexes["l2", storage].size_bytes for storage in ("i8", "f16", "f32")]
    assert sizes == sorted(sizes)
    assert sizes[0] < ROWS * (WIDTH + 160)
    assert indexes["l2", "i8"].row_count == ROWS
    assert indexes["l2", "i8"].vectors.shape == (ROWS, WIDTH)


@pytest.mark.parametrize("metric", METRICS)
def test_a_small_table_has_no_graph(tmp_path: Path, metric: str) -> None:
    matrix = hard_vectors(300, 8)
    index = opened(build(tmp_path / "index", matrix, metric), metric, 8)
    assert not index.has_graph
    assert index.size_bytes == matrix.nbytes
    assert_same(index.search(matrix[3], 20), brute_force(matrix, metric, matrix[3], 20))


@pytest.mark.parametrize("metric", METRICS)
def test_an_empty_table_and_one_of_nulls_have_nothing_near(tmp_path: Path, metric: str) -> None:
    query = np.ones(2)
    for name, rows in (("empty", 0), ("nulls", 5)):
        folder = build(tmp_path / name, pa.nulls(rows, pa.list_(pa.float32())), metric, width=2)
        index = opened(folder, metric, 2)
        assert index.row_count == 0
        assert len(index.search(query, 3).rows) == 0
        assert len(index.search(query, 3, within=np.ones(rows, np.bool_)).rows) == 0


def test_one_row_is_found(tmp_path: Path) -> None:
    index = opened(build(tmp_path / "index", np.ones((1, 2), np.float32), "l2"), "l2", 2)
    found = index.search(np.array([1, 3]), 5)
    assert (found.rows.tolist(), found.values.tolist()) == ([0], [4])


@pytest.mark.usefixtures("_always_a_graph")
@pytest.mark.parametrize("metric", METRICS)
def test_rows_without_a_vector_keep_their_numbers(tmp_path: Path, metric: str) -> None:
    matrix = hard_vectors(2_000, 8)
    values: list[Any] = matrix.tolist()
    missing = np.arange(2_000) % 3 == 1
    for row in np.flatnonzero(missing):
        values[row] = None if row % 2 else [None, *values[row][1:]]
    index = opened(build(tmp_path / "index", pa.array(values), metric, width=8), metric, 8)
    assert index.has_graph
    assert index.row_count == (~missing).sum()
    random = np.random.default_rng(0).random(2_000) < 0.3
    for query in matrix[:5]:
        assert_same(
            index.search(query, 10, exact=True), brute_force(matrix, metric, query, 10, ~missing)
        )
        found = index.search(query, 10, within=random)
        assert_ordered(found, matrix, metric, query)
        assert (random & ~missing)[found.rows].all()


def test_rows_without_a_vector_may_be_the_last(tmp_path: Path) -> None:
    array = pa.array([[1.0], [2.0], None, None])
    index = opened(build(tmp_path / "index", array, "l2", width=1), "l2", 1)
    assert index.search(np.zeros(1), 3, within=np.ones(4, np.bool_)).rows.tolist() == [0, 1]


def test_vectors_come_in_any_pieces(tmp_path: Path) -> None:
    matrix = hard_vectors(100, 4)
    array = pa.array(matrix.tolist(), pa.list_(pa.float64()))
    folder = tmp_path / "index"
    folder.mkdir()
    builder = VectorBuilder(VectorSpec("v", "l2", 4), folder, threads=1)
    builder.add(pa.chunked_array([array[:10], array[10:10], array[10:35]]), 0)
    builder.add(array.slice(35), 35)
    done: list[int] = []
    builder.finish(done.append)
    index = opened(folder, "l2", 4)
    np.testing.assert_array_equal(index.vectors, matrix)
    assert index.search(matrix[40], 1).rows.tolist() == [40]
    assert done == [100]


@pytest.mark.usefixtures("_always_a_graph")
def test_progress_ends_with_all_vectors(tmp_path: Path) -> None:
    builder = VectorBuilder(VectorSpec("v", "l2", 8), tmp_path, threads=2)
    builder.add(column(hard_vectors(1_000, 8)), 0)
    done: list[int] = []
    builder.finish(done.append)
    assert done == sorted(done)
    assert done[-1] == 1_000


@pytest.mark.usefixtures("_always_a_graph")
@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("kinds", [1, 30, 2_000])
def test_vectors_that_occur_many_times_are_all_found(
    tmp_path: Path, metric: str, kinds: int
) -> None:
    distinct = hard_vectors(kinds, 8)
    random = np.random.default_rng(0)
    matrix = distinct[random.integers(0, kinds, 4_000)]
    matrix[random.random(4_000) < 0.4] = distinct[0]
    index = opened(build(tmp_path / "index", matrix, metric), metric, 8)
    assert index.has_graph or metric == "dot"
    shares = []
    for query in hard_vectors(10, 8, seed=1):
        found = index.search(query, 20)
        assert_ordered(found, matrix, metric, query)
        bound = brute_force(matrix, metric, query, 20).values[-1]
        shares.append((found.values <= bound).mean())
        within = random.random(4_000) < 0.3
        found = index.search(query, 20, within=within)
        assert within[found.rows].all()
        assert len(found.rows) == 20
    assert np.mean(shares) >= 0.95


@pytest.mark.usefixtures("_always_a_graph")
def test_equal_vectors_are_found_in_the_order_of_their_rows(tmp_path: Path) -> None:
    matrix = np.full((3_000, 4), 0.1, np.float32)
    index = opened(build(tmp_path / "index", matrix, "l2"), "l2", 4)
    assert index.search(np.ones(4), 7).rows.tolist() == list(range(7))


@pytest.mark.usefixtures("_always_a_graph")
def test_zero_vectors_are_at_cosine_distance_one(tmp_path: Path) -> None:
    matrix = hard_vectors(1_000, 8)
    matrix[::2] = 0
    index = opened(build(tmp_path / "index", matrix, "cosine"), "cosine", 8)
    assert index.has_graph
    zero = np.zeros(8)
    assert_same(index.search(zero, 9), brute_force(matrix, "cosine", zero.astype("f4"), 9))
    for limit in (5, 900):
        assert_same(index.search(matrix[1], limit), brute_force(matrix, "cosine", matrix[1], limit))


@pytest.mark.usefixtures("_always_a_graph")
@pytest.mark.parametrize("metric", METRICS)
def test_a_table_of_zero_vectors_is_searched(tmp_path: Path, metric: str) -> None:
    matrix = np.zeros((500, 3), np.float32)
    index = opened(build(tmp_path / "index", matrix, metric), metric, 3)
    assert index.search(np.ones(3), 3).rows.tolist() == [0, 1, 2]


@pytest.mark.usefixtures("_always_a_graph")
@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("scale", [1e30, 1e-38])
def test_huge_and_tiny_numbers_are_searched(
    tmp_path: Path, metric: str, storage: str, scale: float
) -> None:
    matrix = hard_vectors(600, 8) * np.float32(scale)
    index = opened(build(tmp_path / "index", matrix, metric, storage), metric, 8, storage)
    query = matrix[17]
    assert_same(index.search(query, 5, exact=True), brute_force(matrix, metric, query, 5))
    assert_ordered(index.search(query, 5), matrix, metric, query)


@pytest.mark.usefixtures("_always_a_graph")
@pytest.mark.parametrize("metric", METRICS)
def test_one_huge_row_does_not_hide_the_others(tmp_path: Path, metric: str) -> None:
    matrix = hard_vectors(2_000, 8)
    matrix[5] *= 1e20
    index = opened(build(tmp_path / "index", matrix, metric), metric, 8)
    for query in (matrix[5], matrix[6]):
        found, best = index.search(query, 10), brute_force(matrix, metric, query, 10)
        assert found.rows[0] == best.rows[0]
        assert len(set(found.rows) & set(best.rows)) >= 8


@pytest.mark.usefixtures("_always_a_graph")
def test_a_query_from_far_away_is_answered_exactly(
    indexes: dict[tuple[str, str], VectorIndex], hard: Matrix
) -> None:
    query = np.zeros(WIDTH, np.float32)
    query[0] = 1e4
    assert_same(indexes["l2", "i8"].search(query, 10), brute_force(hard, "l2", query, 10))


def test_a_graph_that_cannot_find_its_way_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vector, "GRAPH_FROM_EXACT_MS", 0.0)
    matrix = hard_vectors(500, 4)
    folder = build(tmp_path / "index", matrix, "l2")
    index = opened(folder, "l2", 4)
    assert not index.has_graph
    assert not list(folder.glob("graph*"))
    assert_same(index.search(matrix[0], 5), brute_force(matrix, "l2", matrix[0], 5))


def test_an_index_can_be_moved_and_is_only_read(
    tmp_path: Path, hard: Matrix, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vector, "GRAPH_FROM_EXACT_MS", 0.0)
    folder = build(tmp_path / "index", hard, "cosine")
    before = opened(folder, "cosine", WIDTH).search(hard[3] + 1, 10)
    moved = Path(shutil.move(folder, tmp_path / "moved"))
    written = {path: path.stat().st_mtime_ns for path in moved.iterdir()}
    for path in written:
        path.chmod(0o400)
    moved.chmod(0o500)
    index = opened(moved, "cosine", WIDTH)
    assert index.has_graph
    assert_same(index.search(hard[3] + 1, 10), before)
    with pytest.raises(ValueError, match="read-only"):
        index.vectors[0, 0] = 1
    assert written == {path: path.stat().st_mtime_ns for path in moved.iterdir()}
    moved.chmod(0o700)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf"), 1e39])
def test_numbers_that_are_not_finite_are_refused(tmp_path: Path, bad: float) -> None:
    builder = VectorBuilder(VectorSpec("v", "l2", 2), tmp_path, threads=1)
    builder.add(pa.array([[1.0, 2.0], None]), 0)
    with pytest.raises(InvalidRequest, match="row 4 has a number that is not finite"):
        builder.add(pa.array([[1.0, 2.0], None, [1.0, bad]]), 2)


def test_a_vector_of_another_width_is_refused(tmp_path: Path) -> None:
    builder = VectorBuilder(VectorSpec("v", "l2", 2), tmp_path, threads=1)
    with pytest.raises(InvalidRequest, match="row 11 has 3 dimensions, not 2"):
        builder.add(pa.array([[1, 2], [1, 2, 3]]), 10)
    with pytest.raises(InvalidRequest, match="A vector is a list of numbers, not string"):
        builder.add(pa.array(["a"]), 10)


def test_a_query_that_does_not_fit_is_refused(
    indexes: dict[tuple[str, str], VectorIndex],
) -> None:
    index = indexes["l2", "i8"]
    with pytest.raises(InvalidRequest, match="The query has 3 dimensions, the index 40"):
        index.search(np.ones(3), 1)
    for bad in (np.nan, np.inf, 1e39):
        with pytest.raises(InvalidRequest, match="not finite"):
            index.search(np.full(WIDTH, bad), 1)


def test_an_index_of_something_unknown_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="one of l2, cosine, dot, not 'manhattan'"):
        VectorSpec("v", "manhattan", 3)
    with pytest.raises(InvalidRequest, match="one of i8, f16, f32, not 'b1'"):
        VectorSpec("v", "l2", 3, "b1")
    with pytest.raises(InvalidRequest, match="at least one dimension"):
        VectorSpec("v", "l2", 0)


def test_a_forked_process_can_search(
    indexes: dict[tuple[str, str], VectorIndex], queries: Matrix
) -> None:
    index = indexes["cosine", "i8"]
    expected = index.search(queries[0], 10)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, index.search(queries[0], 10).rows.tobytes())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(writer)
    assert os.read(reader, 1000) == expected.rows.tobytes()
    os.close(reader)
