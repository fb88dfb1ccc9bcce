"""Reads an optimised plan: each scan, and what happens to its rows until they meet others.

A path says which columns a scan is asked for, which rows pass its filter, and, when an order with a
limit comes before any join or grouping, how many of the first rows suffice. The trap: subqueries
inside expressions are not inputs of a node, so scans in them are found only in the printed plan;
:func:`scan_counts` counts both.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from datafusion import LogicalPlan
from datafusion.expr import Expr

_SCAN = re.compile(r"^\s*TableScan: (?P<table>.+?)(?: projection=\[.*)?$", re.MULTILINE)
_LIMIT = re.compile(r"\s*Limit: skip=(\d+), fetch=(\d+)")
# A list of values, and a boolean by itself, which is what the optimiser makes of `flag = TRUE`.
_ALONE = frozenset({"InList", "Column", "Not"})
_OPERATIONS = frozenset({"ScalarFunction", "Cast", "TryCast"})
_MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "=": "="}

ScanName = tuple[str | None, str | None, str]


@dataclass(frozen=True, slots=True)
class FirstRows:
    """Only the first rows in an order are needed.

    ``key`` is what is compared, in columns of the scan; ``is_only`` tells that nothing else is.
    ``count`` None means all rows, in order.
    """

    key: Expr
    ascending: bool
    nulls_first: bool
    is_only: bool
    count: int | None


@dataclass(frozen=True, slots=True)
class ScanPath:
    """One scan and what is known of its rows.

    Attributes:
        name: catalog, schema and table as the statement has them; what it left out is None.
        columns: names that are read.
        predicates: what every row must fulfil, the terms of one AND.
        first: the order right above that, if any.
        limit: rows that suffice, in any order.
        filter: the node right above with most of the predicates, if there is one.
    """

    name: ScanName
    columns: tuple[str, ...]
    predicates: tuple[Expr, ...]
    first: FirstRows | None
    limit: int | None
    filter: LogicalPlan | None


def scan_paths(plan: LogicalPlan) -> list[ScanPath]:
    """Return the scans that can be reached by inputs."""
    return [_read_path(scan, above) for scan, above in _walk(plan, [])]


def scan_counts(plan: LogicalPlan) -> Counter[str]:
    """Count all scans by their printed names."""
    return Counter(match["table"] for match in _SCAN.finditer(plan.display_indent()))


def printed_names(name: tuple[str, str, str], defaults: tuple[str, str]) -> set[str]:
    """Return every way a plan may print the name of a table: as the statement wrote it.

    >>> sorted(printed_names(("a", "b", "c"), ("a", "b")))
    ['a.b.c', 'b.c', 'c']
    """
    names = {".".join(name)}
    if name[0] == defaults[0]:
        names.add(".".join(name[1:]))
    if name[:2] == defaults:
        names.add(name[2])
    return names


def _limit_of(node: LogicalPlan) -> int | None:
    """Return how many rows a Limit node takes from its input."""
    found = _LIMIT.match(node.display_indent())
    return int(found[1]) + int(found[2]) if found else None


def conjuncts(predicate: Expr) -> Iterator[Expr]:
    """Yield the terms of a chain of AND."""
    waiting = [predicate]
    while waiting:
        term = waiting.pop()
        if term.variant_name() == "BinaryExpr" and term.rex_call_operator() == "AND":
            waiting += term.rex_call_operands()
        else:
            yield term


def compared_column(term: Expr) -> tuple[str, str] | None:
    """Return the column and the operator of a comparison of a column with a literal.

    ``IN``, a chain of equalities of one column by OR, and a boolean column count as ``=``.
    """
    kind = term.variant_name()
    if kind in _ALONE:
        first = term.rex_call_operands()[0] if kind != "Column" else term
        column = column_of(first)
        return None if column is None or " NOT IN " in str(term) else (column, "=")
    if kind != "BinaryExpr":
        return None
    left, right = term.rex_call_operands()
    if term.rex_call_operator() == "OR":
        one, other = compared_column(left), compared_column(right)
        return one if one == other and one is not None and one[1] == "=" else None
    return _comparison(left, term.rex_call_operator(), right)


def _comparison(left: Expr, operator: str, right: Expr) -> tuple[str, str] | None:
    if operator not in _MIRRORED:
        return None
    if left.variant_name() == "Literal":
        left, operator, right = right, _MIRRORED[operator], left
    column = column_of(left)
    if column is None or right.variant_name() != "Literal":
        return None
    return column, operator


def column_of(expr: Expr) -> str | None:
    """Return the name of a plain column."""
    return expr.to_variant().name() if expr.variant_name() == "Column" else None


def _walk(
    node: LogicalPlan, above: list[LogicalPlan]
) -> Iterator[tuple[LogicalPlan, list[LogicalPlan]]]:
    """Yield each scan with the nodes above it, nearest first, up to one with several inputs."""
    waiting = [(node, above)]
    while waiting:
        node, above = waiting.pop()
        inputs = node.inputs()
        if not inputs and _kind(node) == "TableScan":
            yield node, above[::-1]
        path = [*above, node] if len(inputs) == 1 else []
        waiting += [(child, path) for child in inputs]


def _read_path(scan: LogicalPlan, above: list[LogicalPlan]) -> ScanPath:
    variant = _variant(scan)
    columns = tuple(column for _, column in variant.projection())
    # A source that applies a filter itself has it in the scan, and no node above.
    predicates: list[Expr] = list(variant.filters())
    # What each column of a node is, in columns of the scan; a scan's are itself.
    names: Mapping[str, Expr] | None = None
    first: FirstRows | None = None
    limit: int | None = None
    filtering: LogicalPlan | None = None
    for position, node in enumerate(above):
        kind = _kind(node)
        if kind == "Filter" and position == 0:
            filtering = node
            predicates += conjuncts(_variant(node).predicate())
        elif kind == "Projection":
            names = names if _only_drops(node) else _projected(node, names)
        elif kind != "SubqueryAlias":
            first = _first_rows(node, names) if kind == "Sort" else None
            limit = _limit_of(node) if kind == "Limit" else None
            break
    return ScanPath(variant.fqn(), columns, tuple(predicates), first, limit, filtering)


def _only_drops(projection: LogicalPlan) -> bool:
    """Tell whether columns keep their names: those that only the filter reads are dropped above it."""
    return all(item.variant_name() == "Column" for item in _variant(projection).projections())


def _projected(node: LogicalPlan, names: Mapping[str, Expr] | None) -> Mapping[str, Expr]:
    """Say what the columns of a projection are, in columns of the scan where that is known."""
    outer: dict[str, Expr] = {}
    for item in _variant(node).projections():
        expr = _unnamed(item)
        name = item.to_variant().alias() if item.variant_name() == "Alias" else column_of(item)
        known = _in_scan(expr, names)
        if known is not None:
            outer[name or item.schema_name()] = known
    return outer


def _first_rows(node: LogicalPlan, names: Mapping[str, Expr] | None) -> FirstRows | None:
    sort = _variant(node)
    keys = sort.sort_exprs()
    key = _in_scan(_unnamed(keys[0].expr()), names)
    if key is None:
        return None
    return FirstRows(
        key=key,
        ascending=keys[0].ascending(),
        nulls_first=keys[0].nulls_first(),
        is_only=len(keys) == 1,
        count=sort.get_fetch_val(),
    )


def _unnamed(expr: Expr) -> Expr:
    """Take the name off: an optimised key keeps that of what was written."""
    return expr.to_variant().expr() if expr.variant_name() == "Alias" else expr


def _in_scan(expr: Expr, names: Mapping[str, Expr] | None) -> Expr | None:
    """Translate an expression over a projection to one over the scan; None when it cannot be."""
    if names is None:
        return expr
    name = column_of(expr)
    if name is None:
        return expr if _is_handed_on(expr, names) else None
    return names.get(name)


def _is_handed_on(expr: Expr, names: Mapping[str, Expr]) -> bool:
    """Tell whether a projection leaves every column of an expression as it is in the scan."""
    kind = expr.variant_name()
    if kind == "Column":
        name = column_of(expr)
        known = None if name is None else names.get(name)
        return known is not None and column_of(known) == name
    if kind in _OPERATIONS:
        return all(_is_handed_on(operand, names) for operand in expr.rex_call_operands())
    return kind == "Literal"


def _variant(node: LogicalPlan) -> Any:  # noqa: ANN401 - DataFusion types its nodes as Any
    return node.to_variant()


def _kind(node: LogicalPlan) -> str:
    return type(node.to_variant()).__name__
