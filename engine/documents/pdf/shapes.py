"""The pieces of a page: words and lines with their places, and the blocks that become Markdown.

Places are points (1/72 inch) from the upper left corner of the page as it is shown. The invariant: a box
has ``x0 <= x1`` and ``top <= bottom``. The trap: PDF itself counts from the lower left, before the page is
turned; only the modules that ask pdfium know that.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

FAR_POINTS = 60_000
"""Four times the largest page that PDF knows."""


class Box(NamedTuple):
    """A rectangle of a page, in points."""

    x0: float
    top: float
    x1: float
    bottom: float

    @property
    def width(self) -> float:
        """In points."""
        return self.x1 - self.x0

    @property
    def height(self) -> float:
        """In points."""
        return self.bottom - self.top

    @property
    def middle(self) -> tuple[float, float]:
        """The point in the middle."""
        return (self.x0 + self.x1) / 2, (self.top + self.bottom) / 2

    @property
    def is_near(self) -> bool:
        """Whether it can be on a page: damaged files have places without a number, or at infinity."""
        return abs(self.x0) + abs(self.top) + abs(self.x1) + abs(self.bottom) < FAR_POINTS

    def holds(self, x: float, y: float) -> bool:
        """Tell whether a point is inside."""
        return self.x0 <= x <= self.x1 and self.top <= y <= self.bottom

    def beside(self, other: "Box") -> bool:
        """Tell whether both stand in one row: they share half the height of the lower one."""
        shared = min(self.bottom, other.bottom) - max(self.top, other.top)
        return shared > min(self.height, other.height) / 2


def around(boxes: Iterable[Box]) -> Box:
    """Return the smallest box around one or more boxes."""
    x0s, tops, x1s, bottoms = zip(*boxes, strict=True)
    return Box(min(x0s), min(tops), max(x1s), max(bottoms))


class Word(NamedTuple):
    """Characters without a space between them; ``first`` is the number of the first on the page."""

    text: str
    box: Box
    first: int


@dataclass(frozen=True, slots=True)
class Line:
    """Words of one row and one column.

    Attributes:
        text: its words; a soft hyphen at its end says that its last word goes on.
        size: of the letters, in points.
        bold: whether all its letters are.
        region: of the page; lines of one region stand below each other.
        paragraph: number of the paragraph that OCR thinks it is in; None without OCR.
    """

    text: str
    box: Box
    size: float
    bold: bool = False
    region: int = 0
    paragraph: int | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """Cells by row, as text without line breaks."""

    box: Box
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Picture:
    """An image of the page, written under ``name``."""

    box: Box
    name: str


class Kind(Enum):
    """What a block is."""

    TEXT = "text"
    ITEM = "item"
    HEADING = "heading"
    TABLE = "table"
    PICTURE = "picture"


@dataclass(frozen=True, slots=True)
class Block:
    """A paragraph, an item of a list, a heading, a table or a picture.

    Attributes:
        text: without line breaks; the Markdown of a table, the name of a picture.
        box: of its part on the page where it begins.
        size: of its letters, in points; 0 where it has none.
        level: 1 to 6 of a heading, else 0.
        region: of the page, of its lines.
    """

    kind: Kind
    text: str
    page: int
    box: Box
    size: float = 0.0
    bold: bool = False
    level: int = 0
    region: int = 0
