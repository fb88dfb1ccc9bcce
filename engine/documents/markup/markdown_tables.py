"""Rows of cells that span others to a table of pipes, in which every cell stands for itself.

A cell that spans columns or rows is repeated in each of them, so that every row can be read alone. The trap:
a few bytes may ask for a thousand columns in a million rows, so the size is known before anything is repeated.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from engine.documents.content import TEXT_CHARS_MAX
from engine.documents.markup.markdown_blocks import one_line
from engine.errors import DocumentInvalid

COLUMNS_MAX = 1_000
CELLS_MAX = 1_000_000


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of a table: its text, and over how many columns and rows it reaches."""

    text: str
    columns: int = 1
    rows: int = 1


def markdown_table(rows: Sequence[Sequence[Cell]]) -> str:
    """Write a table of pipes; the first row is its head. Empty when no cell has a text.

    Raises:
        DocumentInvalid: the table has more than ``CELLS_MAX`` cells or too much text.
    """
    rows = [row for row in rows if row]
    if not any(cell.text.strip() for row in rows for cell in row):
        return ""
    grid = _grid(_bounded(rows))
    width = max(len(row) for row in grid)
    if width * len(grid) > CELLS_MAX:
        raise _too_large()
    lines = [_line(row + [""] * (width - len(row))) for row in grid]
    return "\n".join([lines[0], _line(["---"] * width), *lines[1:]])


def span(value: str) -> int:
    """A span as it is written in markup: at least 1, at most ``COLUMNS_MAX``.

    >>> span("3"), span(""), span("-1"), span("9" * 12)
    (3, 1, 1, 1000)
    """
    value = value.strip()
    if not (value.isascii() and value.isdigit()):
        return 1
    return COLUMNS_MAX if len(value) > len(str(COLUMNS_MAX)) else min(max(int(value), 1), 1000)


def _bounded(rows: list[Sequence[Cell]]) -> list[list[Cell]]:
    last = len(rows)
    found = [
        [Cell(_cell_text(cell.text), cell.columns, min(cell.rows, last - at)) for cell in row]
        for at, row in enumerate(rows)
    ]
    cells = [cell for row in found for cell in row]
    if sum(cell.columns * cell.rows for cell in cells) > CELLS_MAX:
        raise _too_large()
    if sum(cell.columns * cell.rows * len(cell.text) for cell in cells) > TEXT_CHARS_MAX:
        raise _too_large()
    return found


def _too_large() -> DocumentInvalid:
    return DocumentInvalid(
        "The document has a table with too many cells; upload the table as a dataset instead."
    )


def _cell_text(text: str) -> str:
    return one_line(text).replace("|", "\\|")


def _grid(rows: list[list[Cell]]) -> list[list[str]]:
    grid: list[list[str]] = []
    # What reaches down into the rows below: column to (text, rows left).
    hanging: dict[int, tuple[str, int]] = {}
    for row in rows:
        line: list[str] = []
        below: dict[int, tuple[str, int]] = {}
        for cell in row:
            _hang(line, hanging, below)
            if cell.rows > 1:
                columns = range(len(line), len(line) + cell.columns)
                below |= dict.fromkeys(columns, (cell.text, cell.rows - 1))
            line += [cell.text] * cell.columns
        _hang(line, hanging, below)
        # The row has fewer cells than the table: what hangs farther right keeps its column.
        for at in sorted(at for at in hanging if at > len(line)):
            line += [""] * (at - len(line))
            _hang(line, hanging, below)
        grid.append(line)
        hanging = below
    return grid


def _hang(
    line: list[str], hanging: dict[int, tuple[str, int]], below: dict[int, tuple[str, int]]
) -> None:
    while (held := hanging.pop(len(line), None)) is not None:
        text, rows_left = held
        if rows_left > 1:
            below[len(line)] = (text, rows_left - 1)
        line.append(text)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
