"""Chooses the sorted index that serves the scans of a table: by filters and orders on its first columns."""

from collections.abc import Sequence

from catalog.index_model import IndexType
from engine.workers.plan_paths import ScanPath, column_of, compared_column
from engine.workers.tasks import IndexBinding, TableBinding


def sorted_index(binding: TableBinding, paths: Sequence[ScanPath]) -> IndexBinding | None:
    """Choose the sorted index that serves the scans of a table best, if any serves."""
    ready = [
        index
        for index in binding.indexes
        if index.index_type is IndexType.SORTED and index.folder is not None
    ]
    if binding.file is not None or not ready:  # a generated column is read: no copy has it
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
        points += column_of(first.key) == columns[0] and (is_kept or first.count is not None)
    return points
