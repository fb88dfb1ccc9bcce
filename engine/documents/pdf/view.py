"""Where things are on a page as it is shown: pdfium's places, turned and counted from the top.

The invariant: a place inside the visible part of the page is within its width and height.
"""

from dataclasses import dataclass

import pypdfium2

from engine.documents.pdf.shapes import Box

POINTS_PER_INCH = 72


@dataclass(frozen=True, slots=True)
class View:
    """How a page is shown.

    Attributes:
        bounds: of the visible part in PDF's places: left, bottom, right, top.
        turned: degrees clockwise: 0, 90, 180 or 270.
    """

    bounds: tuple[float, float, float, float]
    turned: int

    @property
    def size(self) -> tuple[float, float]:
        """Width and height in points."""
        left, bottom, right, top = self.bounds
        width, height = right - left, top - bottom
        return (height, width) if self.turned in {90, 270} else (width, height)

    def box(self, x0: float, y0: float, x1: float, y1: float) -> Box:
        """Return where a rectangle of PDF's places, with any corners, is shown."""
        left, bottom, right, top = self.bounds
        if x0 > x1:
            x0, x1 = x1, x0
        if y0 > y1:
            y0, y1 = y1, y0
        if not self.turned:
            return Box(x0 - left, top - y1, x1 - left, top - y0)
        if self.turned == 90:  # noqa: PLR2004 - a quarter turn
            return Box(y0 - bottom, x0 - left, y1 - bottom, x1 - left)
        if self.turned == 180:  # noqa: PLR2004 - a half turn
            return Box(right - x1, y0 - bottom, right - x0, y1 - bottom)
        return Box(top - y1, right - x1, top - y0, right - x0)


def view_of(page: pypdfium2.PdfPage) -> View:
    """Read how a page of pypdfium2 is shown."""
    return View(tuple(page.get_bbox()), page.get_rotation())
