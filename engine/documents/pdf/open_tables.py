"""The tables of a page that have level rules only, as papers set them: cells by the gaps between columns.

The text between two rules must have columns by itself; a table that is missed stays text, which is better
than text that became a table. The invariant: a word is in one cell or beside the table, never in both. The
trap: headers, footnotes, boxed paragraphs and algorithms have the same rules.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from itertools import islice, pairwise
from math import nextafter
from typing import NamedTuple

from engine.documents.pdf.columns import (
    columns_of,
    has_numbers,
    is_list,
    is_running,
    is_scattered,
    touched,
    with_tight_cells,
)
from engine.documents.pdf.level_rules import Stack, find_stacks
from engine.documents.pdf.lines import PageText
from engine.documents.pdf.open_cells import Cells, cells_of, head_cells, with_head_columns
from engine.documents.pdf.open_rows import Row, has_turned, of_one_row, rows_of, usual_gap
from engine.documents.pdf.rules import EDGES_MAX
from engine.documents.pdf.shapes import Box, Table, Word, around
from engine.documents.pdf.tables import cell_text

_WORDS_MAX = 10_000
"""Ten times as many as a full page has."""
_OVERHANG_POINTS = 2
_PAGE_SHARE = 0.6
"""Two rules further apart are those of a page's head and foot."""
_HEAD_ROWS_MAX = 4
_DIVIDED_SHARE = 0.6
"""Of the rows, how many have words in two columns at least."""
_ROWS_MIN = 2
_ROWS_MIN_WITHOUT_HEAD = 3
_TITLE = re.compile(
    r"(?:table|tab\.|tabelle|figure|fig\.|algorithm|listing|procedure|box|theorem)\s*[\dIVX]+\b",
    re.IGNORECASE,
)


class _Band(NamedTuple):
    """What stands between two rules of a stack that follow each other."""

    box: Box
    rows: tuple[Row, ...]


def find_open_tables(
    page: PageText, edges: Sequence[Box], grids: Sequence[Box], page_size: tuple[float, float]
) -> list[Table]:
    """Return the tables between level rules of the same width.

    Args:
        page: its words are asked for only if it has such rules.
        edges: level and upright; pages with more than ``EDGES_MAX`` are drawings, without tables, as
            are those with more than ``_WORDS_MAX`` words.
        grids: the boxes of the tables that are found already, in which nothing is looked for.
        page_size: width and height, in points.
    """
    free = [edge for edge in edges if not any(_overlap(edge, grid) for grid in grids)]
    level = [edge for edge in free if not edge.height]
    if len(level) < 2 or len(edges) > EDGES_MAX:  # noqa: PLR2004 - above and below
        return []
    stacks = find_stacks(level, page_size[0])
    if not stacks:
        return []
    words = list(islice(page.words(), _WORDS_MAX + 1))
    if len(words) > _WORDS_MAX:
        return []
    taken = [*grids, *(edge for edge in free if edge.height)]
    finder = _Finder(page, words, taken, page_size[1])
    return [table for stack in stacks for table in finder.tables(stack)]


def _overlap(one: Box, other: Box) -> bool:
    """Tell whether two boxes have more in common than their edges, or nearly touch."""
    level = min(one.x1, other.x1) - max(one.x0, other.x0)
    upright = min(one.bottom, other.bottom) - max(one.top, other.top)
    return level > -_OVERHANG_POINTS and upright > -_OVERHANG_POINTS


class _Finder:
    """The tables of one page; ``taken`` is where none can be."""

    def __init__(
        self, page: PageText, words: Sequence[Word], taken: list[Box], page_height: float
    ) -> None:
        self._page = page
        self._taken = taken
        self._height_max = _PAGE_SHARE * page_height
        self._words = sorted(words, key=lambda word: word.box.middle[1])
        self._middles = [word.box.middle[1] for word in self._words]

    def tables(self, stack: Stack) -> Iterator[Table]:
        """Yield the tables that the rules of a stack bound."""
        whole = around(stack.rules)
        box = whole._replace(x0=whole.x0 - _OVERHANG_POINTS, x1=whole.x1 + _OVERHANG_POINTS)
        words = list(of_one_row(self._page, self._inside(box)))
        if not words:
            return
        gap = usual_gap(words)
        bands = [_band(words, box, rules, gap) for rules in pairwise(stack.rules)]
        for segment in _segments(bands, gap):
            box = around(band.box for band in segment)
            is_furniture = len(segment) == 1 and box.height > self._height_max
            if is_furniture or any(_overlap(box, taken) for taken in self._taken):
                continue
            table = _read(self._page, segment, stack.inner, gap)
            if table:
                yield table
            if table or (len(segment) > 1 and box.height <= self._height_max):
                # The narrower rules in what is no table do not make one of a part of it.
                self._taken.append(table.box if table else box)

    def _inside(self, box: Box) -> list[Word]:
        first = bisect_left(self._middles, box.top)
        last = bisect_right(self._middles, box.bottom)
        return [word for word in self._words[first:last] if box.holds(*word.box.middle)]


