"""The lines of a page that has text: pdfium's characters as words, rows and columns, with their letters' size.

Two characters are asked for each word and two for each line, not all: that keeps the speed near pdfium's
own. The invariant: ``text`` has one character for each of pdfium's, so a place in it is pdfium's number.
The trap: pdfium puts U+0002 where a hyphen ends a line, without a line break.
"""

import ctypes
import re
from collections.abc import Iterable, Iterator

import pypdfium2
import pypdfium2.raw as pdfium

from engine.documents.pdf.shapes import Box, Line, Word, around
from engine.documents.pdf.view import View

SOFT_HYPHEN = "\u00ad"
_WORD = re.compile(r"[^\s\x00\x02\ufffe]+")
_LINE_END_HYPHENS = "\x02\ufffe"
_LINE_ENDS = "\n" + _LINE_END_HYPHENS
_GAP_HEIGHTS = 0.8
"""Words further apart than this many heights of a line may stand in different columns."""
_BOLD = re.compile(r"bold|black|heavy|demi|cmbx|cmssbx|medi\b", re.IGNORECASE)
_BOLD_WEIGHT = 600
_NAME_BYTES = 128
_LETTERS = str.maketrans(
    {"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "st", "ﬆ": "st"}
    | {"\u00a0": " ", SOFT_HYPHEN: None, "\ufeff": None}
)


class PageText:
    """The characters of one page; closed with ``close`` before its page."""

    def __init__(self, page: pypdfium2.PdfPage, view: View) -> None:
        self._page = page.get_textpage()
        self._view = view
        self._box = pdfium.FS_RECTF()
        self._box_at = ctypes.byref(self._box)
        self._matrix = pdfium.FS_MATRIX()
        self._name = ctypes.create_string_buffer(_NAME_BYTES)
        self._flags = ctypes.c_int()
        self.text = self._read()

    def close(self) -> None:
        """Give pdfium its memory back."""
        self._page.close()

    def _read(self) -> str:
        """Return the characters, one for each of pdfium's."""
        count = self._page.count_chars()
        text: str = self._page.get_text_range() if count else ""
        if len(text) == count:
            return text
        codes = (pdfium.FPDFText_GetUnicode(self._page.raw, i) for i in range(count))
        return "".join(chr(code) if 0 < code < 0x110000 else " " for code in codes)  # noqa: PLR2004 - Unicode ends there

    def box(self, first: int, last: int) -> Box:
        """Return where the characters of a word are, by its first and last."""
        ask, raw, box = pdfium.FPDFText_GetLooseCharBox, self._page.raw, self._box
        ask(raw, first, self._box_at)
        left, bottom, right, top = box.left, box.bottom, box.right, box.top
        if last != first:
            ask(raw, last, self._box_at)
            left = min(left, box.left)
            right = max(right, box.right)
            bottom = min(bottom, box.bottom)
            top = max(top, box.top)
        return self._view.box(left, bottom, right, top)

    def words(self) -> Iterator[Word]:
        """Yield the words in pdfium's order."""
        box_of = self.box
        for match in _WORD.finditer(self.text):
            first, end = match.span()
            box = box_of(first, end - 1)
            if box.is_near:
                yield Word(match[0], box, first)

    def letters(self, word: Word) -> Iterator[Word]:
        """Yield each character of a word as a word."""
        for place, letter in enumerate(word.text, word.first):
            yield Word(letter, self.box(place, place), place)

    def style(self, place: int) -> tuple[float, bool]:
        """Return the size in points of the letter at a place, and whether it is bold."""
        raw = self._page.raw
        size = pdfium.FPDFText_GetFontSize(raw, place)
        if pdfium.FPDFText_GetMatrix(raw, place, self._matrix):
            size *= (self._matrix.c**2 + self._matrix.d**2) ** 0.5
        pdfium.FPDFText_GetFontInfo(raw, place, self._name, _NAME_BYTES, self._flags)
        name = self._name.value.decode("utf-8", "replace")
        heavy = pdfium.FPDFText_GetFontWeight(raw, place) >= _BOLD_WEIGHT
        return round(size * 2) / 2, heavy or bool(_BOLD.search(name))


def read_lines(page: PageText, tables: Iterable[Box]) -> list[Line]:
    """Return the lines of a page without those words that stand in tables.

    Words that stand far apart in one row make lines of their own, in pdfium's order.
    """
    covered = tuple(tables)
    lines: list[Line] = []
    row: list[Word] = []
    for word in page.words():
        if covered and any(table.holds(*word.box.middle) for table in covered):
            continue
        if row and _starts_line(page.text, row[-1], word):
            lines.append(_line(page, row))
            row = []
        row.append(word)
    if row:
        lines.append(_line(page, row))
    return lines


def _starts_line(text: str, last: Word, word: Word) -> bool:
    between = text[last.first + len(last.text) : word.first]
    if between != " " and any(end in between for end in _LINE_ENDS):
        return True
    _, last_top, last_x1, last_bottom = last.box
    x0, top, _, bottom = word.box
    gap, height = x0 - last_x1, max(last_bottom - last_top, bottom - top)
    if not -height < gap < height * _GAP_HEIGHTS:
        return True
    is_level = top == last_top and bottom == last_bottom  # as words of one font are
    return not is_level and not last.box.beside(word.box)


def _line(page: PageText, row: list[Word]) -> Line:
    first, last = row[0], row[-1]
    size, bold = page.style(_lettered(first))
    if last is not first:
        last_size, last_bold = page.style(_lettered(last))
        size, bold = max(size, last_size), bold and last_bold
    text = _joined(page.text, row)
    after = page.text[last.first + len(last.text) : last.first + len(last.text) + 1]
    if after and after in _LINE_END_HYPHENS:
        text += SOFT_HYPHEN
    return Line(text, around(word.box for word in row), size, bold)


def _lettered(word: Word) -> int:
    """Return the place of a word's first letter or digit: bullets have fonts of their own."""
    for place, letter in enumerate(word.text, word.first):
        if letter.isalnum():
            return place
    return word.first


def clean_text(text: str) -> str:
    """Return text with ligatures as letters, without soft hyphens and NULs."""
    return text.translate(_LETTERS).replace("\x00", " ")


def _joined(text: str, row: list[Word]) -> str:
    whole = text[row[0].first : row[-1].first + len(row[-1].text)]
    return " ".join(clean_text(whole).split())


def is_readable(text: str, letters_min: int) -> bool:
    """Tell whether a page's characters are text, and not codes that no font explains."""
    visible = [letter for letter in text if not letter.isspace()]
    unknown = sum(letter == "\ufffd" or "\ue000" <= letter <= "\uf8ff" or letter < " "
                  for letter in visible)  # fmt: skip
    return len(visible) >= letters_min and unknown * 3 < len(visible)
