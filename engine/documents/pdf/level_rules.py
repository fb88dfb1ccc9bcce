"""The level rules of a page that may bound a table without upright ones: what stands below each other.

A stack is two or more rules that begin and end at the same places; the narrower rules between them divide
its heads. The invariant: a rule is in one stack at most. The trap: writers draw a thick rule as a rectangle
with two level edges, and a rule over a row of cells as a piece for each cell.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from engine.documents.pdf.shapes import Box, around

_RULES_MAX = 300
"""A page with more is a drawing."""
_SAME_POINTS = 3
_DOUBLE_POINTS = 4
"""Rules nearer to each other are one that was drawn twice."""
_TOUCHING_POINTS = 1.5
_WIDTH_SHARE = 0.1
"""Of the page: half of a narrow table in the narrower of three columns."""


@dataclass(frozen=True, slots=True)
class Stack:
    """Rules of one width, from the top, and the narrower ones that stand between the first and the last."""

    rules: tuple[Box, ...]
    inner: tuple[Box, ...]


def find_stacks(level: Sequence[Box], page_width: float) -> list[Stack]:
    """Return the stacks that level edges make, the widest first.

    Args:
        level: the level edges of a page, none of them of a grid.
        page_width: in points.
    """
    rules = _merged(level)
    if len(rules) > _RULES_MAX:
        return []
    stacks: list[list[Box]] = []
    for rule in rules:
        if rule.width < _WIDTH_SHARE * page_width:
            continue
        home = next((stack for stack in stacks if _same_ends(stack[0], rule)), None)
        if home is None:
            stacks.append([rule])
        else:
            home.append(rule)
    whole = sorted((stack for stack in stacks if len(stack) > 1), key=lambda s: -s[0].width)
    return [Stack(tuple(stack), _between(rules, stack)) for stack in whole]


def _merged(level: Sequence[Box]) -> list[Box]:
    """Return the rules from the top: edges that touch, or that are one above the other, are one."""
    rules: list[Box] = []
    row: list[Box] = []
    for edge in sorted(level, key=lambda edge: edge.top):
        if row and edge.top - row[0].top > _DOUBLE_POINTS:
            rules += _row_rules(row)
            row = []
        row.append(edge)
    return [*rules, *_row_rules(row)]


def _row_rules(row: Iterable[Box]) -> list[Box]:
    rules: list[Box] = []
    for edge in sorted(row):
        if rules and edge.x0 <= rules[-1].x1 + _TOUCHING_POINTS:
            rules[-1] = around((rules[-1], edge))
        else:
            rules.append(edge)
    return rules


def _same_ends(one: Box, other: Box) -> bool:
    return abs(one.x0 - other.x0) <= _SAME_POINTS and abs(one.x1 - other.x1) <= _SAME_POINTS


def _between(rules: Iterable[Box], stack: Sequence[Box]) -> tuple[Box, ...]:
    whole = around(stack)
    return tuple(
        rule
        for rule in rules
        if rule.width < whole.width - _SAME_POINTS
        and whole.holds(*rule.middle)
        and whole.x0 - _SAME_POINTS <= rule.x0
        and rule.x1 <= whole.x1 + _SAME_POINTS
    )
