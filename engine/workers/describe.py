"""Says what a statement takes and gives, in the types of Postgres, without running it.

The types of parameters are those that planning inferred from where they stand. The trap: a subquery inside an
expression is no input of a plan node, so a parameter in it may be missed; its type is then not known.
"""

import re
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
from datafusion import LogicalPlan, SessionContext
from datafusion.expr import Expr

from engine.arrow_types import write_schema
from engine.encode.pg.pg_types import pg_type_of
from engine.pg_catalog.answer import answer_catalog_statement
from engine.pg_catalog.pg_types import type_name_of, types_by_name
from engine.query.sql_text import Unquoted
from engine.workers.channel import Channel
from engine.workers.session import Sessions
from engine.workers.statement import display_schema, plan_alone
from engine.workers.tasks import DescribeTask

_LIMIT = re.compile(r"(?:skip|fetch)=\$(\d+)")
_TYPE = r"(?P<type>[a-zA-Z_]\w*(?:[ ]+[a-zA-Z_]\w*)*)(?P<array>\[\])?"
_CASTS = (
    Unquoted(rf"(?<![\w$])\$(?P<number>\d+)\s*::\s*{_TYPE}", mark="$"),
    Unquoted(rf"\b[cC][aA][sS][tT]\(\s*\$(?P<number>\d+)\s+[aA][sS]\s+{_TYPE}\s*\)", mark="$"),
)
_MEMBER = re.compile(r"array_has\(\$(\d+), ([^()]+?)\)")
_TYPE_WORDS_MAX = 4
_INT8 = 20
_LEAVES = frozenset({"Column", "Literal", "ScalarVariable", "OuterReferenceColumn", "Wildcard"})


def describe_statement(task: DescribeTask, channel: Channel, sessions: Sessions) -> dict[str, Any]:
    """Do a task.

    Returns:
        ``schema_hex``: of its rows; ``parameters``: OIDs by number, as far as they are known.
    """
    if task.snapshot is not None:
        schema = answer_catalog_statement(task.snapshot, task.sql).schema
        known: dict[str, int] = {}
    else:
        frame, renamed = plan_alone(task, channel, sessions)
        schema = display_schema(frame.schema(), renamed)
        known = dict(_parameters(frame.logical_plan()))
        known |= dict(_cast_parameters(renamed.sql))
    return {
        "schema_hex": write_schema(schema).hex(),
        "parameters": known | dict(_cast_parameters(task.sql)),
    }


def _cast_parameters(sql: str) -> Iterator[tuple[str, int]]:
    """Yield the types that parameters are cast to where they stand: ``$1::timestamptz``."""
    for found in (found for pattern in _CASTS for found in pattern.find(sql)):
        words = found["type"].split()
        for count in range(min(len(words), _TYPE_WORDS_MAX), 0, -1):
            name = type_name_of(" ".join(words[:count]) + (found["array"] or ""))
            if name is not None:
                yield found["number"], types_by_name()[name].oid
                break


def _parameters(root: LogicalPlan) -> Iterator[tuple[str, int]]:
    waiting = [root]
    while waiting:
        node = waiting.pop()
        waiting += node.inputs()
        for expr in _expressions(node):
            yield from _placeholders(expr)
        yield from _members(node)
        for number in _LIMIT.findall(node.display()):
            yield number, _INT8


def _members(node: LogicalPlan) -> Iterator[tuple[str, int]]:
    """The arrays of ``column = ANY ($1)``: planning infers nothing of them."""
    found = _MEMBER.findall(node.display())
    variant: Any = node.to_variant() if found else None
    if type(variant).__name__ != "Filter":
        return
    schema = SessionContext().create_dataframe_from_logical_plan(node).schema()
    types = dict(zip(variant.schema().field_names(), schema.types, strict=True))
    for number, column in found:
        if column in types:
            yield number, pg_type_of(pa.list_(types[column])).oid


def _expressions(node: LogicalPlan) -> Iterator[Expr]:
    variant: Any = node.to_variant()
    match type(variant).__name__:
        case "Filter":
            yield variant.predicate()
        case "Projection":
            yield from variant.projections()
        case "Aggregate":
            yield from variant.group_by_exprs()
            yield from variant.aggregate_exprs()
        case "Sort":
            yield from (key.expr() for key in variant.sort_exprs())
        case "Join":
            yield from (side for pair in variant.on() for side in pair)
            if (condition := variant.filter()) is not None:
                yield condition
        case "Window":
            yield from variant.windowed_exprs()
        case "Values":
            yield from (value for row in variant.values() for value in row)


def _placeholders(root: Expr) -> Iterator[tuple[str, int]]:
    waiting = [root]
    while waiting:
        expr = waiting.pop()
        kind = expr.variant_name()
        if kind == "Placeholder":
            variant: Any = expr.to_variant()
            field = variant.field()
            if field is not None:
                yield variant.id().removeprefix("$"), pg_type_of(field.type).oid
        elif kind == "Alias":
            waiting.append(expr.to_variant().expr())
        elif kind not in _LEAVES:  # of which each is its own operand
            try:
                waiting += expr.rex_call_operands()
            except Exception:  # noqa: BLE001, S112 - a kind of expression without operands
                continue