def _band(words: Sequence[Word], whole: Box, rules: tuple[Box, Box], gap: float) -> _Band:
    top, bottom = (rule.middle[1] for rule in rules)
    # What stands on a rule is below it, and not above it too.
    box = whole._replace(top=top, bottom=nextafter(bottom, top))
    return _Band(box, tuple(rows_of((word for word in words if box.holds(*word.box.middle)), gap)))


def _segments(bands: Sequence[_Band], gap: float) -> Iterator[list[_Band]]:
    """Yield the bands that may be one table: those between what is empty, a title or running text."""
    segment: list[_Band] = []
    for band in bands:
        if not _divides(band.rows, gap):
            segment.append(band)
        elif segment:
            yield segment
            segment = []
    if segment:
        yield segment


def _divides(rows: Sequence[Row], gap: float) -> bool:
    if not rows:
        return True
    if any(len(row.pieces) == 1 and _TITLE.match(row.pieces[0].text) for row in rows):
        return True
    is_text = len(rows) > 1 and all(len(row.pieces) == 1 for row in rows)
    return is_text or is_running(rows, columns_of(rows, gap))


def _read(page: PageText, bands: list[_Band], inner: Sequence[Box], gap: float) -> Table | None:
    """Make the table of some bands, or None when they are none."""
    bands = _without_notes(bands, gap)
    head = list(bands[0].rows) if _has_head(bands) else []
    body = [row for band in bands[bool(head) :] for row in band.rows]
    columns = [] if has_turned([*head, *body], gap) else columns_of(body, gap)
    if not columns or is_running([*head, *body], columns):
        return None
    if is_list(body, columns) or is_scattered(body, columns):
        return None
    head = [with_tight_cells(row, columns, gap) for row in head]
    body = [with_tight_cells(row, columns, gap) if row.pieces[1:] else row for row in body]
    if head:
        columns = with_head_columns(columns, head[-1])
    rules = [*inner, *(band.box._replace(bottom=band.box.top) for band in bands)]
    rows = cells_of(body, columns, rules)
    divided = sum(sum(map(bool, row)) > 1 for row in rows)
    if divided < _DIVIDED_SHARE * len(rows) or len(rows) + bool(head) < _ROWS_MIN:
        return None
    # Without a middle rule there must be more that tells a table from short lines of text.
    if len(bands) == 1 and (len(rows) < _ROWS_MIN_WITHOUT_HEAD or not has_numbers(body)):
        return None
    heads: list[Cells] = [head_cells(head, columns, inner, bands[0].box.bottom)] if head else []
    texts = tuple(tuple(cell_text(page, cell) for cell in row) for row in (*heads, *rows))
    return Table(around(band.box for band in bands), texts)


def _without_notes(bands: list[_Band], gap: float) -> list[_Band]:
    """Drop the first and the last band where they are a title or a note over several columns."""
    while len(bands) > 1 and _is_note(bands[0], bands[1:], gap):
        bands = bands[1:]
    while len(bands) > 1 and _is_note(bands[-1], bands[:-1], gap):
        bands = bands[:-1]
    return bands


def _is_note(band: _Band, others: Sequence[_Band], gap: float) -> bool:
    if len(band.rows) > 1 or len(band.rows[0].pieces) > 1:
        return False
    columns = columns_of([row for other in others for row in other.rows], gap)
    return len(touched(band.rows[0].pieces[0].box, columns)) > 1


def _has_head(bands: Sequence[_Band]) -> bool:
    """Tell whether the first band is a head: it is not if it has several rows of numbers."""
    rows = bands[0].rows
    return len(rows) <= _HEAD_ROWS_MAX and len(bands) > 1 and sum(map(_is_numbers, rows)) < 2  # noqa: PLR2004 - years can be a head


def _is_numbers(row: Row) -> bool:
    values = [piece.text for piece in row.pieces[1:]]
    numbers = sum(any(letter.isdigit() for letter in text) for text in values)
    letters = sum(any(letter.isalpha() for letter in text) for text in values)
    return numbers > letters
