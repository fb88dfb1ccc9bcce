"""Says what a saved query is from its unoptimised logical plan, without running it.

The rules are those of the specification: subqueries inside expressions are not visited, a self-join
counts two tables, ``SELECT *`` is a projection because the planner emits one.
"""

from typing import Any

from datafusion import LogicalPlan

from engine.workers.channel import Channel
from engine.workers.session import Sessions
from engine.workers.statement import plan_alone
from engine.workers.tasks import ClassifyTask


def classify_statement(task: ClassifyTask, channel: Channel, sessions: Sessions) -> dict[str, Any]:
    """Return the fields of a classification; raise what planning raises."""
    frame, _ = plan_alone(task, channel, sessions)
    plans = _walk(frame.logical_plan())
    nodes = [node.to_variant() for node in plans]
    names = [type(node).__name__ for node in nodes]
    flags: dict[str, Any] = {
        "num_tables": names.count("TableScan"),
        "has_predicate": "Filter" in names,
        "has_join": "Join" in names,
        "has_aggregation": "Aggregate" in names,
        "has_group_by": any(
            type(node).__name__ == "Aggregate" and node.group_by_exprs() for node in nodes
        ),
        "has_order_by": "Sort" in names,
        "has_limit": "Limit" in names,
    }
    fetches_one = any(_first_line(node).endswith("fetch=1") for node in plans)
    return {"category": _category(flags, names, fetches_one), **flags}


def _category(flags: dict[str, Any], names: list[str], fetches_one: bool) -> str:
    if flags["has_join"]:
        return "join"
    if flags["has_aggregation"]:
        return "aggregation"
    if flags["has_predicate"]:
        return "point_lookup" if fetches_one else "filtered_scan"
    if "Projection" in names and flags["num_tables"] > 0:
        return "projection"
    return "full_scan"


def _walk(root: LogicalPlan) -> list[LogicalPlan]:
    nodes, stack = [], [root]
    while stack:
        nodes.append(stack.pop())
        stack.extend(nodes[-1].inputs())
    return nodes


def _first_line(node: LogicalPlan) -> str:
    return node.display_indent().partition("\n")[0]
