"""Tables with level rules only, drawn word for word as papers set them, and how Markdown writes them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from fpdf import FPDF

from tests.documents.pdf_files import Paper, Reading, read, written

POINTS = 25.4 / 72
"""In millimetres."""
Cell = tuple[int, int, str]
"""A cell over columns from the first number to before the second."""


def markdown(*rows: Sequence[str]) -> str:
    """Return rows as a table of Markdown."""
    head, *rest = (
        f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows
    )
    return "\n".join([head, f"| {' | '.join('---' for _ in rows[0])} |", *rest])


def line_rule(pdf: FPDF, x0: float, x1: float, y: float) -> None:
    """Draw a rule as a stroke."""
    pdf.set_line_width(0.8 * POINTS)
    pdf.line(x0, y, x1, y)


def rectangle_rule(pdf: FPDF, x0: float, x1: float, y: float) -> None:
    """Draw a rule as a thin rectangle without a stroke."""
    pdf.rect(x0, y - 0.2, x1 - x0, 0.4, style="F")


def pieces_rule(pdf: FPDF, x0: float, x1: float, y: float) -> None:
    """Draw a rule in five pieces, as a cell for each column has them."""
    for piece in range(5):
        width = (x1 - x0) / 5
        line_rule(pdf, x0 + piece * width, x0 + (piece + 1) * width, y)


@dataclass
class Ruled:
    """A table being drawn from the top.

    Attributes:
        widths: of the columns, in millimetres.
        aligns: of the columns: L, R, C, and D for numbers at their decimal point.
        pitch: of the rows, in millimetres.
    """

    pdf: FPDF
    x: float
    y: float
    widths: Sequence[float]
    aligns: str
    size: float = 9
    pitch: float = 4.5
    padding: float = 6 * POINTS
    rule: Callable[[FPDF, float, float, float], None] = line_rule

    def line(self, first: int = 0, end: int | None = None) -> "Ruled":
        """Draw a rule over all columns, or over some of them and a little less wide."""
        end = len(self.widths) if end is None else end
        trim = 0.0 if (first, end) == (0, len(self.widths)) else 1.0
        self.rule(self.pdf, self._left(first) + trim, self._left(end) - trim, self.y + 0.8)
        self.y += 1.2
        return self

    def row(self, *cells: str) -> "Ruled":
        """Write a row with a cell for each column; one with line breaks takes several lines."""
        broken = [cell.split("\n") for cell in cells]
        for line in range(max(map(len, broken))):
            for column, texts in enumerate(broken):
                if line < len(texts):
                    self._write((column, column + 1, texts[line]), self.aligns[column])
            self.y += self.pitch
        return self

    def rows(self, rows: Sequence[Sequence[str]]) -> "Ruled":
        """Write rows below each other."""
        for row in rows:
            self.row(*row)
        return self

    def spanning(self, *cells: Cell) -> "Ruled":
        """Write a row of centred cells, each over the columns that it names."""
        for cell in cells:
            self._write(cell, "C")
        self.y += self.pitch
        return self

    def between(self, column: int, text: str) -> "Ruled":
        """Write a cell that stands in the middle of the two rows above."""
        self.y -= 1.5 * self.pitch
        self._write((column, column + 1, text), self.aligns[column])
        self.y += 1.5 * self.pitch
        return self

    def space(self, millimetres: float) -> "Ruled":
        """Leave a space."""
        self.y += millimetres
        return self

    def _left(self, column: int) -> float:
        return self.x + sum(self.widths[:column])

    def _write(self, cell: Cell, align: str) -> None:
        first, end, text = cell
        self.pdf.set_font("Helvetica", size=self.size)
        left, right = self._left(first) + self.padding, self._left(end) - self.padding
        if first == 0:
            left = self.x
        width = self.pdf.get_string_width(text)
        whole = self.pdf.get_string_width(text.split(".")[0])
        start = {
            "L": left,
            "R": right - width,
            "C": (left + right - width) / 2,
            "D": (left + right) / 2 - whole,
        }[align]
        self.pdf.text(start, self.y + self.pitch * 0.8, text)


def page() -> Paper:
    """Return a document with one empty page."""
    paper = Paper()
    paper.add_page()
    return paper


def text_of(paper: FPDF, folder: Path) -> str:
    """Return what is read of a document."""
    return read(written(paper, folder)).text


def tables_of(reading: Reading) -> list[str]:
    """Return the tables of what was read."""
    return [block for block in reading.text.split("\n\n") if block.startswith("| ")]


def column_of(paper: Paper, text: str, x: float, y: float, width: float = 90) -> float:
    """Write justified text into a column; return where it ends."""
    paper.set_xy(x, y)
    paper.set_font("Helvetica", size=9)
    paper.multi_cell(width, 4.2, text, align="J")
    return paper.get_y()
