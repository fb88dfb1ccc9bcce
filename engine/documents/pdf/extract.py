"""PDF to structured Markdown: headings, paragraphs, lists, tables and images in the order of reading.

Two passes: the first reads each page once and lets go of it, the second needs the whole document, for what
is a heading or a running head shows only there. The invariant: a page that cannot be read costs that page
and a warning, unless all are such. The trap: pdfium opens a file that was cut off, with fewer pages.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import pypdfium2
import pypdfium2.raw as pdfium

from engine.documents.content import TEXT_CHARS_MAX, Content, Source
from engine.documents.pdf.headings import Outline, mark_headings, plain, sensible_title
from engine.documents.pdf.lines import PageText, is_readable, read_lines
from engine.documents.pdf.open_tables import find_open_tables
from engine.documents.pdf.order import Part, in_reading_order
from engine.documents.pdf.paragraphs import known_words, page_blocks, usual_pitch
from engine.documents.pdf.parameters import ReadParameters, check_parameters
from engine.documents.pdf.pictures import Pictures
from engine.documents.pdf.rules import Placed, box_of, edges_of, placed_objects
from engine.documents.pdf.running import without_running
from engine.documents.pdf.scan import scanned_lines, with_pictures
from engine.documents.pdf.shapes import Block, Box, Line
from engine.documents.pdf.tables import read_tables
from engine.documents.pdf.text import join_blocks, write_text
from engine.documents.pdf.view import View, view_of
from engine.errors import DocumentInvalid

_SCAN_SHARE = 0.5
"""Of a page without text, how much an image covers at least when it is a scan."""
_DRAWN_LETTERS_MIN = 100
"""Paths on a page without text: letters that were turned into drawings."""
_LETTERS_MIN = 10
_TAIL_BYTES = 65_536
_HEAD_BYTES = 1_024
_OUTLINE_MAX = 10_000

Report = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class _PageParts:
    """What the first pass keeps of a page."""

    parts: list[Part]
    height: float


def extract_pdf(
    source: Source, output: Path, parameters: Mapping[str, Any], report: Report
) -> Content:
    """Read a PDF file.

    Args:
        source: the file.
        output: an empty folder; images are written into it.
        parameters: ``ocr`` ("auto": pages without text; "always", "never"), ``language`` of the OCR,
            ``pages_max``.
        report: told after each page how many are done, and how many there are.

    Raises:
        DocumentInvalid: the file is no PDF, is damaged, protected or too large, or a parameter is wrong.
    """
    wanted = check_parameters(parameters)
    document = _open(source.path)
    try:
        count = _page_count(document, wanted)
        return _Reading(document, output, wanted).read(count, report)
    finally:
        document.close()


def _open(path: Path) -> pypdfium2.PdfDocument:
    _check_ends(path)
    try:
        return pypdfium2.PdfDocument(path)
    except pypdfium2.PdfiumError as error:
        # pdfium may still have the error of a file before this one.
        needs_password = getattr(error, "err_code", None) == pdfium.FPDF_ERR_PASSWORD
        if needs_password and b"/Encrypt" in path.read_bytes():
            raise DocumentInvalid(
                "The PDF is protected by a password; upload it without one."
            ) from None
        raise DocumentInvalid(
            "The PDF is damaged or has no pages; export or download it again."
        ) from None


def _check_ends(path: Path) -> None:
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
        file.seek(max(0, path.stat().st_size - _TAIL_BYTES))
        tail = file.read()
    if b"%PDF-" not in head:
        raise DocumentInvalid("The file is not a PDF; upload it with the name of its own format.")
    if b"startxref" not in tail and b"%%EOF" not in tail:
        raise DocumentInvalid("The PDF is cut off before its end; upload it again as a whole.")


def _page_count(document: pypdfium2.PdfDocument, wanted: ReadParameters) -> int:
    count = len(document)
    if not count:
        raise DocumentInvalid("The PDF has no pages.")
    if count > wanted.pages_max:
        raise DocumentInvalid(
            f"The PDF has {count:,} pages, more than the {wanted.pages_max:,} allowed; split it."
        )
    return count


class _Reading:
    """One reading of one document."""

    def __init__(
        self, document: pypdfium2.PdfDocument, output: Path, wanted: ReadParameters
    ) -> None:
        self._document = document
        self._wanted = wanted
        self._pictures = Pictures(output)
        self._warnings: list[str] = []
        self._chars = 0

    def read(self, count: int, report: Report) -> Content:
        """Read all pages, then the document."""
        pages: list[_PageParts] = []
        for number in range(1, count + 1):
            pages.append(self._page(number))
            report(number, count)
        if len(self._warnings) == count:
            raise DocumentInvalid(
                "None of the pages of the PDF can be read; export or download it again."
            )
        return self._content(pages)

    def _content(self, pages: list[_PageParts]) -> Content:
        kept = without_running([page.parts for page in pages], [page.height for page in pages])
        everything = list(chain.from_iterable(kept))
        words = known_words([part for part in everything if isinstance(part, Line)])
        pitch = usual_pitch(everything)
        found = (
            block
            for number, parts in enumerate(kept, 1)
            for block in page_blocks(parts, number, words, pitch)
        )
        blocks: list[Block] = join_blocks(found, words)
        title = sensible_title(self._document.get_metadata_value("Title"))
        blocks, title = mark_headings(blocks, _outline(self._document), title)
        text, spans, figures = write_text(blocks, len(pages))
        self._pictures.drop(self._pictures.names - {figure.name for figure in figures})
        warnings = (*self._warnings, *self._pictures.warnings)
        return Content(text, title, spans, figures, len(pages), warnings)

    def _page(self, number: int) -> _PageParts:
        try:
            page = self._document[number - 1]
        except pypdfium2.PdfiumError:
            self._warnings.append(f"Page {number} could not be read.")
            return _PageParts([], 0)
        try:
            view = view_of(page)
            return _PageParts(self._parts(page, number, view), view.size[1])
        except pypdfium2.PdfiumError:
            self._warnings.append(f"Page {number} could not be read.")
            return _PageParts([], 0)
        finally:
            page.close()

    def _parts(self, page: pypdfium2.PdfPage, number: int, view: View) -> list[Part]:
        objects = list(placed_objects(page))
        images = [placed for placed in objects if placed.kind == pdfium.FPDF_PAGEOBJ_IMAGE]
        paths = [placed for placed in objects if placed.kind == pdfium.FPDF_PAGEOBJ_PATH]
        text = PageText(page, view)
        try:
            self._count(len(text.text))
            whole = [image for image in images if _share(box_of(image, view), view) >= _SCAN_SHARE]
            if self._is_scan(text.text, bool(whole), len(paths)):
                return self._scan(page, number, images, view)
            pictures = self._pictures.write(page, number, images, view)
            edges = [edge for path in paths for edge in edges_of(path, view)]
            tables = read_tables(text, edges)
            tables += find_open_tables(text, edges, [table.box for table in tables], view.size)
            lines = read_lines(text, [table.box for table in tables])
            return in_reading_order([*lines, *tables, *pictures])
        finally:
            text.close()

    def _count(self, chars: int) -> None:
        self._chars += chars
        if self._chars > TEXT_CHARS_MAX:
            raise DocumentInvalid(
                f"The PDF has more than {TEXT_CHARS_MAX:,} characters of text; split it."
            )

    def _is_scan(self, text: str, has_image: bool, paths: int) -> bool:
        if self._wanted.ocr != "auto":
            return self._wanted.ocr == "always"
        return (has_image or paths >= _DRAWN_LETTERS_MIN) and not is_readable(text, _LETTERS_MIN)

    def _scan(
        self, page: pypdfium2.PdfPage, number: int, images: list[Placed], view: View
    ) -> list[Part]:
        lines = scanned_lines(page, self._wanted.language)
        self._count(sum(len(line.text) for line in lines))
        figures = [
            image
            for image in images
            if not lines or _share(box_of(image, view), view) < _SCAN_SHARE
        ]
        return with_pictures(lines, self._pictures.write(page, number, figures, view))


def _share(box: Box, view: View) -> float:
    width, height = view.size
    return box.width * box.height / max(width * height, 1)


def _outline(document: pypdfium2.PdfDocument) -> Outline:
    """Read the bookmarks of a file, at most ``_OUTLINE_MAX``."""
    levels: dict[str, int] = {}
    for number, bookmark in enumerate(document.get_toc()):
        if number >= _OUTLINE_MAX:
            break
        title = plain(bookmark.get_title() or "")
        if title:
            levels.setdefault(title, bookmark.level)
    return Outline(levels)
