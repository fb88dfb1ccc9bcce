"""The cells of a table without upright rules: its rows put into columns, and its heads into one row.

A line of a table is a row of its own unless it surely goes on with the one above: a row too many can be
read, two records in one cannot be told apart. The invariant: each word of the rows is in the cells, those
of a head over several columns in each of them. The trap: in a group of rows only the first names the
group, so an empty first cell is no sign of a line that goes on.
"""

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

from engine.documents.pdf.columns import Span, nearest, touched
from engine.documents.pdf.open_rows import Piece, Row, row_pitch
from engine.documents.pdf.shapes import Box, Word

_NEAR = 0.85
"""Of the usual distance of rows: what is nearer is another line of the same row."""
_SPACE_HEIGHTS = 0.2

Cells: TypeAlias = list[tuple[Word, ...]]
"""The words of each column, in the order of reading; none where a cell is empty."""


class _Lines(NamedTuple):
    """The rows of a body as they stand, and what is known of all of them."""

    rows: Sequence[Row]
    cells: Sequence[Cells]
    columns: Sequence[Span]
    rules: Sequence[Box]
    pitch: float


def cells_of(rows: Sequence[Row], columns: Sequence[Span], rules: Sequence[Box]) -> list[Cells]:
    """Return the rows of a body as cells, lines of wrapped cells as one row.

    Args:
        rows: as they stand on the page, from the top.
        columns: from the left.
        rules: the level rules between the rows; no cell goes over one.
    """
    cells = [_placed(row, columns) for row in rows]
    starts = [bool(line[0]) and sum(map(bool, line)) > 1 for line in cells]
    lines = _Lines(rows, cells, columns, rules, row_pitch(rows, starts))
    whole: list[Cells] = []
    for number, line in enumerate(cells):
        if whole and _goes_on(lines, number, whole[-1]):
            whole[-1] = [above + below for above, below in zip(whole[-1], line, strict=True)]
        else:
            whole.append(line)
    return whole


def _placed(row: Row, columns: Sequence[Span]) -> Cells:
    """Put the pieces of a row into columns; one over several columns is in the first of them.

    A row that is only such a piece names the rows below it; it is in the first of all.
    """
    cells: Cells = [()] * len(columns)
    if len(row.pieces) == 1 and len(touched(row.pieces[0].box, columns)) > 1:
        cells[0] = row.pieces[0].words
        return cells
    for piece in row.pieces:
        place = min(touched(piece.box, columns), default=nearest(piece.box, columns))
        cells[place] += piece.words
    return cells


def _goes_on(lines: _Lines, number: int, whole: Cells) -> bool:
    """Tell whether a line belongs to the row above it, whose lines so far are ``whole``.

    It has fewer cells than that row, each below words for which its next word left no room. And it is
    nearer than rows are, or it begins with a small letter: in its first cell, if that has words.
    """
    line, above = lines.cells[number], lines.cells[number - 1]
    filled = [place for place, cell in enumerate(line) if cell]
    if len(filled) == sum(map(bool, whole)) or _is_ruled(lines, number):
        return False
    if not all(_was_full(lines, place, above[place], line[place]) for place in filled):
        return False
    distance = lines.rows[number].middle - lines.rows[number - 1].middle
    small = [place for place in filled if line[place][0].text[:1].islower()]
    return distance < _NEAR * lines.pitch or bool(small and (small[0] == 0 or not line[0]))


def _is_ruled(lines: _Lines, number: int) -> bool:
    upper, lower = (lines.rows[n].middle for n in (number - 1, number))
    return any(upper < rule.middle[1] < lower for rule in lines.rules)


def _was_full(lines: _Lines, place: int, above: Sequence[Word], below: Sequence[Word]) -> bool:
    """Tell whether a cell's next word had no room beside the words above it, in a column of words."""
    if not any(letter.isalpha() for word in above for letter in word.text):
        return False
    if not any(len(cells[place]) > 1 for cells in lines.cells):
        return False
    x0, x1 = lines.columns[place]
    width = max(word.box.x1 for word in above) - min(word.box.x0 for word in above)
    space = _SPACE_HEIGHTS * above[0].box.height
    return width + space + below[0].box.width > x1 - x0


def with_head_columns(columns: Sequence[Span], head: Row) -> list[Span]:
    """Add the columns that have a head and are empty below it.

    Args:
        columns: of the body.
        head: the lowest row of the head.
    """
    if len(head.pieces) <= len(columns):
        return list(columns)
    empty = [piece.box for piece in head.pieces if not touched(piece.box, columns)]
    return sorted([*columns, *((box.x0, box.x1) for box in empty)])


def head_cells(
    rows: Sequence[Row], columns: Sequence[Span], rules: Sequence[Box], bottom: float
) -> Cells:
    """Return the rows of a head as one: Markdown has no more, and each column is named by itself.

    Args:
        rows: of the head, from the top.
        columns: from the left.
        rules: those narrower than the table; one in the head says over which columns the words above
            it stand.
        bottom: where the head ends, in points from the top.
    """
    cells: Cells = [()] * len(columns)
    for number, row in enumerate(rows):
        below = [rule for rule in rules if row.middle < rule.middle[1] < bottom]
        is_lowest = number + 1 == len(rows)
        for place, piece in enumerate(row.pieces):
            if is_lowest and len(row.pieces) == len(columns):
                named = [place]
            else:
                named = _named(piece, row, columns, below)
            for column in named:
                cells[column] += piece.words
    return cells


def _named(piece: Piece, row: Row, columns: Sequence[Span], rules: Sequence[Box]) -> list[int]:
    """Return the columns over which a piece of a head stands."""
    rule = _rule_of(piece, rules)
    if rule is None:
        return touched(piece.box, columns) or [nearest(piece.box, columns)]
    beside = [other for other in row.pieces if _rule_of(other, rules) == rule]
    spans = [(other.box.x0, other.box.x1) for other in beside]
    return [
        n for n in touched(rule, columns)
        if beside[nearest(Box(columns[n][0], 0, columns[n][1], 0), spans)] is piece
    ]  # fmt: skip


def _rule_of(piece: Piece, rules: Sequence[Box]) -> Box | None:
    """Return the nearest of the rules below a piece."""
    middle = piece.box.middle[0]
    under = [rule for rule in rules if rule.x0 <= middle <= rule.x1]
    return min(under, key=lambda rule: rule.top, default=None)
