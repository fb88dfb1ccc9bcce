"""Lets indexes stand in for tables, once the plan of a statement shows what it needs of them.

Three ways: the rows that search functions find; for ``ORDER BY distance(column, ARRAY[…]) LIMIT k`` over one
table the k nearest rows among those that pass the filter; and for a filter or an order by the first columns
of a sorted index its copy of the table. The statement is then planned again, word for word, over these. So
an index decides which rows are read, and never what is computed from them. Whatever is not understood
is left to the table itself.
"""

import operator
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
from datafusion import DataFrame, SessionContext, lit
from datafusion import functions as f
from datafusion.catalog import Table
from datafusion.expr import Expr

from catalog.index_model import IndexType
from engine.workers.plan_paths import (
    FirstRows,
    ScanPath,
    column_of,
    compared_column,
    scan_counts,
    scan_paths,
)
from engine.workers.search_arguments import K_MAX, vector_of
from engine.workers.search_functions import DISTANCES, Call, found_rows
from engine.workers.session import Sessions
from engine.workers.tasks import IndexBinding, TableBinding

Defaults = tuple[str, str]


def use_indexes(
    frame: DataFrame, context: SessionContext, sessions: Sessions, defaults: Defaults
) -> bool:
    """Put what indexes offer in the places of tables and search functions.

    Args:
        frame: the statement as it was planned over the tables.
        context: where it was planned.
        sessions: of the worker.
        defaults: catalog and schema of names without.

    Returns:
        Whether the statement has to be planned again.
    """
    functions = sessions.functions_of(context)
    indexed = [table for table in sessions.tables_of(context) if _offers(table)]
    if not functions.calls and not indexed:
        return False
    plan = frame.optimized_logical_plan()
    paths, counts = scan_paths(plan), scan_counts(plan)
    if functions.calls:
        functions.answer([_wanted(call, paths, counts) for call in functions.calls])
    swaps = [
        (binding, provider)
        for binding in indexed
        if (provider := _stand_in(binding, paths, counts, sessions, defaults)) is not None
    ]
    for binding, provider in swaps:
        sessions.swap(context, binding, provider)
    return bool(functions.calls or swaps)


def _offers(table: TableBinding) -> bool:
    return any(
        index.folder is not None and index.index_type is not IndexType.BM25
        for index in table.indexes
    )


def _wanted(
    call: Call, paths: Sequence[ScanPath], counts: Counter[str]
) -> tuple[Sequence[str] | None, int | None]:
    """Say which columns of a call are read, and how many of its best rows suffice."""
    found = [path for path in paths if path.name[2] == call.name]
    if not found or counts[call.name] != len(found):
        return (None, None) if counts[call.name] else ((), 0)
    columns = {name for path in found for name in path.columns}
    limit = _best_of(call, found[0]) if len(found) == 1 else None
    return [*columns], limit


def _best_of(call: Call, path: ScanPath) -> int | None:
    if path.predicates:
        return None
    first = path.first
    if first is None:
        return path.limit
    is_by_value = first.key.variant_name() == "Column" and _name_of(first.key) == call.value
    if is_by_value and first.is_only and first.ascending is not call.is_descending:
        return first.count
    return None


def _stand_in(
    binding: TableBinding,
    paths: Sequence[ScanPath],
    counts: Counter[str],
    sessions: Sessions,
    defaults: Defaults,
) -> Table | None:
    names = _printed_names(binding, defaults)
    found = [path for path in paths if _printed(path) in names]
    if not found:
        return None
    total = sum(counts[name] for name in names)
    if len(found) == 1 and total == 1:
        nearest = _nearest(binding, found[0])
        rows = _nearest_rows(binding, nearest, found[0], sessions) if nearest else None
        if rows is not None:
            return rows
    index = _sorted_index(binding, found)
    if index is None or index.folder is None:
        return None
    name = f"{'.'.join(binding.name)} by sorted index {index.name}"
    return sessions.name_files(name, index.folder).into_view()


