"""Lets indexes stand in for tables, once the plan of a statement shows what it needs of them.

Three ways: the rows that search functions find; for ``ORDER BY distance(column, ARRAY[…]) LIMIT k`` over one
table the k nearest rows among those that pass the filter; and for a filter or an order by the first columns
of a sorted index its copy of the table. The statement is then planned again, word for word, over these. So
an index decides which rows are read, and never what is computed from them. Whatever is not understood
is left to the table itself.
"""

from collections import Counter
from collections.abc import Sequence

from datafusion import DataFrame, SessionContext
from datafusion.catalog import Table

from catalog.index_model import IndexType
from engine.workers.nearest_rows import nearest_rows
from engine.workers.plan_paths import ScanPath, column_of, printed_names, scan_counts, scan_paths
from engine.workers.search_functions import Call
from engine.workers.session import Sessions
from engine.workers.sorted_choice import sorted_index
from engine.workers.tasks import TableBinding

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
        if (provider := _stand_in(binding, paths, counts, context, sessions, defaults)) is not None
    ]
    for binding, provider in swaps:
        sessions.swap(context, binding, provider)
    was_withheld = sessions.restore(context, [binding for binding, _ in swaps])
    return bool(functions.calls or swaps or was_withheld)


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
    if not found and not counts[call.name]:
        return (), 0
    if counts[call.name] != len(found):
        return None, None
    columns = {name for path in found for name in path.columns}
    limit = _best_of(call, found[0]) if len(found) == 1 else None
    return [*columns], limit


def _best_of(call: Call, path: ScanPath) -> int | None:
    if path.predicates:
        return None
    first = path.first
    if first is None:
        return path.limit
    is_by_value = first.key.variant_name() == "Column" and column_of(first.key) == call.value
    if is_by_value and first.is_only and first.ascending is not call.is_descending:
        return first.count
    return None


def _stand_in(
    binding: TableBinding,
    paths: Sequence[ScanPath],
    counts: Counter[str],
    context: SessionContext,
    sessions: Sessions,
    defaults: Defaults,
) -> Table | None:
    names = printed_names(binding.name, defaults)
    found = [path for path in paths if _printed(path) in names]
    if not found:
        return None
    total = sum(counts[name] for name in names)
    if len(found) == 1 and total == 1:
        rows = nearest_rows(binding, found[0], sessions)
        if rows is not None:
            return rows
    index = sorted_index(binding, found)
    if index is None or index.folder is None:
        return None
    name = f"{'.'.join(binding.name)} by sorted index {index.name}"
    return sessions.copy_of(context, name, index.folder)


def _printed(path: ScanPath) -> str:
    return ".".join(part for part in path.name if part is not None)
