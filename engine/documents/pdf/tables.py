"""The tables of a page: the grid that its ruling lines make, filled with the words that stand in it.

The cells are found by pdfplumber's rules for edges; the words are pdfium's, letter by letter where a word
goes over the edge of a cell. The invariant: a word that is in a table's cell is not in the text beside it.
The traps: a box around a paragraph is a grid of one cell, and the lines behind a chart are one with next to no
words. Neither is a table.
"""

import re
from collections.abc import Iterable, Iterator, Sequence

from engine.documents.pdf.lines import PageText, clean_text
from engine.documents.pdf.rules import EDGES_MAX
from engine.documents.pdf.shapes import Box, Table, Word, around

_SNAP_POINTS = 3
_CORNERS_MAX = 6_000
_CELLS_MIN = 2
_FILLED_SHARE = 0.05
"""Of the cells of a table without a head, how many have words at least."""
Grid = tuple[tuple[Box | None, ...], ...]


def read_tables(page: PageText, edges: Sequence[Box]) -> list[Table]:
    """Return the tables whose cells are drawn, from the top.

    Args:
        page: whose words stand in them.
        edges: level and upright; pages with more than ``EDGES_MAX`` are drawings, without tables.
    """
    grids = _find_grids(edges)
    tables = [(grid, _fill_grid(page, grid)) for grid in grids]
    return [table for grid, table in tables if _has_words(grid, table)]


def _has_words(grid: Grid, table: Table) -> bool:
    """Tell whether a grid has a head, as a form to be filled in has, or words in enough of its cells."""
    cells = sum(cell is not None for row in grid for cell in row)
    filled = sum(bool(text) for row in table.rows for text in row)
    return filled >= _CELLS_MIN and (all(table.rows[0]) or filled >= _FILLED_SHARE * cells)


def _find_grids(edges: Sequence[Box]) -> list[Grid]:
    """Return the grids that ruling lines make, with None where cells are joined."""
    upright = sum(edge.height > 0 for edge in edges)
    level = len(edges) - upright
    if upright < _CELLS_MIN or level < _CELLS_MIN or len(edges) > EDGES_MAX:
        return []
    grids = [_grid(cells) for cells in _cells_by_table(edges)]
    return [grid for grid in grids if sum(cell is not None for row in grid for cell in row) > 1]


def _fill_grid(page: PageText, grid: Grid) -> Table:
    box = _grid_box(grid)
    inside: dict[Box, list[Word]] = {cell: [] for row in grid for cell in row if cell}
    for word in page.words():
        if box.holds(*word.box.middle):
            for piece in _pieces(page, word, inside):
                inside[piece[0]].append(piece[1])
    rows = tuple(tuple(cell_text(page, inside[cell]) if cell else "" for cell in row)
                 for row in grid)  # fmt: skip
    return Table(box, rows)


def table_markdown(table: Table) -> str:
    r"""Return a table as pipes, its first row as the head.

    >>> print(table_markdown(Table(Box(0, 0, 9, 9), (("a", "b|c"), ("1", "")))))
    | a | b\|c |
    | --- | --- |
    | 1 |  |
    """
    head, *rest = (f"| {' | '.join(map(_escaped, row))} |" for row in table.rows)
    rule = f"| {' | '.join('---' for _ in table.rows[0])} |"
    return "\n".join((head, rule, *rest))


def _escaped(cell: str) -> str:
    return cell.replace("|", "\\|")


def _cells_by_table(edges: Sequence[Box]) -> list[list[Box]]:
    # Only pages with rules pay for the import.
    from pdfplumber import table as rules  # noqa: PLC0415 - slow, and few pages have tables

    merged = rules.merge_edges([_edge(edge) for edge in edges], *[_SNAP_POINTS] * 4)
    corners = rules.edges_to_intersections(merged, _SNAP_POINTS, _SNAP_POINTS)
    if len(corners) > _CORNERS_MAX:
        return []
    cells = rules.intersections_to_cells(corners)
    tables = rules.cells_to_tables(cells)
    return [[Box(*map(float, cell)) for cell in cells] for cells in tables]


def _edge(edge: Box) -> dict[str, object]:
    return {
        "x0": edge.x0, "x1": edge.x1, "top": edge.top, "bottom": edge.bottom,
        "width": edge.width, "height": edge.height, "object_type": "line",
        "orientation": "v" if edge.height > 0 else "h",
    }  # fmt: skip


def _grid_box(grid: Grid) -> Box:
    return around(cell for row in grid for cell in row if cell)


def _grid(cells: Iterable[Box]) -> Grid:
    by_place = {(cell.top, cell.x0): cell for cell in cells}
    tops = sorted({top for top, _ in by_place})
    lefts = sorted({left for _, left in by_place})
    return tuple(tuple(by_place.get((top, left)) for left in lefts) for top in tops)


def _pieces(page: PageText, word: Word, cells: Iterable[Box]) -> Iterator[tuple[Box, Word]]:
    """Yield the cell of a word, or each of its letters with its own."""
    home = _cell_at(cells, word.box)
    if home and home.x0 - 1 <= word.box.x0 and word.box.x1 <= home.x1 + 1:
        yield home, word
        return
    for letter in page.letters(word):
        cell = _cell_at(cells, letter.box) or home
        if cell:
            yield cell, letter


def _cell_at(cells: Iterable[Box], box: Box) -> Box | None:
    x, y = box.middle
    return next((cell for cell in cells if cell.holds(x, y)), None)


def cell_text(page: PageText, words: Sequence[Word]) -> str:
    """Join the words of a cell; letters that follow each other without a space are one word."""
    text = ""
    end = 0
    for word in words:
        # What stands before on the page can come after in the file.
        is_next = word.first >= end and not page.text[end : word.first].strip("\x02\ufffe")
        text += ("" if is_next or not text else " ") + word.text
        end = word.first + len(word.text)
    return re.sub(r"\s+", " ", clean_text(text)).strip()
