"""The order in which the parts of a page are read: columns one after another, rows from the top.

A gutter is a strip of the page that few parts cross. What crosses it (a title, a wide table) divides the
columns into bands. The invariant: every part that comes in goes out, once. The trap: a list with labels on
the left and values on the right has a gutter too; its parts do not fill their columns.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate, groupby

from engine.documents.pdf.shapes import Box, Line, Picture, Table, around

Part = Line | Table | Picture

_DEPTH_MAX = 4
_LINES_MIN = 3
_CROSSING_SHARE = 0.3
"""Of the height of all parts, how much may cross a gutter."""
_MIDDLE = (0.2, 0.8)
_FILLING = 0.6
_FILLING_SHARE = 0.3
"""Of the lines of a column, how many fill most of its width."""
_ALIGNED_POINTS = 2
_ALIGNED_SHARE = 0.4
_GUTTER_POINTS = 5


def in_reading_order(parts: Sequence[Part]) -> list[Part]:
    """Return the parts of a page in the order of reading, words of one row and column as one line.

    Lines get the number of their region: within one they stand below each other.
    """
    ordered: list[Part] = []
    for number, region in enumerate(_regions(list(parts), 0)):
        ordered += _rows(region, number)
    return ordered


def _regions(parts: list[Part], depth: int) -> list[list[Part]]:
    """Cut the parts into columns and what crosses them, in the order of reading."""
    gutter = _gutter(parts) if depth < _DEPTH_MAX else None
    if gutter is None:
        return [parts] if parts else []
    regions: list[list[Part]] = []
    for crosses, band in groupby(sorted(parts, key=_top), lambda part: _crosses(part, gutter)):
        if crosses:
            regions.append(list(band))
            continue
        columns: tuple[list[Part], list[Part]] = ([], [])
        for part in band:
            columns[part.box.middle[0] > gutter].append(part)
        regions += [*_regions(columns[0], depth + 1), *_regions(columns[1], depth + 1)]
    return regions


def _crosses(part: Part, x: float) -> bool:
    return part.box.x0 < x - 1 and part.box.x1 > x + 1


def _top(part: Part) -> float:
    return part.box.middle[1]


def _gutter(parts: list[Part]) -> float | None:
    """Return the middle of the strip that divides the parts into columns, if there is one."""
    if len(parts) < 2 * _LINES_MIN:
        return None
    whole = around(part.box for part in parts)
    crossed = _crossed(parts, whole)
    first, last = (int(share * len(crossed)) for share in _MIDDLE)
    middle = crossed[first:last]
    if not middle:
        return None
    least = min(middle)
    if least > _CROSSING_SHARE * sum(part.box.height for part in parts):
        return None
    start, end = _longest_run(middle, least)
    gutter = whole.x0 + first + (start + end) / 2
    if end - start < _GUTTER_POINTS or not _are_columns(parts, whole, gutter):
        return None
    return gutter


def _crossed(parts: list[Part], whole: Box) -> list[float]:
    """Return for each point of the width the height of all parts over it."""
    changes = [0.0] * (int(whole.width) + 2)
    for part in parts:
        changes[int(part.box.x0 - whole.x0)] += part.box.height
        changes[int(part.box.x1 - whole.x0) + 1] -= part.box.height
    return [round(height, 3) for height in accumulate(changes)]


def _longest_run(heights: list[float], least: float) -> tuple[int, int]:
    best, start = (0, 0), None
    for place, height in enumerate([*heights, least + 1]):
        if height > least:
            if start is not None and place - start > best[1] - best[0]:
                best = (start, place)
            start = None
        elif start is None:
            start = place
    return best


def _are_columns(parts: list[Part], whole: Box, gutter: float) -> bool:
    left = [part for part in parts if part.box.x1 <= gutter + 1]
    right = [part for part in parts if part.box.x0 >= gutter - 1]
    return _is_column(left, gutter - whole.x0) and _is_column(right, whole.x1 - gutter)


def _is_column(parts: list[Part], width: float) -> bool:
    rows = _rows(parts, 0)
    if len(rows) < _LINES_MIN:
        return False
    filling = sum(row.box.width >= _FILLING * width for row in rows)
    # The spaces of justified text can lie below each other, but words beside them do not align.
    starts = Counter(round(row.box.x0 / _ALIGNED_POINTS) for row in rows)
    aligned = max(starts[place] + starts[place + 1] for place in list(starts))
    return filling >= max(2, len(rows) * _FILLING_SHARE) and aligned >= len(rows) * _ALIGNED_SHARE


def _rows(parts: list[Part], region: int) -> list[Part]:
    """Return the parts of one region from the top; lines that stand in one row become one."""
    rows: list[list[Part]] = []
    for part in sorted(parts, key=_top):
        if rows and isinstance(part, Line) and _joins(rows[-1], part):
            rows[-1].append(part)
        else:
            rows.append([part])
    return [_row(row, region) for row in rows]


def _joins(row: list[Part], line: Line) -> bool:
    return isinstance(row[0], Line) and all(
        part.box.beside(line.box) and not _overlap(part.box, line.box) for part in row
    )


def _overlap(one: Box, other: Box) -> bool:
    """Tell whether one stands over the other, and not beside it."""
    return min(one.x1, other.x1) - max(one.x0, other.x0) > min(one.width, other.width) / 2


def _row(row: list[Part], region: int) -> Part:
    lines = sorted((part for part in row if isinstance(part, Line)), key=lambda line: line.box.x0)
    if not lines:
        return row[0]
    if len(lines) == 1:
        return replace(lines[0], region=region)
    return Line(
        " ".join(line.text for line in lines),
        around(line.box for line in lines),
        max(line.size for line in lines),
        bold=all(line.bold for line in lines),
        region=region,
    )