@dataclass(frozen=True, slots=True)
class _Nearest:
    """The rows of a table whose vectors are the nearest to one."""

    index: IndexBinding
    vector: np.ndarray
    count: int


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
    key = _uncast(first.key)
    if key.variant_name() != "ScalarFunction":
        return None
    metric = DISTANCES.get(key.rex_call_operator())
    if metric is None:
        return None
    for one, other in (key.rex_call_operands(), key.rex_call_operands()[::-1]):
        column, literal = _uncast(one), _uncast(other)
        if column.variant_name() == "Column" and literal.variant_name() == "Literal":
            value = literal.python_value().as_py()
            if value is not None and None not in value:
                return metric, _name_of(column), vector_of(value)
    return None


def _nearest_rows(
    binding: TableBinding, nearest: _Nearest, path: ScanPath, sessions: Sessions
) -> Table | None:
    """Return the nearest of the rows that pass the filter; None when the table must be asked."""
    assert binding.rows is not None
    opened = sessions.indexes.vector(nearest.index)
    within = _passing(binding, path, sessions) if path.predicates else None
    if path.predicates and within is None:
        return None
    hits = opened.search(nearest.vector, nearest.count, within=within)
    if (
        len(hits.rows) < nearest.count
    ):  # rows without a vector come last: the index has none of them
        return None
    rows = found_rows(sessions.indexes, binding, hits, path.columns)
    name = f"{'.'.join(binding.name)} by vector index {nearest.index.name}"
    return sessions.name_rows(name, rows).into_view()


def _passing(binding: TableBinding, scan: ScanPath, sessions: Sessions) -> np.ndarray | None:
    """Tell for each row whether it passes the filter of a scan; None when that cannot be told."""
    assert binding.rows is not None
    passes = reduce(operator.and_, map(Expr, scan.predicates))
    marked = f.coalesce(passes, lit(value=False)).alias("passes")
    rows = sessions.rows_in_order(binding.rows, scan.name)
    try:
        parts = [part.to_pyarrow().column(0) for part in rows.select(marked).execute_stream()]
    except Exception:  # noqa: BLE001 - DataFusion raises nothing narrower
        return None
    if not parts:
        return np.zeros(0, dtype=bool)
    return np.concatenate([part.to_numpy(zero_copy_only=False) for part in parts])


def _sorted_index(binding: TableBinding, paths: Sequence[ScanPath]) -> IndexBinding | None:
    """Choose the sorted index that serves the scans of a table best, if any serves."""
    ready = [
        index
        for index in binding.indexes
        if index.index_type is IndexType.SORTED and index.folder is not None
    ]
    if binding.folder is None or not ready:  # a generated column is read: no copy has it
        return None
    points, index = max(
        ((sum(_points(index.columns, path) for path in paths), index) for index in ready),
        key=lambda each: each[0],
    )
    return index if points else None


def _points(columns: Sequence[str], path: ScanPath) -> int:
    """Tell how much an order by these columns helps a scan: two for each that is fixed by ``=``."""
    compared = [pair for term in path.predicates if (pair := compared_column(term)) is not None]
    points = 0
    for column in columns:
        operators = {operator for name, operator in compared if name == column}
        points += 2 if "=" in operators else bool(operators)
        if "=" not in operators:
            break
    first = path.first
    if first is not None and first.key.variant_name() == "Column":
        is_kept = first.ascending and not first.nulls_first
        points += _name_of(first.key) == columns[0] and (is_kept or first.count is not None)
    return points


def _printed(path: ScanPath) -> str:
    return ".".join(part for part in path.name if part is not None)


def _printed_names(binding: TableBinding, defaults: Defaults) -> set[str]:
    """Every way a plan may print the name of a table: as the statement wrote it."""
    names = {".".join(binding.name)}
    if binding.catalog == defaults[0]:
        names.add(".".join(binding.name[1:]))
    if binding.name[:2] == defaults:
        names.add(binding.table)
    return names


def _uncast(expr: Expr) -> Expr:
    while expr.variant_name() in ("Cast", "TryCast"):
        (expr,) = expr.rex_call_operands()
    return expr


def _name_of(column: Expr) -> str:
    name = column_of(column)
    assert name is not None
    return name
