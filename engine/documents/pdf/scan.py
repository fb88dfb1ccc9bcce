"""Pages that are images: drawn, read by OCR, and brought into the form of pages with text.

The invariant: lines keep the order in which OCR read them. The trap: a page can be a hundred inches wide;
it is drawn with at most ``PIXELS_MAX`` pixels.
"""

from collections import Counter
from collections.abc import Sequence
from statistics import median

import pypdfium2

from engine.documents.pdf.order import Part
from engine.documents.pdf.shapes import Box, Line, Picture
from engine.documents.pdf.view import POINTS_PER_INCH
from engine.documents.scans.ocr import DPI, OcrLine, read_page

PIXELS_MAX = 40_000_000
_LARGER = 1.3
"""Letters so many times as high as those of the body are a heading's; measured heights vary by a tenth."""
_STEP = 0.25


def scanned_lines(page: pypdfium2.PdfPage, language: str) -> list[Line]:
    """Read a page of pypdfium2 by OCR.

    Raises:
        DocumentInvalid: there is no data for the language.
    """
    width, height = page.get_size()
    inches = max(width * height, 1) / POINTS_PER_INCH**2
    dpi = int(max(1, min(DPI, (PIXELS_MAX / inches) ** 0.5)))
    bitmap = page.render(scale=dpi / POINTS_PER_INCH, grayscale=True, may_draw_forms=False)
    try:
        return lines_of(read_page(bitmap.to_pil(), language, dpi=dpi), dpi)
    finally:
        bitmap.close()


def lines_of(found: Sequence[OcrLine], dpi: int) -> list[Line]:
    """Return what OCR read as lines of a page, with places and sizes in points."""
    points = POINTS_PER_INCH / dpi
    body = _body_height(found)
    return [
        Line(
            line.text,
            Box(*(edge * points for edge in line.box)),
            _size(line.height, body) * points,
            region=line.block,
            paragraph=line.paragraph,
        )
        for line in found
    ]


def with_pictures(lines: Sequence[Line], pictures: Sequence[Picture]) -> list[Part]:
    """Put each picture before the first line that stands below its middle."""
    parts: list[Part] = list(lines)
    for picture in sorted(pictures, key=lambda picture: -picture.box.middle[1]):
        below = (n for n, line in enumerate(lines) if line.box.top > picture.box.middle[1])
        parts.insert(next(below, len(lines)), picture)
    return parts


def _body_height(found: Sequence[OcrLine]) -> float:
    letters: Counter[float] = Counter()
    for line in found:
        letters[round(line.height)] += len(line.text)
    middle = [height for height, count in letters.items() for _ in range(count)]
    return median(middle) if middle else 1.0


def _size(height: float, body: float) -> float:
    """Return the height of the body for what is not clearly larger, else the next of a few steps."""
    ratio = height / body
    return body if ratio < _LARGER else body * round(ratio / _STEP) * _STEP
