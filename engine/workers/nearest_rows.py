"""Finds the rows of ``ORDER BY distance(column, ARRAY[…]) LIMIT k`` with a vector index.

The filter of the scan comes first: it is computed over all rows, as a mask over their numbers, and the
search looks at no others.
"""

import operator
import re
from dataclasses import dataclass
from functools import reduce
from pathlib import Path

import numpy as np
from datafusion import functions as f
from datafusion import lit
from datafusion.catalog import Table
from datafusion.expr import Expr

from catalog.index_model import IndexType
from engine.errors import EngineError
from engine.workers.plan_paths import FirstRows, ScanPath, column_of
from engine.workers.scalar_functions import DISTANCES
from engine.workers.search_arguments import K_MAX, vector_of
from engine.workers.search_functions import found_rows
from engine.workers.segment_rows import row_files
from engine.workers.session import Sessions
from engine.workers.tasks import IndexBinding, TableBinding

_VOLATILE = re.compile(r"\b(?:random|uuid)\(\)")
_AS_VECTORS = " AS List(Float32))"


@dataclass(frozen=True, slots=True)
class _Nearest:
    """The rows of a table whose vectors are the nearest to one."""

    index: IndexBinding
    vector: np.ndarray
    count: int


def nearest_rows(binding: TableBinding, path: ScanPath, sessions: Sessions) -> Table | None:
    """Return the rows that the first of a scan are among; None when the table must be asked.

    Whatever is wrong with the vector is for the distance function to say, if it is ever computed.
    """
    try:
        nearest = _nearest(binding, path)
        return None if nearest is None else _find_rows(binding, nearest, path, sessions)
    except EngineError:
        return None


def _nearest(binding: TableBinding, path: ScanPath) -> _Nearest | None:
    first = path.first
    if first is None or first.count is None or not 0 < first.count <= K_MAX:
        return None
    if not first.ascending or first.nulls_first or not first.is_only:
        return None
    compared = _distance_of(first)
    if compared is None:
        return None
    metric, column, vector = compared
    for index in binding.indexes:
        is_vector = index.index_type is IndexType.VECTOR and index.folder is not None
        if is_vector and index.columns == (column,) and index.metric == metric:
            return _Nearest(index, vector, first.count)
    return None


def _distance_of(first: FirstRows) -> tuple[str, str, np.ndarray] | None:
    """Read ``distance(column, ARRAY[…])``: the metric, the column and the vector."""
    if first.key.variant_name() != "ScalarFunction":
        return None
    metric = DISTANCES.get(first.key.rex_call_operator())
    if metric is None:
        return None
    for one, literal in (first.key.rex_call_operands(), first.key.rex_call_operands()[::-1]):
        column = _as_vectors(one)
        if column is not None and literal.variant_name() == "Literal":
            value = literal.python_value().as_py()
            if value and None not in value:
                return metric, column, vector_of(value)
    return None


def _as_vectors(expr: Expr) -> str | None:
    """Return the name of a column that is compared as it is, but for becoming 32-bit floats."""
    if expr.variant_name() == "Cast" and expr.canonical_name().endswith(_AS_VECTORS):
        (expr,) = expr.rex_call_operands()
    return column_of(expr)


def _find_rows(
    binding: TableBinding, nearest: _Nearest, path: ScanPath, sessions: Sessions
) -> Table | None:
    """Return the nearest of the rows that pass the filter; None when the table must be asked."""
    within = _passing(binding, path, sessions) if path.predicates else None
    if path.predicates and within is None:
        return None
    hits = sessions.indexes.find_nearest(
        binding, nearest.index, nearest.vector, nearest.count, within
    )
    if len(hits.rows) < nearest.count:  # what has no vector comes last, and is not in the index
        return None
    rows = found_rows(sessions.indexes, binding, hits, path.columns)
    name = f"{'.'.join(binding.name)} by vector index {nearest.index.name}"
    return sessions.name_rows(name, rows).into_view()


def _passing(binding: TableBinding, scan: ScanPath, sessions: Sessions) -> np.ndarray | None:
    """Tell for each row whether it passes the filter of a scan; None when that cannot be told.

    The files of the table tell it soonest; only the rows by number have generated columns.
    """
    if any(_VOLATILE.search(str(term)) for term in scan.predicates):
        return None  # the statement filters what is left once more, by other values
    passes = reduce(operator.and_, map(Expr, scan.predicates))
    marked = f.coalesce(passes, lit(value=False)).alias("passes")
    for paths in _row_files(binding):
        try:
            parts = [
                part.to_pyarrow().column(0).to_numpy(zero_copy_only=False)
                for rows in sessions.rows_in_order(paths, scan.name)
                for part in rows.select(marked).execute_stream()
            ]
        except Exception:  # noqa: BLE001, S112 - DataFusion raises nothing narrower
            continue
        return np.concatenate([np.zeros(0, dtype=bool), *parts])
    return None


def _row_files(binding: TableBinding) -> tuple[list[str], list[str]]:
    """Name the files with all rows in the order of their numbers: for SQL, and with generated columns."""
    if binding.documents is not None:
        return row_files(binding)
    assert binding.folder is not None
    assert binding.rows is not None
    paths = map(str, Path(binding.folder).glob("*.parquet"))
    return sorted(paths, key=lambda path: (len(path), path)), [binding.rows]
